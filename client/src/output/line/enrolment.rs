//! What is said about a host that is known to a server.

use std::io;
use std::io::Write;

use serde::Serialize;

use super::super::Line;

/// A host that was made known to a server.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    /// The server.
    pub server: String,
    /// What the host may do: `agent`, `reader`, `keeper`, `peer` or `monitor`.
    pub role: &'static str,
    /// What the host is called there.
    pub name: String,
    /// Repositories that are open to it.
    pub repositories: Vec<String>,
    /// The file that keeps what the host is known by.
    pub file: String,
}

impl Line for Enrolled {
    const TYPE: &'static str = "enrolled";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "enrolled at {} as {} {}", self.server, self.role, self.name)?;
        for repository in &self.repositories {
            writeln!(out, "  farkeep://{}/{repository}", self.server)?;
        }
        Ok(())
    }
}
