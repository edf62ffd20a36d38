//! How fast a collection or a scrub may go ([`Pace`]): so many bytes each second, and such a share of one processor.
//!
//! Pure: whoever works says what has been done and what time it is, and is told how long to rest. Both limits are virtual
//! clocks that work sets forward by what it should have taken (the generic cell rate algorithm of ATM, ITU-T I.371
//! annex A); rest counts for both.

use std::num::NonZeroU64;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Unused time that may be made up for at once.
const CREDIT: Duration = Duration::from_millis(250);
const THOUSAND: u32 = 1000;

/// What it must not exceed. `None` and 1000 thousandths are no limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes read and written each second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Part of the time in which it may work, in thousandths; 0 counts as 1.
    pub work_thousandths: u16,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { bytes_per_second: None, work_thousandths: 1000 };
}

/// A pace that is kept.
#[derive(Debug, Clone)]
pub struct Pace {
    limits: Limits,
    /// When the bytes so far, and the work so far, should have been done.
    bytes_due: Duration,
    work_due: Duration,
}

impl Pace {
    /// Begins. All times are those of one clock that is never set back, from any zero that it has.
    pub fn new(limits: Limits, now: Duration) -> Self {
        Self { limits, bytes_due: now, work_due: now }
    }

    /// Takes in that so many bytes were moved in so much time until now. Returns how long to rest before the next.
    pub fn rest(&mut self, now: Duration, worked: Duration, bytes: u64) -> Duration {
        let begun = now.saturating_sub(worked);
        if let Some(rate) = self.limits.bytes_per_second {
            let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
            let took = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            self.bytes_due = self.bytes_due.max(begun.saturating_sub(CREDIT)).saturating_add(took);
        }
        let share = u32::from(self.limits.work_thousandths).clamp(1, THOUSAND);
        let took = worked.saturating_mul(THOUSAND) / share;
        self.work_due = self.work_due.max(begun.saturating_sub(CREDIT)).saturating_add(took);
        self.bytes_due.max(self.work_due).saturating_sub(now)
    }
}
