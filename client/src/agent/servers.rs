//! The servers of an agent: the first one that answers, and what of them is remembered for when none does.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::parameters::Parameters;
use farkeep_protocol::hello::Role;
use thiserror::Error;

use super::config::Config;
use super::files::write_durably;
use super::place::Place;
use crate::config::Address;
use crate::config::enrolment::Enrolment;
use crate::config::enrolment::EnrolmentError;
use crate::output::chain;
use crate::repository::Access;
use crate::repository::Line;
use crate::repository::Locked;
use crate::repository::Pace;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::repository::jittered;

/// Name of the file that holds the repository's parameters, as a server showed them last.
const PARAMETERS: &str = "parameters";
/// First and longest wait before all servers are tried again.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Why no server was reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// None answers now.
    #[error("no server was reached; the last one: {0}")]
    Unreached(String),
    /// None takes anything from this agent, now or later.
    #[error("no server takes anything from this agent; the last one: {0}")]
    Refused(String),
}

/// Why a server was not reached.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    #[error("this host is enrolled at {0} as a {1}, which an agent is not")]
    Role(String, &'static str),
    #[error(
        "it has another repository than the one that this agent backs up to: servers of one agent have copies of one \
         repository; to change to another, remove {}", .0.display()
    )]
    Another(PathBuf),
    #[error("no agent code is there for {0}: `farkeep enroll farkeep://{0}` asks for it")]
    Code(String),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// The servers of an agent, for all that it does.
pub(super) struct Servers<'a> {
    pub(super) config: &'a Config,
    pub(super) place: &'a Place,
    pace: Pace,
    /// Held by whoever compares what a server has with what is remembered.
    adopting: Mutex<()>,
}

impl<'a> Servers<'a> {
    /// The servers of this configuration.
    pub(super) fn new(config: &'a Config, place: &'a Place) -> Self {
        Self { config, place, pace: Pace::new(config.upload, None), adopting: Mutex::default() }
    }

    /// The repository at the first server that answers. All are tried again until the time for it is over.
    pub(super) fn reach(&self) -> Result<Repository, ReachError> {
        let begun = Instant::now();
        let mut wait = WAIT_FIRST;
        loop {
            match self.try_all() {
                Err(ReachError::Unreached(_))
                    if !self.place.is_cancelled() && begun.elapsed() + wait <= self.config.reach => {}
                ended => return ended,
            }
            self.place.sleep(jittered(wait));
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// The repository at the first server that answers, each of them tried once.
    pub(super) fn try_all(&self) -> Result<Repository, ReachError> {
        let mut last = String::new();
        let mut may_pass = false;
        for address in &self.config.servers {
            match self.open(address).and_then(|repository| self.adopt(repository)) {
                Ok(repository) => return Ok(repository),
                Err(error) => {
                    may_pass |= matches!(&error, Failure::Repository(error) if error.is_out_of_reach());
                    last = format!("{}: {}", address.host, chain(&error));
                }
            }
            tracing::debug!("{last}");
        }
        Err(if may_pass { ReachError::Unreached(last) } else { ReachError::Refused(last) })
    }

    /// What the agent needs to write to the repository, as far as this host knows it without a server.
    pub(super) fn remembered(&self) -> Option<(Parameters, AgentCode, AgentIdentity)> {
        let parameters = self.known()?;
        let (code, identity) = self.keys(&parameters.repository)?;
        Some((parameters, code, identity))
    }

    fn keys(&self, repository: &RepositoryId) -> Option<(AgentCode, AgentIdentity)> {
        self.config.servers.iter().find_map(|address| {
            let enrolment = Enrolment::read(&self.place.enrolments, &address.host, address.port).ok()?;
            let code = enrolment.codes.get(&address.repository)?.clone();
            code.secret_for(repository).map(|_| (code, enrolment.identity))
        })
    }

    /// Remembers what the repository asks of its writers. Another one than that for which points may wait is refused.
    fn adopt(&self, repository: Repository) -> Result<Repository, Failure> {
        let parameters = repository.parameters();
        let _alone = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        match self.known() {
            Some(known) if known == *parameters => {}
            Some(known) if known.repository != parameters.repository => {
                return Err(Failure::Another(self.path()));
            }
            _ => {
                if let Err(error) = write_durably(&self.config.state, PARAMETERS, &parameters.encode()) {
                    tracing::warn!("without a server nothing could be spooled: {error}");
                }
            }
        }
        Ok(repository)
    }

    /// The repository's parameters, as a server showed them last.
    fn known(&self) -> Option<Parameters> {
        Parameters::parse(&fs::read(self.path()).ok()?).ok()
    }

    fn path(&self) -> PathBuf {
        self.config.state.join(PARAMETERS)
    }

    /// Why this host cannot write to the repository at a server, as far as it knows without asking there.
    pub(super) fn doubt(&self, address: &Address) -> Option<String> {
        self.credentials(address).err().map(|error| chain(&error))
    }

    /// What this host is known as at a server, and the code by which it writes there.
    fn credentials(&self, address: &Address) -> Result<(Enrolment, AgentCode), Failure> {
        let enrolment = Enrolment::read(&self.place.enrolments, &address.host, address.port)?;
        if enrolment.role != Role::Agent {
            return Err(Failure::Role(address.host.to_string(), enrolment.role.name()));
        }
        let code = enrolment.codes.get(&address.repository).cloned();
        let code = code.ok_or_else(|| Failure::Code(format!("{}/{}", address.host, address.repository)))?;
        Ok((enrolment, code))
    }

    fn open(&self, address: &Address) -> Result<Repository, Failure> {
        let (enrolment, code) = self.credentials(address)?;
        let line = Line {
            cancel: Arc::clone(&self.place.cancel),
            retry_for: self.config.resume,
            connections: self.config.connections,
            pace: self.pace.clone(),
        };
        let locked = Locked::connect(address, &enrolment, Access::Write, &line)?;
        Ok(locked.unlock_as_agent(&code, enrolment.identity)?.finish()?)
    }
}
