//! What all commands share: the options that every one of them takes, and the ways to a repository.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use farkeep_codec::key::AgentCode;
use farkeep_engine::StoreError;
use farkeep_protocol::hello::Role;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::failure::Failure;
use super::interrupt;
use crate::config::Address;
use crate::config::Location;
use crate::config::enrolment::Enrolment;
use crate::config::enrolment::config_folder;
use crate::config::passphrase;
use crate::config::passphrase::Flags;
use crate::config::passphrase::Passphrase;
use crate::config::passphrase::PassphraseError;
use crate::config::passphrase::Purpose;
use crate::config::passphrase::Source;
use crate::config::period::Period;
use crate::config::size::Rate;
use crate::output::Output;
use crate::repository::Access;
use crate::repository::Line;
use crate::repository::Locked;
use crate::repository::Manners;
use crate::repository::Pace;
use crate::repository::Patience;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::repository::Unlocking;

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// The repository: a folder, or farkeep://HOST[:PORT]/NAME
    #[arg(long, short, global = true, value_name = "REPOSITORY", env = "FARKEEP_REPOSITORY")]
    repo: Option<OsString>,
    /// Take the passphrase from the first line of this file
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take the passphrase from the first line that this command prints
    #[arg(long, global = true, value_name = "LINE")]
    password_command: Option<OsString>,
    /// Try for so many seconds to make a connection again that was cut
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 600, hide_default_value = true)]
    retry_for: u64,
    /// Wait so long for whoever writes to the same repository in a folder: 10m, 0 not to wait
    #[arg(long, global = true, value_name = "TIME", default_value = "1m", hide_default_value = true)]
    retry_lock: Period,
    /// Connections to the server: several fill a long fat network better
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "FARKEEP_CONNECTIONS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=8),
        hide_default_value = true,
        hide_env = true
    )]
    connections: u8,
    /// Send no more than this per second to the server, over all connections: 2MiB, 500K. Not for folders
    #[arg(long, global = true, value_name = "RATE")]
    limit_upload: Option<Rate>,
    /// Take no more than this per second from the server. Not for folders
    #[arg(long, global = true, value_name = "RATE")]
    limit_download: Option<Rate>,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print nothing but what was asked for and what went wrong
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Log to standard error: error, warn, info, debug or trace, also by module
    #[arg(long, global = true, value_name = "LEVEL", env = "FARKEEP_LOG", hide_env_values = true)]
    pub(super) log: Option<LogLevels>,
}

/// What is logged.
#[derive(Debug, Clone)]
pub(super) struct LogLevels {
    text: String,
}

impl LogLevels {
    /// The filter that lets just this through.
    pub(super) fn filter(&self) -> EnvFilter {
        EnvFilter::builder().parse_lossy(&self.text)
    }
}

impl FromStr for LogLevels {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        EnvFilter::builder().parse(text).map(|_| Self { text: text.to_owned() })
    }
}

/// A repository beside the one that was named.
pub(super) struct Other {
    pub(super) repository: OsString,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_command: Option<OsString>,
}

/// One run of the program.
pub(super) struct Session {
    global: Global,
    pub(super) output: Output,
}

impl Session {
    pub(super) fn new(global: Global, output: Output) -> Self {
        Self { global, output }
    }

    /// The repository that was named.
    pub(super) fn location(&self) -> Result<Location, Failure> {
        let location = Location::named(self.global.repo.clone())?;
        let has_limit = self.global.limit_upload.or(self.global.limit_download).is_some();
        if has_limit && let Some(folder) = location.folder() {
            return Err(Failure::LimitOfFolder { folder: folder.to_owned() });
        }
        Ok(location)
    }

    /// The folder of what this program is told once and keeps.
    pub(super) fn config_folder() -> PathBuf {
        config_folder(|name| env::var_os(name))
    }

    /// How servers are spoken with.
    pub(super) fn line(&self) -> Line {
        Line {
            retry_for: Duration::from_secs(self.global.retry_for),
            connections: usize::from(self.global.connections),
            pace: Pace::new(self.global.limit_upload, self.global.limit_download),
            cancel: interrupt::flag(),
        }
    }

    /// What this host is known as to a server.
    pub(super) fn enrolment(address: &Address) -> Result<Enrolment, Failure> {
        Ok(Enrolment::read(&Self::config_folder(), &address.host, address.port)?)
    }

    /// The passphrase, asked for where no other source has it.
    pub(super) fn passphrase(&self, purpose: Purpose) -> Result<Passphrase, Failure> {
        let question = match purpose {
            Purpose::Open => "Passphrase or recovery code",
            Purpose::Choose => "New passphrase",
        };
        let flags =
            Flags { file: self.global.password_file.clone(), command: self.global.password_command.clone() };
        let source = Source::choose(&flags, &passphrase::CURRENT, |name| env::var_os(name), question);
        Ok(source.read(purpose)?)
    }

    /// Opens the repository while the passphrase is turned into keys by a thread of its own.
    ///
    /// What needs no key can be done before [`Unlocking::finish`] is waited for.
    pub(super) fn unlock(&self, access: Access) -> Result<Unlocking, Failure> {
        let location = self.location()?;
        let unlocking = match &location {
            Location::Folder(_) => {
                let locked = self.open_folder(&location, access)?;
                locked.unlock(self.passphrase(Purpose::Open)?)
            }
            Location::Server(address) => self.unlock_at(address, access)?,
        };
        tracing::debug!(
            "opened repository {location} to {}",
            match access {
                Access::Read => "read",
                Access::Ask => "ask what is there",
                Access::Write => "write",
            }
        );
        Ok(unlocking)
    }

    /// Opens a repository at a server: an agent with what it was enrolled with, everybody else by passphrase.
    fn unlock_at(&self, address: &Address, access: Access) -> Result<Unlocking, Failure> {
        let enrolment = Self::enrolment(address)?;
        let locked = Locked::connect(address, &enrolment, access, &self.line())?;
        if enrolment.role != Role::Agent {
            return Ok(locked.unlock(self.passphrase(Purpose::Open)?));
        }
        let code = match enrolment.codes.get(&address.repository) {
            Some(code) => code.clone(),
            None => agent_code_for(address)?,
        };
        Ok(locked.unlock_as_agent(&code, enrolment.identity)?)
    }

    /// Opens a repository that is read beside the one that was named.
    pub(super) fn open_other(&self, other: &Other) -> Result<Repository, Failure> {
        let location = Location::named(Some(other.repository.clone()))?;
        let locked = match &location {
            Location::Folder(_) => Locked::open(&location, Access::Read)?,
            Location::Server(address) => {
                Locked::connect(address, &Self::enrolment(address)?, Access::Read, &self.line())?
            }
        };
        let flags = Flags { file: other.password_file.clone(), command: other.password_command.clone() };
        let question = "Passphrase or recovery code of the repository that is copied from";
        let source = Source::choose(&flags, &passphrase::FROM, |name| env::var_os(name), question);
        Ok(locked.unlock(source.read(Purpose::Open)?).finish()?)
    }

    /// Opens the repository without keys, to decide what is kept of it.
    pub(super) fn keep(&self, access: Access) -> Result<Locked, Failure> {
        let location = self.location()?;
        Ok(match &location {
            Location::Folder(_) => self.open_folder(&location, access)?,
            Location::Server(address) => {
                Locked::connect(address, &Self::enrolment(address)?, access, &self.line())?
            }
        })
    }

    /// Opens the repository without keys, to look at what may be changed next. In a folder whoever can read it may look; a
    /// server lets those look who may change it.
    pub(super) fn keep_to_look(&self) -> Result<Locked, Failure> {
        let is_here = self.location()?.folder().is_some();
        self.keep(if is_here { Access::Read } else { Access::Write })
    }

    /// Opens a repository in a folder, behind whoever is writing to it.
    fn open_folder(&self, location: &Location, access: Access) -> Result<Locked, RepositoryError> {
        let most = Some(Duration::from_secs(self.global.retry_lock.seconds));
        self.open_after(location, access, Manners::Ask, most)
    }

    fn open_after(
        &self,
        location: &Location,
        access: Access,
        manners: Manners,
        most: Option<Duration>,
    ) -> Result<Locked, RepositoryError> {
        let tell = |by: &str| self.output.note(&format!("waiting for {by}"));
        let patience = Patience { most, manners, cancel: interrupt::flag(), tell: &tell };
        Locked::open_patiently(location, access, &patience)
    }

    /// Opens the repository in a folder again to write to it, once those had it who waited for that. Nothing if that takes
    /// longer, or nobody wants it any more.
    pub(super) fn keep_again(&self, most: Option<Duration>) -> Result<Option<Locked>, Failure> {
        match self.open_after(&self.location()?, Access::Write, Manners::Yield, most) {
            Ok(locked) => Ok(Some(locked)),
            Err(error) if matches!(error.store(), Some(StoreError::InUse { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the repository with its keys.
    pub(super) fn open(&self, access: Access) -> Result<Repository, Failure> {
        Ok(self.unlock(access)?.finish()?)
    }
}

/// The agent code of a repository for which this host has none yet.
pub(super) fn agent_code_for(address: &Address) -> Result<AgentCode, Failure> {
    agent_code().map_err(|source| Failure::NoAgentCode { address: address.clone(), source: Box::new(source) })
}

/// The agent code, asked for where no other source has it.
fn agent_code() -> Result<AgentCode, Failure> {
    let source =
        Source::choose(&Flags::default(), &passphrase::AGENT, |name| env::var_os(name), "Agent code");
    let typed = source.read(Purpose::Open).map_err(|error| match error {
        PassphraseError::NobodyToAsk { source } => Failure::NobodyToAskForCode { source },
        other => other.into(),
    })?;
    let text = String::from_utf8_lossy(typed.as_bytes());
    AgentCode::parse(text.trim()).map_err(|source| Failure::AgentCode { source })
}
