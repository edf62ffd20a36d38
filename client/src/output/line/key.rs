//! What the key commands say.

use std::io;
use std::io::Write;

use serde::Serialize;

use super::super::Line;
use super::super::text;

/// One key slot.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Its number or name, as `key remove` takes it.
    pub slot: String,
    /// `passphrase`, `recovery`, or `epoch`: the keys of a later epoch, which all others open.
    pub kind: &'static str,
    /// What it was called when it was added.
    pub label: String,
}

/// A slot that was added or removed.
#[derive(Debug, Clone, Serialize)]
pub struct KeyChange {
    /// The slot.
    pub slot: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
}

/// A recovery code, which is shown this one time.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery {
    /// The slot that it opens.
    pub slot: String,
    /// The code.
    pub code: String,
}

/// An agent code.
#[derive(Debug, Clone, Serialize)]
pub struct AgentCode {
    /// The code.
    pub code: String,
}

/// A new epoch, or what one would cost.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRotation {
    /// The epoch that is the newest now.
    pub epoch: u32,
    /// Series that are stored once more with the next backup of each.
    pub series: u64,
    /// Bytes that are stored now: about as many come, less what only older snapshots need.
    pub stored_bytes: u64,
    /// The agent code from here on; none if nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A completion script.
#[derive(Debug, Clone, Serialize)]
pub struct Completions {
    /// The shell that it is for.
    pub shell: String,
    /// The script.
    pub script: String,
}

impl Key {
    /// The line above a list of slots.
    pub const HEADING: &str = "slot                              kind        label";
}

impl Line for Key {
    const TYPE: &'static str = "key";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<32}  {:<10}  {}", self.slot, self.kind, self.label)
    }
}

impl Line for KeyChange {
    const TYPE: &'static str = "key_change";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "key slot {} {}", self.slot, self.change)
    }
}

impl Line for Recovery {
    const TYPE: &'static str = "recovery_code";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.code)
    }
}

impl Line for KeyRotation {
    const TYPE: &'static str = "key_rotation";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (series, bytes) = (text::count(self.series), text::bytes(self.stored_bytes));
        writeln!(
            out,
            "the next backups of {series} series store everything once more: up to {bytes}, as long as older snapshots are kept"
        )?;
        match &self.code {
            Some(code) => {
                writeln!(
                    out,
                    "epoch {} has begun; every passphrase opens it, and agents need this code:",
                    self.epoch
                )?;
                writeln!(out, "{code}")
            }
            None => {
                writeln!(out, "nothing was changed, epoch {} goes on; --yes begins another one", self.epoch)
            }
        }
    }
}

impl Line for AgentCode {
    const TYPE: &'static str = "agent_code";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.code)
    }
}

impl Line for Completions {
    const TYPE: &'static str = "completions";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.script.as_bytes())
    }
}
