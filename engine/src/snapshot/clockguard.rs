//! Whether a clock may decide what is deleted: pure functions of what clocks show ([`ClockGuard`], [`behind`]).
//!
//! What was received when, what is held and how long grace lasts are all told by one clock. One that moved by itself
//! would make a policy forget a year in a minute, so nothing is deleted while a clock is not believed; everything else
//! goes on. A machine that was off is normal, and so is one that slept: only its keeper knows which it was.

use std::time::Duration;

use farkeep_codec::time::Time;

use crate::store::set_back;

#[cfg(test)]
mod tests;

/// Why nothing is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// What the clock showed.
    pub shown: Time,
    /// What it should have shown, at least; unknown once the process that saw it has ended.
    pub expected: Option<Time>,
}

/// What is to be thought of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Fine,
    /// It moved by itself.
    Wrong(Frozen),
    /// It was wrong, and is right again, but not for long.
    Settling,
    /// It was wrong, and has been right for long enough to be believed: said once.
    Settled,
}

/// Compares a clock, which somebody may set, with one that nobody can, for as long as a process runs.
#[derive(Debug, Clone, Copy)]
pub struct ClockGuard {
    /// What both showed in the beginning.
    began: (Time, Duration),
    /// When the clock was last seen to be wrong, by the steady one.
    wrong: Option<Duration>,
}

impl ClockGuard {
    /// Begins to compare: what the clock shows, and what the steady one does, whose beginning means nothing.
    pub fn new(shown: Time, steady: Duration) -> Self {
        Self { began: (shown, steady), wrong: None }
    }

    /// Looks at both clocks once more. `last` is the time of the newest record, `limit` how far a clock may be off.
    pub fn look(&mut self, shown: Time, steady: Duration, last: Time, limit: Duration) -> Verdict {
        let passed = steady.saturating_sub(self.began.1);
        let expected = later(self.began.0, passed);
        let off =
            apart(shown, expected).max(behind(shown, last, limit).map_or(Duration::ZERO, |_| Duration::MAX));
        if off > limit {
            self.wrong = Some(steady);
            return Verdict::Wrong(Frozen { shown, expected: Some(expected.max(last)) });
        }
        match self.wrong {
            None => Verdict::Fine,
            Some(wrong) if steady.saturating_sub(wrong) < limit => Verdict::Settling,
            Some(_) => {
                self.wrong = None;
                Verdict::Settled
            }
        }
    }
}

/// Whether a clock shows less than a record that was written by it, by more than the limit.
pub fn behind(shown: Time, last: Time, limit: Duration) -> Option<Frozen> {
    set_back(shown, last, limit).then_some(Frozen { shown, expected: Some(last) })
}

/// Whether a clock shows so much more than the newest record, when a repository is opened, that it is more likely to
/// have moved than that nobody wrote for so long. For a server, which is not put into a drawer.
pub fn ahead(shown: Time, last: Time) -> Option<Frozen> {
    let is_ahead = shown > last && apart(shown, last) > IDLE_MAX;
    is_ahead.then_some(Frozen { shown, expected: Some(last) })
}

/// The longest time for which a server may have had nothing to write.
const IDLE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

fn apart(one: Time, other: Time) -> Duration {
    Duration::from_nanos(one.nanoseconds().abs_diff(other.nanoseconds()))
}

fn later(time: Time, passed: Duration) -> Time {
    let passed = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
    Time::from_nanoseconds(time.nanoseconds().saturating_add(passed))
}
