//! What an agent remembers of its runs: one file, which `farkeep agent status` reads while the agent runs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::files::write_durably;

#[cfg(test)]
mod tests;

/// Name of the file in the agent's folder.
const NAME: &str = "runs.json";
/// Version of its layout. Another version is not read.
const VERSION: u32 = 1;

/// What is remembered of all jobs, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    version: u32,
    /// What waits in the spool; absent when nothing does.
    pub spool: Option<Waiting>,
    /// By name.
    pub jobs: BTreeMap<String, Remembered>,
}

/// Points that wait in the spool until a server takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many.
    pub points: u64,
    /// Bytes that the spool takes.
    pub bytes: u64,
    /// When the oldest was captured.
    pub oldest: Option<Timestamp>,
    /// Why some cannot be brought to the server that was reached last, or the spool cannot be used at all.
    pub trouble: Option<String>,
}

/// What is remembered of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// When the last run began that came to its end: times since then were missed.
    pub due: Option<Timestamp>,
    /// When the last run began.
    pub begun: Option<Timestamp>,
    /// When it ended; absent while it goes on.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it failed, or what was not complete.
    pub message: Option<String>,
    /// When the newest point that a server acknowledged was captured.
    pub acknowledged: Option<Timestamp>,
    /// Its id.
    pub snapshot: Option<String>,
    /// When the next run is due.
    pub next: Option<Timestamp>,
    /// Those of its paths that were there in a run, if it stands alone and has no hook that captures.
    #[serde(default)]
    pub seen: BTreeSet<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The server acknowledged a complete point.
    Complete,
    /// The server acknowledged a point, and some files are missing from it.
    Partial,
    /// No server was reached: the point waits in the spool.
    Spooled,
    /// There is no point.
    Failed,
}

impl Runs {
    /// Reads what lies in `folder`. What cannot be read is nothing, as if no job had run: those that make up for missed times
    /// do so, and no path is known to have been there. No point is lost by that, and none is refused.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let nothing = Self { version: VERSION, spool: None, jobs: BTreeMap::new() };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing,
            Err(error) => {
                tracing::warn!("cannot read {}: {error}", path.display());
                return nothing;
            }
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(runs) if runs.version == VERSION => runs,
            Ok(runs) => {
                tracing::warn!("{} is of version {} and is not used", path.display(), runs.version);
                nothing
            }
            Err(error) => {
                tracing::warn!("{} is not used: {error}", path.display());
                nothing
            }
        }
    }

    /// Writes all of it, so that a reader sees the old or the new one.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_durably(folder, NAME, &serde_json::to_vec_pretty(self).map_err(io::Error::from)?)
    }
}

/// The memory of an agent at work.
pub(super) struct Memory<'a> {
    runs: Mutex<Runs>,
    folder: &'a Path,
}

impl<'a> Memory<'a> {
    /// What is remembered, and where it is written down.
    pub(super) fn new(runs: Runs, folder: &'a Path) -> Self {
        Self { runs: Mutex::new(runs), folder }
    }

    /// Looks at what is remembered, or changes it.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Runs) -> T) -> T {
        look(&mut self.runs())
    }

    /// Writes all of it down. What cannot be written is said, and holds no backup up: it is written with what comes next, and
    /// `farkeep agent status` sees runs that are overdue meanwhile.
    pub(super) fn write(&self) {
        if let Err(error) = self.runs().write(self.folder) {
            tracing::error!("what is to be remembered of the jobs cannot be written: {error}");
        }
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
