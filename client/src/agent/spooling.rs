//! Points that no server took: they wait in the spool, and are brought to a server in order when one is there.

use std::fs;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
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

/// Name of the spool's folder in that of the agent, and of the store in it.
const NAME: &str = "spool";
const STORE: &str = "store";
/// The caches of the runs that write to the spool. They name what the spool has beside what servers acknowledged, so they
/// begin as a copy of those of acknowledged runs, and go away with the spool.
const CACHES: &str = "caches";

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
    /// Its folder cannot be used.
    #[error("the folder of the spool cannot be used")]
    Folder(#[from] io::Error),
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
    pub(super) servers: &'a Servers<'a>,
}

impl Spooling<'_> {
    /// Makes a point in the spool, and says what waits then.
    pub(super) fn store(&self, request: &Request) -> Result<(Summary, Option<Waiting>), SpoolError> {
        if self.servers.config.spool_bytes == 0 {
            return Err(SpoolError::None);
        }
        let spool = self.open()?;
        let caches = self.folder().join(CACHES);
        let request = Request { cache_folder: caches.clone(), ..request.clone() };
        let repository = spool.repository().parameters().repository.to_string();
        if let Err(error) = copy_once(&self.servers.place.caches.join(&repository), &caches.join(&repository))
        {
            tracing::warn!("every file is read, and spooled: {error}");
        }
        let made = backup::begin(&request).store(spool.repository(), &Progress::new());
        let depth = self.close(spool)?;
        Ok((made?, waiting(&depth, None)))
    }

    /// Brings everything that waits to a repository for as long as `goes_on` says so, tells `ended` of each point, and says
    /// what waits then.
    pub(super) fn drain(
        &self,
        to: &Repository,
        goes_on: &dyn Fn() -> bool,
        ended: &mut dyn FnMut(&Draft, &SnapshotId),
    ) -> Option<Waiting> {
        if !self.is_there() {
            return None;
        }
        let mut trouble = None;
        let drained = self.open().map_err(|error| chain(&error)).and_then(|spool| {
            let drained =
                spool.drain(to, &self.servers.place.cancel, goes_on, &mut |draft, made| match made {
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
                let said = format!("the spool is not empty yet: {}", chain(&error));
                tracing::warn!("{said}");
                if !error.is_out_of_reach() {
                    trouble.get_or_insert(said);
                }
            }
            self.close(spool).map_err(|error| chain(&error))
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
        DirBuilder::new().recursive(true).mode(0o700).create(self.folder())?;
        Ok(Spool::open(
            &self.folder().join(STORE),
            &parameters,
            &code,
            identity,
            self.servers.config.spool_bytes,
        )?)
    }

    /// Closes the spool. When nothing waits in it, it is removed with its caches.
    fn close(&self, spool: Spool) -> Result<Depth, SpoolError> {
        let depth = spool.close()?;
        if depth.points == 0 {
            fs::remove_dir_all(self.folder())?;
        }
        Ok(depth)
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

/// Copies a folder, unless it was copied before.
fn copy_once(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    let draft = to.with_extension("new");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    copy(from, &draft)?;
    fs::rename(draft, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
