//! Waiting for a repository in a folder that somebody else writes to ([`Patience`]).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use farkeep_engine::StoreError;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::is_wanted;
use farkeep_engine::queue;

/// Whoever waits looks so often: the system tells of no lock that became free by a certain time.
const LOOK: Duration = Duration::from_millis(50);

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Whoever writes for long is asked to give way.
    Ask,
    /// All who ask so go first.
    Yield,
}

/// How long somebody waits.
pub(crate) struct Patience<'a> {
    /// At most; for ever where there is no such time.
    pub(crate) most: Option<Duration>,
    pub(crate) manners: Manners,
    /// Set where it is wanted no more.
    pub(crate) cancel: Arc<AtomicBool>,
    /// Is told once who is waited for, if anybody is.
    pub(crate) tell: &'a dyn Fn(&str),
}

impl Patience<'_> {
    /// Opens what is in that folder as soon as nobody writes to it any more.
    pub(super) fn wait<T>(
        &self,
        folder: &Path,
        open: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let disk = RealDisk::open(folder, Backend::Sync).ok();
        let (mut queued, mut was_told) = (None, false);
        loop {
            let is_others_turn =
                self.manners == Manners::Yield && disk.as_ref().is_some_and(|disk| is_wanted(disk));
            let by = match is_others_turn {
                true => "others, who wait for it".to_owned(),
                false => match open() {
                    Err(StoreError::InUse { by }) => by,
                    opened => return opened,
                },
            };
            let is_late = self.most.is_some_and(|most| began.elapsed() >= most);
            if is_late || self.cancel.load(Ordering::Relaxed) {
                return Err(StoreError::InUse { by });
            }
            if !was_told {
                (self.tell)(&by);
                was_told = true;
            }
            if queued.is_none() && self.manners == Manners::Ask {
                queued = disk.as_ref().map(|disk| queue(disk));
            }
            sleep(LOOK);
        }
    }
}
