//! The store: packs, journal and index as one thing, and the only place that knows the order of durability.
//!
//! What is acknowledged was made durable in this order, in [`persist`]: the bytes of packs, the names of packs, the
//! journal record that commits to them, the head that commits to the record. What was forgotten is first forgotten in
//! the journal. Everything else follows from packs and journal alone: the catalogue is replayed at every opening,
//! the index is derived.
//!
//! Memory: the catalogue takes about 150 bytes per pack, 72 per extent and 300 per snapshot. Nothing else grows with
//! the repository.
//!
//! Locks, in the order in which one thread may hold several: `durable`, `intake`, the index, its tables, what is lost,
//! the catalogue.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::TryLockError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::parameters::Parameters;
use farkeep_codec::time::Time;

use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Lock;
use crate::journal::Heads;
use crate::journal::JournalWriter;
use crate::journal::Position;
use crate::journal::Tail;
use crate::journal::replay;
use crate::limits::PACK_BYTES_MAX;

pub(crate) use catalogue::Catalogue;
pub(crate) use catalogue::ExtentAt;
pub use catalogue::Newest;
pub(crate) use catalogue::Pack;
pub(crate) use catalogue::SnapshotAt;
pub use clock::Clock;
pub use clock::ManualClock;
pub use clock::SystemClock;
pub(crate) use clock::set_back;
pub(crate) use create::create;
pub use error::ObjectError;
pub use error::PutError;
pub use error::StoreError;
pub(crate) use layout::Name;
pub use lost::Lost;
pub(crate) use moved::MovedPack;
pub use options::Access;
pub use options::IndexKind;
pub use options::Options;
pub use options::References;
pub(crate) use persist::Moment;
pub use put::Presence;
pub use put::Put;
pub use queue::Queued;
pub use queue::is_wanted;
pub use queue::queue;
pub use read::Place;
pub use recover::Recovery;
pub(crate) use remove::NoReaders;
pub(crate) use remove::Survey;
pub use session::Session;
pub use usage::Usage;

mod ballast;
mod catalogue;
pub(crate) mod checkpoint;
mod clock;
mod create;
mod error;
mod intake;
pub(crate) mod layout;
pub mod ledger;
mod lookup;
mod lost;
mod mend;
mod moved;
mod options;
mod persist;
mod put;
mod read;
mod recover;
mod remove;
mod session;
mod queue;
mod slots;
mod sound;
mod twice;
mod usage;

#[cfg(test)]
pub(crate) mod tests;

/// A repository that is open.
pub(crate) struct Store {
    disk: Arc<dyn Disk>,
    options: Options,
    parameters: Parameters,
    catalogue: RwLock<Catalogue>,
    lookup: lookup::Lookup,
    readers: read::PackReaders,
    mends: mend::Mends,
    sound: Mutex<sound::Sound>,
    /// Known to a writer.
    lost: RwLock<lost::Losses>,
    recovery: Recovery,
    pins: Arc<session::Pins>,
    /// Held by the one who patrols.
    patrolling: Mutex<()>,
    writer: Option<Writer>,
    /// What a reader sees is pinned for as long as it has the repository open.
    _pin: Option<Box<dyn Lock>>,
}

/// What only the one writer has.
struct Writer {
    durable: Mutex<JournalWriter>,
    intake: Mutex<intake::Intake>,
    /// Counts how often objects that were not durable yet were given up.
    generation: AtomicU64,
    /// Counts the objects that were taken in.
    objects: AtomicU64,
    /// How many of them are durable: a flush that finds its own among them has nothing to do.
    objects_durable: AtomicU64,
    /// The last record that a checkpoint holds.
    checkpointed: AtomicU64,
    /// Held by the one who collects.
    collecting: Mutex<()>,
    /// The failed sync after which nobody knows what is durable.
    poison: OnceLock<DiskError>,
    /// What others are told about this writer.
    holder: String,
    /// Last, so that it is dropped last.
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Opens the repository on that disk.
    ///
    /// # Errors
    /// [`StoreError::NotThere`], [`StoreError::InUse`], [`StoreError::NewerFormat`], [`StoreError::Damaged`].
    pub(crate) fn open(disk: Arc<dyn Disk>, access: &Access, options: Options) -> Result<Self, StoreError> {
        layout::expect_repository(&*disk)?;
        let lock = match access {
            Access::Read => None,
            Access::Write { holder } => Some((disk.lock(layout::path(Name::Lock), holder)?, holder)),
        };
        let (parameters, parameters_bytes) = layout::read_parameters(&*disk)?;
        let (read, pin) = read_pinned(&*disk, &parameters, access)?;
        let checkpoint::Read { catalogue, heads, replay, checkpoint } = read;
        if catalogue.parameters() != Some(&blake3::hash(&parameters_bytes)) {
            return Err(layout::damaged(Name::Parameters, "they are not those that the journal names"));
        }
        let options = Options { pack_bytes: options.pack_bytes.min(PACK_BYTES_MAX), ..options };
        let lookup = lookup::Lookup::new(&catalogue);
        let (writer, recovery, lost) = match lock {
            None => (None, Recovery::default(), lost::Losses::default()),
            Some((lock, holder)) => {
                let (durable, recovery) =
                    recover::recover(&disk, &parameters, &options, &catalogue, &heads, &replay)?;
                let lost = lost::Losses::find(&*disk, &catalogue)?;
                let intake = intake::Intake::new(&options, &catalogue);
                let writer = Writer::new(durable, intake, checkpoint, holder, lock);
                (Some(writer), recovery, lost)
            }
        };
        let pins = Arc::new(session::Pins::new(catalogue.epoch()));
        let readers = read::PackReaders::default();
        let (catalogue, lost) = (RwLock::new(catalogue), RwLock::new(lost));
        let store = Self {
            disk,
            options,
            parameters,
            catalogue,
            lookup,
            readers,
            mends: mend::Mends::default(),
            sound: Mutex::default(),
            lost,
            recovery,
            pins,
            patrolling: Mutex::new(()),
            writer,
            _pin: pin,
        };
        store.make_ballast();
        Ok(store)
    }

    /// Where everything must be that an object or a snapshot refers to.
    pub(crate) fn references(&self) -> References {
        self.options.references
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the opening had to put in order.
    pub(crate) fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The end of the acknowledged history.
    pub(crate) fn head(&self) -> Position {
        self.catalogue().at().position
    }

    /// What the journal says.
    pub(crate) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue.read().expect("nothing panics while it holds the catalogue")
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Time {
        self.options.clock.now()
    }

    /// Lets one at a time patrol. Nothing, if another one does.
    pub(crate) fn patrolling(&self) -> Option<MutexGuard<'_, ()>> {
        match self.patrolling.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::WouldBlock) => None,
            // One who patrolled has panicked. What it healed is healed.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        }
    }

    /// Whether it is open for reading alone.
    pub(crate) fn is_read_only(&self) -> bool {
        self.writer.is_none()
    }

    /// What the writer says about itself.
    pub(crate) fn holder(&self) -> Result<&str, StoreError> {
        Ok(&self.writer()?.holder)
    }

    /// Takes in what a writer has added to the journal since.
    pub(crate) fn catch_up(&self) -> Result<(), StoreError> {
        let mut catalogue = self.catalogue.write().expect("nothing panics while it holds the catalogue");
        let heads = Heads::read(self.disk())?;
        let (from, repository) = (catalogue.at(), self.parameters.repository);
        let learn = &mut |entry| catalogue.apply(&entry);
        let replay = replay(self.disk(), repository, &heads, from, Tail::MayGrow, learn)?;
        catalogue.pass(replay.at);
        Ok(())
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnly)?;
        match writer.poison.get() {
            None => Ok(writer),
            Some(source) => Err(StoreError::Poisoned { source: source.clone() }),
        }
    }
}

impl Writer {
    fn new(
        durable: JournalWriter,
        intake: intake::Intake,
        checkpointed: u64,
        holder: &str,
        lock: Box<dyn Lock>,
    ) -> Self {
        Self {
            durable: Mutex::new(durable),
            intake: Mutex::new(intake),
            generation: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            objects_durable: AtomicU64::new(0),
            checkpointed: AtomicU64::new(checkpointed),
            collecting: Mutex::new(()),
            poison: OnceLock::new(),
            holder: holder.to_owned(),
            _lock: lock,
        }
    }

    fn durable(&self) -> MutexGuard<'_, JournalWriter> {
        self.durable.lock().expect("nothing panics while it writes the journal")
    }

    fn intake(&self) -> MutexGuard<'_, intake::Intake> {
        self.intake.lock().expect("nothing panics while it takes objects in")
    }

    fn moment(&self) -> Moment {
        let generation = self.generation.load(Ordering::SeqCst);
        Moment { generation, objects: self.objects.load(Ordering::SeqCst) }
    }

    /// Remembers the failed sync, and says so from then on.
    fn poison(&self, source: DiskError) -> StoreError {
        let source = self.poison.get_or_init(|| source).clone();
        StoreError::Poisoned { source }
    }
}

/// Reads the journal, and pins what it says where somebody else may write.
fn read_pinned(
    disk: &dyn Disk,
    parameters: &Parameters,
    access: &Access,
) -> Result<(checkpoint::Read, Option<Box<dyn Lock>>), StoreError> {
    let read = |tail| checkpoint::open_journal(disk, parameters, tail);
    match access {
        Access::Write { .. } => {
            if let Err(error) = session::make_locks(disk) {
                tracing::warn!(%error, "readers of other processes cannot be pinned");
            }
            Ok((read(Tail::IsStill)?, None))
        }
        Access::Read => session::pin(disk, || {
            let read = read(Tail::MayGrow)?;
            let epoch = read.catalogue.epoch();
            Ok((read, epoch))
        }),
    }
}
