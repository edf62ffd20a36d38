//! Whether the clock of the system goes as time does.

use std::time::Duration;
use std::time::Instant;

use farkeep_codec::time::Time;

#[cfg(test)]
mod tests;

/// Compares the clock, which somebody may set, with the one that nobody can.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    limit: Duration,
    last: (Time, Instant),
}

impl ClockWatch {
    pub(crate) fn new(limit: Duration, wall: Time, steady: Instant) -> Self {
        Self { limit, last: (wall, steady) }
    }

    /// By how many seconds the clock went too far since the last look, if they are too many; backwards they are
    /// negative. A machine that slept has jumped.
    pub(crate) fn look(&mut self, wall: Time, steady: Instant) -> Option<f64> {
        let passed = steady.saturating_duration_since(self.last.1).as_secs_f64();
        let (now, last) = (wall.nanoseconds(), self.last.0.nanoseconds());
        let moved = Duration::from_nanos(now.abs_diff(last)).as_secs_f64();
        let shown = if now < last { -moved } else { moved };
        self.last = (wall, steady);
        let jump = shown - passed;
        (jump.abs() >= self.limit.as_secs_f64()).then_some(jump)
    }
}
