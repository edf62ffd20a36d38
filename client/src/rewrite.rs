//! Rewriting: the same points in time with trees that are laid anew.
//!
//! A path is erased from snapshots, or bundles of which too little is used are made anew without what is dead in them. A server
//! without keys cannot do either: what is dead inside of a sealed object is known to readers alone.
//!
//! First it is planned what would be done; then slices are moved into new bundles, each once for all snapshots; the trees
//! that use them are built anew; what was stored is read again and compared with what it should be; and only then records
//! take the places of the old ones. What goes stays in the repository until a collection finds that no snapshot needs it.

mod bundles;
mod survey;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::TooLong;
use farkeep_codec::tree::BuildError;
use farkeep_codec::tree::PathKey;
use farkeep_codec::tree::Root;
use thiserror::Error;

use self::bundles::Moved;
use self::bundles::lay;
use self::survey::Move;
use self::survey::Survey;
use self::tree::Rebuilt;
use crate::check;
use crate::check::CheckError;
use crate::config::size::Share;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::ObjectWriter;
use crate::repository::Point;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::repository::Stored;

/// What snapshots are rewritten for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// These paths, and all that is below them, are to be in none of the snapshots.
    Erase(Vec<PathKey>),
    /// No bundle is to hold a greater part that no snapshot uses.
    Repack(Share),
}

/// A rewriting that is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    /// Snapshots that stay as they are because they are held.
    pub held: HashSet<SnapshotId>,
    /// Set from outside to end early. Nothing is replaced then.
    pub cancel: Arc<AtomicBool>,
}

/// What is erased from one snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Entries.
    pub entries: u64,
    /// Bytes of the files among them.
    pub bytes: u64,
}

/// A snapshot that is to be rewritten.
#[derive(Debug)]
pub struct Planned {
    /// The snapshot.
    pub point: Point,
    /// What it loses.
    pub erased: Erased,
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    purpose: Purpose,
    cancel: Arc<AtomicBool>,
    /// The snapshots that are to be rewritten, in the order in which they were given.
    pub snapshots: Vec<Planned>,
    /// Snapshots that would have to be rewritten, and are held.
    pub held: Vec<SnapshotId>,
    /// Paths that were to be erased, and that none of the snapshots has.
    pub missing: Vec<PathKey>,
    moves: Vec<Move>,
    /// Bytes of plaintext in bundles that are made anew, which no snapshot uses then.
    pub dead_bytes: u64,
    /// Bytes of files that move into new bundles.
    pub moved_bytes: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Snapshots that went, each with the one that took its place.
    pub replaced: Vec<(SnapshotId, SnapshotId)>,
    /// Objects that were added.
    pub stored: Stored,
    /// Time that it took.
    pub elapsed: Duration,
}

/// Why nothing was replaced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The repository refused or failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A tree cannot be built.
    #[error("cannot build the tree")]
    Tree(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What a record is to say does not fit it.
    #[error("cannot describe the snapshot")]
    Record(#[from] TooLong),
    /// The new tree of a snapshot cannot be read, or does not hold the files that the old one held.
    #[error("the rewritten tree of snapshot {id} does not hold what it should; nothing was replaced")]
    Differs {
        /// The snapshot.
        id: SnapshotId,
    },
    /// The whole of a snapshot would be erased.
    #[error("a snapshot without anything in it is none: forget it instead")]
    Everything,
    /// It was ended early.
    #[error("interrupted; nothing was replaced")]
    Interrupted,
}

impl From<BuildError<RewriteError>> for RewriteError {
    fn from(error: BuildError<RewriteError>) -> Self {
        match error {
            BuildError::Sink(error) => error,
            error => Self::Tree(Box::new(error)),
        }
    }
}

impl From<CheckError> for RewriteError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Repository(error) => Self::Repository(error),
            CheckError::Interrupted => Self::Interrupted,
        }
    }
}

/// Finds out what is to be done. `points` are all snapshots that can be read; those that are forgotten count for nothing.
///
/// Memory: about 32 bytes for each node of all trees, and 40 for each small file in bundles that may be made anew.
///
/// # Errors
/// [`RewriteError`] when a tree cannot be read.
pub fn plan(
    repository: &Repository,
    points: &[Point],
    request: &Request,
    progress: &Progress,
) -> Result<Plan, RewriteError> {
    progress.begin(Phase::Planning, 0, 0);
    let paths = match &request.purpose {
        Purpose::Erase(paths) if paths.iter().any(|path| *path == PathKey::root()) => {
            return Err(RewriteError::Everything);
        }
        Purpose::Erase(paths) => paths.as_slice(),
        Purpose::Repack(_) => &[],
    };
    let is_held = |point: &&Point| request.held.contains(&point.id);
    let free: Vec<&Point> = points.iter().filter(|point| !is_held(point)).collect();
    let mut survey = Survey::new(repository, paths, &request.cancel);
    let mut erased = Vec::with_capacity(free.len());
    for point in &free {
        erased.push(survey.erased(point)?);
    }
    if paths.is_empty() {
        // What a held snapshot uses stays where it is, so there is nothing to gain from moving it.
        points.iter().filter(is_held).try_for_each(|point| survey.pin(&point.root()))?;
    }
    // The newest ones say in which order files are laid.
    free.iter().rev().try_for_each(|point| survey.look_at(&point.root()))?;
    let moves = match &request.purpose {
        Purpose::Erase(_) => survey.moves(|_, _| true),
        Purpose::Repack(Share { part }) => survey.moves(|used, whole| used < whole * (1.0 - part)),
    };
    survey.expect_moves(&moves);
    let mut snapshots = Vec::new();
    for (point, erased) in free.iter().zip(erased) {
        if survey.is_touched(&point.root())? {
            snapshots.push(Planned { point: (*point).clone(), erased });
        }
    }
    let mut held = Vec::new();
    for point in points.iter().filter(is_held) {
        if survey.erased(point)?.entries > 0 {
            held.push(point.id);
        }
    }
    let missing = survey.missing.into_iter().cloned().collect();
    let moved_bytes = moves.iter().map(Move::used_bytes).sum();
    let whole_bytes: u64 = moves.iter().map(|of| u64::from(of.bundle.plain_bytes)).sum();
    Ok(Plan {
        purpose: request.purpose.clone(),
        cancel: Arc::clone(&request.cancel),
        snapshots,
        held,
        missing,
        dead_bytes: whole_bytes.saturating_sub(moved_bytes),
        moved_bytes,
        moves,
    })
}

impl Plan {
    /// Bundles that are made anew.
    pub fn bundles(&self) -> usize {
        self.moves.len()
    }

    /// Does it.
    ///
    /// # Errors
    /// [`RewriteError`] says why nothing was replaced.
    pub fn carry_out(self, repository: &Repository, progress: &Progress) -> Result<Summary, RewriteError> {
        let (begun, before) = (Instant::now(), repository.stored());
        let paths = match &self.purpose {
            Purpose::Erase(paths) => paths.as_slice(),
            Purpose::Repack(_) => &[],
        };
        let mut writer = ObjectWriter::new(repository);
        let moved = lay(&self.moves, repository, &self.cancel, progress)?;
        let trees = self.build(paths, &moved, &mut writer, progress)?;
        repository.flush()?;
        let ids = self.content_ids(&trees, &moved, repository, progress)?;
        let mut records = Vec::with_capacity(self.snapshots.len());
        for ((planned, tree), content) in self.snapshots.iter().zip(trees).zip(ids) {
            let point = &planned.point;
            let content = content.ok_or(RewriteError::Differs { id: point.id })?;
            records.push((point.id, record(repository, point, paths, &tree, content)?));
        }
        check_cancelled(&self.cancel)?;
        progress.begin(Phase::Committing, 0, 0);
        let replaced = repository.replace(&records)?;
        let now = repository.stored();
        let old = records.iter().map(|(old, _)| *old);
        Ok(Summary {
            replaced: old.zip(replaced.iter().map(|committed| committed.id)).collect(),
            stored: Stored { bytes: now.bytes - before.bytes, objects: now.objects - before.objects },
            elapsed: begun.elapsed(),
        })
    }

    /// What the new trees hold, by what was stored; nothing for one that does not hold what it should. Where nothing is
    /// erased, a tree holds what it did, and it is enough to read what has moved.
    fn content_ids(
        &self,
        trees: &[Rebuilt],
        moved: &Moved,
        repository: &Repository,
        progress: &Progress,
    ) -> Result<Vec<Option<ContentId>>, RewriteError> {
        if let Purpose::Erase(_) = self.purpose {
            let roots: Vec<Root> = trees.iter().map(|tree| tree.root).collect();
            return Ok(check::content_ids(repository, &roots, &self.cancel, progress)?);
        }
        progress.begin(Phase::Reading, 0, 0);
        let is_sound = moved.is_sound(repository, &self.cancel)?;
        let same = |(planned, tree): (&Planned, &Rebuilt)| {
            let (old, new) = (planned.point.root(), tree.root.pointer);
            let is_same = is_sound && tree::is_same(repository, &old, &new, moved, &self.cancel)?;
            Ok(is_same.then_some(planned.point.private.content))
        };
        self.snapshots.iter().zip(trees).map(same).collect()
    }

    fn build(
        &self,
        paths: &[PathKey],
        moved: &Moved,
        writer: &mut ObjectWriter<'_>,
        progress: &Progress,
    ) -> Result<Vec<Rebuilt>, RewriteError> {
        let entries = self.snapshots.iter().map(|planned| planned.point.record.entries).sum();
        progress.begin(Phase::Copying, entries, 0);
        let build = |planned: &Planned| {
            tree::build(&planned.point.root(), paths, moved, writer, &self.cancel, progress)
        };
        self.snapshots.iter().map(build).collect()
    }
}

/// The record that takes the place of another one.
fn record(
    repository: &Repository,
    point: &Point,
    erased: &[PathKey],
    tree: &Rebuilt,
    content: ContentId,
) -> Result<Vec<u8>, RewriteError> {
    let Root { pointer: Pointer { id, seed, plain_bytes, epoch }, entries, bytes } = tree.root;
    let is_there = |path: &&Vec<u8>| {
        let key = PathKey::from_slashes(path);
        !key.is_ok_and(|key| erased.iter().any(|erased| key.starts_with(erased)))
    };
    let private = Private {
        epoch,
        root_seed: seed,
        root_bytes: plain_bytes,
        content,
        counts: tree.counts,
        paths: point.private.paths.iter().filter(is_there).cloned().collect(),
        ..point.private.clone()
    };
    let draft = Draft { root: id, entries, bytes, ..Draft::clone(&point.record) };
    Ok(repository.sign(draft, &private)?.encode())
}

fn check_cancelled(cancel: &AtomicBool) -> Result<(), RewriteError> {
    if cancel.load(Ordering::Relaxed) { Err(RewriteError::Interrupted) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
