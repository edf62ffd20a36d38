//! What a check says.

use std::io;
use std::io::Write;
use std::time::Duration;

use farkeep_codec::id::SnapshotId;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use super::super::text::Named;

/// One thing that is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What: `pack`, `object`, `snapshot`, `journal` or `index`.
    pub what: &'static str,
    /// Its id or name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// One path of one snapshot that damage touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPath {
    /// The snapshot.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// The path that cannot be restored; of a damaged node, the first path that it may hold.
    pub path: Named,
    /// The first path behind the damage, where it is a range whose paths cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Named>,
    /// Number of entries that are lost with it.
    pub entries: u64,
}

/// The end of a check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `good` or `damaged`.
    pub result: &'static str,
    /// Part of the data that was read: 0 when only the structure was checked, 1 for everything.
    pub data_share: f64,
    /// Snapshots that were followed.
    pub snapshots: u64,
    /// Tree nodes that were read, each once.
    pub nodes: u64,
    /// Entries in all snapshots.
    pub entries: u64,
    /// Objects that the snapshots need.
    pub objects: u64,
    /// Objects that were opened and compared with what was stored.
    pub objects_opened: u64,
    /// Bytes of packs that were read.
    pub pack_bytes: u64,
    /// Bytes of plain data that were compared.
    pub plain_bytes: u64,
    /// Snapshots whose content id was computed again and found equal.
    pub content_ids: u64,
    /// Damaged things.
    pub damage_count: u64,
    /// Paths that they touch, over all snapshots.
    pub damaged_paths: u64,
    /// How long it took.
    #[serde(serialize_with = "text::seconds", rename = "elapsed_seconds")]
    pub elapsed: Duration,
}

impl Line for Damage {
    const TYPE: &'static str = "damage";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "DAMAGED {} {}: {}", self.what, self.name, self.why)
    }
}

impl Line for DamagedPath {
    const TYPE: &'static str = "damaged_path";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshot = text::short_id(&self.snapshot);
        match &self.before {
            None => writeln!(out, "  lost in {snapshot}: {}", self.path),
            Some(before) => {
                let entries = text::counted(self.entries, "entry", "entries");
                writeln!(out, "  lost in {snapshot}: {entries} from {} up to {before}", self.path)
            }
        }
    }
}

impl Line for Check {
    const TYPE: &'static str = "check";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}, {}, {}: all followed",
            text::counted(self.snapshots, "snapshot", "snapshots"),
            text::counted(self.nodes, "tree node", "tree nodes"),
            text::counted(self.entries, "entry", "entries"),
        )?;
        if self.data_share > 0.0 {
            writeln!(
                out,
                "{} of packs read, {} opened, {} compared with what was stored",
                text::bytes(self.pack_bytes),
                text::counted(self.objects_opened, "object", "objects"),
                text::bytes(self.plain_bytes),
            )?;
        }
        if self.content_ids > 0 {
            let ids = text::counted(self.content_ids, "content id", "content ids");
            writeln!(out, "{ids} computed anew from the data and found equal")?;
        }
        let elapsed = text::duration(self.elapsed);
        if self.damage_count == 0 {
            return writeln!(out, "no damage found in {elapsed}");
        }
        let paths = text::counted(self.damaged_paths, "path", "paths");
        let damages = text::counted(self.damage_count, "damaged place", "damaged places");
        writeln!(out, "{damages}, {paths} lost; looked for {elapsed}")
    }
}
