//! Who relies on what the store says ([`Session`]).
//!
//! Whoever was told that an object is there counts on it until its session ends, however long that takes: it is pinned by
//! the *epoch* in which it began, the number of the last condemnation before, and never by a clock. A collection waits for
//! all that are older than what it condemned. Readers of other processes have no session here; they hold a lock
//! instead, one of two that stand for epochs in turn.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

use super::Store;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use super::ledger::Condemned;
use super::ledger::Ledger;
use super::ledger::Pin;
use super::ledger::RecordAt;
use super::ledger::lock_of;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Lock;
use crate::disk::Mode;
use crate::index::Spot;

/// Somebody who counts on what the store says, from its beginning until it is dropped.
pub struct Session {
    pins: Arc<Pins>,
    pin: Pin,
}

impl Session {
    /// The epoch in which it began.
    pub fn epoch(&self) -> u64 {
        self.pin.epoch()
    }

    /// A session proves something to the store alone in which it began.
    ///
    /// # Panics
    /// If that is another one.
    pub(super) fn expect_of(&self, store: &Store) {
        assert!(Arc::ptr_eq(&self.pins, &store.pins), "a session is of the repository that it is used with");
    }

    /// Whether it may count on what lies there: not if that was condemned before it began.
    pub(super) fn sees(&self, spot: &Spot) -> bool {
        self.pins.ledger().sees(self.pin, RecordAt { pack: spot.ordinal, offset: spot.offset })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.epoch())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pins.ledger().end(self.pin);
        self.pins.ended.notify_all();
    }
}

/// Who counts on what, and what is condemned.
pub(super) struct Pins {
    ledger: Mutex<Ledger>,
    /// What the next condemnation condemns, until the journal says that it does.
    proposed: Mutex<Option<Condemned>>,
    /// A session has ended.
    ended: Condvar,
}

impl Pins {
    /// Nobody, in a repository of that epoch.
    pub(super) fn new(epoch: u64) -> Self {
        Self { ledger: Mutex::new(Ledger::new(epoch)), proposed: Mutex::default(), ended: Condvar::new() }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect(UNBROKEN)
    }

    /// Says what the next condemnation condemns.
    pub(super) fn propose(&self, condemned: Option<Condemned>) {
        *self.proposed.lock().expect(UNBROKEN) = condemned;
    }

    /// The journal says that it is condemned.
    pub(super) fn condemn(&self) {
        let proposed = self.proposed.lock().expect(UNBROKEN).take();
        self.ledger().condemn(proposed.unwrap_or_default());
    }

    /// Waits until a session ends, or so long.
    pub(super) fn wait(&self, most: Duration) {
        let ledger = self.ledger();
        if ledger.waits_for() > 0 {
            drop(self.ended.wait_timeout(ledger, most).expect(UNBROKEN));
        } else {
            drop(ledger);
            std::thread::sleep(most);
        }
    }
}

const UNBROKEN: &str = "nothing panics while it holds what is pinned";

impl Store {
    /// Somebody begins to count on what the store says.
    pub(crate) fn begin(&self) -> Session {
        let pin = self.pins.ledger().begin();
        Session { pins: Arc::clone(&self.pins), pin }
    }

    /// How many sessions that began in each epoch have not ended.
    pub(crate) fn pins(&self) -> Vec<(u64, u32)> {
        self.pins.ledger().pins().iter().map(|(epoch, count)| (*epoch, *count)).collect()
    }
}

/// What stands in the files that are locked: nothing, so that taking a lock needs no room on a full disk.
pub(super) const NOBODY: &str = "";

/// The lock that readers of other processes share who began in that epoch.
fn lock_path(epoch: u64) -> PathBuf {
    layout::path(Name::Pins).join(lock_of(epoch).to_string())
}

/// The lock that those share who wait for the writer.
pub(super) fn queue_path() -> PathBuf {
    layout::path(Name::Pins).join("queue")
}

/// Makes the files that readers lock, and those who wait. A writer does this, since a reader changes nothing.
pub(super) fn make_locks(disk: &dyn Disk) -> Result<(), DiskError> {
    let folder = layout::path(Name::Pins);
    if !disk.exists(folder)? {
        disk.create_folder(folder)?;
    }
    for path in [lock_path(0), lock_path(1), queue_path()] {
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
    let take = |epoch| disk.lock(&lock_path(epoch), NOBODY);
    match (take(0), take(1)) {
        (Ok(even), Ok(odd)) => Ok(Some([even, odd])),
        (Err(DiskError::Held { .. }), _) | (_, Err(DiskError::Held { .. })) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// The same for readers that began in epochs that share a lock with that one.
pub(super) fn hold_off_of(disk: &dyn Disk, epoch: u64) -> Result<Option<Box<dyn Lock>>, DiskError> {
    match disk.lock(&lock_path(epoch), NOBODY) {
        Ok(lock) => Ok(Some(lock)),
        Err(DiskError::Held { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pins what a reader of another process is going to see. `read` reads it, and says its epoch: once more when the lock is
/// held, since a collection may have passed by in front of it.
pub(super) fn pin<T>(
    disk: &dyn Disk,
    mut read: impl FnMut() -> Result<(T, u64), StoreError>,
) -> Result<(T, Option<Box<dyn Lock>>), StoreError> {
    let (mut seen, mut epoch) = read()?;
    let mut tries = 0;
    loop {
        let lock = match share(disk, &lock_path(epoch)) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok((seen, None)),
            Err(held) if tries >= TRIES => return Err(held.into()),
            // A collection condemns or removes at this moment.
            Err(_) => {
                tries += 1;
                std::thread::sleep(PAUSE);
                (seen, epoch) = read()?;
                continue;
            }
        };
        let before = epoch;
        (seen, epoch) = read()?;
        if epoch == before {
            return Ok((seen, Some(lock)));
        }
    }
}

/// How often a reader comes back for a lock that somebody holds alone, and how long it stays away: five minutes in all.
const TRIES: u32 = 30_000;
const PAUSE: Duration = Duration::from_millis(10);

/// Where there is no such lock, the repository is one that no program has opened that collects, or one that nobody may
/// write to. One that somebody holds alone is an error.
pub(super) fn share(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn Lock>>, DiskError> {
    match disk.lock_shared(path) {
        Ok(lock) => Ok(Some(lock)),
        Err(held @ DiskError::Held { .. }) => Err(held),
        Err(error) => {
            tracing::debug!(%error, "a reader does without a pin");
            Ok(None)
        }
    }
}
