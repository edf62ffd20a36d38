//! A lock that the kernel takes back when its holder dies ([`RealLock`]).
//!
//! `flock` on a file that is never removed: removing it would let two holders lock two files of one name. What stands
//! in the file is for people; the kernel alone decides who holds it.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::FILE_MODE;
use crate::disk::Act;
use crate::disk::DiskError;
use crate::disk::Lock;
use crate::limits::LOCK_OWNER_BYTES_MAX;

/// Holds the lock until it is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct RealLock {
    pub(super) file: File,
}

impl Lock for RealLock {}

impl Drop for RealLock {
    /// Closing the file alone would leave the lock to a program that is just being started: until it runs, it holds
    /// everything that this process has open.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the lock goes with the file");
        }
    }
}

impl RealLock {
    pub(super) fn take(path: &Path, owner: &str) -> Result<Self, DiskError> {
        let error = |source| DiskError::new(Act::Lock, path, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DiskError::Held { path: path.into(), by: holder(&file) });
            }
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        file.set_len(0).map_err(error)?;
        file.write_all_at(owner.as_bytes(), 0).map_err(error)?;
        Ok(Self { file })
    }

    /// Shares it, and waits for that while somebody has taken it.
    pub(super) fn share(path: &Path) -> Result<Self, DiskError> {
        let error = |source| DiskError::new(Act::Lock, path, source);
        let file = File::open(path).map_err(error)?;
        file.lock_shared().map_err(error)?;
        Ok(Self { file })
    }
}

/// What the holder wrote about itself, which it may not have done yet.
fn holder(file: &File) -> String {
    let mut text = Vec::new();
    let read = file.take(LOCK_OWNER_BYTES_MAX).read_to_end(&mut text);
    match read {
        Ok(count) if count > 0 => String::from_utf8_lossy(&text).into_owned(),
        _ => "another process".into(),
    }
}
