//! Runs a command and says what it cost.
//!
//! Wall time is taken around the process, CPU time and memory come from `wait4`, so that they cover the process and
//! the children that it waited for, and no sampling is involved.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use wait4::Wait4;

/// What one act of one tool cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// From start to exit.
    pub wall: Duration,
    /// User and system time of the process and its children.
    pub cpu: Duration,
    /// Largest resident memory of any one process among them.
    pub peak_bytes: u64,
}

impl Cost {
    /// The cost of two commands that run one after the other.
    pub(crate) fn then(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            cpu: self.cpu + next.cpu,
            peak_bytes: self.peak_bytes.max(next.peak_bytes),
        }
    }
}

/// Runs the commands one after the other, their output going to `log`. A command that fails ends it with an error
/// that quotes the end of the log.
pub(crate) fn run(commands: Vec<Command>, log: &Path) -> Result<Cost> {
    let mut total = Cost::default();
    for mut command in commands {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let begin = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {program}"))?;
        let used = child.wait4().with_context(|| format!("waiting for {program}"))?;
        let wall = begin.elapsed();
        if !used.status.success() {
            bail!("{command:?} ended with {}: {}", used.status, last_lines(log));
        }
        let cpu = used.rusage.utime + used.rusage.stime;
        total = total.then(Cost { wall, cpu, peak_bytes: used.rusage.maxrss });
    }
    Ok(total)
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
