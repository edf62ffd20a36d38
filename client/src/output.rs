//! All printing: results for people or as JSON lines, notes, errors, progress bars, and the exit codes.
//!
//! A command hands over values and never formats; so both languages of the program stand side by side here, a script
//! can rely on one shape of line, and a pipe never sees a bar. Results go to standard output, everything said about
//! them to standard error.

mod bars;
pub mod exit;
pub mod line;
mod text;

use std::error::Error;
use std::fmt;
use std::io;
use std::io::BufWriter;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use farkeep_codec::tree::PathKey;
use serde::Serialize;

use self::line::Failure;
use crate::progress::Progress;

pub use self::bars::Watch;

/// Version of the JSON lines. It rises when a field changes its meaning or goes away, not when one is added.
pub const JSON_VERSION: u32 = 1;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// The language of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON object per line, with `version` and `type`.
    Json,
}

/// How much is said beside what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// Summaries, notes, and bars on a terminal.
    Normal,
    /// Results and problems only.
    Quiet,
}

/// One result: a line of JSON, or what a person reads in its place.
pub trait Line: Serialize {
    /// The value of the field `type`.
    const TYPE: &'static str;

    /// Writes the text for people, with its line ends.
    ///
    /// # Errors
    /// Those of the writer.
    fn human(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Somewhere to write to.
pub type Stream = Box<dyn Write + Send>;

/// Where a run says what it has to say.
pub struct Output {
    format: Format,
    volume: Volume,
    results: Mutex<Stream>,
    messages: Mutex<Stream>,
    data: Mutex<Stream>,
    terminal: Terminal,
}

/// Whether somebody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    Watched,
    Unwatched,
}

impl Output {
    /// Results to standard output, messages to standard error.
    pub fn standard(format: Format, volume: Volume) -> Self {
        let results = Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()));
        let watched = volume == Volume::Normal && io::stderr().is_terminal();
        let terminal = if watched { Terminal::Watched } else { Terminal::Unwatched };
        Self { terminal, ..Self::to(format, volume, results, Box::new(io::stderr()), Box::new(io::sink())) }
    }

    /// The same for a command whose standard output is the data itself: results go to standard error.
    pub fn beside_data(format: Format, volume: Volume) -> Self {
        let data = Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()));
        Self::to(format, volume, Box::new(io::stderr()), Box::new(io::stderr()), data)
    }

    /// Results, messages and data to these streams, and no bars.
    pub fn to(format: Format, volume: Volume, results: Stream, messages: Stream, data: Stream) -> Self {
        let (results, messages, data) = (Mutex::new(results), Mutex::new(messages), Mutex::new(data));
        Self { format, volume, results, messages, data, terminal: Terminal::Unwatched }
    }

    /// Bytes that were asked for as they are.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.data).write_all(bytes)
    }

    /// One result that was asked for.
    ///
    /// # Errors
    /// When it cannot be written, as into a pipe whose reader is gone.
    pub fn line<L: Line>(&self, line: &L) -> io::Result<()> {
        let mut results = lock(&self.results);
        match self.format {
            Format::Human => line.human(&mut *results),
            Format::Json => write_json(&mut *results, line),
        }
    }

    /// What a run did. A person who wants quiet does not see it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn summary<L: Line>(&self, line: &L) -> io::Result<()> {
        match (self.format, self.volume) {
            (Format::Human, Volume::Quiet) => Ok(()),
            _ => self.line(line),
        }
    }

    /// One thing that went wrong while the run went on: a JSON line, or text on standard error.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn problem<L: Line>(&self, line: &L) -> io::Result<()> {
        match self.format {
            Format::Human => line.human(&mut *lock(&self.messages)),
            Format::Json => self.line(line),
        }
    }

    /// A line above the results that follow, for people alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn heading(&self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Human => writeln!(lock(&self.results), "{text}"),
            Format::Json => Ok(()),
        }
    }

    /// A remark for people, beside the results.
    pub fn note(&self, text: &str) {
        if self.volume == Volume::Normal {
            self.warn(text);
        }
    }

    /// A remark that a person sees even when they want quiet.
    pub fn warn(&self, text: &str) {
        // Nobody can be told that standard error is closed.
        let _ = writeln!(lock(&self.messages), "{text}");
    }

    /// Why the run failed: as text to standard error, and as the last JSON line where those were asked for.
    pub fn failure(&self, failure: &Failure) {
        // A failure to report a failure has nowhere to go; the exit code still says it.
        let _ = failure.human(&mut *lock(&self.messages));
        if self.format == Format::Json {
            let _ = write_json(&mut *lock(&self.results), failure);
        }
        let _ = self.flush();
    }

    /// Shows bars for an operation as long as the returned guard lives, if somebody watches.
    pub fn watch(&self, progress: &Arc<Progress>) -> Watch {
        match self.terminal {
            Terminal::Watched => Watch::begin(Arc::clone(progress)),
            Terminal::Unwatched => Watch::idle(),
        }
    }

    /// Hands over what is still in buffers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        lock(&self.data).flush()?;
        lock(&self.results).flush()
    }
}

/// A number of bytes as every text for people has it.
pub fn size(bytes: u64) -> impl fmt::Display {
    text::bytes(bytes)
}

/// An error with everything that caused it, outermost first, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // A transparent error says what its source says.
        if !text.ends_with(&said) {
            let said = without_repeat(&text, said);
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// The same, for a text that has named the path before.
pub fn chain_about(path: &PathKey, error: &dyn Error) -> String {
    without_repeat(&path.to_string(), error.to_string())
        + error.source().map(|cause| format!(": {}", chain(cause))).as_deref().unwrap_or_default()
}

/// What an error says, with "it" for a path at its end that the text before it ended with.
fn without_repeat(before: &str, said: String) -> String {
    let repeat = said.match_indices(" /").map(|(at, _)| at).find(|at| before.ends_with(&said[at + 1..]));
    repeat.map(|at| format!("{} it", &said[..at])).unwrap_or(said)
}

#[derive(Serialize)]
struct Envelope<'a, L> {
    version: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    line: &'a L,
}

fn write_json<L: Line>(out: &mut dyn Write, line: &L) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Envelope { version: JSON_VERSION, kind: L::TYPE, line })?;
    out.write_all(b"\n")
}

fn lock<T: ?Sized>(writer: &Mutex<T>) -> MutexGuard<'_, T> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
