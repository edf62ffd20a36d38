//! What is said about the jobs of an agent.

use std::io;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::super::Line;
use super::super::size;

/// A job, and how it goes.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// Its name.
    pub job: String,
    /// How its last run ended: `complete`, `partial`, `spooled`, `failed`, or `never ran`.
    pub outcome: &'static str,
    /// Whether the last run did not fail and the newest point is not too old.
    pub is_well: bool,
    /// When the last run began.
    pub begun: Option<Timestamp>,
    /// When it ended; absent while it goes on.
    pub ended: Option<Timestamp>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
    /// When the newest point that a server acknowledged was captured.
    pub acknowledged: Option<Timestamp>,
    /// Its age in seconds.
    pub age_seconds: Option<i64>,
    /// Its id.
    pub snapshot: Option<String>,
    /// Why the last run failed, or what was not complete.
    pub message: Option<String>,
}

impl Line for Job {
    const TYPE: &'static str = "job";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = if self.is_well { "ok  " } else { "LOOK" };
        write!(out, "{mark} {:16} {:9}", self.job, self.outcome)?;
        match self.age_seconds {
            Some(age) => write!(out, "  newest point {}", lasting(age))?,
            None => write!(out, "  no point yet")?,
        }
        if let Some(next) = self.next {
            write!(out, "  next {next:.0}")?;
        }
        if let Some(message) = &self.message {
            write!(out, "  {message}")?;
        }
        writeln!(out)
    }
}

/// Points that wait in an agent's spool until a server takes them.
#[derive(Debug, Clone, Serialize)]
pub struct Spool {
    /// How many.
    pub points: u64,
    /// Bytes that the spool takes.
    pub bytes: u64,
    /// When the oldest was captured.
    pub oldest: Option<Timestamp>,
    /// Its age in seconds.
    pub age_seconds: Option<i64>,
    /// Why some of them cannot be brought to the server.
    pub message: Option<String>,
}

impl Line for Spool {
    const TYPE: &'static str = "spool";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = if self.message.is_none() { "ok  " } else { "LOOK" };
        write!(out, "{mark} spool: {} points in {} wait for a server", self.points, size(self.bytes))?;
        if let Some(age) = self.age_seconds {
            write!(out, ", the oldest {}", lasting(age))?;
        }
        if let Some(message) = &self.message {
            write!(out, "; {message}")?;
        }
        writeln!(out)
    }
}

/// Points that waited in an agent's spool and that a server has now.
#[derive(Debug, Clone, Serialize)]
pub struct Brought {
    /// How many.
    pub points: u64,
    /// How many wait yet.
    pub waiting: u64,
}

impl Line for Brought {
    const TYPE: &'static str = "brought";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "     spool: {} points were brought to the server", self.points)?;
        match self.waiting {
            0 => writeln!(out),
            waiting => writeln!(out, ", {waiting} wait"),
        }
    }
}

/// An age by its largest units.
fn lasting(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s old"),
        120..7_200 => format!("{} min old", seconds / 60),
        7_200..172_800 => format!("{} h old", seconds / 3_600),
        _ => format!("{} d old", seconds / 86_400),
    }
}
