//! What a restore did, collected from all its threads.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;

use super::Problem;
use super::Summary;
use super::missed::Fault;
use super::missed::Missed;
use crate::repository::Extent;
use crate::repository::RepositoryError;

/// Problems that are named.
const PROBLEMS_NAMED_MAX: usize = 1000;
/// Removed files and folders that are named.
const GONE_NAMED_MAX: usize = 1000;

/// Figures that grow while the restore goes on.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) files: AtomicU64,
    pub(super) folders: AtomicU64,
    pub(super) others: AtomicU64,
    pub(super) files_equal: AtomicU64,
    pub(super) files_skipped: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    deleted: AtomicU64,
    pub(super) verified: AtomicU64,
    problem_count: AtomicU64,
    damage_count: AtomicU64,
    problems: Mutex<Vec<Problem>>,
    gone: Mutex<Vec<PathKey>>,
    missed: Mutex<Missed>,
}

impl Report {
    /// Counts and names something that could not be restored as it was.
    pub(super) fn problem(&self, path: &PathKey, fault: Fault, error: &dyn std::error::Error) {
        self.problem_because(path, fault, crate::output::chain_about(path, error));
    }

    /// The same, with the reason in words.
    pub(super) fn problem_because(&self, path: &PathKey, fault: Fault, why: String) {
        let damage = fault == Fault::Repository;
        self.missed().add(path, fault);
        self.name(Problem { path: path.clone(), extent: Extent::Path, why, damage }, 1);
    }

    /// Counts and names a part of the tree that cannot be read.
    pub(super) fn gap(&self, gap: Gap, error: &RepositoryError) {
        self.missed().add_gap(&gap);
        let (path, entries) = (gap.first, gap.entries);
        let extent = Extent::Range { end: gap.end, entries };
        let problem = Problem { path, extent, why: crate::output::chain(error), damage: true };
        self.name(problem, entries.unwrap_or(1));
    }

    /// Counts and names something that was removed, or would be.
    pub(super) fn gone(&self, path: &PathKey) {
        count(&self.deleted, 1);
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.len() < GONE_NAMED_MAX {
            gone.push(path.clone());
        }
    }

    /// Takes note of something that this user may not make. Whatever had its name has it still.
    pub(super) fn refused(&self, path: &PathKey) {
        self.missed().add(path, Fault::User);
    }

    /// Who is at fault, if a file was not restored.
    pub(super) fn fault(&self, path: &PathKey) -> Option<Fault> {
        self.missed().fault(path)
    }

    fn name(&self, problem: Problem, entries: u64) {
        count(&self.problem_count, entries);
        count(&self.damage_count, if problem.damage { entries } else { 0 });
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < PROBLEMS_NAMED_MAX {
            problems.push(problem);
        }
    }

    fn missed(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn finish(self, notices: u64, elapsed: Duration) -> Summary {
        let mut problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        let mut gone = self.gone.into_inner().unwrap_or_else(PoisonError::into_inner);
        gone.sort_unstable();
        Summary {
            selected: 0,
            files: self.files.into_inner(),
            folders: self.folders.into_inner(),
            others: self.others.into_inner(),
            files_equal: self.files_equal.into_inner(),
            files_skipped: self.files_skipped.into_inner(),
            bytes: self.bytes.into_inner(),
            written_bytes: self.written_bytes.into_inner(),
            deleted: self.deleted.into_inner(),
            gone,
            verified: self.verified.into_inner(),
            problems,
            problem_count: self.problem_count.into_inner(),
            damage_count: self.damage_count.into_inner(),
            notices,
            elapsed,
        }
    }
}

/// Adds to a figure.
pub(super) fn count(figure: &AtomicU64, more: u64) {
    figure.fetch_add(more, Ordering::Relaxed);
}
