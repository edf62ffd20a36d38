//! The witness: how far this host saw the repository's history last.
//!
//! A repository that ends before that, or elsewhere, was put back to an earlier state or is an older copy: snapshots that
//! were acknowledged are not there any more. Nobody but those who saw them can tell.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use farkeep_engine::Position;

use crate::repository::Repository;

#[cfg(test)]
mod tests;

/// Name of the file.
const NAME: &str = "seen";

/// What a host remembers of a repository's history.
pub(super) struct Witness {
    path: PathBuf,
}

/// What is missing of the history that this host saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Testimony {
    /// It ends before what was seen.
    RolledBack {
        /// Number of the last record that was seen.
        seen: u64,
        /// Number of the last record that is there.
        found: u64,
    },
    /// It is as long as what was seen, and another.
    Replaced,
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { seen, found } => write!(
                f,
                "the repository was put back to an earlier state, or is an older copy: this host saw {seen} records of \
                 its journal, and {found} are there. Snapshots that were acknowledged are missing"
            ),
            Self::Replaced => write!(
                f,
                "the repository's journal has another end than the one that this host saw: it was put back to an earlier \
                 state and used since. Snapshots that were acknowledged are missing"
            ),
        }
    }
}

impl Witness {
    /// The witness whose memory lies in `folder`.
    pub(super) fn at(folder: &Path) -> Self {
        Self { path: folder.join(NAME) }
    }

    /// Compares what was seen with what is there; nothing where the history goes on, or was never seen.
    fn ask(&self, head: &Position) -> Option<Testimony> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        let (sequence, chain) = (words.next()?, words.next()?);
        let seen = sequence.parse::<u64>().ok()?;
        // What was acknowledged behind the record whose hash is known.
        let acknowledged = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(seen).max(seen);
        if head.sequence < acknowledged {
            Some(Testimony::RolledBack { seen: acknowledged, found: head.sequence })
        } else if head.sequence == seen && head.chain.to_string() != chain {
            Some(Testimony::Replaced)
        } else {
            None
        }
    }

    /// Says it when something is missing.
    pub(super) fn warn(&self, repository: &Repository) {
        if !repository.is_spool()
            && let Some(testimony) = self.ask(&repository.head())
        {
            tracing::warn!("{testimony}");
        }
    }

    /// Remembers the end of the history. Where that cannot be written, it was said before that the cache cannot be used.
    pub(super) fn remember(&self, repository: &Repository) {
        if !repository.is_spool()
            && let Err(error) = self.write(&repository.head(), repository.acknowledged())
        {
            tracing::debug!("cannot write {}: {error}", self.path.display());
        }
    }

    fn write(&self, head: &Position, acknowledged: u64) -> io::Result<()> {
        std::fs::write(&self.path, format!("{} {} {acknowledged}\n", head.sequence, head.chain))
    }
}
