//! A restore: a snapshot, or a part of it, becomes files again.
//!
//! Two passes over the tree in path order. The first makes folders and everything that is not a hard link; the contents
//! are fetched bundle by bundle, each opened once for all files that lie in it, by as many workers as there are cores.
//! The second makes hard links and gives folders their metadata when nothing is written into them any more.

mod missed;
mod report;
mod view;
mod plan;
mod files;
mod first;
mod second;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;
use thiserror::Error;

use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Extent;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::FileId;
use crate::source::Kind;
use crate::source::Selection;
use crate::source::Shape;
use crate::source::Wanted;
use crate::target::Owners;
use crate::target::Removal;
use crate::target::Target;
use crate::target::TargetError;
use files::Writing;
use first::FirstPass;
use first::Job;
use report::Report;
use second::SecondPass;
use view::View;

/// What happens to files that the target already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// There must be none: a target that is not empty is refused.
    Refuse,
    /// They are made equal to the snapshot's: only what differs is written.
    Always,
    /// The same, but a file with equal size and modification time is taken to be equal.
    IfChanged,
    /// They stay as they are.
    Never,
}

/// What happens to files of the target that the snapshot does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// They stay.
    Keep,
    /// They are removed.
    Extra,
}

/// Whether anything is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Write.
    Write,
    /// Say what would be done.
    DryRun,
}

impl Intent {
    fn removal(self) -> Removal {
        match self {
            Self::Write => Removal::Real,
            Self::DryRun => Removal::Trial,
        }
    }
}

/// Whether what was written is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// The system's word is taken for it.
    Skip,
    /// Every file is read again and compared by its hash.
    ReadBack,
}

/// A restore that is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Root of the snapshot's tree.
    pub root: Pointer,
    /// The path in the snapshot whose contents go to the target; without it, everything from the top.
    pub subtree: Option<PathKey>,
    /// Folder that is restored into. It is made when it is not there.
    pub target: PathBuf,
    /// What of it is restored.
    pub selection: Selection,
    /// What happens to files that are there.
    pub overwrite: Overwrite,
    /// What happens to files that the snapshot does not have.
    pub delete: Delete,
    /// Folders from which nothing is removed: the repository's and the cache's.
    pub spared: Vec<FileId>,
    /// Whether anything is written.
    pub intent: Intent,
    /// Whether what was written is read back.
    pub verify: Verify,
    /// Set from outside to end the restore early.
    pub cancel: Arc<AtomicBool>,
}

/// Something that could not be restored as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is in the snapshot.
    pub path: PathKey,
    /// What of the snapshot it is.
    pub extent: Extent,
    /// What happened.
    pub why: String,
    /// Whether the repository is at fault, and not the target.
    pub damage: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Entries of the snapshot that were to be restored.
    pub selected: u64,
    /// Regular files that were written or were equal already.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, devices, pipes and sockets.
    pub others: u64,
    /// Files that the target already had as they should be.
    pub files_equal: u64,
    /// Files of the target that were left alone because of the overwrite rule.
    pub files_skipped: u64,
    /// Bytes of the restored files.
    pub bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Files and folders of the target that were removed, since the snapshot does not have them.
    pub deleted: u64,
    /// The paths in the target of the first thousand of them.
    pub gone: Vec<PathKey>,
    /// Files that were read back and compared.
    pub verified: u64,
    /// The first thousand problems.
    pub problems: Vec<Problem>,
    /// Number of problems.
    pub problem_count: u64,
    /// Number of problems for which the repository is at fault.
    pub damage_count: u64,
    /// Metadata that an unprivileged user cannot set, such as foreign owners: counted and left out.
    pub notices: u64,
    /// Time that the restore took.
    pub elapsed: Duration,
}

/// Why a restore ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The target folder cannot be used.
    #[error("cannot write to the target {}", path.display())]
    Target {
        /// The target.
        path: PathBuf,
        /// What the system said.
        source: TargetError,
    },
    /// The snapshot does not have the path.
    #[error("the snapshot has no {path}")]
    NoSuchPath {
        /// The path.
        path: PathKey,
    },
    /// The target is not empty, and nothing was said about what to do with the files there.
    #[error("the target {} is not empty; say --overwrite always, if-changed or never", path.display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// What the snapshot does not have was to be removed from the repository or the cache.
    #[error("the target {} lies in the repository or the cache, from which nothing may be deleted", path.display())]
    Spared {
        /// The target.
        path: PathBuf,
    },
    /// The restore was ended early. What was written stays.
    #[error("interrupted")]
    Interrupted,
}

/// Restores what is asked for.
///
/// # Errors
/// [`RestoreError`] says why nothing could be done, or that the restore was ended early. What could not be restored while
/// the rest could is named in the summary.
pub fn run(repository: &Repository, request: &Request, progress: &Progress) -> Result<Summary, RestoreError> {
    let begun = Instant::now();
    let view = view(repository, request)?;
    let target = open_target(request)?;
    let report = Report::default();
    let writing = Writing { target: &target, report: &report, progress, verify: request.verify };
    progress.begin(Phase::Planning, 0, 0);
    let totals = plan::totals(repository, request, &view)?;
    progress.begin(Phase::Restoring, totals.entries, totals.bytes);
    first_pass(repository, request, &view, &writing)?;
    let mut second = SecondPass {
        repository,
        root: request.root,
        target: &target,
        report: &report,
        view: &view,
        overwrite: request.overwrite,
        delete: request.delete,
        intent: request.intent,
        open: Vec::new(),
    };
    visit(repository, request, &view, &mut second)?;
    second.finish();
    Ok(Summary { selected: totals.entries, ..report.finish(target.notices().count(), begun.elapsed()) })
}

fn first_pass(
    repository: &Repository,
    request: &Request,
    view: &View,
    writing: &Writing<'_>,
) -> Result<(), RestoreError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let (jobs, queue) = crossbeam_channel::bounded(2 * workers);
        for _ in 0..workers {
            let queue = queue.clone();
            scope.spawn(move || work(repository, writing, &queue));
        }
        drop(queue);
        let mut first = FirstPass {
            repository,
            root: request.root,
            view,
            writing,
            overwrite: request.overwrite,
            delete: request.delete,
            intent: request.intent,
            jobs,
            folder: PathKey::root(),
            gathered: HashMap::new(),
            gathered_files: 0,
        };
        visit(repository, request, view, &mut first)?;
        first.finish();
        Ok(())
    })
}

fn work(repository: &Repository, writing: &Writing<'_>, jobs: &Receiver<Job>) {
    let mut fetcher = repository.fetcher();
    for job in jobs {
        match job {
            Job::Small(bundle, files) => writing.small_files(bundle.as_ref(), &files, &mut fetcher),
            Job::Stretch(file, chunks) => writing.stretch(file, &chunks, &mut fetcher),
        }
    }
}

/// What is done with the entries of a tree, one after the other.
trait Pass {
    /// Takes one entry. The answer says whether what lies below it is of interest.
    fn entry(&mut self, entry: Entry) -> Wanted;

    /// Takes note of a part of the view that cannot be read, in its place between the entries.
    fn gap(&mut self, gap: Gap, error: &RepositoryError);
}

/// Hands the entries of the view to a pass, in path order. Where a node of the tree cannot be read it goes on behind it.
fn visit(
    repository: &Repository,
    request: &Request,
    view: &View,
    pass: &mut impl Pass,
) -> Result<(), RestoreError> {
    let mut walk = repository.walk(request.root);
    while let Err(error) = walk.seek(view.first()) {
        tell(view, walk.gap(), &error, pass);
    }
    loop {
        if request.cancel.load(Ordering::Relaxed) {
            return Err(RestoreError::Interrupted);
        }
        let entry = match walk.next_entry() {
            Ok(Some(entry)) if entry.path.starts_with(view.first()) => entry,
            Ok(_) => return Ok(()),
            Err(error) => {
                tell(view, walk.gap(), &error, pass);
                continue;
            }
        };
        let is_folder = view::shape_of(&entry) == Shape::Folder;
        if pass.entry(entry) == Wanted::No && is_folder {
            while let Err(error) = walk.skip_folder() {
                tell(view, walk.gap(), &error, pass);
            }
        }
    }
}

/// Tells a pass what it misses, as far as that belongs to the view.
fn tell(view: &View, gap: Option<&Gap>, error: &RepositoryError, pass: &mut impl Pass) {
    if let Some(gap) = gap.and_then(|gap| view.clip(gap)) {
        pass.gap(gap, error);
    }
}

/// What the request is about. Where damage hides the path itself, what lies below it is all that can be restored.
fn view(repository: &Repository, request: &Request) -> Result<View, RestoreError> {
    let selection = request.selection.clone();
    let Some(path) = &request.subtree else {
        return Ok(View::new(PathKey::root(), Shape::Folder, selection));
    };
    match repository.entry(request.root, path) {
        Ok(Some(entry)) => Ok(View::new(path.clone(), view::shape_of(&entry), selection)),
        Ok(None) if *path != PathKey::root() => Err(RestoreError::NoSuchPath { path: path.clone() }),
        Ok(None) | Err(_) => Ok(View::new(path.clone(), Shape::Folder, selection)),
    }
}

/// Opens the target folder. A dry run makes none.
fn open_target(request: &Request) -> Result<Target, RestoreError> {
    let failed = |source| RestoreError::Target { path: request.target.clone(), source };
    if request.intent == Intent::DryRun && matches!(request.target.try_exists(), Ok(false)) {
        return Target::absent(&request.target, Owners::ByName).map_err(failed);
    }
    let mut target = Target::open(&request.target, Owners::ByName).map_err(failed)?;
    target.spare(request.spared.iter().copied());
    if request.delete == Delete::Extra && is_spared(request) {
        return Err(RestoreError::Spared { path: request.target.clone() });
    }
    if request.overwrite == Overwrite::Refuse && !target.names(&PathKey::root()).map_err(failed)?.is_empty() {
        return Err(RestoreError::NotEmpty { path: request.target.clone() });
    }
    Ok(target)
}

/// Whether the target is a folder from which nothing is removed, or lies in one.
fn is_spared(request: &Request) -> bool {
    let Ok(path) = request.target.canonicalize() else { return false };
    path.ancestors().any(|folder| FileId::of(folder).is_ok_and(|id| request.spared.contains(&id)))
}

/// Takes away what has the name of something else. Of a folder's contents only what `--delete` takes too goes.
fn make_way(
    target: &Target,
    view: &View,
    report: &Report,
    (delete, intent): (Delete, Intent),
    path: &PathKey,
) -> Result<(), TargetError> {
    if delete == Delete::Extra {
        let judge = |path: &PathKey, kind: Kind| view.judge_extra(path, kind);
        // The path itself is one that the snapshot has.
        let gone = &mut |inner: &PathKey| {
            if inner != path {
                report.gone(inner);
            }
        };
        target.remove_wanted(path, intent.removal(), &judge, gone)?;
    }
    match intent {
        Intent::Write => target.make_way(path),
        Intent::DryRun => Ok(()),
    }
}

#[cfg(test)]
mod tests;
