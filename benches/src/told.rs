//! The program under measurement: its commands, what they print, and how long they take.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

/// It protects nothing: what it opens lives as long as a measurement.
pub const PASSPHRASE: &str = "a passphrase for measuring";

/// What a command printed, and how long it took.
#[derive(Debug)]
pub struct Told {
    /// What came to standard output.
    pub text: String,
    /// From start to exit.
    pub wall: Duration,
}

/// A command of the program `farkeep` that knows nothing of the user, but for a home.
#[must_use]
pub fn farkeep(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).env("HOME", home).env("FARKEEP_PASSWORD", PASSPHRASE);
    command
}

/// Runs a command that has to succeed.
///
/// # Errors
/// If it fails, with what it said.
pub fn told(command: &mut Command) -> Result<Told> {
    let begin = Instant::now();
    let output =
        command.output().with_context(|| format!("starting {:?}: was it built?", command.get_program()))?;
    let wall = begin.elapsed();
    if !output.status.success() {
        let words: Vec<_> = command.get_args().collect();
        bail!("{words:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(Told { text: String::from_utf8(output.stdout)?, wall })
}

impl Told {
    /// A number by its name, from the last line of JSON that has it.
    ///
    /// # Errors
    /// If none has it.
    pub fn number(&self, name: &str) -> Result<u64> {
        let lines = self.text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut named = lines.filter_map(|line| line.get(name)?.as_u64());
        named.next().with_context(|| format!("no {name} in {:?}", self.text))
    }
}
