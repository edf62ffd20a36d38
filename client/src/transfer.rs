//! Copies of snapshots in another repository: opened with the keys of the one; cut, sealed and signed with those of the other.
//!
//! Two repositories share no key, so nothing sealed can be taken over: two equal files have nothing in common in them. What a
//! run has copied once it does not read again, whatever snapshots it lies in; and what the other repository has already is
//! not stored again.

mod contents;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::TooLong;
use farkeep_codec::tree::BuildError;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::ContentDigest;
use farkeep_codec::tree::NodePlain;
use thiserror::Error;

use self::contents::Contents;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::ObjectWriter;
use crate::repository::Point;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::repository::Stored;

/// Front of the tag of a copy; the id of the snapshot that it was made from follows.
pub const COPIED: &str = "copied-from=";

/// What became of a snapshot that was to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was copied, and is this one there.
    Copied(SnapshotId),
    /// An earlier run has copied it, and it is this one there.
    There(SnapshotId),
}

/// Why a snapshot was not copied. Those before it were.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// One of the repositories refused or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Both are one repository, or copies of one.
    #[error("both are the same repository")]
    Same,
    /// A tree cannot be built.
    #[error("cannot build the tree")]
    Tree(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What a record is to say does not fit it.
    #[error("cannot describe the snapshot")]
    Record(#[from] TooLong),
    /// It was ended early. What was stored stays, and the next run goes on from there.
    #[error("interrupted")]
    Interrupted,
}

impl From<BuildError<TransferError>> for TransferError {
    fn from(error: BuildError<TransferError>) -> Self {
        match error {
            BuildError::Sink(error) => error,
            error => Self::Tree(Box::new(error)),
        }
    }
}

/// Copies snapshots in the order in which they are given, best the oldest first, and tells what became of each. Each is behind
/// the newest of its series there, with the time of its capture. Returns what was stored.
///
/// Memory: about 150 bytes for each small file and each large one of all snapshots, once.
///
/// # Errors
/// [`TransferError`] says why not all of them are there.
pub fn copy(
    from: &Repository,
    to: &Repository,
    points: &[Point],
    cancel: &Arc<AtomicBool>,
    progress: &Progress,
    tell: &mut dyn FnMut(&Point, Outcome),
) -> Result<Stored, TransferError> {
    if from.parameters().repository == to.parameters().repository {
        return Err(TransferError::Same);
    }
    let before = to.stored();
    let there = to.snapshots()?;
    let mut writer = ObjectWriter::new(to);
    let mut contents = Contents::new(from, to, cancel, progress);
    for point in points {
        let tag = format!("{COPIED}{}", point.id);
        if let Some(known) = there.iter().find(|known| known.private.tags.contains(&tag)) {
            tell(point, Outcome::There(known.id));
            continue;
        }
        progress.begin(Phase::Copying, 2 * point.record.entries, point.record.bytes);
        contents.gather(point, &mut writer)?;
        let (record, tags) = record(point, tag, &contents, &mut writer)?;
        check_cancelled(cancel)?;
        progress.begin(Phase::Committing, 0, 0);
        tell(point, Outcome::Copied(to.commit(&record, &tags)?.id));
    }
    let now = to.stored();
    Ok(Stored { bytes: now.bytes - before.bytes, objects: now.objects - before.objects })
}

/// Builds the tree of a snapshot whose contents are there, and its record. Returns that and its tags.
fn record(
    point: &Point,
    tag: String,
    contents: &Contents<'_>,
    writer: &mut ObjectWriter<'_>,
) -> Result<(Vec<u8>, Vec<String>), TransferError> {
    let to = writer.repository();
    let (mut builder, mut digest) = (Builder::new(to.keys()), ContentDigest::new(to.keys()));
    let mut sink = |node: NodePlain<'_>| Ok(writer.node(node)?);
    contents.each_entry(point, &mut |entry, hash| {
        digest.entry(&entry, hash.as_ref());
        Ok(builder.push::<TransferError>(entry, &mut sink)?)
    })?;
    let root = builder.finish::<TransferError>(&mut sink)?;
    let mut tags = point.private.tags.clone();
    tags.push(tag);
    let private = Private {
        epoch: root.pointer.epoch,
        root_seed: root.pointer.seed,
        root_bytes: root.pointer.plain_bytes,
        content: digest.finish(),
        tags,
        ..point.private.clone()
    };
    let before = to.newest_of(&point.record.series)?;
    let draft = Draft {
        repository: to.parameters().repository,
        sequence: before.map_or(0, |newest| newest.sequence.saturating_add(1)),
        previous: before.map(|newest| newest.id),
        root: root.pointer.id,
        ..Draft::clone(&point.record)
    };
    Ok((to.sign(draft, &private)?.encode(), private.tags))
}

fn check_cancelled(cancel: &AtomicBool) -> Result<(), TransferError> {
    if cancel.load(Ordering::Relaxed) { Err(TransferError::Interrupted) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
