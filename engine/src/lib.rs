//! The store of Farkeep: what is durable, and in which order.
//!
//! Blocking, with threads of its own, and keyless: it never sees a key or a plaintext. Modules stand in the order in
//! which they may use one another. [`Engine`] is the whole of it for callers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;

use disk::Disk;
use store::Store;

pub use collect::CollectError;
pub use collect::CollectOptions;
pub use collect::CollectProgress;
pub use collect::CollectStep;
pub use collect::Collected;
pub use collect::Outcome as CollectOutcome;
pub use index::IndexError;
pub use journal::ChainHash;
pub use journal::JournalError;
pub use journal::Position;
pub use journal::Settings;
pub use journal::SlotId;
#[doc(hidden)]
pub use pack::Encoders as ParityEncoders;
pub use pack::PackError;
#[cfg(feature = "fuzzing")]
pub use pack::fuzzing;
pub use scrub::Care;
pub use scrub::Damage;
pub use scrub::Healing;
pub use scrub::Notice;
pub use scrub::Patients;
pub use scrub::PatrolOptions;
pub use scrub::PatrolOutcome;
pub use scrub::Patrolled;
pub use scrub::Progress;
pub use scrub::RepairPlan;
pub use scrub::RepairStep;
pub use scrub::Repaired;
pub use scrub::Report;
pub use scrub::Share;
pub use scrub::Turn;
pub use scrub::Verifications;
pub use snapshot::Act;
pub use snapshot::CommitError;
pub use snapshot::Committed;
pub use snapshot::Fate;
pub use snapshot::ForgetError;
pub use snapshot::Forgotten;
pub use snapshot::Freed;
pub use snapshot::Grown;
pub use snapshot::HoldError;
pub use snapshot::Judged;
pub use snapshot::Known;
pub use snapshot::Listed;
pub use snapshot::Marked;
pub use snapshot::ReplaceError;
pub use snapshot::Replacement;
pub use snapshot::RetainError;
pub use snapshot::Retained;
pub use snapshot::Rules;
pub use snapshot::SettingsError;
pub use snapshot::Size;
pub use snapshot::Sizes;
pub use snapshot::clockguard;
pub use snapshot::expect_fit;
pub use snapshot::policies;
pub use snapshot::policy;
pub use snapshot::retention;
pub use store::Access;
pub use store::Clock;
pub use store::IndexKind;
pub use store::Lost;
pub use store::ManualClock;
pub use store::Newest;
pub use store::ObjectError;
pub use store::Options;
pub use store::Place;
pub use store::Presence;
pub use store::Put;
pub use store::PutError;
pub use store::Queued;
pub use store::Recovery;
pub use store::References;
pub use store::Session;
pub use store::StoreError;
pub use store::SystemClock;
pub use store::Usage;
pub use store::is_wanted;
pub use store::queue;

pub mod limits;
pub mod disk;
mod pack;
mod index;
mod journal;
mod store;
mod snapshot;
pub mod collect;
mod scrub;

/// An open repository. Shared by threads.
///
/// Memory: about 150 bytes per pack of 64 MiB and 72 per extent, 300 bytes per snapshot, and fixed tables and caches of
/// some 40 MB at most.
pub struct Engine {
    store: Store,
}

impl Engine {
    /// Makes a repository in the root folder of the disk, and opens it for writing. The bytes are those of
    /// [`Parameters::encode`] and of a key slot.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the folder holds something already.
    pub fn create(
        disk: Arc<dyn Disk>,
        parameters: &[u8],
        first_slot: (SlotId, &[u8]),
        options: Options,
    ) -> Result<Self, StoreError> {
        store::create(&*disk, parameters, first_slot, &options)?;
        let access = Access::Write { holder: "the program that made it".to_owned() };
        Self::open(disk, access, options)
    }

    /// Opens the repository in the root folder of the disk. What a writer before left unfinished, a writer puts in
    /// order ([`recovery`](Self::recovery)); a reader changes nothing, and sees what was acknowledged until now.
    ///
    /// # Errors
    /// [`StoreError::NotThere`], [`StoreError::InUse`], [`StoreError::NewerFormat`], [`StoreError::Damaged`].
    #[expect(clippy::needless_pass_by_value, reason = "whoever opens has no further use for it")]
    pub fn open(disk: Arc<dyn Disk>, access: Access, options: Options) -> Result<Self, StoreError> {
        Ok(Self { store: Store::open(disk, &access, options)? })
    }

    /// What every writer of the repository does alike.
    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// What the keepers of the repository decided, or what holds until they do.
    pub fn settings(&self) -> Settings {
        self.store.catalogue().settings().clone()
    }

    /// Decides what holds for the repository from here on, as a whole. The same settings again change nothing. `by` says
    /// who wants it so; empty for whoever opened the repository.
    ///
    /// # Errors
    /// [`SettingsError`] says what could not be carried out.
    pub fn change_settings(&self, settings: &Settings, by: &str) -> Result<(), SettingsError> {
        snapshot::change_settings(&self.store, settings, by)
    }

    /// Whether somebody [waits](queue) until this writer has ended.
    pub fn is_wanted(&self) -> bool {
        is_wanted(self.store.disk())
    }

    /// What the opening had to put in order.
    pub fn recovery(&self) -> Recovery {
        self.store.recovery()
    }

    /// What is missing of the packs, as a writer found it when it opened, or when it could not read something since; a
    /// reader does not look. Objects that lay there are unknown, and are stored again when they are put.
    pub fn lost(&self) -> Lost {
        self.store.lost()
    }

    /// The end of the acknowledged history. A client that remembers it notices a repository that was rolled back.
    pub fn head(&self) -> Position {
        self.store.head()
    }

    /// All key slots that are intact, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if none is.
    pub fn slots(&self) -> Result<Vec<(SlotId, Vec<u8>)>, StoreError> {
        self.store.slots()
    }

    /// Adds a key slot.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken.
    pub fn add_slot(&self, slot: SlotId, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.add_slot(slot, bytes)
    }

    /// Removes a key slot.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`]; [`StoreError::LastSlot`] if nobody could open the repository any more.
    pub fn remove_slot(&self, slot: SlotId) -> Result<(), StoreError> {
        self.store.remove_slot(slot)
    }

    /// Somebody begins to count on what the repository says: what [`probe`](Self::probe) and [`put`](Self::put) told a
    /// session stays there until it ends. Whoever restores begins one too, so that nothing is removed meanwhile.
    pub fn begin(&self) -> Session {
        self.store.begin()
    }

    /// How many sessions that began in each epoch have not ended, the oldest first.
    pub fn pins(&self) -> Vec<(u64, u32)> {
        self.store.pins()
    }

    /// For each id, whether the object is there: durable and not [`lost`](Self::lost), or put in this run.
    ///
    /// # Errors
    /// If the index does not answer.
    ///
    /// # Panics
    /// If the session began in another engine.
    pub fn probe(&self, session: &Session, ids: &[ObjectId]) -> Result<Vec<Presence>, StoreError> {
        self.store.probe(session, ids)
    }

    /// Stores an object, if it is not there yet, after everything that it refers to. It can be read at once, and is
    /// durable after the next [`flush`](Self::flush) or [`commit`](Self::commit), or when its pack is full.
    ///
    /// # Errors
    /// [`PutError::Tampered`] if the bytes have another id, [`PutError::MissingReferences`]. After
    /// [`StoreError::Full`] or [`StoreError::Lost`], objects that were put and not durable yet are not there any
    /// more: put them again.
    ///
    /// # Panics
    /// If the session began in another engine.
    pub fn put(&self, session: &Session, id: &ObjectId, object: &[u8]) -> Result<Put, PutError> {
        self.store.put(session, id, object)
    }

    /// Makes everything durable that was put before. One sync covers the objects of all threads.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Poisoned`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// Makes a snapshot durable, and everything that was put before it. `record` holds the bytes of
    /// [`Snapshot::encode`](farkeep_codec::snapshot::Snapshot::encode). The same record again gets the same answer.
    ///
    /// # Errors
    /// [`CommitError::MissingRoot`], [`CommitError::Incomplete`], [`CommitError::OutOfOrder`]; as [`flush`](Self::flush).
    ///
    /// # Panics
    /// If the session began in another engine.
    pub fn commit(&self, session: &Session, record: &[u8]) -> Result<Committed, CommitError> {
        snapshot::commit(&self.store, session, record)
    }

    /// Makes snapshots durable, all of them or none, and everything that was put before them. Each record comes with the
    /// session that stored what it needs. Answers stand in the order of the records.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), of the first record that cannot be committed.
    ///
    /// # Panics
    /// If one of the sessions began in another engine.
    pub fn commit_together(&self, records: &[(&Session, &[u8])]) -> Result<Vec<Committed>, CommitError> {
        let marked = records.iter().map(|(session, record)| Marked { session, record, tags: None });
        let marked: Vec<Marked<'_>> = marked.collect();
        self.commit_marked(&marked)
    }

    /// The same with what the store may know of the tags of each snapshot, so that policies can go by them. A snapshot
    /// that is there already stays as it was marked.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), of the first record that cannot be committed.
    ///
    /// # Panics
    /// If one of the sessions began in another engine.
    pub fn commit_marked(&self, records: &[Marked<'_>]) -> Result<Vec<Committed>, CommitError> {
        snapshot::commit_marked(&self.store, records)
    }

    /// How often objects that were put, and not durable yet, had to be given up: whichever thread's call failed. If it
    /// is the same before an object was put and after a [`flush`](Self::flush), the object is durable.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::Poisoned`].
    pub fn losses(&self) -> Result<u64, StoreError> {
        self.store.losses()
    }

    /// When and where the record with this id was committed, even if it was forgotten. Reads nothing.
    pub fn committed(&self, id: &SnapshotId) -> Option<Committed> {
        snapshot::find(&self.store, id)
    }

    /// The newest record of a series, even if that was forgotten. Reads nothing.
    pub fn newest_of(&self, series: &Series) -> Option<Newest> {
        self.store.catalogue().newest(series)
    }

    /// Each series, and when its newest record was received, even if that was forgotten. Reads nothing.
    pub fn newest(&self) -> Vec<(Series, Time)> {
        snapshot::newest(&self.store)
    }

    /// All snapshots that are not forgotten, in the order in which they were received.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the journal changed since it was opened.
    pub fn snapshots(&self) -> Result<Vec<Listed>, StoreError> {
        snapshot::list(&self.store)
    }

    /// The newest record of each series whose name begins with `prefix`, forgotten ones included, in the order in which
    /// they were received: what the next records follow. Reads one record for each.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub fn newest_records(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        snapshot::newest_records(&self.store, prefix)
    }

    /// Takes a snapshot off the list. It stays restorable for the grace of the [`settings`](Self::settings). Once more
    /// changes nothing.
    ///
    /// # Errors
    /// [`ForgetError::Unknown`].
    pub fn forget(&self, id: &SnapshotId, reason: &str) -> Result<(), ForgetError> {
        snapshot::forget(&self.store, id, reason)
    }

    /// All snapshots that were forgotten and can be recovered, in the order in which they were received.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub fn forgotten(&self) -> Result<Vec<Forgotten>, StoreError> {
        snapshot::forgotten(&self.store)
    }

    /// Puts a forgotten snapshot on the list again. One that is on it stays as it is.
    ///
    /// # Errors
    /// [`ForgetError::Unknown`], also for one that was purged.
    pub fn recover(&self, id: &SnapshotId, reason: &str) -> Result<(), ForgetError> {
        snapshot::recover(&self.store, id, reason)
    }

    /// Keeps a snapshot restorable until then, whatever anybody says later. The same hold again changes nothing.
    ///
    /// # Errors
    /// [`HoldError::Held`] if it is held for longer, [`HoldError::Past`], [`HoldError::Unknown`].
    pub fn hold(&self, id: &SnapshotId, until: Time, reason: &str) -> Result<(), HoldError> {
        snapshot::hold(&self.store, id, until, reason)
    }

    /// All snapshots that were not purged, forgotten ones included, in the order in which they were received, of the
    /// series whose names begin with `prefix`.
    ///
    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub fn known(&self, prefix: &str) -> Result<Vec<Known>, StoreError> {
        snapshot::known(&self.store, prefix)
    }

    /// Applies policies to all snapshots that are on the list: says why each is kept or goes, and forgets those that go
    /// if that is wanted. What it says of a plan holds for the moment; what it carries out it decides anew.
    ///
    /// # Errors
    /// [`RetainError::Frozen`] if something was to be carried out; [`RetainError::Settings`].
    pub fn retain(&self, rules: &Rules, act: Act, reason: &str) -> Result<Retained, RetainError> {
        snapshot::retain(&self.store, rules, act, reason)
    }

    /// What groups of snapshots cost: what each of them added to those before it, and what would be free without it. Reads
    /// all nodes that they reach, each of them twice at most.
    ///
    /// # Errors
    /// [`ObjectError`] if something that they need cannot be read.
    pub fn sizes(&self, groups: &[Vec<SnapshotId>]) -> Result<Sizes, ObjectError> {
        snapshot::sizes(&self.store, groups)
    }

    /// All snapshots that were not purged, forgotten ones included, in the order in which they were received.
    pub fn snapshot_ids(&self) -> Vec<SnapshotId> {
        self.store.catalogue().snapshots().map(|at| at.id).collect()
    }

    /// The same by series.
    pub fn series_ids(&self) -> BTreeMap<Series, Vec<SnapshotId>> {
        snapshot::series_ids(&self.store.catalogue())
    }

    /// What would be free if these snapshots were gone, and no others.
    ///
    /// # Errors
    /// As [`sizes`](Self::sizes).
    pub fn freed(&self, going: &[SnapshotId]) -> Result<Freed, ObjectError> {
        snapshot::freed(&self.store, going)
    }

    /// How the repository grew, day by day in UTC. Reads the whole journal.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a record is not as it was written.
    pub fn history(&self) -> Result<Vec<Grown>, StoreError> {
        snapshot::history(&self.store)
    }

    /// Why nothing is deleted at the moment: the journal says so, or the clock shows less than its last record.
    pub fn frozen(&self) -> Option<clockguard::Frozen> {
        snapshot::frozen(&self.store.catalogue(), self.store.now())
    }

    /// Whether the journal says that nothing is deleted.
    pub fn is_frozen(&self) -> bool {
        self.store.catalogue().frozen().is_some()
    }

    /// Deletes nothing from here on, because of what was seen of the clock. Whether that is new.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn freeze(&self, seen: clockguard::Frozen, by: &str) -> Result<bool, StoreError> {
        snapshot::freeze(&self.store, seen, by)
    }

    /// Believes the clock again. Whether that is new. While the clock shows less than the last record, nothing is deleted
    /// all the same.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn thaw(&self, by: &str) -> Result<bool, StoreError> {
        snapshot::thaw(&self.store, by)
    }

    /// The time of the newest record.
    pub fn last_time(&self) -> Time {
        self.store.catalogue().at().time
    }

    /// Puts records into the places of others, all of them or none, and makes durable everything that was put before: the same
    /// points in time with trees that were laid anew. The old snapshots are forgotten without grace. The same once more gets
    /// the same answer. Answers stand in the order of the replacements.
    ///
    /// # Errors
    /// [`ReplaceError`] says which one cannot be replaced, or cannot be committed.
    ///
    /// # Panics
    /// If the session began in another engine.
    pub fn replace(
        &self,
        session: &Session,
        replacements: &[Replacement<'_>],
    ) -> Result<Vec<Committed>, ReplaceError> {
        snapshot::replace(&self.store, session, replacements)
    }

    /// Where an object lies.
    ///
    /// # Errors
    /// If the index does not answer.
    pub fn locate(&self, id: &ObjectId) -> Result<Option<Place>, StoreError> {
        self.store.locate(id)
    }

    /// Reads an object into `object`, whose former contents are lost. Its id is verified before it is returned.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Tampered`].
    pub fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), ObjectError> {
        self.store.object(id, object)
    }

    /// Reads objects whose places are known, neighbours with one read of up to
    /// [`READ_SPAN_BYTES`](limits::READ_SPAN_BYTES), and shows each with its index in `wanted`, verified. Best in the
    /// order of places. `buffer` is reused.
    pub fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], ObjectError>),
    ) {
        self.store.objects(wanted, buffer, show);
    }

    /// Checks the repository, and reports what is not as it was written. Tells `progress` after each pack.
    ///
    /// # Errors
    /// If it cannot be checked at all; damage is no error.
    pub fn verify(&self, share: Share, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, StoreError> {
        scrub::verify(&self.store, share, progress)
    }

    /// How many objects were read through parity since the repository was opened. They are as they were put; what lies
    /// in their places is not, until it is [healed](Self::heal).
    pub fn mended(&self) -> u64 {
        self.store.mended()
    }

    /// Writes damaged blocks of packs anew from their parity. Objects that cannot be healed are quarantined: they are
    /// unknown from then on, and stored again when they are put. `by` says in the journal who found out.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::Full`] if a quarantine cannot be noted.
    pub fn heal(&self, patients: &Patients, by: &str) -> Result<Healing, StoreError> {
        scrub::heal(&self.store, patients, by)
    }

    /// Verifies packs, every byte of them, the one first that was verified longest ago, at the pace that is asked for; heals
    /// what is not as it was written, or quarantines it. What was verified is noted, so that a patrol which is stopped is
    /// taken up by the next one. `watch` is told how far it is, many times a second, and may stop it.
    ///
    /// A schedule calls it again and again with [`Turn::Due`] of the time between two calls. Then no verification becomes
    /// older than [`Settings::scrub_days`], and each call reads about the same part of the whole.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] for [`Care::Heal`]; as [`heal`](Self::heal). Damage is no error.
    pub fn patrol(
        &self,
        options: &PatrolOptions,
        watch: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Patrolled, StoreError> {
        scrub::patrol(&self.store, options, watch)
    }

    /// When packs were verified, and how fast they must be from now on.
    pub fn verifications(&self) -> Verifications {
        scrub::verifications(&self.store)
    }

    /// What there is to repair. Reads everything, changes nothing, and needs no right to.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn plan_repair(&self, progress: &(dyn Fn(Progress) + Sync)) -> Result<RepairPlan, StoreError> {
        scrub::plan_repair(&self.store, progress)
    }

    /// Does what a plan says about packs and index; leftovers and small files were put in order when the repository was
    /// opened for writing. `by` says in the journal who found out. Doing it once more does what is left.
    ///
    /// # Errors
    /// As [`heal`](Self::heal) and [`rebuild_index`](Self::rebuild_index).
    pub fn repair(&self, plan: &RepairPlan, by: &str) -> Result<Repaired, StoreError> {
        scrub::repair(&self.store, plan, by)
    }

    /// What the repository takes, as far as it is durable.
    ///
    /// # Errors
    /// If the disk does not answer.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        self.store.usage()
    }

    /// Purges forgotten snapshots whose time is over, and removes what then nothing needs any more, while others read and
    /// write. `watch` is told how far it is, and may stop it; what is done by then stays done.
    ///
    /// # Errors
    /// [`CollectError::Running`], [`CollectError::Damaged`]; [`StoreError::Frozen`], [`StoreError::Full`].
    pub fn collect(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(CollectProgress) -> ControlFlow<()>,
    ) -> Result<Collected, CollectError> {
        collect::collect(&self.store, options, watch)
    }

    /// What [`collect`](Self::collect) would do now. Changes nothing.
    ///
    /// # Errors
    /// As for a collection.
    pub fn plan_collection(&self, options: &CollectOptions) -> Result<collect::plan::Plan, CollectError> {
        collect::plan_only(&self.store, options)
    }

    /// Builds the index anew from the packs, and makes it complete.
    ///
    /// # Errors
    /// [`StoreError::Index`], [`StoreError::ReadOnly`].
    pub fn rebuild_index(&self) -> Result<(), StoreError> {
        self.store.rebuild_index()
    }
}
