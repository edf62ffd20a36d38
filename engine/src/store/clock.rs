//! The time that the store stamps on what it receives, from outside, so that a run can be replayed.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use farkeep_codec::time::Time;

/// Somebody who knows the time.
pub trait Clock: Send + Sync {
    /// The time now. It may jump; the store never lets its records go back.
    fn now(&self) -> Time;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let now = SystemTime::now();
        let nanoseconds = match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |behind| -behind),
        };
        Time::from_nanoseconds(nanoseconds)
    }
}

/// Whether a clock shows less than a record that was written by it, by more than the limit.
pub(crate) fn set_back(shown: Time, last: Time, limit: Duration) -> bool {
    let apart = last.nanoseconds().saturating_sub(shown.nanoseconds());
    u128::try_from(apart).is_ok_and(|apart| apart > limit.as_nanos())
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(time: Time) -> Self {
        Self(AtomicI64::new(time.nanoseconds()))
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, time: Time) {
        self.0.store(time.nanoseconds(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_nanoseconds(self.0.load(Ordering::SeqCst))
    }
}
