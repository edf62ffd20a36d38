//! Where an agent runs, and what it was told besides its configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// How long the agent sleeps at most before it looks whether it is told to end, and at the clock, which somebody may set.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// Where an agent runs, and what it was told besides its configuration.
#[derive(Debug, Clone)]
pub struct Place {
    /// Folder of enrolments.
    pub enrolments: PathBuf,
    /// Folder of the caches.
    pub caches: PathBuf,
    /// Name of this host.
    pub host: String,
    /// Name of the user who runs it.
    pub user: String,
    /// Set from outside to end the agent.
    pub cancel: Arc<AtomicBool>,
}

impl Place {
    /// Whether the agent is told to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Sleeps, and looks now and then whether the agent is told to end.
    pub(super) fn sleep(&self, duration: Duration) {
        let begun = Instant::now();
        while !self.is_cancelled() {
            let left = duration.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}
