//! Locks by which runs of the program keep out of each other's way.

use std::fs::File;
use std::fs::TryLockError;
use std::io;

/// An exclusive lock on a file or folder.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing the file alone would leave the lock to a program that is just being started: until it runs, it holds
    /// everything that this process has open.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!("the lock goes with the file: {error}");
        }
    }
}

impl Lock {
    /// The lock, unless somebody else holds it.
    pub(crate) fn take(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
