//! A backup: the user's files become a snapshot.
//!
//! The path of the data: the walk of the source is merged with the [`catalogue`] of the last snapshot; what did not
//! change is taken over; what did is read and hashed by workers, bundled or chunked, sealed and put; then the tree is
//! built from the rows in path order, and the snapshot record is committed. Memory stays the same whatever the size of
//! the source: the rows pass through, and only the table of bundles is held.

mod buffers;
mod known;
mod catalogue;
mod objects;
mod entry;
mod sealing;
mod chunks;
mod small;
mod bundler;
mod pool;
mod missed;
mod rest;
mod witness;
mod line;
mod links;
mod scan;
mod compact;
mod tree;
mod healed;
mod caches;
mod commit;
mod paths;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::NotASeries;
use farkeep_codec::snapshot::Status;
use farkeep_codec::snapshot::TooLong;
use farkeep_codec::tree::BuildError;
use farkeep_codec::tree::PathKey;
use thiserror::Error;

use crate::output::size;
use crate::process::Standing;
use crate::progress::Progress;
use crate::repository::Group;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::Effort;
use crate::source::FileId;
use crate::source::RootError;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Walker;
use catalogue::CatalogueError;
use commit::Capture;
use commit::Moment;

/// What is backed up.
#[derive(Debug, Clone)]
pub enum Sources {
    /// Files and folders with everything in them.
    Paths(Roots),
    /// What comes from standard input, as one file.
    Stdin {
        /// Name of the file in the snapshot.
        name: String,
    },
    /// What a command prints, as one file. A command that fails leaves no snapshot.
    Command {
        /// The command, for `/bin/sh -c`.
        line: String,
        /// Name of the file in the snapshot.
        name: String,
        /// Where it stands among processes.
        standing: Standing,
        /// It is ended when this is over.
        limit: Option<Duration>,
    },
    /// Disk images and block devices, by blocks of a fixed size.
    Images(Vec<PathBuf>),
}

/// Whether what earlier runs remembered is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// Files whose stat did not change are not read.
    Use,
    /// Every file is read. The content id is the same.
    Ignore,
}

/// Whether anything is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Store, and commit a snapshot.
    Store,
    /// Do everything but store: the figures are those of a real run.
    DryRun,
}

/// A backup that is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is backed up.
    pub sources: Sources,
    /// Name of the series; by default made of host and paths.
    pub series: Option<String>,
    /// Words to find the snapshot by.
    pub tags: Vec<String>,
    /// What is left out.
    pub rules: Rules,
    /// Whether the cache is used.
    pub cache: CacheUse,
    /// Folder of the caches of all repositories.
    pub cache_folder: PathBuf,
    /// Whether anything is stored.
    pub intent: Intent,
    /// Name of this host.
    pub host: String,
    /// Name of the user who asks.
    pub user: String,
    /// Set from outside to end the run early.
    pub cancel: Arc<AtomicBool>,
    /// The consistency group that the run takes part in.
    pub together: Option<Together>,
}

/// What a run does as a member of a consistency group.
#[derive(Clone)]
pub struct Together {
    /// The group.
    pub group: Group,
    /// Called once when everything has been read, before the snapshot is committed.
    pub captured: Arc<dyn Fn(&Repository) -> Result<(), BackupError> + Send + Sync>,
    /// Set when it was called.
    pub is_captured: Arc<AtomicBool>,
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").field("group", &self.group).finish_non_exhaustive()
    }
}

/// A file that could not be read, or not as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it is.
    pub path: PathKey,
    /// What the system said, or what happened to the file.
    pub why: String,
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The snapshot, unless the run was a dry one.
    pub snapshot: Option<SnapshotId>,
    /// Content id of what was on disk.
    pub content: ContentId,
    /// Root of the tree.
    pub root: ObjectId,
    /// Whether everything could be read.
    pub status: Status,
    /// Name of the series.
    pub series: String,
    /// Files that the snapshot before did not have.
    pub files_new: u64,
    /// Files that differ from the snapshot before.
    pub files_changed: u64,
    /// Files that were taken over unread.
    pub files_unchanged: u64,
    /// Folders.
    pub folders: u64,
    /// Links, devices, pipes and sockets.
    pub others: u64,
    /// Entries in all.
    pub entries: u64,
    /// Bytes of all files in the snapshot.
    pub source_bytes: u64,
    /// Bytes of the files that were read.
    pub read_bytes: u64,
    /// Bytes of sealed objects that were added to the repository.
    pub stored_bytes: u64,
    /// Number of sealed objects that were added to the repository.
    pub stored_objects: u64,
    /// Bytes of files that a run which was cut had already stored.
    pub resumed_bytes: u64,
    /// The first thousand of the files that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Number of files that could not be read.
    pub unreadable_count: u64,
    /// The first thousand of the files that changed while they were read, twice.
    pub inconsistent: Vec<Unreadable>,
    /// Number of files that changed while they were read, twice.
    pub inconsistent_count: u64,
    /// Time that the run took.
    pub elapsed: Duration,
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The repository refused or failed.
    #[error("cannot store the backup")]
    Repository(#[from] RepositoryError),
    /// The run was ended early. What was stored stays stored, and the next run goes on from there.
    #[error("interrupted; {} are stored, and the next run goes on from there", size(*stored_bytes))]
    Interrupted {
        /// Bytes of sealed objects that this run stored.
        stored_bytes: u64,
    },
    /// The command whose output was to be backed up failed.
    #[error("the command {line:?} failed ({status}); no snapshot was made")]
    CommandFailed {
        /// The command.
        line: String,
        /// How it ended.
        status: String,
    },
    /// The command whose output was to be backed up took too long.
    #[error("the command {line:?} was ended: it took longer than {} s; no snapshot was made", limit.as_secs())]
    CommandTooSlow {
        /// The command.
        line: String,
        /// How long it might have taken.
        limit: Duration,
    },
    /// The cache cannot be written.
    #[error("cannot use the cache; --no-cache does without what it holds")]
    Cache(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An entry does not fit the format.
    #[error("cannot build the tree")]
    Tree(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file of this host that the run needs, such as standard input, failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done to what.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name of the series cannot be used.
    #[error(transparent)]
    Series(#[from] NotASeries),
    /// What the snapshot's record is to say does not fit it.
    #[error("cannot describe the snapshot")]
    Record(#[from] TooLong),
    /// A path cannot be backed up.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Names of users and groups cannot be read.
    #[error("cannot read this host's users and groups")]
    Accounts(#[from] std::io::Error),
}

impl From<CatalogueError> for BackupError {
    fn from(error: CatalogueError) -> Self {
        Self::Cache(Box::new(error))
    }
}

impl From<BuildError<BackupError>> for BackupError {
    fn from(error: BuildError<BackupError>) -> Self {
        match error {
            BuildError::Sink(error) => error,
            error => Self::Tree(Box::new(error)),
        }
    }
}

/// A backup that has begun: its source is being walked, and nothing is read or stored yet.
pub struct Begun<'a> {
    request: &'a Request,
    moment: Moment,
    walker: Option<Walker>,
}

/// Begins a backup. It needs no repository yet, so the walk goes on while keys are computed.
pub fn begin(request: &Request) -> Begun<'_> {
    let moment = Moment::now();
    let walker = match &request.sources {
        Sources::Paths(roots) => Some(Walker::new(roots, rules(request), Effort::default())),
        Sources::Stdin { .. } | Sources::Command { .. } | Sources::Images(_) => None,
    };
    Begun { request, moment, walker }
}

/// What is left out: also the caches. Every run writes them, so with them no run would find that nothing changed.
fn rules(request: &Request) -> Rules {
    let mut rules = request.rules.clone();
    if request.intent == Intent::Store {
        // Whoever writes a cache says why it cannot.
        let _ = std::fs::create_dir_all(&request.cache_folder);
    }
    if let Ok(caches) = FileId::of(&request.cache_folder) {
        rules.avoid(caches);
    }
    rules
}

impl Begun<'_> {
    /// Makes the backup.
    ///
    /// # Errors
    /// [`BackupError`] says why there is no snapshot. Files that cannot be read, or change meanwhile, are no error: they
    /// are counted and named in the summary, and the snapshot's status says so.
    pub fn store(self, repository: &Repository, progress: &Progress) -> Result<Summary, BackupError> {
        let request = self.request;
        let stored = self.store_once(repository, progress);
        let Err(BackupError::Repository(error @ RepositoryError::Stale { .. })) = &stored else {
            return stored;
        };
        if request.together.as_ref().is_some_and(|together| together.is_captured.load(Ordering::Relaxed)) {
            // What would be read now is of another moment.
            return stored;
        }
        tracing::warn!("{error}: every file is read once more");
        repository.begin_anew();
        let request = Request { cache: CacheUse::Ignore, ..request.clone() };
        begin(&request).store_once(repository, progress)
    }

    fn store_once(self, repository: &Repository, progress: &Progress) -> Result<Summary, BackupError> {
        let Self { request, moment, walker } = self;
        match (&request.sources, walker) {
            (Sources::Paths(roots), Some(walker)) => {
                let capture = Capture::begin(repository, request, moment, roots.paths())?;
                paths::run(&capture, walker, progress)
            }
            _ => stream::run(repository, request, moment, progress),
        }
    }
}

/// Makes one backup: begins it, and stores it at once.
///
/// # Errors
/// Those of [`Begun::store`].
pub fn run(repository: &Repository, request: &Request, progress: &Progress) -> Result<Summary, BackupError> {
    begin(request).store(repository, progress)
}
