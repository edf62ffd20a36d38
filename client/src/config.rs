//! What a run is told from outside: where the repository is, how its passphrase is found, what this host is known as to
//! servers, sizes with units.
//!
//! Command line and environment meet here and nowhere else, so that the order in which one source beats another
//! stands in one place and can be tested without touching the process's own environment.

pub mod enrolment;
pub mod passphrase;
pub mod period;
pub mod size;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_protocol::field::Name;
use farkeep_protocol::identity::Host;
use farkeep_protocol::identity::PORT;
use thiserror::Error;

/// How the address of a repository at a server begins.
const SCHEME: &str = "farkeep://";

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// At a server.
    Server(Box<Address>),
}

/// A repository at a server: `farkeep://HOST[:PORT]/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The server.
    pub host: Host,
    /// The port on which it listens.
    pub port: u16,
    /// Name of the repository there.
    pub repository: String,
}

/// A repository's location that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Neither the flag nor the variable is there.
    #[error("no repository was named")]
    NotNamed,
    /// It looks like the address of a server.
    #[error("{text} is an address of something else than farkeep:// (a folder of this name is ./{text})")]
    Address {
        /// What was given.
        text: String,
    },
    /// An address of a server that does not hold together.
    #[error("{text} is no address of a repository: {what}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The folder of the caches of all repositories, where the system keeps such things.
pub fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("FARKEEP_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("farkeep")))
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
        if let Some(rest) = text.strip_prefix(SCHEME) {
            let malformed = |what| LocationError::Malformed { text: text.clone().into_owned(), what };
            return Address::parse(rest).map(|address| Self::Server(Box::new(address))).map_err(malformed);
        }
        if text.split('/').next().is_some_and(|front| front.contains(':')) {
            return Err(LocationError::Address { text: text.into_owned() });
        }
        Ok(Self::Folder(PathBuf::from(name)))
    }

    /// The folder of the repository, if it lies in one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Server(_) => None,
        }
    }
}

impl Address {
    /// Reads `HOST[:PORT]/NAME`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (server, repository) = text.split_once('/').ok_or("it ends without the name of a repository")?;
        Name::new(repository).map_err(
            |_| "the name of a repository is 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit",
        )?;
        // The colons of an address of IPv6 stand in brackets.
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (server, None),
        };
        let port = match port {
            None => PORT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("the port is none")?,
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err("an address of IPv6 stands in brackets");
        }
        let host = Host::new(host).map_err(|_| "the host is none")?;
        Ok(Self { host, port, repository: repository.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, repository } = self;
        if *port == PORT {
            write!(f, "{SCHEME}{host}/{repository}")
        } else {
            write!(f, "{SCHEME}{host}:{port}/{repository}")
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Server(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
