//! `farkeep snapshots`

use std::collections::HashMap;

use clap::Args;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Status;
use jiff::Zoned;

use super::failure::Failure;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::admitted;
use super::subject::known;
use super::subject::label;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::repository::Access;
use crate::repository::Cost;
use crate::repository::Costs;
use crate::repository::Kept;
use crate::repository::Point;
use crate::repository::Repository;

/// List the snapshots, oldest first
///
/// Within a series their order is that in which they were made, whatever the clock of the host said, and series are ordered
/// among each other by when their points arrived; `latest` goes by it too. A point that waited in an agent's spool (tag
/// `spooled`) stands where it belongs by the time of its capture.
///
/// JSON has both ids of each: the content id, which is equal for equal files however they came here, and the root id,
/// which also depends on where contents are stored.
///
/// With --forgotten those are listed that are off the list and can be recovered, with the time until which they can for
/// certain, in the order in which they came; restore, ls and the like take them by their ids.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep snapshots
  farkeep snapshots --tag nightly --json
  farkeep snapshots --forgotten
  farkeep snapshots --sizes")]
pub(super) struct Snapshots {
    #[command(flatten)]
    filter: FilterArguments,
    /// List what was forgotten and can be recovered
    #[arg(long)]
    forgotten: bool,
    /// List what is held, forgotten or not
    #[arg(long)]
    held: bool,
    /// Say what each one costs: what it added to those before it, and what forgetting it alone would free; and what several
    /// share. Reads all trees
    #[arg(long)]
    sizes: bool,
}

impl Snapshots {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        if self.forgotten || self.held || self.sizes {
            return self.of_known(session, &repository);
        }
        let points = admitted(points(session, &repository)?, &self.filter.filter())?;
        if points.is_empty() {
            session.output.note("there are no snapshots");
            return Ok(Exit::Done);
        }
        session.output.heading(line::Snapshot::HEADING)?;
        for point in &points {
            session.output.line(&snapshot(point))?;
        }
        Ok(Exit::Done)
    }
}

impl Snapshots {
    fn of_known(&self, session: &Session, repository: &Repository) -> Result<Exit, Failure> {
        let (filter, now) = (self.filter.filter(), Zoned::now().timestamp().as_nanosecond());
        let is_held = |kept: &Kept| i128::from(kept.held_until.nanoseconds()) > now;
        let mut all = known(session, repository)?;
        all.retain(|kept| filter.admits(&label(&kept.point)));
        let is_meant = |kept: &Kept| {
            let is_of_list = kept.forgotten.is_some() == self.forgotten || self.held;
            is_of_list && (!self.held || is_held(kept)) && (!self.forgotten || kept.forgotten.is_some())
        };
        all.retain(is_meant);
        if all.is_empty() {
            session.output.note("there are no such snapshots");
            return Ok(Exit::Done);
        }
        let sizes = if self.sizes { Some(repository.keeper().sizes()?) } else { None };
        let each = sizes.iter().flat_map(|sizes| &sizes.each);
        let costs: HashMap<SnapshotId, &Cost> = each.map(|cost| (cost.id, cost)).collect();
        let is_estimated = sizes.as_ref().map(|sizes| sizes.is_estimated);
        session.output.heading(line::Snapshot::HEADING)?;
        for kept in &all {
            let cost = costs.get(&kept.point.id);
            session.output.line(&line::Snapshot {
                forgotten: kept.forgotten.map(|(at, _)| at),
                restorable_until: kept.forgotten.map(|(_, until)| until),
                held_until: is_held(kept).then_some(kept.held_until),
                added_bytes: cost.map(|cost| cost.added_bytes),
                unique_bytes: cost.map(|cost| cost.unique_bytes),
                is_estimated,
                ..snapshot(&kept.point)
            })?;
        }
        if let Some(Costs { shared_bytes: bytes, is_estimated, .. }) = sizes {
            session.output.summary(&line::Shared { by: "snapshots", bytes, is_estimated })?;
        }
        Ok(Exit::Done)
    }
}

fn snapshot(point: &Point) -> line::Snapshot {
    let (status, unreadable_count) = status(&point.record.status);
    line::Snapshot {
        snapshot: point.id,
        content: point.private.content,
        root: point.record.root,
        series: point.record.series.to_string(),
        sequence: point.sequence,
        captured: point.record.captured,
        received: point.received,
        status,
        unreadable_count,
        host: point.private.host.clone(),
        user: point.private.user.clone(),
        paths: point.private.paths.iter().map(|path| Named::of_bytes(path)).collect(),
        tags: point.private.tags.clone(),
        entries: point.record.entries,
        bytes: point.record.bytes,
        forgotten: None,
        restorable_until: None,
        held_until: None,
        added_bytes: None,
        unique_bytes: None,
        is_estimated: None,
    }
}

/// The word for a status, and the number of files that could not be read.
pub(super) fn status(status: &Status) -> (&'static str, u64) {
    match status {
        Status::Complete => ("complete", 0),
        Status::Partial { unreadable } => ("partial", *unreadable),
    }
}
