//! What is said about what is kept, and for how long.

use std::io;
use std::io::Write;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use crate::config::period::Period;

/// What rules say about one snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// Series that it belongs to.
    pub series: String,
    /// When the repository took it in.
    #[serde(serialize_with = "text::rfc3339")]
    pub received: Time,
    /// `keep` or `forget`.
    pub fate: &'static str,
    /// Why it is kept.
    pub reasons: Vec<String>,
    /// The policy none of whose rules keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Of one that would be forgotten, bytes in the repository that no other snapshot needs, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_bytes: Option<u64>,
}

/// How many snapshots rules keep.
#[derive(Debug, Clone, Serialize)]
pub struct Retention {
    /// Snapshots that stay.
    pub kept: u64,
    /// Snapshots that were forgotten, or would be.
    pub forgotten: u64,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Whether nothing may be forgotten by rules at the moment, since the clock is not believed.
    pub is_frozen: bool,
}

/// A snapshot of which something was decided.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotChange {
    /// Its id.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// `forgotten`, `to be forgotten`, `recovered` or `held`.
    pub change: &'static str,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::rfc3339_or_null")]
    pub until: Option<Time>,
    /// Of one that would be forgotten, bytes in the repository that no other snapshot needs, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_bytes: Option<u64>,
}

/// A policy of the repository. Of counts 4294967295 stands for all, and 0 for no rule.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// The series that it is for.
    pub series: String,
    /// So many of the newest snapshots.
    pub last: u32,
    /// All that came in so many seconds until now.
    pub within_seconds: u64,
    /// One for each of so many hours.
    pub hourly: u32,
    /// One for each of so many days.
    pub daily: u32,
    /// One for each of so many weeks.
    pub weekly: u32,
    /// One for each of so many months.
    pub monthly: u32,
    /// One for each of so many years.
    pub yearly: u32,
    /// So many of the newest, whatever the rules say.
    pub least: u32,
    /// Tags that keep a snapshot; their names are not known here.
    pub tags_count: u64,
}

/// What else is set for a repository.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Number of policies.
    pub policies_count: u64,
    /// How long forgotten snapshots stay restorable.
    pub grace_seconds: u64,
    /// How long every new snapshot is held.
    pub least_hold_seconds: u64,
    /// When the server applies the policies.
    pub schedule: String,
    /// When the server collects.
    pub collect_schedule: String,
    /// The time zone of both, and of policies.
    pub zone: String,
    /// Parity of new packs in thousandths.
    pub parity_thousandths: u16,
    /// Garbage that a collection may leave, in thousandths.
    pub garbage_thousandths: u16,
    /// How old the last verification of a byte may become.
    pub scrub_within_days: u32,
    /// How far the clock may move on its own.
    pub clock_limit_seconds: u32,
}

/// How much room would be free.
#[derive(Debug, Clone, Serialize)]
pub struct Freed {
    /// Bytes that nothing else needs, those included that several of the snapshots share.
    pub bytes: u64,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

/// What nothing else needs.
fn alone(unique_bytes: Option<u64>) -> String {
    unique_bytes.map(|bytes| format!("  {} of its own", text::bytes(bytes))).unwrap_or_default()
}

impl Line for Freed {
    const TYPE: &'static str = "freed";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let about = if self.is_estimated { "about " } else { "" };
        writeln!(out, "{about}{} would be free, once grace and holds are over", text::bytes(self.bytes))
    }
}

impl Line for Judged {
    const TYPE: &'static str = "judged";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let why = match &self.policy {
            Some(policy) => format!("no rule of policy {} keeps it", text::printable(policy.as_bytes())),
            None => text::printable(self.reasons.join(", ").as_bytes()),
        };
        let (id, series) = (text::short_id(&self.snapshot), text::printable(self.series.as_bytes()));
        let (received, alone) = (text::local(self.received), alone(self.unique_bytes));
        writeln!(out, "{:<6}  {id}  {received}  {series}  ({why}){alone}", self.fate)
    }
}

impl Line for Retention {
    const TYPE: &'static str = "retention";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let forgotten = text::counted(self.forgotten, "snapshot", "snapshots");
        let kept = text::count(self.kept);
        match self.dry_run {
            true => writeln!(out, "dry run: {forgotten} would be forgotten, {kept} kept")?,
            false => writeln!(out, "{forgotten} forgotten, {kept} kept")?,
        }
        if self.is_frozen {
            writeln!(out, "nothing is forgotten by rules at the moment: the clock moved by itself")?;
        }
        Ok(())
    }
}

impl Line for SnapshotChange {
    const TYPE: &'static str = "snapshot_change";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let until = self.until.map(|until| format!(" until {}", text::local(until))).unwrap_or_default();
        let alone = alone(self.unique_bytes);
        writeln!(out, "snapshot {} {}{until}{alone}", text::short_id(&self.snapshot), self.change)
    }
}

impl Line for Policy {
    const TYPE: &'static str = "policy";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = [
            ("last", self.last),
            ("hourly", self.hourly),
            ("daily", self.daily),
            ("weekly", self.weekly),
            ("monthly", self.monthly),
            ("yearly", self.yearly),
        ];
        let shown = counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| match *count {
            u32::MAX => format!("{name} all"),
            count => format!("{name} {count}"),
        });
        let mut rules: Vec<String> = shown.collect();
        if self.within_seconds > 0 {
            rules.push(format!("within {}", Period { seconds: self.within_seconds }));
        }
        if self.tags_count > 0 {
            rules.push(text::counted(self.tags_count, "tag", "tags"));
        }
        rules.push(format!("at least {}", self.least));
        writeln!(out, "policy {}: {}", text::printable(self.series.as_bytes()), rules.join(", "))
    }
}

impl Line for Settings {
    const TYPE: &'static str = "settings";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let period = |seconds| Period { seconds };
        let or = |text: &str, nothing: &str| {
            if text.is_empty() { nothing.to_owned() } else { text::printable(text.as_bytes()) }
        };
        let share = |thousandths: u16| format!("{}.{} %", thousandths / 10, thousandths % 10);
        if self.policies_count == 0 {
            writeln!(out, "no policy: everything is kept")?;
        }
        writeln!(out, "grace          {}", period(self.grace_seconds))?;
        writeln!(out, "least hold     {}", period(self.least_hold_seconds))?;
        writeln!(out, "schedule       {}", or(&self.schedule, "never"))?;
        writeln!(out, "collections    {}", or(&self.collect_schedule, "never"))?;
        writeln!(out, "time zone      {}", or(&self.zone, "UTC"))?;
        writeln!(out, "parity         {}", share(self.parity_thousandths))?;
        writeln!(out, "garbage        {}", share(self.garbage_thousandths))?;
        writeln!(out, "scrub within   {} d", self.scrub_within_days)?;
        writeln!(out, "clock limit    {}", period(self.clock_limit_seconds.into()))
    }
}
