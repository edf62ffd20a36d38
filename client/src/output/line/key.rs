//! What the key commands say.

use std::io;
use std::io::Write;

use serde::Serialize;

use super::super::Line;

/// One key slot.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Its number or name, as `key remove` takes it.
    pub slot: String,
    /// `passphrase` or `recovery`.
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
