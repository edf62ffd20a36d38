//! What all commands share: the options that every one of them takes, and the ways to a repository.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::failure::Failure;
use crate::config::Location;
use crate::config::passphrase;
use crate::config::passphrase::Flags;
use crate::config::passphrase::Passphrase;
use crate::config::passphrase::Purpose;
use crate::config::passphrase::Source;
use crate::output::Output;
use crate::repository::Access;
use crate::repository::Locked;
use crate::repository::Repository;
use crate::repository::Unlocking;

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// The repository's folder
    #[arg(long, short, global = true, value_name = "DIR", env = "FARKEEP_REPOSITORY")]
    repo: Option<OsString>,
    /// Take the passphrase from the first line of this file
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take the passphrase from the first line that this command prints
    #[arg(long, global = true, value_name = "LINE")]
    password_command: Option<OsString>,
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
        Ok(Location::named(self.global.repo.clone())?)
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
        let locked = Locked::open(&location, access)?;
        tracing::debug!(
            "opened repository {location} to {}",
            match access {
                Access::Read => "read",
                Access::Write => "write",
            }
        );
        Ok(locked.unlock(self.passphrase(Purpose::Open)?))
    }

    /// Opens the repository with its keys.
    pub(super) fn open(&self, access: Access) -> Result<Repository, Failure> {
        Ok(self.unlock(access)?.finish()?)
    }
}
