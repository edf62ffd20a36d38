//! Commands that are run and waited for: hooks, and those whose output is backed up.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;

use crate::config::passphrase;

#[cfg(test)]
mod tests;

/// How long a process group has between the request to end and the end: 5 s.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked meanwhile whether anything of the group is left.
const LOOK: Duration = Duration::from_millis(10);

/// Where a command stands among processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Beside this program, at its terminal, where it may ask for something. It is asked to end.
    Beside,
    /// At the head of a process group of its own, which is killed whole. What left the group, as by `setsid`, goes on.
    Apart,
}

/// A command that was started. Whoever has one ends or finishes it; one that is dropped instead is killed.
pub(crate) struct Running {
    process: Process,
    watched: OwnedFd,
}

/// Its process, which nobody may forget.
struct Process {
    child: Child,
    standing: Standing,
    /// Nothing of it is to be killed any more.
    is_over: bool,
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
        let process = Process { child: command.spawn()?, standing, is_over: false };
        let watched = rustix::process::pidfd_open(process.id(), PidfdFlags::empty())?;
        Ok(Self { process, watched })
    }

    /// What the command prints, where a pipe was asked for: once.
    pub(crate) fn take_output(&mut self) -> Option<ChildStdout> {
        self.process.child.stdout.take()
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

    /// Has the command end, and where it stands apart, everything that it started and that is of its group still: asks
    /// first, and kills what is left when the time to end is over.
    pub(crate) fn end(&mut self) {
        self.process.signal(Signal::TERM);
        if self.process.standing == Standing::Beside {
            return;
        }
        let ends = Instant::now() + GRACE;
        // Its shell may be gone long before what it started.
        while self.process.is_left() {
            if Instant::now() >= ends {
                self.process.signal(Signal::KILL);
                break;
            }
            thread::sleep(LOOK);
        }
        self.process.is_over = true;
    }

    /// Waits until the command has ended, and says how.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        let status = self.process.child.wait()?;
        self.process.is_over = true;
        Ok(status)
    }
}

impl Process {
    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Tells the command, or all of its group.
    fn signal(&self, signal: Signal) {
        // It may be gone, and so may its group.
        let _ = match self.standing {
            Standing::Beside => rustix::process::kill_process(self.id(), signal),
            Standing::Apart => rustix::process::kill_process_group(self.id(), signal),
        };
    }

    /// Whether anything of the group is left.
    fn is_left(&mut self) -> bool {
        // A command that has ended is of its group until somebody has asked how.
        let _ = self.child.try_wait();
        rustix::process::test_kill_process_group(self.id()) != Err(Errno::SRCH)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::KILL);
            // There is nobody to tell.
            let _ = self.child.wait();
        }
    }
}
