//! What is said about collections.

use std::io;
use std::io::Write;

use farkeep_engine::collect::Collected;
use farkeep_engine::collect::Outcome;
use serde::Serialize;

use super::super::Line;
use super::super::text;

/// Packs with which the same would be done.
#[derive(Debug, Clone, Serialize)]
pub struct PacksPlanned {
    /// `remove`, `strike` or `empty`.
    pub act: &'static str,
    /// Number of packs.
    pub packs: u64,
    /// Bytes of their files.
    pub file_bytes: u64,
    /// Bytes of objects in them that are needed.
    pub live_bytes: u64,
    /// Bytes of objects in them that are not.
    pub dead_bytes: u64,
}

/// What a collection would do.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionPlan {
    /// Packs that it would touch.
    pub packs: u64,
    /// Bytes that it would read and write again.
    pub moved_bytes: u64,
    /// Bytes by which the repository would become smaller.
    pub freed_bytes: u64,
    /// Dead bytes that it would leave.
    pub left_bytes: u64,
}

/// What a collection did.
#[derive(Debug, Clone, Serialize)]
pub struct Collection {
    /// `complete`, `stopped`, `waited`, `readers` or `full`.
    pub outcome: &'static str,
    /// Sessions that count on what was to be removed.
    pub sessions: u32,
    /// Snapshots that can be restored no more.
    pub purged: u64,
    /// Nodes that were read.
    pub nodes_read: u64,
    /// Packs that are gone.
    pub packs_removed: u64,
    /// Bytes of them.
    pub removed_bytes: u64,
    /// Objects that were copied.
    pub moved_objects: u64,
    /// Bytes of them.
    pub moved_bytes: u64,
    /// Dead bytes that were left.
    pub left_bytes: u64,
}

impl Collection {
    /// The figures of a collection.
    pub fn of(collected: &Collected) -> Self {
        let (outcome, sessions) = match collected.outcome {
            Outcome::Complete => ("complete", 0),
            Outcome::Stopped => ("stopped", 0),
            Outcome::Waited { sessions } => ("waited", sessions),
            Outcome::Readers => ("readers", 0),
            Outcome::Full => ("full", 0),
        };
        Self {
            outcome,
            sessions,
            purged: collected.purged,
            nodes_read: collected.nodes_read,
            packs_removed: collected.packs_removed,
            removed_bytes: collected.bytes_removed,
            moved_objects: collected.objects_moved,
            moved_bytes: collected.bytes_moved,
            left_bytes: collected.bytes_left,
        }
    }
}

impl Line for PacksPlanned {
    const TYPE: &'static str = "packs_planned";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let packs = text::counted(self.packs, "pack", "packs");
        let (live, dead) = (text::bytes(self.live_bytes), text::bytes(self.dead_bytes));
        writeln!(out, "{:<6}  {packs}, {live} needed, {dead} dead", self.act)
    }
}

impl Line for CollectionPlan {
    const TYPE: &'static str = "collection_plan";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.packs == 0 {
            return writeln!(out, "dry run: nothing to do");
        }
        let packs = text::counted(self.packs, "pack", "packs");
        let (freed, moved) = (text::bytes(self.freed_bytes), text::bytes(self.moved_bytes));
        let left = text::bytes(self.left_bytes);
        writeln!(
            out,
            "dry run: {packs} would be touched, {freed} freed, {moved} moved; {left} of dead data would stay"
        )
    }
}

impl Line for Collection {
    const TYPE: &'static str = "collection";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let purged = text::counted(self.purged, "snapshot", "snapshots");
        let packs = text::counted(self.packs_removed, "pack", "packs");
        let (removed, moved) = (text::bytes(self.removed_bytes), text::bytes(self.moved_bytes));
        writeln!(out, "{purged} purged; {packs} removed ({removed}), {moved} copied")?;
        match self.outcome {
            "stopped" => writeln!(out, "it was stopped; the next one goes on"),
            "waited" => {
                let sessions = text::counted(self.sessions.into(), "session", "sessions");
                writeln!(out, "nothing more was removed: {sessions} began before, and may need it")
            }
            "readers" => writeln!(out, "nothing was removed: another process reads the repository"),
            "full" => writeln!(out, "the disk has no room for what would have to be copied"),
            _ => Ok(()),
        }
    }
}

/// An index that was built anew.
#[derive(Debug, Clone, Serialize)]
pub struct IndexRebuilt {
    /// Objects that it knows.
    pub objects: u64,
}

impl Line for IndexRebuilt {
    const TYPE: &'static str = "index_rebuilt";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "the index knows {}", text::counted(self.objects, "object", "objects"))
    }
}
