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
    /// When it was forgotten.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::rfc3339_or_null")]
    pub forgotten: Option<Time>,
    /// Until when one that was forgotten can be recovered for certain.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::rfc3339_or_null")]
    pub restorable_until: Option<Time>,
    /// Until when it is held.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::rfc3339_or_null")]
    pub held_until: Option<Time>,
    /// Bytes in the repository that no snapshot received before it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_bytes: Option<u64>,
    /// Bytes in the repository that no other snapshot needs: forgetting it alone would free them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_bytes: Option<u64>,
    /// Whether only a part of the objects was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_estimated: Option<bool>,
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
        let until = |what: &str, time: Option<Time>| {
            time.map(|time| format!("  {what} until {}", text::local(time))).unwrap_or_default()
        };
        let restorable = until("restorable", self.restorable_until);
        let held = until("held", self.held_until);
        let about = if self.is_estimated == Some(true) { "about " } else { "" };
        let costs = self.added_bytes.zip(self.unique_bytes).map(|(added, unique)| {
            format!("  added {about}{}, unique {about}{}", text::bytes(added), text::bytes(unique))
        });
        let costs = costs.unwrap_or_default();
        writeln!(
            out,
            "{}  {}  {:<8} {:>10}  {:>10}  {}{tags}{restorable}{held}{costs}",
            text::short_id(&self.snapshot),
            text::local(self.captured),
            self.status,
            text::count(self.entries).to_string(),
            text::bytes(self.bytes).to_string(),
            text::printable(self.series.as_bytes()),
        )
    }
}
