//! Seeds that differ from run to run, and are told when they matter.

use std::time::SystemTime;

/// Says what decided the moments, if the test fails.
pub(crate) struct Seed(u64);

impl Seed {
    /// Another one each time.
    pub(crate) fn of_now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
        Self(since.as_secs() * 1_000 + u64::from(since.subsec_millis()))
    }

    pub(crate) fn number(&self) -> u64 {
        self.0
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a failing test prints its seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}
