//! What a restore says.

use std::io;
use std::io::Write;
use std::time::Duration;

use farkeep_codec::id::SnapshotId;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use super::super::text::Named;

/// The end of a restore.
#[derive(Debug, Clone, Serialize)]
pub struct Restore {
    /// The snapshot.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// Where it was restored to.
    pub target: Named,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// Files that were restored or were as they should be.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, devices, pipes and sockets.
    pub others: u64,
    /// Files that the target had already as they should be.
    pub files_equal: u64,
    /// Files that were left alone because of the overwrite rule.
    pub files_skipped: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Files and folders that were removed from the target.
    pub deleted: u64,
    /// Files that were read back and compared.
    pub verified: u64,
    /// Paths that could not be restored as they were.
    pub problem_count: u64,
    /// Paths of these for which the repository is at fault.
    pub damage_count: u64,
    /// Metadata that an unprivileged user cannot set.
    pub notices: u64,
    /// How long it took.
    #[serde(serialize_with = "text::seconds", rename = "elapsed_seconds")]
    pub elapsed: Duration,
}

/// One file or folder of the target that the snapshot does not have.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    /// Where it was.
    pub path: Named,
    /// Whether it is there still, since nothing was to be written.
    pub dry_run: bool,
}

/// Nothing of the snapshot is what was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct NoMatch {
    /// The globs, one of which it would have to match.
    pub globs: Vec<String>,
}

/// One path that could not be restored as it was.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreProblem {
    /// Where it is in the snapshot.
    pub path: Named,
    /// `path`, or `range` for everything from the path on, where damage hides which paths there are.
    pub extent: &'static str,
    /// The first path behind a range, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Named>,
    /// Number of entries in a range, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// What happened.
    pub why: String,
    /// Whether the repository is at fault, and not the target.
    pub damage: bool,
}

impl Line for Restore {
    const TYPE: &'static str = "restore";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let (snapshot, target) = (text::short_id(&self.snapshot), &self.target);
        if self.dry_run {
            writeln!(out, "dry run of restoring {snapshot} to {target}: nothing was written")?;
        } else {
            writeln!(out, "restored {snapshot} to {target}")?;
        }
        writeln!(
            out,
            "  {}, {}, {} with {} in {} ({})",
            text::counted(self.files, "file", "files"),
            text::counted(self.folders, "folder", "folders"),
            text::counted(self.others, "other", "others"),
            text::bytes(self.bytes),
            text::duration(self.elapsed),
            text::rate(self.bytes, self.elapsed),
        )?;
        let rows = [
            (self.files_equal, "were there already as they should be"),
            (self.files_skipped, "were there and left alone"),
            (self.verified, "read back and found equal"),
        ];
        for (files, what) in rows.into_iter().filter(|(files, _)| *files > 0) {
            writeln!(out, "  {} {what}", text::counted(files, "file", "files"))?;
        }
        if self.deleted > 0 {
            let deleted = text::counted(self.deleted, "file or folder", "files and folders");
            let removed = if self.dry_run { "would be removed" } else { "removed" };
            writeln!(out, "  {deleted} {removed} that the snapshot does not have")?;
        }
        if self.notices > 0 {
            let notices = text::counted(self.notices, "piece", "pieces");
            writeln!(
                out,
                "  {notices} of metadata, such as owners, can only be set by root and were left out"
            )?;
        }
        if self.problem_count > 0 {
            let problems = text::counted(self.problem_count, "path", "paths");
            writeln!(out, "  {problems} could not be restored as they were")?;
        }
        Ok(())
    }
}

impl Line for Removed {
    const TYPE: &'static str = "removed";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", if self.dry_run { "would remove" } else { "removed" }, self.path)
    }
}

impl Line for NoMatch {
    const TYPE: &'static str = "no_match";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "warning: nothing that was to be restored matches --include {}", self.globs.join(" "))
    }
}

impl Line for RestoreProblem {
    const TYPE: &'static str = "restore_problem";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let fault = if self.damage { " (damage in the repository)" } else { "" };
        write!(out, "could not restore ")?;
        match (self.extent, self.entries) {
            ("range", Some(entries)) => write!(out, "{} from ", text::counted(entries, "entry", "entries"))?,
            ("range", None) => write!(out, "everything from ")?,
            _ => {}
        }
        write!(out, "{}", self.path)?;
        match (self.extent, &self.before) {
            ("range", Some(before)) => write!(out, " up to {before}")?,
            ("range", None) => write!(out, " on")?,
            _ => {}
        }
        writeln!(out, ": {}{fault}", self.why)
    }
}
