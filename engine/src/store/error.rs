//! What can go wrong in the store. What callers act on is a variant of its own.

use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::parameters::ParametersError;
use farkeep_codec::time::Time;
use thiserror::Error;

use crate::disk::Act;
use crate::disk::DiskError;
use crate::index::IndexError;
use crate::journal::JournalError;
use crate::pack::PackError;
use crate::pack::path;

/// Why a repository could not be opened, changed or read.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no repository in that folder.
    #[error("there is no repository here")]
    NotThere,
    /// Something is where a repository was to be made.
    #[error("{} is here already", path.display())]
    Exists {
        /// What is there, relative to the folder.
        path: PathBuf,
    },
    /// Somebody else writes to the repository.
    #[error("the repository is in use by {by}")]
    InUse {
        /// What the other one says about itself.
        by: String,
    },
    /// A later program wrote something that this one does not understand.
    #[error("{what} is {found}, this program knows {known} and below")]
    NewerFormat {
        /// What was being read.
        what: &'static str,
        /// The number that stands there.
        found: u16,
        /// The highest number that this program understands.
        known: u16,
    },
    /// The parameters name a part of the format that this program does not have.
    #[error("the repository cannot be used by this program")]
    Unsupported {
        /// Which.
        #[source]
        source: ParametersError,
    },
    /// A file is not what was written.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Damaged {
        /// The file, relative to the repository.
        path: PathBuf,
        /// Offset in bytes from its start.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
    /// There is not enough room on the disk. Nothing that was acknowledged is touched, and when there is room again,
    /// the same store can go on.
    #[error("the disk is full: {needed_bytes} bytes are needed, {free_bytes} are free")]
    Full {
        /// Bytes that must be free.
        needed_bytes: u64,
        /// Bytes that are.
        free_bytes: u64,
    },
    /// Objects that were put, and not durable yet, had to be given up when another call failed.
    #[error("objects that were not durable yet were lost when another call failed")]
    Lost,
    /// A sync failed, so that nobody knows what is durable. The repository must be opened anew.
    #[error("nothing more can be written: a sync failed, and the repository must be opened anew")]
    Poisoned {
        /// The failed sync.
        #[source]
        source: DiskError,
    },
    /// The repository was opened to be read.
    #[error("the repository was opened for reading only")]
    ReadOnly,
    /// The clock moved in a way that clocks do not, so that nothing is deleted.
    #[error("nothing is deleted while the clock is not believed")]
    Frozen {
        /// What it showed.
        shown: Time,
    },
    /// A key slot of that name is not there.
    #[error("there is no key slot {slot}")]
    UnknownSlot {
        /// Its name.
        slot: crate::journal::SlotId,
    },
    /// Without this slot nobody could open the repository any more.
    #[error("the key slot {slot} is the last one")]
    LastSlot {
        /// Its name.
        slot: crate::journal::SlotId,
    },
    /// Something that was given is larger than the format allows.
    #[error("{what} has {bytes} bytes, {bytes_max} are allowed")]
    TooLarge {
        /// What was given.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// What is allowed.
        bytes_max: u64,
    },
    /// The index does not answer, nor can it be built anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk did not carry something out.
    #[error(transparent)]
    Disk(DiskError),
}

impl StoreError {
    /// Whether it is about what lies in one place of the disk, and not about the disk.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Disk(DiskError::Io { act: Act::Read, .. }))
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Held { by, .. } => Self::InUse { by },
            other => Self::Disk(other),
        }
    }
}

impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged { path, offset, what } => Self::Damaged { path, offset, what },
            JournalError::NewerFormat { what, found, known } => Self::NewerFormat { what, found, known },
            JournalError::Disk(DiskError::NotFound { path, .. } | DiskError::Ended { path, .. }) => {
                Self::Damaged { path, offset: 0, what: "end: the file is missing or too short" }
            }
            JournalError::Disk(other) => other.into(),
        }
    }
}

impl From<PackError> for StoreError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Damaged { pack, offset, malformed } => {
                Self::Damaged { path: path(&pack), offset, what: malformed.what }
            }
            PackError::Disk(DiskError::NotFound { path, .. } | DiskError::Ended { path, .. }) => {
                Self::Damaged { path, offset: 0, what: "end: the pack is missing or too short" }
            }
            PackError::Disk(other) => other.into(),
        }
    }
}

/// Why an object was not put.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes have another id than the one that was claimed.
    #[error("the bytes put as {claimed} are those of {actual}")]
    Tampered {
        /// The id that came with the bytes.
        claimed: ObjectId,
        /// The id that they have.
        actual: ObjectId,
    },
    /// The bytes are no object.
    #[error("the bytes put as {id} are no object")]
    Malformed {
        /// The id that came with the bytes.
        id: ObjectId,
        /// What is wrong with them.
        #[source]
        source: farkeep_codec::object::ObjectError,
    },
    /// The object refers to others that are not stored. Children come first.
    #[error("{id} refers to {count} objects that are not stored, such as {}", missing.first().unwrap_or(id))]
    MissingReferences {
        /// The object.
        id: ObjectId,
        /// How many of its references are missing.
        count: usize,
        /// The first of them, up to a limit.
        missing: Vec<ObjectId>,
    },
    /// Anything else.
    #[error("cannot store {id}")]
    Store {
        /// The object.
        id: ObjectId,
        /// Why not.
        #[source]
        source: StoreError,
    },
}

/// Why an object was not read.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The repository does not have it.
    #[error("object {id} is not in the repository")]
    Missing {
        /// The object.
        id: ObjectId,
    },
    /// What lies in its place is something else.
    #[error("object {id} is damaged: pack {pack}, byte {offset}")]
    Tampered {
        /// The object.
        id: ObjectId,
        /// The pack in which it was stored.
        pack: PackId,
        /// Offset in bytes of its record in the pack.
        offset: u32,
    },
    /// Anything else.
    #[error("cannot read object {id}")]
    Io {
        /// The object.
        id: ObjectId,
        /// Why not.
        #[source]
        source: StoreError,
    },
}
