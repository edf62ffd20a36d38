//! The rows of a catalogue become a tree and a content id.

use farkeep_codec::id::ContentId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::object::Kind;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::ContentDigest;
use farkeep_codec::tree::NodePlain;
use farkeep_codec::tree::Root;

use super::BackupError;
use super::catalogue::Bundles;
use super::catalogue::Rows;
use super::entry::Entries;
use super::objects::ObjectWriter;

/// Builds the tree of all `rows`, stores the nodes that are new, and gives its root and content id.
pub(super) fn build(
    mut rows: Rows,
    bundles: &Bundles,
    writer: &mut ObjectWriter<'_>,
) -> Result<(Root, ContentId), BackupError> {
    let keys: DomainKeys = writer.shared.keys().clone();
    let mut builder = Builder::new(&keys);
    let mut digest = ContentDigest::new(&keys);
    let mut entries = Entries::default();
    let mut sink = |node: NodePlain<'_>| writer.write(Kind::Node, node.references, node.plain);
    while let Some(row) = rows.peek() {
        let entry = entries.entry(row, bundles)?;
        digest.entry(&entry, row.hash.as_ref());
        builder.push(entry, &mut sink)?;
        rows.advance();
    }
    let root = builder.finish(&mut sink)?;
    Ok((root, digest.finish()))
}
