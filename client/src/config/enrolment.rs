//! What this host is known as to a server: one small file for each, made by `farkeep enroll`.
//!
//! It holds secrets: the seed of the key by which the host is known, and for an agent the codes of its repositories. So
//! nobody else may read it, and one that others can read is refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::key::AGENT_SECRET_BYTES;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::AgentIdentity;
use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::Host;
use farkeep_protocol::identity::PublicKey;
use serde::Deserialize;
use serde::Serialize;
use tempfile::NamedTempFile;
use thiserror::Error;
use zeroize::Zeroize;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Permission bits that nobody but the owner has.
const OTHERS: u32 = 0o077;

/// What this host is known as to one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The server.
    pub host: Host,
    /// The port on which it listens.
    pub port: u16,
    /// The key that it has to show.
    pub server: PublicKey,
    /// The key by which the host is known there, and with which an agent signs its snapshots.
    pub identity: AgentIdentity,
    /// What the host may do.
    pub role: Role,
    /// What the host is called there.
    pub name: String,
    /// Repositories that are open to it.
    pub repositories: Vec<String>,
    /// The agent codes of some of them.
    pub codes: BTreeMap<String, AgentCode>,
}

/// Why an enrolment cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// The host was never enrolled at the server.
    #[error("this host is not enrolled at {host}:{port}")]
    None {
        /// The server.
        host: Host,
        /// Its port.
        port: u16,
    },
    /// Others could read the secrets in the file.
    #[error("{} may be read by others: make it yours alone with chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what was written.
    #[error("{} is no enrolment: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system does not carry it out.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder of what this program is told once and keeps.
pub fn config_folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("FARKEEP_CONFIG")
        .or_else(|| set("XDG_CONFIG_HOME").map(|folder| folder.join("farkeep")))
        .or_else(|| set("HOME").map(|folder| folder.join(".config/farkeep")))
        .unwrap_or_else(|| PathBuf::from("/etc/farkeep"))
}

/// An enrolment as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: u16,
    server_key: String,
    secret: String,
    role: String,
    name: String,
    repositories: Vec<String>,
    #[serde(default)]
    agent_codes: BTreeMap<String, String>,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.agent_codes.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Enrolment {
    /// The enrolment at a server.
    ///
    /// # Errors
    /// [`EnrolmentError::None`] if there is none.
    pub fn read(config: &Path, host: &Host, port: u16) -> Result<Self, EnrolmentError> {
        let path = path(config, host, port);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => EnrolmentError::None { host: host.clone(), port },
            _ => EnrolmentError::Io { doing: "read", path: path.clone(), source },
        };
        let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
        if mode & OTHERS != 0 {
            return Err(EnrolmentError::Open { path });
        }
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(failed)?);
        Self::parse(&text).map_err(|what| EnrolmentError::Malformed { path, what })
    }

    /// Keeps the enrolment, in the place of an older one at the same server.
    ///
    /// # Errors
    /// When it is not on the disk.
    pub fn write(&self, config: &Path) -> Result<PathBuf, EnrolmentError> {
        let path = path(config, &self.host, self.port);
        let folder = path.parent().unwrap_or(config);
        let failed = |source| EnrolmentError::Io { doing: "write", path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        // Nobody but the owner may read a temporary file, and it takes the other's place at once.
        let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(self.text().as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(path)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let role = Role::from_name(&written.role).ok_or("the role is none")?;
        let codes = written.agent_codes.iter().map(|(name, code)| {
            let code = AgentCode::parse(code).map_err(|error| format!("agent code of {name}: {error}"))?;
            Ok((name.clone(), code))
        });
        Ok(Self {
            host: Host::new(&written.host).map_err(|error| error.to_string())?,
            port: written.port,
            server: written.server_key.parse().map_err(|_| "the server's key is none")?,
            identity: read_seed(&written.secret).ok_or("the secret is none")?,
            role,
            name: written.name.clone(),
            repositories: written.repositories.clone(),
            codes: codes.collect::<Result<_, String>>()?,
        })
    }

    fn text(&self) -> Zeroizing<String> {
        let written = Written {
            host: self.host.as_str().to_owned(),
            port: self.port,
            server_key: self.server.to_string(),
            secret: PublicKey::from_bytes(*self.identity.as_bytes()).to_string(),
            role: self.role.name().to_owned(),
            name: self.name.clone(),
            repositories: self.repositories.clone(),
            agent_codes: self
                .codes
                .iter()
                .map(|(name, code)| (name.clone(), code.to_text().to_string()))
                .collect(),
        };
        Zeroizing::new(toml::to_string(&written).expect("strings and numbers can be written"))
    }
}

/// The file of a server. Colons are no part of names that every file system takes.
fn path(config: &Path, host: &Host, port: u16) -> PathBuf {
    config.join("servers").join(format!("{}_{port}.toml", host.as_str().replace(':', "_")))
}

/// A seed is written as keys are: 64 digits.
fn read_seed(text: &str) -> Option<AgentIdentity> {
    let seed: PublicKey = text.parse().ok()?;
    let seed: Zeroizing<[u8; AGENT_SECRET_BYTES]> = Zeroizing::new(*seed.as_bytes());
    Some(AgentIdentity::from_bytes(&seed))
}
