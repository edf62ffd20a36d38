//! Who waits until whoever writes has ended ([`Queued`]), so that a writer that works for long may give way.

use std::fmt;

use super::session;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Lock;

/// Somebody waits, until this is dropped.
#[must_use = "whoever drops it waits no more"]
pub struct Queued {
    _lock: Option<Box<dyn Lock>>,
}

/// Says that somebody waits for the repository in the root folder of that disk. Where it has no file for that, since no
/// program opened it yet that gives way, nobody is told.
pub fn queue(disk: &dyn Disk) -> Queued {
    Queued { _lock: session::share(disk, &session::queue_path()).ok().flatten() }
}

/// Whether somebody waits for the repository in the root folder of that disk.
pub fn is_wanted(disk: &dyn Disk) -> bool {
    matches!(disk.lock(&session::queue_path(), session::NOBODY), Err(DiskError::Held { .. }))
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queued")
    }
}
