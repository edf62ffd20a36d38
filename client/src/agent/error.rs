//! Why an agent does not work, and why a job made no point.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::hooks::HookError;
use super::servers::ReachError;
use super::spooling::SpoolError;
use crate::backup::BackupError;
use crate::source::RootError;
use crate::source::RuleError;

/// Why an agent does not work in its folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is one already.
    #[error("another agent is at work in it")]
    AtWork,
    /// What it remembers cannot be written.
    #[error("it cannot be written to")]
    State(#[from] io::Error),
}

/// Why a job made no point.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// A hook in front of it failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// What is to be left out is not understood.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// What is to be backed up cannot be found.
    #[error(transparent)]
    Roots(#[from] RootError),
    /// No server was reached, and the spool took nothing.
    #[error("{unreached}, and the point was not spooled")]
    NotSpooled {
        /// Why no server has it.
        unreached: String,
        /// Why the spool has not.
        source: Box<SpoolError>,
    },
    /// What was to be captured stood still for too long.
    #[error("it stood still for {limit:?}, and was thawed; the group has no points")]
    Late {
        /// For how long it may.
        limit: Duration,
    },
    /// The agent was busy, or its host asleep, when the other members of the group began.
    #[error(
        "the agent was busy, or its host asleep, when the group was due: the other members did not wait for it"
    )]
    TooLate,
    /// The system has no threads left.
    #[error("no thread can be started")]
    Thread(#[source] io::Error),
    /// No server takes it.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
}
