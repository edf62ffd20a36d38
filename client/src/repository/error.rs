//! Why a repository did not do what it was asked.

use std::path::PathBuf;

use farkeep_codec::envelope::EnvelopeError;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::CodeError;
use farkeep_codec::key::SlotError;
use farkeep_codec::layout::Malformed;
use farkeep_codec::seal::OpenError;
use farkeep_engine::CommitError;
use farkeep_engine::ForgetError;
use farkeep_engine::HoldError;
use farkeep_engine::ObjectError;
use farkeep_engine::PutError;
use farkeep_engine::ReplaceError;
use farkeep_engine::RetainError;
use farkeep_engine::SettingsError;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_engine::collect::CollectError;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Retry;
use thiserror::Error;

use super::remote::RemoteError;
use crate::config::Location;
use crate::output::size;

/// Why a repository did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// It does not open.
    #[error("cannot open the repository {location}")]
    Open {
        /// Where it should be.
        location: Location,
        /// Why not.
        source: StoreError,
    },
    /// A repository cannot be made there.
    #[error("cannot make a repository in {location}")]
    Create {
        /// Where it was to be.
        location: Location,
        /// Why not.
        source: StoreError,
    },
    /// A setting that the format does not allow.
    #[error("this setting cannot be used: {why}")]
    Setting {
        /// Which, and what is allowed.
        why: String,
    },
    /// The passphrase or recovery code opens none of the key slots.
    #[error("wrong passphrase for the repository {location}")]
    WrongSecret {
        /// The repository.
        location: Location,
    },
    /// What was given begins like a recovery code and is none.
    #[error("wrong passphrase for the repository {location}, and no recovery code either")]
    Mistyped {
        /// The repository.
        location: Location,
        /// What is wrong with the code.
        source: CodeError,
    },
    /// A key slot cannot be read.
    #[error("key slot {slot} cannot be read")]
    SlotBytes {
        /// The slot.
        slot: SlotId,
        /// What is wrong with it.
        source: EnvelopeError,
    },
    /// A key slot opened, and what it holds does not belong here.
    #[error("key slot {slot} does not belong to this repository")]
    Slot {
        /// The slot.
        slot: SlotId,
        /// What is wrong with it.
        source: SlotError,
    },
    /// The name of a key slot fits none, or several.
    #[error("{text:?} names {} of the key slots", if *count == 0 { "none" } else { "several" })]
    SlotName {
        /// What was given.
        text: String,
        /// How many it fits.
        count: usize,
    },
    /// The keys of this slot allow to write, and not to read.
    #[error("the key slot that was opened may write backups, and may not read them")]
    NoReader,
    /// Something that an earlier run stored was taken for stored, and is not there any more.
    #[error("the repository has lost {objects} objects that earlier runs stored, such as {id}")]
    Stale {
        /// The first that was found missing.
        id: ObjectId,
        /// How many were, by then.
        objects: u64,
    },
    /// The spool has come to its bound.
    #[error("the spool is full: it takes {} and no more; what it holds waits for a server", size(*bytes_max))]
    SpoolFull {
        /// Bytes that it takes.
        bytes_max: u64,
    },
    /// The spool cannot be used.
    #[error("the spool in {}: {why}", folder.display())]
    Spool {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Snapshots were not replaced by others.
    #[error("cannot rewrite snapshots")]
    Replace(#[from] ReplaceError),
    /// Not everything is done through a server.
    #[error("this is not done through a server, but on the folder of the repository")]
    NotThroughServer,
    /// Nothing was collected, or not everything.
    #[error("cannot collect")]
    Collect(#[from] CollectError),
    /// Only a server gathers the members of a consistency group.
    #[error("a consistency group is committed by a server")]
    NoGroups,
    /// A repository at a server is opened as an enrolled host.
    #[error("a repository at a server is opened by a host that is enrolled there")]
    NotEnrolled,
    /// The host was enrolled without what it needs to write to this repository.
    #[error("this host has no agent code for the repository {location}")]
    NoAgentCode {
        /// The repository.
        location: Location,
    },
    /// The agent code is one for another repository.
    #[error("the agent code is not one for the repository {location}")]
    OtherAgentCode {
        /// The repository.
        location: Location,
    },
    /// The server failed, or is not believed.
    #[error(transparent)]
    Remote(RemoteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object was not stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A snapshot was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A snapshot was not forgotten, or not recovered.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// A snapshot was not held.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// Policies were not carried out.
    #[error(transparent)]
    Retain(#[from] RetainError),
    /// Settings were not changed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An object was not read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An object is not what its pointer promises.
    #[error(transparent)]
    Seal(#[from] OpenError),
    /// A node cannot be understood.
    #[error("node {node} is malformed")]
    Node {
        /// The node.
        node: ObjectId,
        /// What is wrong with it.
        source: Malformed,
    },
    /// A tree does not hold together.
    #[error("the tree is malformed")]
    Tree(#[from] Malformed),
    /// An entry's place is not inside of the object that it names.
    #[error("an entry lies outside of object {object}")]
    Outside {
        /// The object.
        object: ObjectId,
    },
    /// A file's chunks are shorter or longer than the file.
    #[error("the chunks of a file do not make up its {bytes} bytes")]
    Chunks {
        /// Length of the file.
        bytes: u64,
    },
    /// Without this slot nobody could read the snapshots of its epoch.
    #[error("the key slot {slot} holds the keys of an epoch: the snapshots of that take it")]
    EpochSlot {
        /// The slot.
        slot: SlotId,
    },
    /// Somebody else began a new epoch at the same time.
    #[error("somebody else has rotated the keys meanwhile")]
    Rotated,
    /// A snapshot's record does not hold.
    #[error("snapshot {id} is refused: {why}")]
    Snapshot {
        /// The snapshot.
        id: SnapshotId,
        /// Why.
        why: String,
    },
}

impl From<RemoteError> for RepositoryError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Stale { id, objects } => Self::Stale { id, objects },
            other => Self::Remote(other),
        }
    }
}

impl RepositoryError {
    /// Whether it says that what is stored is not what was stored.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::SlotBytes { .. }
            | Self::Slot { .. }
            | Self::Seal(_)
            | Self::Node { .. }
            | Self::Tree(_)
            | Self::Outside { .. }
            | Self::Chunks { .. }
            | Self::Snapshot { .. }
            | Self::Object(ObjectError::Missing { .. } | ObjectError::Tampered { .. }) => true,
            Self::Remote(error) => error.is_damage(),
            _ => matches!(self.store(), Some(StoreError::Damaged { .. })),
        }
    }

    /// Whether a name is taken that was to be given.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Self::Remote(error) => error.code() == Some(Code::EXISTS),
            _ => matches!(self.store(), Some(StoreError::Exists { .. })),
        }
    }

    /// Whether nobody was there to take what was to be stored, or not now: it may pass, and says nothing of what was to be
    /// stored.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(self, Self::Remote(error) if error.is_out_of_reach())
    }

    /// Whether it concerns the point in time that was to be stored, and another one could be.
    pub(crate) fn is_of_one_point(&self) -> bool {
        match self {
            Self::Remote(RemoteError::Refused { code, .. }) => code.retry() == Retry::Never,
            Self::Remote(_) => false,
            _ => true,
        }
    }

    /// What the store said, if it is the store that failed.
    pub fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Open { source, .. } | Self::Create { source, .. } | Self::Store(source) => Some(source),
            Self::Put(PutError::Store { source, .. })
            | Self::Commit(CommitError::Store(source))
            | Self::Forget(ForgetError::Store(source))
            | Self::Hold(HoldError::Store(source))
            | Self::Retain(
                RetainError::Store(source) | RetainError::Settings(SettingsError::Store(source)),
            )
            | Self::Settings(SettingsError::Store(source))
            | Self::Object(ObjectError::Io { source, .. }) => Some(source),
            _ => None,
        }
    }
}
