//! What is said about a repository as a whole, and why a run failed.

use std::io;
use std::io::Write;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::time::Time;
use serde::Serialize;

use super::super::Line;
use super::super::exit::Exit;
use super::super::text;

/// A repository that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Repository {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub repository: RepositoryId,
    /// Where it is.
    pub location: String,
}

/// What a repository holds.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// The repository's id.
    #[serde(serialize_with = "text::shown")]
    pub repository: RepositoryId,
    /// Number of snapshots.
    pub snapshots: u64,
    /// Number of series.
    pub series: u64,
    /// Entries of all snapshots.
    pub entries: u64,
    /// Bytes of the files of all snapshots: what they would take without deduplication.
    pub source_bytes: u64,
    /// Bytes of the files of the newest snapshot.
    pub latest_bytes: u64,
    /// Number of objects, each stored once.
    pub objects: u64,
    /// Number of packs.
    pub packs: u64,
    /// Bytes of the packs: all objects, sealed, with the summaries that list them.
    pub pack_bytes: u64,
    /// Source bytes for each byte of a pack.
    pub ratio: f64,
    /// Bytes of the index, which can be made again from the packs.
    pub index_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes that are free on the repository's file system.
    pub free_bytes: u64,
    /// When that was verified which was verified longest ago.
    #[serde(serialize_with = "text::rfc3339_or_null")]
    pub oldest_verification: Option<Time>,
    /// Bytes of packs that were never verified; none if that is not known.
    pub unverified_bytes: Option<u64>,
}

/// How a repository grew in a day, a week or a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Its first day, in UTC.
    pub from: String,
    /// Bytes that packs became longer by, copies of collections included.
    pub stored_bytes: u64,
    /// Bytes of packs that were removed.
    pub removed_bytes: u64,
    /// What the packs took at its end.
    pub pack_bytes: u64,
    /// Snapshots that came.
    pub snapshots: u64,
    /// Snapshots that were forgotten.
    pub forgotten: u64,
    /// Snapshots that were purged, and can be restored no more.
    pub purged: u64,
}

/// What a series costs.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesSize {
    /// Its name.
    pub series: String,
    /// Snapshots of it, with those that were forgotten and can be recovered.
    pub snapshots: u64,
    /// Bytes in the repository that no other series needs: without it they would be free.
    pub unique_bytes: u64,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

/// What belongs to several snapshots or series.
#[derive(Debug, Clone, Serialize)]
pub struct Shared {
    /// `snapshots` or `series`.
    pub by: &'static str,
    /// Bytes in the repository that more than one of them needs.
    pub bytes: u64,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

impl SeriesSize {
    /// The line above a list of series.
    pub const HEADING: &str = "snapshots      unique  series";
}

/// Why a run failed. The last line of its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The code that the process ends with.
    pub exit_code: u8,
    /// What was being done to what, and why it did not work.
    pub message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Stats {
    /// Source bytes for each byte of a pack.
    pub fn ratio_of(source_bytes: u64, pack_bytes: u64) -> f64 {
        text::ratio(source_bytes, pack_bytes)
    }
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(exit: Exit, message: String, advice: Option<String>) -> Self {
        Self { exit_code: exit.code(), message, advice }
    }
}

impl Line for Repository {
    const TYPE: &'static str = "repository";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "made repository {} in {}", self.repository, self.location)
    }
}

impl Line for Stats {
    const TYPE: &'static str = "stats";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "repository  {}", self.repository)?;
        let snapshots = text::counted(self.snapshots, "snapshot", "snapshots");
        writeln!(
            out,
            "snapshots   {snapshots} in {} series, {} with {}",
            text::count(self.series),
            text::counted(self.entries, "entry", "entries"),
            text::bytes(self.source_bytes),
        )?;
        writeln!(out, "newest      {}", text::bytes(self.latest_bytes))?;
        let objects = text::counted(self.objects, "object", "objects");
        let packs = text::counted(self.packs, "pack", "packs");
        writeln!(out, "stored      {} in {packs}: {objects}, each once", text::bytes(self.pack_bytes))?;
        writeln!(out, "ratio       {:.2} to 1", self.ratio)?;
        writeln!(out, "index       {}", text::bytes(self.index_bytes))?;
        writeln!(out, "journal     {}", text::bytes(self.journal_bytes))?;
        writeln!(out, "free        {} on the file system", text::bytes(self.free_bytes))?;
        let oldest = self.oldest_verification.map(|oldest| format!("the oldest of {}", text::local(oldest)));
        let waiting = self.unverified_bytes.filter(|bytes| *bytes > 0);
        let waiting = waiting.map(|bytes| format!("{} never verified", text::bytes(bytes)));
        match [oldest, waiting].into_iter().flatten().collect::<Vec<_>>().join(", ") {
            nothing if nothing.is_empty() => Ok(()),
            told => writeln!(out, "verified    {told}"),
        }
    }
}

impl Line for SeriesSize {
    const TYPE: &'static str = "series_size";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (snapshots, unique) =
            (text::count(self.snapshots).to_string(), text::bytes(self.unique_bytes).to_string());
        writeln!(out, "{snapshots:>9}  {unique:>10}  {}", text::printable(self.series.as_bytes()))
    }
}

impl Line for Shared {
    const TYPE: &'static str = "shared";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let about = if self.is_estimated { "about " } else { "" };
        writeln!(out, "{about}{} shared by several {}", text::bytes(self.bytes), self.by)
    }
}

impl Line for Growth {
    const TYPE: &'static str = "growth";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshots = text::counted(self.snapshots, "snapshot", "snapshots");
        let (stored, removed) = (text::bytes(self.stored_bytes), text::bytes(self.removed_bytes));
        let there = text::bytes(self.pack_bytes);
        writeln!(out, "{}  {there:>10}  {stored:>10} stored  {removed:>10} removed  {snapshots}", self.from)
    }
}

impl Line for Failure {
    const TYPE: &'static str = "error";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "farkeep: {}", self.message)?;
        match &self.advice {
            Some(advice) => writeln!(out, "  {advice}"),
            None => Ok(()),
        }
    }
}
