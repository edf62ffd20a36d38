//! Files grow old enough to be believed.
//!
//! A backup trusts the stat of a file only if the file was left alone for two seconds before the run began: a younger
//! one may change once more within the grain of its file system's clock. A test of the cache needs files that are
//! trusted, and no call of the system makes a file's time of change older than it is; so the clock has to move.

use std::time::Duration;
use std::time::SystemTime;

/// Beyond the two seconds, for file systems whose clock ticks behind.
const SETTLING: Duration = Duration::from_millis(2_050);

/// Returns when everything that was made before the call is old enough.
pub(crate) fn settle() {
    let made = SystemTime::now();
    while let Some(rest) = made.elapsed().ok().and_then(|age| SETTLING.checked_sub(age)) {
        std::thread::sleep(rest);
    }
}
