//! Who relies on what the store says ([`Session`]).
//!
//! Whoever was told that an object is there counts on it until its session ends, however long that takes: it is pinned by
//! the *epoch* in which it began, the number of the last condemnation before, and never by a clock. A collection waits for
//! all that are older than what it condemned. Readers of other processes have no session here; they hold a lock
//! instead, one of two that stand for epochs in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use super::Store;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Lock;
use crate::disk::Mode;

/// Somebody who counts on what the store says, from its beginning until it is dropped.
pub struct Session {
    pins: Arc<Pins>,
    epoch: u64,
}

impl Session {
    /// The epoch in which it began.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A session proves something to the store alone in which it began.
    ///
    /// # Panics
    /// If that is another one.
    pub(super) fn expect_of(&self, store: &Store) {
        assert!(Arc::ptr_eq(&self.pins, &store.pins), "a session is of the repository that it is used with");
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.epoch)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut counts = self.pins.counts();
        if let Some(count) = counts.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.epoch);
            }
        }
    }
}

/// Sessions that have not ended.
#[derive(Default)]
pub(super) struct Pins {
    /// How many began in an epoch.
    counts: Mutex<BTreeMap<u64, u32>>,
}

impl Pins {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.counts.lock().expect("nothing panics while it counts sessions")
    }
}

impl Store {
    /// Somebody begins to count on what the store says.
    pub(crate) fn begin(&self) -> Session {
        let mut counts = self.pins.counts();
        let epoch = self.catalogue().epoch();
        *counts.entry(epoch).or_default() += 1;
        Session { pins: Arc::clone(&self.pins), epoch }
    }

    /// How many sessions that began in each epoch have not ended.
    pub(crate) fn pins(&self) -> Vec<(u64, u32)> {
        self.pins.counts().iter().map(|(epoch, count)| (*epoch, *count)).collect()
    }
}

/// The lock that readers of other processes share who began in that epoch.
fn lock_path(epoch: u64) -> PathBuf {
    layout::path(Name::Pins).join(if epoch.is_multiple_of(2) { "0" } else { "1" })
}

/// Makes the files that readers lock. A writer does this, since a reader changes nothing.
pub(super) fn make_locks(disk: &dyn Disk) -> Result<(), DiskError> {
    let folder = layout::path(Name::Pins);
    if !disk.exists(folder)? {
        disk.create_folder(folder)?;
    }
    for path in [lock_path(0), lock_path(1)] {
        if !disk.exists(&path)? {
            disk.open(&path, Mode::CreateNew)?;
        }
    }
    Ok(())
}

/// Holds off readers of other processes while files are removed that one of them may need. `None` if there is one, who is
/// not waited for.
pub(super) fn hold_off(disk: &dyn Disk) -> Result<Option<[Box<dyn Lock>; 2]>, DiskError> {
    make_locks(disk)?;
    let take = |epoch| disk.lock(&lock_path(epoch), "a writer that removes packs");
    match (take(0), take(1)) {
        (Ok(even), Ok(odd)) => Ok(Some([even, odd])),
        (Err(DiskError::Held { .. }), _) | (_, Err(DiskError::Held { .. })) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Pins what a reader of another process is going to see. `read` reads it, and says its epoch: once more when the lock is
/// held, since a collection may have passed by in front of it.
pub(super) fn pin<T>(
    disk: &dyn Disk,
    mut read: impl FnMut() -> Result<(T, u64), StoreError>,
) -> Result<(T, Option<Box<dyn Lock>>), StoreError> {
    let (mut seen, mut epoch) = read()?;
    loop {
        let Some(lock) = share(disk, &lock_path(epoch)) else { return Ok((seen, None)) };
        let before = epoch;
        (seen, epoch) = read()?;
        if epoch == before {
            return Ok((seen, Some(lock)));
        }
    }
}

/// Where the lock cannot be had, the repository is one that no program has opened that collects, or one that nobody may
/// write to.
fn share(disk: &dyn Disk, path: &Path) -> Option<Box<dyn Lock>> {
    match disk.lock_shared(path) {
        Ok(lock) => Some(lock),
        Err(error) => {
            tracing::debug!(%error, "a reader does without a pin");
            None
        }
    }
}
