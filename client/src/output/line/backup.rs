//! What a backup says.

use std::io;
use std::io::Write;
use std::time::Duration;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use super::super::text::Named;

/// The end of a backup. One line, after the lines of what could not be read and of what changed.
#[derive(Debug, Clone, Serialize)]
pub struct Backup {
    /// The snapshot; nothing for a dry run.
    #[serde(serialize_with = "optional_id")]
    pub snapshot: Option<SnapshotId>,
    /// Content id of what was on disk.
    #[serde(serialize_with = "text::shown")]
    pub content: ContentId,
    /// Id of the root node.
    #[serde(serialize_with = "text::shown")]
    pub root: ObjectId,
    /// Series that the snapshot continues.
    pub series: String,
    /// `complete` or `partial`.
    pub status: &'static str,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Files that the snapshot before did not have.
    pub files_new: u64,
    /// Files that differ from the snapshot before.
    pub files_changed: u64,
    /// Files that were taken over unread.
    pub files_unchanged: u64,
    /// Folders.
    pub folders: u64,
    /// Links, devices, pipes and sockets.
    pub others: u64,
    /// Entries of the snapshot.
    pub entries: u64,
    /// Bytes of all files of the snapshot.
    pub source_bytes: u64,
    /// Bytes of the files that were read.
    pub read_bytes: u64,
    /// Bytes that the repository grew by.
    pub stored_bytes: u64,
    /// Objects that the repository grew by.
    pub stored_objects: u64,
    /// Bytes of files that a run which was cut had stored before.
    pub resumed_bytes: u64,
    /// Files that could not be read.
    pub unreadable_count: u64,
    /// Files that changed while they were read, twice.
    pub inconsistent_count: u64,
    /// How long it took.
    #[serde(serialize_with = "text::seconds", rename = "elapsed_seconds")]
    pub elapsed: Duration,
}

/// One file that could not be read.
#[derive(Debug, Clone, Serialize)]
pub struct Unreadable {
    /// Where it is.
    pub path: Named,
    /// What the system said.
    pub why: String,
}

/// One file that changed while it was read, each time.
#[derive(Debug, Clone, Serialize)]
pub struct Inconsistent {
    /// Where it is.
    pub path: Named,
    /// What happened.
    pub why: String,
}

/// Packs of the repository that are gone, or shorter than they were written. Comes before anything is stored.
#[derive(Debug, Clone, Serialize)]
pub struct LostPacks {
    /// How many.
    pub packs: u64,
    /// Bytes that they lack.
    pub bytes: u64,
}

impl Line for Backup {
    const TYPE: &'static str = "backup";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let series = text::printable(self.series.as_bytes());
        match &self.snapshot {
            Some(id) => writeln!(out, "snapshot {} of {series}: {}", text::short_id(id), self.status)?,
            None => writeln!(out, "dry run of {series}: nothing was stored")?,
        }
        writeln!(
            out,
            "  files    {} new, {} changed, {} unchanged; {}, {}",
            text::count(self.files_new),
            text::count(self.files_changed),
            text::count(self.files_unchanged),
            text::counted(self.folders, "folder", "folders"),
            text::counted(self.others, "other", "others"),
        )?;
        writeln!(
            out,
            "  read     {} of {} in {} ({})",
            text::bytes(self.read_bytes),
            text::bytes(self.source_bytes),
            text::duration(self.elapsed),
            text::rate(self.source_bytes, self.elapsed),
        )?;
        let stored = text::counted(self.stored_objects, "object", "objects");
        let label = if self.dry_run { "would store" } else { "stored  " };
        writeln!(out, "  {label} {} in {stored}", text::bytes(self.stored_bytes))?;
        if self.resumed_bytes > 0 {
            let resumed = text::bytes(self.resumed_bytes);
            writeln!(out, "  resumed  {resumed} of files were already stored by a run that did not end")?;
        }
        if self.inconsistent_count > 0 {
            let files = text::counted(self.inconsistent_count, "file", "files");
            writeln!(
                out,
                "  changing {files} changed while being read; what is stored of each may be of no one moment"
            )?;
        }
        if self.unreadable_count > 0 {
            let files = text::counted(self.unreadable_count, "file", "files");
            writeln!(out, "  missing  {files} could not be read")?;
        }
        Ok(())
    }
}

impl Line for Unreadable {
    const TYPE: &'static str = "unreadable";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "could not read {}: {}", self.path, self.why)
    }
}

impl Line for Inconsistent {
    const TYPE: &'static str = "inconsistent";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "could not read {} as it was at one moment: {}", self.path, self.why)
    }
}

impl Line for LostPacks {
    const TYPE: &'static str = "lost_packs";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let packs = text::counted(self.packs, "pack of the repository is", "packs of the repository are");
        writeln!(out, "WARNING {packs} missing or cut short, {} are gone", text::bytes(self.bytes))?;
        writeln!(out, "  this run stores again what lay there and is still in the source")?;
        writeln!(out, "  run `farkeep check`: it names the snapshots and paths that stay damaged")
    }
}

fn optional_id<S: serde::Serializer>(id: &Option<SnapshotId>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}
