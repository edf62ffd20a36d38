//! What a server takes from the machine that it runs on: the time, and disks. Both come from outside, so that a disk
//! that fails and a clock that jumps can be shown to a server like any other.

use std::path::Path;
use std::sync::Arc;

use farkeep_engine::Clock;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::SystemClock;
use farkeep_engine::disk::Disk;
use farkeep_engine::disk::RealDisk;

/// What a server takes from the machine that it runs on.
#[derive(Clone)]
pub struct Machine {
    /// What stamps what is received, what clients are told, and what ages are measured by.
    pub clock: Arc<dyn Clock>,
    /// What a repository is kept on, given its folder. Its index is in that folder all the same.
    pub disk: Arc<dyn Fn(RealDisk) -> Arc<dyn Disk> + Send + Sync>,
}

impl Default for Machine {
    /// The machine as it is.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), disk: Arc::new(|folder| Arc::new(folder)) }
    }
}

impl Machine {
    /// What a repository is kept on.
    pub(crate) fn disk(&self, folder: RealDisk) -> Arc<dyn Disk> {
        (self.disk)(folder)
    }

    /// How the repository in a folder is opened.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn options(&self, folder: &Path) -> Result<Options, getrandom::Error> {
        let usual = Options::new(IndexKind::Rocks(folder.join("index")))?;
        Ok(Options { clock: Arc::clone(&self.clock), ..usual })
    }
}
