//! What can go wrong with a disk: [`DiskError`] names the act, the path and the cause.
//!
//! What callers act on is a variant; everything else keeps the system's own error as its source. An error can be
//! cloned, because a poisoned file answers every later call with the error that poisoned it.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// A call to a [`Disk`](super::Disk) or to one of its files that was not carried out.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The file system, or the owner's quota on it, has no room left.
    #[error("no space left: cannot {act} {}", path.display())]
    Full {
        /// What was being done.
        act: Act,
        /// To which file or folder.
        path: PathBuf,
    },
    /// There is nothing of that name.
    #[error("cannot {act} {}: it does not exist", path.display())]
    NotFound {
        /// What was being done.
        act: Act,
        /// To which file or folder.
        path: PathBuf,
    },
    /// The name is taken.
    #[error("cannot {act} {}: it exists already", path.display())]
    Exists {
        /// What was being done.
        act: Act,
        /// To which file or folder.
        path: PathBuf,
    },
    /// Somebody else holds the lock.
    #[error("{} is in use by {by}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        by: String,
    },
    /// The file ends before the last byte that was asked for.
    #[error("cannot read {bytes} bytes at offset {offset} of {}: the file ends before", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// Where the read began, in bytes from the start of the file.
        offset: u64,
        /// How many bytes were asked for.
        bytes: usize,
    },
    /// Anything else that the system reports.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was being done.
        act: Act,
        /// To which file or folder.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: Arc<io::Error>,
    },
}

impl DiskError {
    /// Wraps the error that the system gave when `act` was done to `path`.
    pub fn new(act: Act, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { act, path },
            io::ErrorKind::NotFound => Self::NotFound { act, path },
            io::ErrorKind::AlreadyExists => Self::Exists { act, path },
            _ => Self::Io { act, path, source: Arc::new(source) },
        }
    }
}

/// What was being done when an error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Making a file or a folder.
    Create,
    /// Opening something that exists.
    Open,
    /// Reading bytes, or a property such as the length.
    Read,
    /// Writing bytes.
    Write,
    /// Reserving room for bytes to come.
    Allocate,
    /// Changing the length of a file.
    Truncate,
    /// Making durable.
    Sync,
    /// Giving another name.
    Rename,
    /// Removing a name.
    Remove,
    /// Listing the names in a folder.
    List,
    /// Taking a lock.
    Lock,
}

impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Allocate => "allocate room for",
            Self::Truncate => "change the length of",
            Self::Sync => "make durable",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::Lock => "lock",
        })
    }
}
