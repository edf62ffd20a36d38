//! Points that no server took: they wait in the spool, and are brought to a server in order when one is there.

use std::path::PathBuf;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::time::Time;
use jiff::Timestamp;
use thiserror::Error;

use super::runs::Waiting;
use super::servers::Servers;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::Request;
use crate::backup::Summary;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Depth;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::repository::Spool;

/// Name of the spool in the agent's folder.
const NAME: &str = "spool";

/// Why a point was not spooled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The configuration wants none.
    #[error("there is no spool")]
    None,
    /// What the repository asks of its writers is not known.
    #[error("no server was ever reached, and without one it is not known what a point has to be like")]
    Unknown,
    /// It cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// It took nothing.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// The spool of an agent.
#[derive(Clone, Copy)]
pub(super) struct Spooling<'a> {
    pub(super) servers: Servers<'a>,
}

impl Spooling<'_> {
    /// Makes a point in the spool, and says what waits then.
    pub(super) fn store(&self, request: &Request) -> Result<(Summary, Option<Waiting>), SpoolError> {
        if self.servers.config.spool_bytes == 0 {
            return Err(SpoolError::None);
        }
        let spool = self.open()?;
        let made = backup::begin(request).store(spool.repository(), &Progress::new());
        let depth = spool.close()?;
        Ok((made?, waiting(&depth, None)))
    }

    /// Brings everything that waits to a repository, tells `ended` of each point, and says what waits then.
    pub(super) fn drain(
        &self,
        to: &Repository,
        ended: &mut dyn FnMut(&Draft, &SnapshotId),
    ) -> Option<Waiting> {
        if !self.is_there() {
            return None;
        }
        let mut trouble = None;
        let drained = self.open().map_err(|error| chain(&error)).and_then(|spool| {
            let drained = spool.drain(to, &mut |draft, made| match made {
                Ok(id) => ended(draft, &id),
                Err(error) => {
                    let when = timestamp(draft.captured);
                    let said =
                        format!("the point of {} of {when} is kept back: {}", draft.series, chain(error));
                    tracing::warn!("{said}");
                    trouble.get_or_insert(said);
                }
            });
            if let Err(error) = drained {
                tracing::warn!("the spool is not empty yet: {}", chain(&error));
            }
            spool.close().map_err(|error| chain(&error))
        });
        match drained {
            Ok(depth) => waiting(&depth, trouble),
            Err(error) => {
                tracing::warn!("{error}");
                Some(Waiting { trouble: Some(error), ..Waiting::default() })
            }
        }
    }

    /// Whether anything may wait.
    pub(super) fn is_there(&self) -> bool {
        self.folder().exists()
    }

    fn open(&self) -> Result<Spool, SpoolError> {
        let (parameters, code, identity) = self.servers.remembered().ok_or(SpoolError::Unknown)?;
        Ok(Spool::open(&self.folder(), &parameters, &code, identity, self.servers.config.spool_bytes)?)
    }

    fn folder(&self) -> PathBuf {
        self.servers.config.state.join(NAME)
    }
}

/// A time of the format as a time of the clock; the beginning of 1970 where the clock has none.
pub(super) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.nanoseconds())).unwrap_or_default()
}

fn waiting(depth: &Depth, trouble: Option<String>) -> Option<Waiting> {
    (depth.points > 0).then(|| Waiting {
        points: depth.points,
        bytes: depth.bytes,
        oldest: depth.oldest.map(timestamp),
        trouble,
    })
}
