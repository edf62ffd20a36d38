//! Commands that are run and waited for: hooks, and those whose output is backed up.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::ChildStdout;
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

use crate::config::passphrase;

#[cfg(test)]
mod tests;

/// How long a process group has between the request to end and the end: 5 s.
const GRACE: Duration = Duration::from_secs(5);

/// Where a command stands among processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Beside this program, at its terminal, where it may ask for something. It is asked to end.
    Beside,
    /// At the head of a process group of its own, which is killed whole.
    Apart,
}

/// A command that was started. Whoever has one ends or finishes it.
pub(crate) struct Running {
    child: Child,
    standing: Standing,
    watched: OwnedFd,
}

impl Running {
    /// Starts a line by `/bin/sh -c`, without input. It sees none of the variables that hold secrets.
    ///
    /// # Errors
    /// When it cannot be started or watched.
    pub(crate) fn start(
        line: &str,
        standing: Standing,
        prepare: impl FnOnce(&mut Command),
    ) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line).stdin(Stdio::null());
        // What opens the repository is none of the command's business, nor of whatever it starts.
        for name in passphrase::variables() {
            command.env_remove(name);
        }
        if standing == Standing::Apart {
            command.process_group(0);
        }
        prepare(&mut command);
        let child = command.spawn()?;
        let watched = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(Self { child, standing, watched })
    }

    /// What the command prints, where a pipe was asked for: once.
    pub(crate) fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether the command ends within this time. What it started may go on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn ends_within(&self, limit: Duration) -> io::Result<bool> {
        let time = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.watched, PollFlags::IN)];
        Ok(rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&time)))? > 0)
    }

    /// Has the command end, and where it stands apart, everything that it started.
    pub(crate) fn end(&self) {
        // It may be gone, and so may its group.
        let pid = Pid::from_child(&self.child);
        match self.standing {
            Standing::Beside => {
                let _ = rustix::process::kill_process(pid, Signal::TERM);
            }
            Standing::Apart => {
                let _ = rustix::process::kill_process_group(pid, Signal::TERM);
                let _ = self.ends_within(GRACE);
                // Its shell may be gone, and something that it started go on.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
        }
    }

    /// Waits until the command has ended, and says how.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}
