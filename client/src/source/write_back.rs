//! How long the system may keep what programs wrote before it writes it to the disk.

use std::fs;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Age at which a dirty page is due, and time between two looks at what is due: hundredths of a second.
const EXPIRE: &str = "/proc/sys/vm/dirty_expire_centisecs";
const INTERVAL: &str = "/proc/sys/vm/dirty_writeback_centisecs";
/// Both by the kernel's defaults.
const EXPIRE_DEFAULT: u64 = 3_000;
const INTERVAL_DEFAULT: u64 = 500;
/// Where the system never looks by itself: an hour.
const INTERVAL_NEVER: u64 = 360_000;

/// Time within which a page is written after it became dirty: it is due, two looks may pass, and the writing takes its time
/// (sysctl vm, `dirty_expire_centisecs` and `dirty_writeback_centisecs`).
pub fn write_back_delay() -> Duration {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    delay(&read(EXPIRE), &read(INTERVAL))
}

fn delay(expire: &str, interval: &str) -> Duration {
    let number = |text: &str, default| text.trim().parse::<u64>().unwrap_or(default);
    let interval = match number(interval, INTERVAL_DEFAULT) {
        0 => INTERVAL_NEVER,
        interval => interval,
    };
    let centiseconds = number(expire, EXPIRE_DEFAULT).saturating_add(interval.saturating_mul(2));
    Duration::from_millis(centiseconds.saturating_mul(10))
}
