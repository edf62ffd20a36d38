//! Why a server did not do what it was asked, or is not believed.

use farkeep_codec::id::ObjectId;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Retry;
use thiserror::Error;

/// Why a server did not do what it was asked, or is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// There is no way to the server.
    #[error("cannot reach the server {server}: {why}")]
    Unreachable {
        /// The server.
        server: String,
        /// What the system said.
        why: String,
    },
    /// The server has another key than the one that it had when this host was enrolled.
    #[error("{server} shows another key than the one that this host was enrolled with")]
    WrongServer {
        /// The server.
        server: String,
    },
    /// The connection was cut, and no other one could be made in time.
    #[error("the connection to {server} was lost and did not come back in {seconds} s: {why}")]
    Lost {
        /// The server.
        server: String,
        /// For how many seconds it was tried.
        seconds: u64,
        /// What went wrong at last.
        why: String,
    },
    /// The server says why it does not do it.
    #[error("the server refused: {text} ({code})")]
    Refused {
        /// Why, as a number.
        code: Code,
        /// Why, for people.
        text: String,
    },
    /// The server does not keep to the protocol.
    #[error("the server broke the protocol: {what}")]
    Broken {
        /// How.
        what: String,
    },
    /// The server forgot what it had acknowledged in this run.
    #[error(
        "the server was put back to an earlier state: {seen} records were acknowledged, and {found} are there"
    )]
    RolledBack {
        /// Number of the last record that was acknowledged.
        seen: u64,
        /// Number of the last record that is there.
        found: u64,
    },
    /// The server has another repository under that name than when the run began.
    #[error("the server has another repository of that name now")]
    Replaced,
    /// What earlier runs stored is not there any more.
    #[error("the repository has lost {objects} objects that earlier runs stored, such as {id}")]
    Stale {
        /// The first that was found missing.
        id: ObjectId,
        /// How many were, by then.
        objects: u64,
    },
    /// An object's bytes are not those that its id names.
    #[error("the server sent other bytes for object {id}")]
    Tampered {
        /// The object.
        id: ObjectId,
    },
    /// The server found an object damaged.
    #[error("object {id} is damaged at the server")]
    Damaged {
        /// The object.
        id: ObjectId,
    },
    /// A snapshot record that cannot be read.
    #[error("the server lists a snapshot that is none: {why}")]
    Record {
        /// What is wrong with it.
        why: String,
    },
    /// The connection has ended.
    #[error("the connection to the server has ended")]
    Ended,
}

impl RemoteError {
    /// The server broke the protocol in this way.
    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::Broken { what: what.into() }
    }

    /// Whether it says that what is stored is not what was stored.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Tampered { .. } | Self::Damaged { .. } | Self::Record { .. } | Self::RolledBack { .. } => {
                true
            }
            Self::Refused { code, .. } => *code == Code::DAMAGED_OBJECT,
            _ => false,
        }
    }

    /// Whether nobody was there to do it, or not now.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Ended => true,
            // Whoever has used up what it may store is told so, and a broken group is no group.
            Self::Refused { code, .. } => {
                code.retry() != Retry::Never && ![Code::QUOTA_EXCEEDED, Code::GROUP_BROKEN].contains(code)
            }
            _ => false,
        }
    }

    /// The code with which the server refused.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}
