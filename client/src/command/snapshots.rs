//! `farkeep snapshots`

use clap::Args;
use farkeep_codec::snapshot::Status;

use super::failure::Failure;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::admitted;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::repository::Access;
use crate::repository::Point;

/// List the snapshots, oldest first
///
/// Within a series their order is that in which they were made, whatever the clock of the host said, and series are ordered
/// among each other by when their points arrived; `latest` goes by it too. A point that waited in an agent's spool (tag
/// `spooled`) stands where it belongs by the time of its capture.
///
/// JSON has both ids of each: the content id, which is equal for equal files however they came here, and the root id,
/// which also depends on where contents are stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep snapshots
  farkeep snapshots --tag nightly --json")]
pub(super) struct Snapshots {
    #[command(flatten)]
    filter: FilterArguments,
}

impl Snapshots {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
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
    }
}

/// The word for a status, and the number of files that could not be read.
pub(super) fn status(status: &Status) -> (&'static str, u64) {
    match status {
        Status::Complete => ("complete", 0),
        Status::Partial { unreadable } => ("partial", *unreadable),
    }
}
