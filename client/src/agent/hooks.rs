//! Hooks: commands around a job, each with a time limit.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use thiserror::Error;

use crate::config::passphrase;

#[cfg(test)]
mod tests;

/// A command and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The line, for `/bin/sh -c`.
    pub line: String,
    /// It is killed with everything that it started when this is over.
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

/// How long a process group has between the request to end and the end: 5 s.
const GRACE: Duration = Duration::from_secs(5);

impl Hook {
    /// Runs the command to its end. It sees `variables`, and none of those that hold secrets; what it prints goes to
    /// standard error.
    ///
    /// # Errors
    /// [`HookError`] when it fails or takes too long.
    pub fn run(&self, variables: &[(&str, &str)]) -> Result<(), HookError> {
        let failed = |source| HookError::NotRun { line: self.line.clone(), source };
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.line).stdin(Stdio::null()).process_group(0);
        // What the agent itself prints is for programs to read.
        let beside = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
        command.stdout(beside);
        for name in passphrase::variables() {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let mut child = command.spawn().map_err(failed)?;
        let pid = Pid::from_child(&child);
        let watched =
            rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        let has_ended = |limit: Duration| {
            let time = Timespec {
                tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(limit.subsec_nanos()),
            };
            let mut fds = [PollFd::new(&watched, PollFlags::IN)];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&time))).map(|ready| ready > 0)
        };
        let in_time = has_ended(self.limit).map_err(|error| failed(error.into()))?;
        if !in_time {
            // The group may be gone meanwhile.
            let _ = rustix::process::kill_process_group(pid, Signal::TERM);
            let _ = has_ended(GRACE);
            // Its shell may be gone, and something that it started go on.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        let status = child.wait().map_err(failed)?;
        match (in_time, status.success()) {
            (false, _) => Err(HookError::TooSlow { line: self.line.clone(), limit: self.limit }),
            (true, false) => Err(HookError::Failed { line: self.line.clone(), status }),
            (true, true) => Ok(()),
        }
    }
}
