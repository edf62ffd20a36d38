//! What a list of snapshots says.

use std::io;
use std::io::Write;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use super::super::text::Named;

/// One snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// Content id: equal for equal files, however they came here.
    #[serde(serialize_with = "text::shown")]
    pub content: ContentId,
    /// Id of the root node, which also depends on where contents are stored.
    #[serde(serialize_with = "text::shown")]
    pub root: ObjectId,
    /// Series that it belongs to.
    pub series: String,
    /// Number in the repository's order of arrival.
    pub sequence: u64,
    /// When the agent began to read.
    #[serde(serialize_with = "text::rfc3339")]
    pub captured: Time,
    /// When the repository took the snapshot in.
    #[serde(serialize_with = "text::rfc3339")]
    pub received: Time,
    /// `complete` or `partial`.
    pub status: &'static str,
    /// Files that could not be read.
    pub unreadable_count: u64,
    /// Name of the machine.
    pub host: String,
    /// Name of the user.
    pub user: String,
    /// What was backed up.
    pub paths: Vec<Named>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Snapshot {
    /// The line above a list of snapshots.
    pub const HEADING: &str = "snapshot      captured             status      entries        size  series";
}

impl Line for Snapshot {
    const TYPE: &'static str = "snapshot";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let tags: String =
            self.tags.iter().map(|tag| format!(" #{}", text::printable(tag.as_bytes()))).collect();
        writeln!(
            out,
            "{}  {}  {:<8} {:>10}  {:>10}  {}{tags}",
            text::short_id(&self.snapshot),
            text::local(self.captured),
            self.status,
            text::count(self.entries).to_string(),
            text::bytes(self.bytes).to_string(),
            text::printable(self.series.as_bytes()),
        )
    }
}
