//! What is said about snapshots that are rewritten, or copied.

use std::io;
use std::io::Write;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use serde::Serialize;

use super::super::Line;
use super::super::text;

/// What a snapshot loses.
#[derive(Debug, Clone, Serialize)]
pub struct Erased {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// Series that it belongs to.
    pub series: String,
    /// When it was captured.
    #[serde(serialize_with = "text::rfc3339")]
    pub captured: Time,
    /// Entries that it loses.
    pub entries: u64,
    /// Bytes of the files among them.
    pub bytes: u64,
}

/// A snapshot that keeps what was to be erased.
#[derive(Debug, Clone, Serialize)]
pub struct StillHeld {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
}

/// A snapshot that took the place of another one.
#[derive(Debug, Clone, Serialize)]
pub struct Replaced {
    /// The one that went.
    #[serde(serialize_with = "text::shown")]
    pub old: SnapshotId,
    /// The one that came.
    #[serde(serialize_with = "text::shown")]
    pub new: SnapshotId,
}

/// What was rewritten, or would be.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rewriting {
    /// Snapshots that are replaced.
    pub snapshots: u64,
    /// Snapshots that are held, and stay as they are.
    pub held: u64,
    /// Bundles that are made anew.
    pub bundles: u64,
    /// Bytes of files that move.
    pub moved_bytes: u64,
    /// Bytes of files that no snapshot uses any more then.
    pub dead_bytes: u64,
    /// Bytes that were added to the repository.
    pub stored_bytes: u64,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// A snapshot that was copied, or was there already.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// The snapshot that was to be copied.
    #[serde(serialize_with = "text::shown")]
    pub from: SnapshotId,
    /// Its copy.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// Whether an earlier run had copied it.
    pub was_there: bool,
}

/// What was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Copies {
    /// Snapshots that were copied.
    pub copied: u64,
    /// Snapshots that had been copied before.
    pub there: u64,
    /// Bytes that were added to the repository.
    pub stored_bytes: u64,
    /// Objects that were added to it.
    pub stored_objects: u64,
}

impl Line for Erased {
    const TYPE: &'static str = "erased";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (id, captured) = (text::short_id(&self.snapshot), text::local(self.captured));
        let entries = text::counted(self.entries, "entry", "entries");
        let series = text::printable(self.series.as_bytes());
        writeln!(out, "{id}  {captured}  {series}  loses {entries}, {}", text::bytes(self.bytes))
    }
}

impl Line for StillHeld {
    const TYPE: &'static str = "still_held";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} is held, and keeps what was to be erased", text::short_id(&self.snapshot))
    }
}

impl Line for Replaced {
    const TYPE: &'static str = "replaced";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "snapshot {} is now {}", text::short_id(&self.old), text::short_id(&self.new))
    }
}

impl Line for Rewriting {
    const TYPE: &'static str = "rewriting";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshots = text::counted(self.snapshots, "snapshot", "snapshots");
        let bundles = text::counted(self.bundles, "bundle", "bundles");
        let (moved, dead) = (text::bytes(self.moved_bytes), text::bytes(self.dead_bytes));
        match (self.snapshots, self.dry_run) {
            (0, _) => writeln!(out, "nothing to do"),
            (_, true) => {
                writeln!(
                    out,
                    "dry run: {snapshots} would be replaced, {bundles} laid anew ({moved}), {dead} would die"
                )
            }
            (_, false) => {
                let stored = text::bytes(self.stored_bytes);
                writeln!(
                    out,
                    "{snapshots} replaced, {bundles} laid anew ({moved}), {dead} died; {stored} added"
                )
            }
        }
    }
}

impl Line for Copied {
    const TYPE: &'static str = "copied";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (from, to) = (text::short_id(&self.from), text::short_id(&self.snapshot));
        writeln!(
            out,
            "snapshot {from} {} {to}",
            if self.was_there { "was copied before, as" } else { "copied as" }
        )
    }
}

impl Line for Copies {
    const TYPE: &'static str = "copies";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let copied = text::counted(self.copied, "snapshot", "snapshots");
        let stored = text::bytes(self.stored_bytes);
        writeln!(out, "{copied} copied, {} there before; {stored} added", text::count(self.there))
    }
}
