//! The rows of a catalogue become a tree and a content id.
//!
//! One thread makes entries of the rows and digests them, another lays them into nodes and seals those.

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use farkeep_codec::id::ContentId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::object::Kind;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::ContentDigest;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::NodePlain;
use farkeep_codec::tree::Root;

use super::BackupError;
use super::catalogue::Bundles;
use super::catalogue::Rows;
use super::entry::Entries;
use super::objects::ObjectWriter;

/// Entries that are handed over together, and how many such batches may wait.
const BATCH_ENTRIES: usize = 512;
const BATCHES_MAX: usize = 4;

/// Builds the tree of all `rows`, stores the nodes that are new, and gives its root and content id.
pub(super) fn build(
    rows: Rows,
    bundles: &Bundles,
    writer: &mut ObjectWriter<'_>,
) -> Result<(Root, ContentId), BackupError> {
    let keys = writer.shared.keys();
    std::thread::scope(|scope| {
        let (sender, receiver) = crossbeam_channel::bounded(BATCHES_MAX);
        let digesting = scope.spawn(move || digest(rows, bundles, keys, &sender));
        let root = lay(receiver, keys, writer);
        let content = digesting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((root?, content))
    })
}

/// Makes entries of all rows. Ends early when nobody takes them any more.
fn digest(
    mut rows: Rows,
    bundles: &Bundles,
    keys: &DomainKeys,
    sender: &Sender<Vec<Entry>>,
) -> Result<ContentId, BackupError> {
    let mut digest = ContentDigest::new(keys);
    let mut entries = Entries::default();
    let mut batch = Vec::with_capacity(BATCH_ENTRIES);
    let mut is_wanted = true;
    while let Some(row) = rows.peek().filter(|_| is_wanted) {
        let entry = entries.entry(row, bundles)?;
        digest.entry(&entry, row.hash.as_ref());
        batch.push(entry);
        if batch.len() == BATCH_ENTRIES {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ENTRIES));
            is_wanted = sender.send(full).is_ok();
        }
        rows.advance();
    }
    // Nobody takes it when the other side has failed, and says so itself.
    let _ = sender.send(batch);
    if is_wanted {
        rows.finish()?;
    }
    Ok(digest.finish())
}

/// Lays the entries into nodes.
fn lay(
    receiver: Receiver<Vec<Entry>>,
    keys: &DomainKeys,
    writer: &mut ObjectWriter<'_>,
) -> Result<Root, BackupError> {
    let mut builder = Builder::new(keys);
    let mut sink = |node: NodePlain<'_>| writer.write(Kind::Node, node.references, node.plain);
    for entry in receiver.into_iter().flatten() {
        builder.push(entry, &mut sink)?;
    }
    Ok(builder.finish(&mut sink)?)
}
