//! When a stat is believed: what was left alone for long enough before a run began cannot have changed unseen.

use std::time::Duration;

use super::catalogue::Stamp;

#[cfg(test)]
mod tests;

/// Time of change within which something may change once more without a new time: file systems' clocks tick so slowly.
const TICK: Duration = Duration::from_secs(2);

/// Which things were at rest when a run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    begun_ns: i64,
    write_back_ns: i64,
}

impl Rest {
    /// Before a run that began at this time, nanoseconds since 1970.
    ///
    /// A page that a program writes through a memory map gets the file a new time once, and may be written again without
    /// one until the system has written it to the disk, at the latest after `write_back`.
    pub(super) fn before(begun_ns: i64, write_back: Duration) -> Self {
        Self { begun_ns, write_back_ns: nanoseconds(write_back) }
    }

    /// Whether something that has no contents of its own was at rest.
    pub(super) fn has_come_to(&self, stamp: &Stamp) -> bool {
        self.is_past(stamp.changed_ns, nanoseconds(TICK))
    }

    /// Whether a file was at rest, and its contents with it.
    pub(super) fn has_file_come_to(&self, stamp: &Stamp) -> bool {
        self.has_come_to(stamp) && self.is_past(stamp.modified_ns, self.write_back_ns)
    }

    fn is_past(&self, time_ns: i64, by_ns: i64) -> bool {
        time_ns.saturating_add(by_ns) < self.begun_ns
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
