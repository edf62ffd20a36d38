//! What keeps a repository's bytes: all that a client asks of it, whether it lies in a folder or behind a server.
//!
//! A store knows no key. What it hands out was compared with its id, and opening it is the business of whoever holds
//! the keys. Putting need not wait: what was put or assumed is certain once [`Store::flush`] or [`Store::commit`] says so.

use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Series;
use farkeep_engine::Committed;
use farkeep_engine::Listed;
use farkeep_engine::Lost;
use farkeep_engine::Newest;
use farkeep_engine::Position;
use farkeep_engine::Progress;
use farkeep_engine::Share;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;
use farkeep_engine::policy::TagToken;

use super::RepositoryError;
use super::group::Group;
use super::group::Stage;
use super::keeper::Keeper;

/// Objects that are asked for together where a list of any length is worked through.
pub(crate) const TOGETHER: usize = 4096;

/// Where an object lies. Places order as their store reads best, and mean something to that store alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// In a folder.
    Folder(farkeep_engine::Place),
    /// At a server: number of the pack, and offset in it.
    Server {
        /// Number of the pack in the order of the journal.
        pack: u32,
        /// Offset in bytes of the object's record in the pack.
        offset: u32,
        /// Length of the object in bytes.
        bytes: u32,
    },
}

/// How much was added to the repository, or would have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of sealed objects that were not there.
    pub bytes: u64,
    /// Number of these objects.
    pub objects: u64,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// What kind of thing: `pack` or `file`.
    pub(crate) what: &'static str,
    /// Which.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) why: String,
    /// Objects that may be lost by it, the first of them up to a limit.
    pub(crate) objects: Vec<ObjectId>,
}

/// What a store found when it verified itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Bytes of packs that were read.
    pub(crate) bytes: u64,
    /// What is damaged.
    pub(crate) damage: Vec<Damage>,
    /// What is no damage and yet unexpected: where, and what.
    pub(crate) notices: Vec<(PathBuf, &'static str)>,
}

/// What keeps a repository's bytes. Shared by threads.
pub(crate) trait Store: Send + Sync {
    /// What every writer of the repository does alike.
    fn parameters(&self) -> &Parameters;

    /// Who decides what is kept of it.
    fn keeper(&self) -> &dyn Keeper;

    /// Whether this is a spool: it holds what is to be brought to the repository, and cannot say what is there already. It
    /// takes the word of whoever [assumes](Self::assume) something.
    fn is_spool(&self) -> bool;

    /// The end of the acknowledged history, as far as the store told it.
    fn head(&self) -> Position;

    /// Number of the last journal record that is known to be there: [`head`](Self::head) or a commit behind it.
    fn acknowledged(&self) -> u64;

    /// What is missing of the packs, as far as the store looks.
    fn lost(&self) -> Lost;

    /// All key slots that are intact.
    fn slots(&self) -> Result<Vec<(SlotId, Vec<u8>)>, RepositoryError>;

    /// Adds a key slot.
    fn add_slot(&self, slot: SlotId, bytes: &[u8]) -> Result<(), RepositoryError>;

    /// Removes a key slot. The last one stays.
    fn remove_slot(&self, slot: SlotId) -> Result<(), RepositoryError>;

    /// For each id, whether the object is there.
    fn probe(&self, ids: &[ObjectId]) -> Result<Vec<bool>, RepositoryError>;

    /// Whether an object that an earlier run stored is still there. A store that would have to be waited for says yes, and
    /// finds out meanwhile: where it was wrong, the commit and what comes before it fail with
    /// [`RepositoryError::Stale`].
    fn assume(&self, id: &ObjectId) -> Result<bool, RepositoryError>;

    /// Whether what [`assume`](Self::assume) says may turn out to be wrong.
    fn may_be_stale(&self) -> bool;

    /// Forgets that something was assumed in vain: a run begins that assumes nothing.
    fn begin_anew(&self);

    /// Stores an object if it is not there, after those that it refers to.
    fn put(&self, id: &ObjectId, object: &[u8]) -> Result<(), RepositoryError>;

    /// Counts an object as [`put`](Self::put) would, and stores nothing.
    fn count(&self, id: &ObjectId, bytes: u64) -> Result<(), RepositoryError>;

    /// Waits until everything that was put, counted or assumed is known to be there or not.
    fn settle(&self) -> Result<(), RepositoryError>;

    /// What was put, or counted, and was not there. Exact once it was settled or committed.
    fn stored(&self) -> Stored;

    /// Makes durable what was put.
    fn flush(&self) -> Result<(), RepositoryError>;

    /// Makes durable what was put, and the record of a snapshot, which has these tags. Returns once everything that was counted is certain.
    fn commit(&self, record: &[u8], tags: &[TagToken]) -> Result<Committed, RepositoryError>;

    /// The same as a member of a group, once the other members commit too.
    fn commit_with(
        &self,
        group: &Group,
        record: &[u8],
        tags: &[TagToken],
    ) -> Result<Committed, RepositoryError>;

    /// Makes durable what was put, and puts records into the places of snapshots, all of them or none.
    fn replace(&self, records: &[(SnapshotId, Vec<u8>)]) -> Result<Vec<Committed>, RepositoryError>;

    /// Waits until all members of a group are as far.
    fn gather(&self, group: &Group, stage: Stage) -> Result<(), RepositoryError>;

    /// All snapshots that are not forgotten, in the order in which they were received.
    fn snapshots(&self) -> Result<Vec<Listed>, RepositoryError>;

    /// The newest record of a series, even if that was forgotten: the one that the next record follows.
    fn newest_of(&self, series: &Series) -> Result<Option<Newest>, RepositoryError>;

    /// Where objects lie.
    fn locate(&self, ids: &[ObjectId]) -> Result<Vec<Option<Place>>, RepositoryError>;

    /// Says that these objects are going to be read, in this order.
    fn soon(&self, pointers: &[Pointer]);

    /// Reads an object into `object`, and compares it with its id.
    fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), RepositoryError>;

    /// Reads objects whose places are known, best in the order of places, and shows each with its index in `wanted`,
    /// compared with its id. `buffer` is reused.
    fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], RepositoryError>),
    );

    /// Has the store verify what it keeps.
    fn verify(&self, share: Share, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, RepositoryError>;

    /// How much is stored.
    fn usage(&self) -> Result<Usage, RepositoryError>;
}
