//! Hooks: commands around a job, each with a time limit.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::process::Running;
use crate::process::Standing;

#[cfg(test)]
mod tests;

/// A command and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The line, for `/bin/sh -c`.
    pub line: String,
    /// It is killed with its process group when this is over.
    pub limit: Duration,
}

/// Why a hook did not do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HookError {
    /// It could not be started, or not be waited for.
    #[error("the hook {line:?} cannot be run")]
    NotRun {
        /// The command.
        line: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("the hook {line:?} failed ({status})")]
    Failed {
        /// The command.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It took too long.
    #[error("the hook {line:?} was killed: it took longer than {} s", limit.as_secs())]
    TooSlow {
        /// The command.
        line: String,
        /// How long it might have taken.
        limit: Duration,
    },
}

impl Hook {
    /// Runs the command to its end. It sees `variables`, and none of those that hold secrets; what it prints goes to
    /// standard error.
    ///
    /// # Errors
    /// [`HookError`] when it fails or takes too long.
    pub fn run(&self, variables: &[(&str, &str)]) -> Result<(), HookError> {
        let failed = |source| HookError::NotRun { line: self.line.clone(), source };
        // What the agent itself prints is for programs to read.
        let beside = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
        let running = Running::start(&self.line, Standing::Apart, |command| {
            command.stdout(beside).envs(variables.iter().copied());
        });
        let mut running = running.map_err(failed)?;
        let in_time = running.ends_within(self.limit).map_err(failed)?;
        if !in_time {
            running.end();
        }
        let status = running.finish().map_err(failed)?;
        match (in_time, status.success()) {
            (false, _) => Err(HookError::TooSlow { line: self.line.clone(), limit: self.limit }),
            (true, false) => Err(HookError::Failed { line: self.line.clone(), status }),
            (true, true) => Ok(()),
        }
    }
}
