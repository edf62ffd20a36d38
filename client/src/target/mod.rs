//! Writes restored files; nothing else does.
//!
//! Everything happens below one folder, [`Target`], and every step to it is taken from one open folder to the next
//! without following links: neither one that lay in the target before, nor one that the restore made, can lead out
//! of it. Paths may be as long as they like. All methods may be called by several threads for different files.
//!
//! What is to be done with files that are there already is decided by the caller, who [`look`](Target::look)s first;
//! what the system does not let this user do (foreign owners, devices) is counted in [`Notices`] and is no failure.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

use crate::source::Accounts;
use crate::source::Contents;
use crate::source::FileId;
use crate::source::Kind;
use crate::source::ReadError;
use crate::source::Stat;
use crate::source::path_in_proc;

use folders::Folders;
use folders::Place;

pub use file::OpenFile;
pub use metadata::Notices;
pub use remove::Removal;

mod folders;
mod metadata;
mod file;
mod node;
mod remove;

#[cfg(test)]
mod tests;

/// A folder that is restored into.
#[derive(Debug)]
pub struct Target {
    folders: Folders,
    accounts: Accounts,
    owners: Owners,
    /// Folders from which nothing is removed.
    spared: HashSet<FileId>,
    notices: metadata::Counters,
    uid: u32,
    gid: u32,
}

/// Whom restored files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owners {
    /// The user and group of the recorded name, or where there is none of that name, of the recorded number.
    #[default]
    ByName,
    /// The user and group of the recorded number.
    ByNumber,
}

/// Whether something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there.
    Existing,
    /// The system does not let this user make it. That was counted.
    Refused,
}

/// What went wrong in a target, and with what.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The target folder itself cannot be made or opened.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// As it was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else has the name.
    #[error("cannot restore {path}: a {kind} has that name")]
    InTheWay {
        /// Path in the target.
        path: PathKey,
        /// What is there.
        kind: Kind,
    },
    /// A folder that is not empty has the name.
    #[error("cannot restore {path}: a folder that is not empty has that name")]
    NotEmpty {
        /// Path in the target.
        path: PathKey,
    },
    /// A folder of another file system, or something in it, would have to be removed.
    #[error("cannot remove {path}: another file system is mounted there")]
    OtherFileSystem {
        /// Path in the target.
        path: PathKey,
    },
    /// A folder that was to be spared, or something in it, would have to be removed.
    #[error("cannot remove {path}: it belongs to the repository or the cache")]
    Spared {
        /// Path in the target.
        path: PathKey,
    },
    /// What was read back is not what was written.
    #[error("{path} does not hold what was written into it")]
    Differs {
        /// Path in the target.
        path: PathKey,
    },
    /// The system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: Doing,
        /// Path in the target.
        path: PathKey,
        /// What the system says.
        source: io::Error,
    },
}

/// What is done to a file of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Opening the folder that it is in, or asking about it.
    Reach,
    /// Making it.
    Make,
    /// Writing its contents.
    Write,
    /// Reading its contents.
    Read,
    /// Setting owner, attributes, mode and times.
    SetMetadata,
    /// Listing it.
    List,
    /// Removing it.
    Remove,
}

impl Target {
    /// Opens a folder, and makes it, with those above it, if it is not there. The path to it may lead through links.
    ///
    /// # Errors
    /// [`TargetError::Unusable`].
    pub fn open(path: &Path, owners: Owners) -> Result<Self, TargetError> {
        let unusable = |source| TargetError::Unusable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unusable(error.into()))?;
        Self::over(Folders::new(top).map_err(unusable)?, owners).map_err(unusable)
    }

    /// A folder that is not there, for whoever wants to know what would be done: nothing is in it, and nothing can be
    /// made in it.
    ///
    /// # Errors
    /// [`TargetError::Unusable`] when the names of users and groups cannot be read.
    pub fn absent(path: &Path, owners: Owners) -> Result<Self, TargetError> {
        Self::over(Folders::absent(), owners)
            .map_err(|source| TargetError::Unusable { path: path.to_owned(), source })
    }

    fn over(folders: Folders, owners: Owners) -> io::Result<Self> {
        Ok(Self {
            folders,
            accounts: Accounts::read()?,
            owners,
            spared: HashSet::new(),
            notices: metadata::Counters::default(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        })
    }

    /// Names folders that are not removed, and from which nothing is.
    pub fn spare(&mut self, folders: impl IntoIterator<Item = FileId>) {
        self.spared.extend(folders);
    }

    /// What is at a path, links not followed; nothing if nothing is there.
    pub fn look(&self, path: &PathKey) -> Result<Option<Stat>, TargetError> {
        let place = match self.folders.place(path) {
            Err(error) if is_absent(&error) => return Ok(None),
            place => place.map_err(failed(Doing::Reach, path))?,
        };
        match Stat::at(&place.folder.fd, &place.name) {
            Err(error) if is_absent(&error) => Ok(None),
            stat => stat.map(Some).map_err(failed(Doing::Reach, path)),
        }
    }

    /// Makes a folder that only this user can enter until [`finish_folder`](Self::finish_folder) gives it its
    /// metadata, or uses the one that is there, in which this user can write then if it is his.
    ///
    /// # Errors
    /// [`TargetError::InTheWay`] if something that is no folder has the name.
    pub fn make_folder(&self, path: &PathKey) -> Result<Made, TargetError> {
        if path.as_bytes().is_empty() {
            return Ok(Made::Existing);
        }
        let place = self.place(path)?;
        match rustix::fs::mkdirat(&place.folder.fd, &place.name, Mode::RWXU) {
            Ok(()) => {
                if place.folder.passes_on_acl {
                    let new = place.folder.open_inner(&place.name).map_err(failed(Doing::Make, path))?;
                    metadata::strip_acl(&new.fd).map_err(failed(Doing::Make, path))?;
                }
                Ok(Made::New)
            }
            Err(Errno::EXIST) => {
                let stat = Stat::at(&place.folder.fd, &place.name).map_err(failed(Doing::Make, path))?;
                if stat.kind != Kind::Folder {
                    return Err(TargetError::InTheWay { path: path.clone(), kind: stat.kind });
                }
                self.unlock(&place, &stat).map_err(failed(Doing::Make, path))?;
                Ok(Made::Existing)
            }
            Err(error) => Err(failed(Doing::Make, path)(error.into())),
        }
    }

    /// Gives a folder its owner, attributes, mode and times. To be called when nothing is written into it or into
    /// folders below it any more. Of a [`Body::Ancestor`] only owner and mode are known.
    pub fn finish_folder(&self, path: &PathKey, entry: &Entry) -> Result<(), TargetError> {
        let folder = self.folders.open(path).map_err(failed(Doing::Reach, path))?;
        self.set_metadata_of_folder(&folder.fd, entry).map_err(failed(Doing::SetMetadata, path))
    }

    /// Gives anything that is there already, and has the right contents, its metadata.
    pub fn refresh(&self, path: &PathKey, entry: &Entry) -> Result<(), TargetError> {
        let place = self.place(path)?;
        self.set_metadata_at(&place, entry).map_err(failed(Doing::SetMetadata, path))
    }

    /// Opens a regular file to read back what was written.
    pub fn contents(&self, path: &PathKey) -> Result<Contents, TargetError> {
        let place = self.place(path)?;
        let read = || {
            let stat = Stat::at(&place.folder.fd, &place.name)?;
            Contents::open(&place.folder.fd, &place.name, &stat)
        };
        read().map_err(|error| {
            let error = match error {
                ReadError::Io(error) => error,
                other => io::Error::other(other),
            };
            failed(Doing::Read, path)(error)
        })
    }

    /// What the system did not let this user do, so far.
    pub fn notices(&self) -> Notices {
        self.notices.read()
    }

    fn place(&self, path: &PathKey) -> Result<Place, TargetError> {
        self.folders.place(path).map_err(failed(Doing::Reach, path))
    }

    /// Lets this user list and change a folder of his own. Root needs no such thing.
    fn unlock(&self, place: &Place, stat: &Stat) -> io::Result<()> {
        let rights = 0o700;
        if self.uid == 0 || stat.uid != self.uid || stat.mode & rights == rights {
            return Ok(());
        }
        let node = place.node()?;
        if Stat::of(&node)?.id() != stat.id() {
            return Err(io::Error::other("it was exchanged meanwhile"));
        }
        let mode = Mode::from_raw_mode(u32::from(stat.mode | rights));
        Ok(rustix::fs::chmod(path_in_proc(&node), mode)?)
    }
}

/// Whether a file of the target can be taken for the entry's by its length and time of change alone.
pub fn matches(entry: &Entry, stat: &Stat) -> bool {
    stat.kind == Kind::File
        && matches!(entry.body, Body::File { .. } | Body::Image { .. })
        && stat.size == entry.content_bytes()
        && stat.mtime_ns == entry.modified.nanoseconds()
}

fn failed(doing: Doing, path: &PathKey) -> impl Fn(io::Error) -> TargetError + '_ {
    move |source| TargetError::Io { doing, path: path.clone(), source }
}

/// Whether an error says that nothing has a name: no such name, or what should be a folder on the way is none.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reach => "reach",
            Self::Make => "make",
            Self::Write => "write",
            Self::Read => "read back",
            Self::SetMetadata => "set owner, attributes, mode and times of",
            Self::List => "list",
            Self::Remove => "remove",
        })
    }
}
