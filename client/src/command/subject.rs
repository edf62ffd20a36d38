//! The snapshot, and the path in it, that a command is about.

use std::ffi::OsStr;

use clap::Args;
use farkeep_codec::snapshot::Status;
use farkeep_codec::tree::PathKey;
use jiff::Zoned;

use super::failure::Failure;
use super::session::Session;
use crate::repository::Point;
use crate::repository::Repository;
use crate::repository::SPOOLED;
use crate::selector::Filter;
use crate::selector::Label;
use crate::selector::Selector;
use crate::selector::Target;
use crate::selector::order::in_order;
use crate::selector::select;

/// Which snapshots are considered.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Which snapshots are considered")]
pub(super) struct FilterArguments {
    /// Only snapshots of this series; may be repeated
    #[arg(long, value_name = "NAME")]
    series: Vec<String>,
    /// Only snapshots of this host; may be repeated
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Only snapshots with this tag; repeated, only those with all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

/// A snapshot, and perhaps a path in it.
pub(super) struct Subject {
    pub(super) point: Point,
    pub(super) path: Option<PathKey>,
}

impl FilterArguments {
    pub(super) fn filter(&self) -> Filter {
        Filter { series: self.series.clone(), hosts: self.host.clone(), tags: self.tag.clone() }
    }
}

impl Subject {
    /// The snapshot and path that `SNAPSHOT[:PATH]` names.
    pub(super) fn find(
        session: &Session,
        repository: &Repository,
        text: &OsStr,
        filter: &FilterArguments,
    ) -> Result<Self, Failure> {
        let target = Target::parse(text, &Zoned::now())?;
        let points = points(session, repository)?;
        let point = choose(&points, &filter.filter(), &target.snapshot)?.clone();
        Ok(Self { point, path: target.path })
    }
}

/// All snapshots, the oldest first. Those that cannot be opened are named in a warning and left out.
pub(super) fn points(session: &Session, repository: &Repository) -> Result<Vec<Point>, Failure> {
    let listing = repository.listing()?;
    for refused in &listing.refused {
        session.output.warn(&format!("warning: snapshot {} is left out: {}", refused.id, refused.why));
    }
    let labels: Vec<Label> = listing.points.iter().map(label).collect();
    let mut points: Vec<Option<Point>> = listing.points.into_iter().map(Some).collect();
    Ok(in_order(&labels).into_iter().filter_map(|placed| points[placed.at].take()).collect())
}

/// Those that the filter lets through.
pub(super) fn admitted(points: Vec<Point>, filter: &Filter) -> Result<Vec<Point>, Failure> {
    let labels: Vec<Label> = points.iter().map(label).collect();
    filter.check_series(&labels)?;
    let admitted = points.into_iter().zip(&labels).filter(|(_, label)| filter.admits(label));
    Ok(admitted.map(|(point, _)| point).collect())
}

/// The one that is meant.
pub(super) fn choose<'a>(
    points: &'a [Point],
    filter: &Filter,
    selector: &Selector,
) -> Result<&'a Point, Failure> {
    let labels: Vec<Label> = points.iter().map(label).collect();
    let at = select(&labels, filter, selector)?;
    Ok(&points[at])
}

/// What a selector may ask of a snapshot.
pub(super) fn label(point: &Point) -> Label {
    Label {
        id: point.id,
        sequence: point.sequence,
        captured: point.record.captured,
        received: point.received,
        spooled: point.private.tags.iter().any(|tag| tag == SPOOLED),
        complete: point.record.status == Status::Complete,
        series: point.record.series.to_string(),
        host: point.private.host.clone(),
        tags: point.private.tags.clone(),
    }
}
