//! A repository with its cache, and what is done with it through the library.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use farkeep::backup;
use farkeep::backup::BackupError;
use farkeep::backup::CacheUse;
use farkeep::backup::Intent;
use farkeep::backup::Sources;
use farkeep::config::Location;
use farkeep::config::passphrase::Passphrase;
use farkeep::progress::Progress;
use farkeep::repository::Access;
use farkeep::repository::Locked;
use farkeep::repository::Plan;
use farkeep::repository::Repository;
use farkeep::repository::RepositoryError;
use farkeep::repository::create;
use farkeep::restore as restoring;
use farkeep::source::Missing;
use farkeep::source::Roots;
use farkeep::source::Rules;
use farkeep::source::Selection;
use farkeep::source::key_of;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::KdfCost;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_engine::Access as EngineAccess;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::StoreError;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use tempfile::TempDir;

/// The passphrase of every repository of a test.
pub(crate) const PASSPHRASE: &str = "correct horse";

/// A folder that goes away with the test, with a repository in it.
pub(crate) struct Place {
    folder: TempDir,
}

/// A backup in words of the tests.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub source: PathBuf,
    pub series: &'static str,
    pub cache: CacheUse,
    pub cache_folder: PathBuf,
    pub intent: Intent,
    pub cancel: Arc<AtomicBool>,
}

/// Settings under which a small tree has many chunks and bundles, and a guess of the passphrase costs nothing.
pub(crate) fn plan() -> Plan {
    Plan {
        chunker: Chunker::FastCdcKeyed { min: 4 << 10, average: 16 << 10, max: 64 << 10 },
        image_chunk_bytes: 16 << 10,
        bundle_bytes_target: 16 << 10,
        compression: Compression::at_level(1),
        cost: KdfCost { memory_kib: 8, passes: 1, lanes: 1 },
        label: "first".to_owned(),
    }
}

impl Place {
    /// A new repository.
    pub(crate) fn new() -> Self {
        let place = Self { folder: TempDir::new().expect("a temporary folder can be made") };
        create(&place.location(), &plan(), &passphrase()).expect("the folder is empty");
        place
    }

    /// Has the engine build the index of the repository anew.
    pub(crate) fn rebuild_index(&self) -> Result<(), StoreError> {
        let disk = RealDisk::open(&self.repository(), Backend::Auto)?;
        let options = Options::new(IndexKind::Rocks(self.repository().join("index")));
        let options = options.expect("the system has random numbers");
        let access = EngineAccess::Write { holder: "a test".to_owned() };
        Engine::open(Arc::new(disk), access, options)?.rebuild_index()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The repository's folder.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// What is backed up.
    pub(crate) fn source(&self) -> PathBuf {
        self.path("source")
    }

    fn location(&self) -> Location {
        Location::named(Some(self.repository().into())).expect("it is a folder")
    }

    /// Opens the repository.
    pub(crate) fn try_open(&self, access: Access) -> Result<Repository, RepositoryError> {
        Locked::open(&self.location(), access)?.unlock(passphrase()).finish()
    }

    /// Opens a repository that is good.
    pub(crate) fn open(&self, access: Access) -> Repository {
        self.try_open(access).expect("it is good")
    }

    /// A backup of the source into the series `main`, with the cache.
    pub(crate) fn job(&self) -> Job {
        Job {
            source: self.source(),
            series: "main",
            cache: CacheUse::Use,
            cache_folder: self.path("cache"),
            intent: Intent::Store,
            cancel: Arc::default(),
        }
    }

    /// Backs up the source.
    pub(crate) fn backup(&self) -> backup::Summary {
        self.run(&self.job())
    }

    /// Backs up as the job says, and expects that everything could be read.
    pub(crate) fn run(&self, job: &Job) -> backup::Summary {
        job.run(&self.open(Access::Write)).expect("a good source and a good repository")
    }

    /// Restores the source as a snapshot has it into a new folder.
    pub(crate) fn restore(&self, snapshot: Option<SnapshotId>) -> TempDir {
        let target = TempDir::new().expect("a temporary folder can be made");
        let snapshot = snapshot.expect("it was no dry run");
        let summary = restore(&self.open(Access::Read), snapshot, &self.source(), target.path());
        assert_eq!(summary.expect("it is good").problems, []);
        target
    }
}

impl Job {
    /// Does the backup.
    pub(crate) fn run(&self, repository: &Repository) -> Result<backup::Summary, BackupError> {
        let roots = Roots::new(std::slice::from_ref(&self.source), Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some(self.series.to_owned()),
            tags: Vec::new(),
            rules: Rules::default(),
            cache: self.cache,
            cache_folder: self.cache_folder.clone(),
            intent: self.intent,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::clone(&self.cancel),
            together: None,
        };
        let summary = backup::run(repository, &request, &Progress::new())?;
        assert_eq!((summary.unreadable.as_slice(), summary.inconsistent_count), (&[][..], 0));
        Ok(summary)
    }
}

/// Restores what a snapshot has below `source`.
pub(crate) fn restore(
    repository: &Repository,
    snapshot: SnapshotId,
    source: &Path,
    target: &Path,
) -> Result<restoring::Summary, restoring::RestoreError> {
    let points = repository.snapshots().expect("it was listed");
    let point = points.iter().find(|point| point.id == snapshot).expect("it is listed");
    let request = restoring::Request {
        root: point.root(),
        subtree: Some(key_of(source).expect("it is a path")),
        target: target.to_owned(),
        selection: Selection::new(&[], &[]).expect("no globs"),
        overwrite: restoring::Overwrite::Refuse,
        delete: restoring::Delete::Keep,
        spared: Vec::new(),
        intent: restoring::Intent::Write,
        verify: restoring::Verify::Skip,
        cancel: Arc::default(),
    };
    restoring::run(repository, &request, &Progress::new())
}

/// The bundles that a snapshot uses, and how many bytes of each, every slice counted once.
pub(crate) fn bundles(repository: &Repository, snapshot: SnapshotId) -> BTreeMap<Pointer, u64> {
    let points = repository.snapshots().expect("the journal is good");
    let point = points.iter().find(|point| point.id == snapshot).expect("it is listed");
    let mut slices = BTreeMap::new();
    let mut walk = repository.walk(point.root());
    while let Some(entry) = walk.next_entry().expect("the tree is good") {
        if let Body::File { bytes, content: Content::Slice { bundle, offset } } = entry.body {
            slices.insert((bundle, offset), bytes);
        }
    }
    let mut used = BTreeMap::new();
    for ((bundle, _), bytes) in slices {
        *used.entry(bundle).or_default() += bytes;
    }
    used
}

fn passphrase() -> Passphrase {
    Passphrase::from(PASSPHRASE.as_bytes().to_vec())
}
