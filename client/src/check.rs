//! A check: is everything there that the snapshots need, and is it what was stored?
//!
//! The structure is checked always: the engine's own files, every snapshot's record, and every tree from its root
//! through all its nodes to the objects that hold the files. With data, every byte of the packs is read too, every
//! object is opened and compared with its seed, and the content id of every snapshot is computed anew. What is damaged is
//! named, and so is every path that cannot be restored because of it.

mod damage;
mod data;
mod graph;
mod lost;
mod objects;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;
use farkeep_codec::tree::Root;
use farkeep_engine::Progress as PackProgress;
use farkeep_engine::Share as PackShare;
use thiserror::Error;

use self::damage::Damages;
use self::data::Data;
use self::data::Limits;
use self::graph::Graph;
use self::lost::Lost;
use crate::config::size::Share;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Extent;
use crate::repository::Point;
use crate::repository::Repository;
use crate::repository::RepositoryError;

/// A check that is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The part of the data that is read; nothing for the structure alone.
    pub data: Option<Share>,
    /// Set from outside to end the check early.
    pub cancel: Arc<AtomicBool>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Something is not what was stored.
    Damage {
        /// What kind of thing: `pack`, `file`, `object` or `snapshot`.
        what: &'static str,
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A path of a snapshot cannot be restored.
    Lost {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The path.
        path: PathKey,
        /// What is lost with it.
        extent: Extent,
    },
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Snapshots whose trees were followed.
    pub snapshots: u64,
    /// Nodes that were read, each once.
    pub nodes: u64,
    /// Entries of all snapshots.
    pub entries: u64,
    /// Data objects that the snapshots need.
    pub objects: u64,
    /// Data objects that were opened.
    pub objects_opened: u64,
    /// Bytes of packs that were read.
    pub pack_bytes: u64,
    /// Bytes of plaintext that were compared.
    pub plain_bytes: u64,
    /// Snapshots whose content id was computed anew.
    pub content_ids: u64,
    /// Damaged things.
    pub damage_count: u64,
    /// Entries that cannot be restored, over all snapshots.
    pub lost_count: u64,
    /// Time that the check took.
    pub elapsed: Duration,
}

/// Why a check did not come to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The repository cannot be read at all.
    #[error("cannot check the repository")]
    Repository(#[from] RepositoryError),
    /// It was ended early.
    #[error("interrupted")]
    Interrupted,
}

/// Checks a repository, and tells each finding when it is made.
///
/// # Errors
/// [`CheckError`] when the check cannot go on. Damage is no error: it is told, and counted in the summary.
pub fn run(
    repository: &Repository,
    request: &Request,
    progress: &Progress,
    tell: &mut dyn FnMut(Finding),
) -> Result<Summary, CheckError> {
    run_within(Limits::DEFAULT, repository, request, progress, tell)
}

fn run_within(
    limits: Limits,
    repository: &Repository,
    request: &Request,
    progress: &Progress,
    tell: &mut dyn FnMut(Finding),
) -> Result<Summary, CheckError> {
    let begun = Instant::now();
    let mut damages = Damages::new(tell, &request.cancel);
    let mut summary = Summary::default();

    let points = points(repository, &mut damages)?;
    summary.snapshots = points.len() as u64;
    summary.entries = points.iter().map(|point| point.record.entries).sum();

    summary.pack_bytes = packs(repository, request, progress, &mut damages)?;
    progress.begin(Phase::Walking, 0, 0);
    let mut graph = Graph::new(repository, progress);
    for point in &points {
        graph.follow(&point.root(), point.record.entries, point.record.bytes, &mut damages)?;
    }
    summary.nodes = graph.nodes();
    let objects = graph.into_objects();
    summary.objects = objects.count() as u64;

    let data = Data::new(repository, progress, &objects, limits, &mut damages)?;
    let opened = match request.data {
        None => data::Opened::default(),
        Some(Share::ALL) => data.open_all(&points, &mut damages)?,
        Some(share) => data.open_share(share, &mut damages)?,
    };
    summary.objects_opened = opened.objects;
    summary.plain_bytes = opened.plain_bytes;
    summary.content_ids = opened.content_ids;

    if damages.has_objects() {
        let mut lost = Lost::new(repository);
        points.iter().try_for_each(|point| lost.look_in(point, &mut damages))?;
        summary.lost_count = lost.count();
    }
    summary.damage_count = damages.count();
    summary.elapsed = begun.elapsed();
    Ok(summary)
}

/// The content ids of trees, computed from the files that they hold; nothing for a tree of which something is damaged, which
/// is told in a warning. Chunks of large files are not opened: the hashes of those files follow from seeds.
///
/// # Errors
/// [`CheckError`] when it cannot be computed at all.
pub(crate) fn content_ids(
    repository: &Repository,
    trees: &[Root],
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Vec<Option<ContentId>>, CheckError> {
    let mut tell = |finding| tracing::warn!("{finding:?}");
    let mut damages = Damages::new(&mut tell, cancel);
    progress.begin(Phase::Walking, 0, 0);
    let mut graph = Graph::new(repository, progress);
    for tree in trees {
        graph.follow(&tree.pointer, tree.entries, tree.bytes, &mut damages)?;
    }
    let objects = graph.into_objects();
    let data = Data::new(repository, progress, &objects, Limits::DEFAULT, &mut damages)?.without_chunks();
    let roots: Vec<Pointer> = trees.iter().map(|tree| tree.pointer).collect();
    let (_, ids) = data.content_ids(&roots, &mut damages)?;
    Ok(ids.into_iter().map(|(_, content)| content).collect())
}

/// Has the store check its own files, and returns how many bytes of packs it read.
fn packs(
    repository: &Repository,
    request: &Request,
    progress: &Progress,
    damages: &mut Damages<'_>,
) -> Result<u64, CheckError> {
    let share = match request.data {
        None => PackShare::Summaries,
        Some(Share::ALL) => PackShare::Everything,
        Some(Share { part }) => PackShare::Sample { part, seed: seed() },
    };
    progress.begin(Phase::Reading, 0, 0);
    let show = |at: PackProgress| progress.show(at.bytes_done, at.bytes_total);
    let report = repository.verify(share, &show)?;
    damages.check_cancelled()?;
    let mut object = Vec::new();
    for damage in &report.damage {
        damages.add(damage.what, damage.name.clone(), damage.why.clone());
        // Damage beside an object, as in the header of its record, does not keep it from being read.
        let is_lost = |id: &&ObjectId| repository.object(id, &mut object).is_err();
        damage.objects.iter().filter(is_lost).for_each(|id| damages.mark(id));
    }
    for (path, what) in &report.notices {
        tracing::warn!("{}: {what}", path.display());
    }
    Ok(report.bytes)
}

/// A number that decides which packs are read.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    u64::from_le_bytes(bytes)
}

/// The snapshots that open; the others are damage.
fn points(repository: &Repository, damages: &mut Damages<'_>) -> Result<Vec<Point>, CheckError> {
    let listing = repository.listing()?;
    for refused in &listing.refused {
        damages.snapshot(&refused.id, &refused.why);
    }
    Ok(listing.points)
}

/// The content of what is a file.
fn content(entry: &Entry) -> Option<&Content> {
    match &entry.body {
        Body::File { content, .. } | Body::Image { content, .. } => Some(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
