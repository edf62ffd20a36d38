//! What a run is told from outside: where the repository is, how its passphrase is found, sizes with units.
//!
//! Command line and environment meet here and nowhere else, so that the order in which one source beats another
//! stands in one place and can be tested without touching the process's own environment.

pub mod passphrase;
pub mod size;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use thiserror::Error;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
}

/// A repository's location that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Neither the flag nor the variable is there.
    #[error("no repository was named")]
    NotNamed,
    /// It looks like the address of a server.
    #[error(
        "{text} is an address, and this program keeps repositories in folders (a folder of this name is ./{text})"
    )]
    Address {
        /// What was given.
        text: String,
    },
}

/// The folder of the caches of all repositories, where the system keeps such things.
pub fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .map(|folder| folder.join("farkeep"))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/farkeep")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/farkeep"))
}

impl Location {
    /// The location that was named by `--repo` or FARKEEP_REPOSITORY.
    ///
    /// What has a colon in front of the first slash is an address of some server to other programs: it is refused,
    /// rather than made a folder that nobody looks for.
    ///
    /// # Errors
    /// [`LocationError`] when nothing was named or an address of a server was.
    pub fn named(name: Option<OsString>) -> Result<Self, LocationError> {
        let name = name.filter(|name| !name.is_empty()).ok_or(LocationError::NotNamed)?;
        let text = name.to_string_lossy();
        if text.split('/').next().is_some_and(|front| front.contains(':')) {
            return Err(LocationError::Address { text: text.into_owned() });
        }
        Ok(Self::Folder(PathBuf::from(name)))
    }

    /// The folder of the repository.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder().display().fmt(f)
    }
}

#[cfg(test)]
mod tests;
