//! A repository in a folder of this machine: the engine, asked directly.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Series;
use farkeep_engine::Access as EngineAccess;
use farkeep_engine::CommitError;
use farkeep_engine::Committed;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Listed;
use farkeep_engine::Lost;
use farkeep_engine::Marked;
use farkeep_engine::Newest;
use farkeep_engine::Options;
use farkeep_engine::Position;
use farkeep_engine::Presence;
use farkeep_engine::Progress;
use farkeep_engine::Put;
use farkeep_engine::References;
use farkeep_engine::Replacement;
use farkeep_engine::Session;
use farkeep_engine::Share;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_engine::Usage;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::DiskError;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::policy::TagToken;

use super::RepositoryError;
use super::access::Access;
use super::group::Group;
use super::group::Stage;
use super::keeper::Keeper;
use super::store::Damage;
use super::store::Place;
use super::store::Report;
use super::store::Store;
use super::store::Stored;

mod keeper;

/// Free bytes of the file system that a spool leaves to the host: 1 GiB.
const SPOOL_RESERVE_BYTES: u64 = 1 << 30;

/// An engine with what it was asked to store counted.
pub(super) struct LocalStore {
    engine: Engine,
    /// From the first question on: what was told stays true.
    session: OnceLock<Session>,
    stored_bytes: AtomicU64,
    stored_objects: AtomicU64,
    /// That of a spool.
    bound: Option<Bound>,
}

/// How much a store may take.
struct Bound {
    bytes_max: u64,
    /// What it took before it was opened.
    bytes_before: u64,
}

impl LocalStore {
    /// Opens the repository in a folder.
    pub(super) fn open(folder: &Path, access: Access) -> Result<Self, StoreError> {
        let disk = RealDisk::open(folder, Backend::Auto).map_err(|error| match error {
            DiskError::NotFound { .. } => StoreError::NotThere,
            other => other.into(),
        })?;
        let access = match access {
            Access::Read | Access::Ask => EngineAccess::Read,
            Access::Write => EngineAccess::Write { holder: holder() },
        };
        Engine::open(Arc::new(disk), access, options(folder)).map(Self::over)
    }

    /// Opens the spool in a folder, which takes so many bytes and not more.
    pub(super) fn open_spool(folder: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let disk = RealDisk::open(folder, Backend::Auto).map_err(|error| match error {
            DiskError::NotFound { .. } => StoreError::NotThere,
            other => other.into(),
        })?;
        let options = Options {
            references: References::Elsewhere,
            reserve_bytes: SPOOL_RESERVE_BYTES,
            ..options(folder)
        };
        let engine = Engine::open(Arc::new(disk), EngineAccess::Write { holder: holder() }, options)?;
        let bytes_before = engine.usage()?.bytes;
        Ok(Self { bound: Some(Bound { bytes_max, bytes_before }), ..Self::over(engine) })
    }

    /// Makes a repository in an empty folder, or in one that is not there yet.
    pub(super) fn create(
        folder: &Path,
        parameters: &[u8],
        first_slot: (SlotId, &[u8]),
    ) -> Result<(), StoreError> {
        let disk = RealDisk::create(folder, Backend::Auto)?;
        Engine::create(Arc::new(disk), parameters, first_slot, options(folder)).map(|_| ())
    }

    /// An engine that somebody else has opened.
    pub(super) fn over(engine: Engine) -> Self {
        Self {
            session: OnceLock::new(),
            engine,
            stored_bytes: AtomicU64::new(0),
            stored_objects: AtomicU64::new(0),
            bound: None,
        }
    }

    /// Bytes that a spool takes.
    pub(super) fn taken_bytes(&self) -> u64 {
        let before = self.bound.as_ref().map_or(0, |bound| bound.bytes_before);
        before + self.stored_bytes.load(Ordering::Relaxed)
    }

    /// What was told counts from the first question on: whoever asks none keeps no collection waiting, his own least of all.
    fn session(&self) -> &Session {
        self.session.get_or_init(|| self.engine.begin())
    }

    fn add(&self, bytes: u64) {
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.stored_objects.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store for LocalStore {
    fn parameters(&self) -> &Parameters {
        self.engine.parameters()
    }

    fn keeper(&self) -> &dyn Keeper {
        self
    }

    fn is_spool(&self) -> bool {
        self.bound.is_some()
    }

    fn head(&self) -> Position {
        self.engine.head()
    }

    fn acknowledged(&self) -> u64 {
        self.engine.head().sequence
    }

    fn lost(&self) -> Lost {
        self.engine.lost()
    }

    fn slots(&self) -> Result<Vec<(SlotId, Vec<u8>)>, RepositoryError> {
        Ok(self.engine.slots()?)
    }

    fn add_slot(&self, slot: SlotId, bytes: &[u8]) -> Result<(), RepositoryError> {
        Ok(self.engine.add_slot(slot, bytes)?)
    }

    fn remove_slot(&self, slot: SlotId) -> Result<(), RepositoryError> {
        Ok(self.engine.remove_slot(slot)?)
    }

    fn probe(&self, ids: &[ObjectId]) -> Result<Vec<bool>, RepositoryError> {
        let presence = self.engine.probe(self.session(), ids)?;
        Ok(presence.into_iter().map(|presence| presence == Presence::Known).collect())
    }

    fn assume(&self, id: &ObjectId) -> Result<bool, RepositoryError> {
        if self.bound.is_some() {
            return Ok(true);
        }
        let presence = self.engine.probe(self.session(), std::slice::from_ref(id))?;
        Ok(presence.first() == Some(&Presence::Known))
    }

    fn may_be_stale(&self) -> bool {
        false
    }

    fn begin_anew(&self) {}

    fn put(&self, id: &ObjectId, object: &[u8]) -> Result<(), RepositoryError> {
        if let Some(bound) = &self.bound
            && self.taken_bytes() + object.len() as u64 > bound.bytes_max
        {
            return Err(RepositoryError::SpoolFull { bytes_max: bound.bytes_max });
        }
        if self.engine.put(self.session(), id, object)? == Put::New {
            self.add(object.len() as u64);
        }
        Ok(())
    }

    fn count(&self, id: &ObjectId, bytes: u64) -> Result<(), RepositoryError> {
        if !self.assume(id)? {
            self.add(bytes);
        }
        Ok(())
    }

    fn settle(&self) -> Result<(), RepositoryError> {
        Ok(())
    }

    fn stored(&self) -> Stored {
        Stored {
            bytes: self.stored_bytes.load(Ordering::Relaxed),
            objects: self.stored_objects.load(Ordering::Relaxed),
        }
    }

    fn flush(&self) -> Result<(), RepositoryError> {
        Ok(self.engine.flush()?)
    }

    fn commit(&self, record: &[u8], tags: &[TagToken]) -> Result<Committed, RepositoryError> {
        let marked = Marked { session: self.session(), record, tags: Some(tags) };
        let committed = self.engine.commit_marked(&[marked]).map_err(|error| match error {
            // Another run may have taken over what was lost since.
            CommitError::Incomplete { missing, .. } => RepositoryError::Stale { id: missing, objects: 1 },
            error => RepositoryError::from(error),
        })?;
        Ok(*committed.first().expect("one record gives one answer"))
    }

    fn commit_with(&self, _: &Group, _: &[u8], _: &[TagToken]) -> Result<Committed, RepositoryError> {
        Err(RepositoryError::NoGroups)
    }

    fn replace(&self, records: &[(SnapshotId, Vec<u8>)]) -> Result<Vec<Committed>, RepositoryError> {
        let replacements: Vec<Replacement<'_>> =
            records.iter().map(|(old, record)| Replacement { old: *old, record }).collect();
        Ok(self.engine.replace(self.session(), &replacements)?)
    }

    fn gather(&self, _: &Group, _: Stage) -> Result<(), RepositoryError> {
        Err(RepositoryError::NoGroups)
    }

    fn snapshots(&self) -> Result<Vec<Listed>, RepositoryError> {
        Ok(self.engine.snapshots()?)
    }

    fn newest_of(&self, series: &Series) -> Result<Option<Newest>, RepositoryError> {
        Ok(self.engine.newest_of(series))
    }

    fn locate(&self, ids: &[ObjectId]) -> Result<Vec<Option<Place>>, RepositoryError> {
        ids.iter().map(|id| Ok(self.engine.locate(id)?.map(Place::Folder))).collect()
    }

    fn soon(&self, _: &[Pointer]) {}

    fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), RepositoryError> {
        Ok(self.engine.object(id, object)?)
    }

    fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], RepositoryError>),
    ) {
        let mut placed = Vec::with_capacity(wanted.len());
        let mut indices = Vec::with_capacity(wanted.len());
        for (index, (id, place)) in wanted.iter().enumerate() {
            match place {
                Place::Folder(place) => {
                    placed.push((*id, *place));
                    indices.push(index);
                }
                // Another store's place says nothing here.
                Place::Server { .. } => {
                    let read = self.object(id, buffer);
                    show(index, read.map(|()| buffer.as_slice()));
                }
            }
        }
        self.engine.objects(&placed, buffer, &mut |at, object| {
            if let Some(index) = indices.get(at) {
                show(*index, object.map_err(RepositoryError::from));
            }
        });
    }

    fn verify(&self, share: Share, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, RepositoryError> {
        let report = self.engine.verify(share, progress)?;
        let damage = report.damage.into_iter().map(|damage| Damage {
            what: if damage.pack.is_some() { "pack" } else { "file" },
            name: format!("{} at byte {}", damage.path.display(), damage.offset),
            why: damage.what,
            objects: damage.objects,
        });
        let notices = report.notices.into_iter().map(|notice| (notice.path, notice.what));
        Ok(Report { bytes: report.bytes, damage: damage.collect(), notices: notices.collect() })
    }

    fn usage(&self) -> Result<Usage, RepositoryError> {
        Ok(self.engine.usage()?)
    }
}

/// How this program uses an engine in a folder.
fn options(folder: &Path) -> Options {
    let index: PathBuf = folder.join("index");
    Options::new(IndexKind::Rocks(index)).expect("the system has random numbers")
}

/// What others are told who find the repository in use.
fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}
