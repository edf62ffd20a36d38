//! The snapshot, and the path in it, that a command is about.

use std::ffi::OsStr;

use clap::Args;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Status;
use farkeep_codec::tree::PathKey;
use farkeep_engine::Known;
use farkeep_engine::Listed;
use jiff::Zoned;

use super::failure::Failure;
use super::session::Session;
use crate::repository::Access;
use crate::repository::Keeper;
use crate::repository::Kept;
use crate::repository::Locked;
use crate::repository::Point;
use crate::repository::Refused;
use crate::repository::Repository;
use crate::repository::SPOOLED;
use crate::selector::Filter;
use crate::selector::Label;
use crate::selector::Selector;
use crate::selector::Target;
use crate::selector::order::in_order;
use crate::selector::select;
use crate::transfer::COPIED;

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
        let filter = filter.filter();
        let point = match &target.snapshot {
            Selector::Prefix(_) => by_id(session, repository, &filter, &target.snapshot)?,
            selector => choose(&points(session, repository)?, &filter, selector)?.clone(),
        };
        Ok(Self { point, path: target.path })
    }
}

/// The snapshot whose id was given, which may have been forgotten.
fn by_id(
    session: &Session,
    repository: &Repository,
    filter: &Filter,
    selector: &Selector,
) -> Result<Point, Failure> {
    let known = known(session, repository)?;
    let labels: Vec<Label> = known.iter().map(|kept| label(&kept.point)).collect();
    let kept = &known[select(&labels, filter, selector)?];
    if kept.forgotten.is_some() {
        session.output.note("this snapshot was forgotten; `farkeep recover` puts it on the list again");
    }
    Ok(kept.point.clone())
}

/// All snapshots that were not purged, forgotten ones included. Those that cannot be opened are named in a warning and
/// left out.
pub(super) fn known(session: &Session, repository: &Repository) -> Result<Vec<Kept>, Failure> {
    let (known, refused) = repository.known()?;
    warn(session, &refused);
    Ok(known)
}

/// Snapshots that were named for something to be decided about them, which takes no key if all were named by id.
pub(super) struct Named {
    pub(super) ids: Vec<SnapshotId>,
    opened: Opened,
}

enum Opened {
    Locked(Locked),
    Unlocked(Box<Repository>),
}

impl Named {
    /// Opens the repository, and finds the snapshots. Those that were forgotten are found by their ids alone.
    pub(super) fn find(session: &Session, texts: &[String], access: Access) -> Result<Self, Failure> {
        let now = Zoned::now();
        let selectors: Vec<Selector> =
            texts.iter().map(|text| Selector::parse(text, &now)).collect::<Result<_, _>>()?;
        let filter = Filter::default();
        let is_by_id = |selector: &Selector| matches!(selector, Selector::Prefix(_));
        if !selectors.iter().all(is_by_id) {
            let repository = session.open(access)?;
            let listed = points(session, &repository)?;
            let one = |selector: &Selector| match is_by_id(selector) {
                true => Ok(by_id(session, &repository, &filter, selector)?.id),
                false => Ok(choose(&listed, &filter, selector)?.id),
            };
            let ids = selectors.iter().map(one).collect::<Result<_, Failure>>()?;
            return Ok(Self { ids, opened: Opened::Unlocked(Box::new(repository)) });
        }
        let locked = session.keep(access)?;
        let labels: Vec<Label> = locked.keeper().known()?.iter().map(plain_label).collect();
        let one = |selector: &Selector| Ok(labels[select(&labels, &filter, selector)?].id);
        let ids = selectors.iter().map(one).collect::<Result<_, Failure>>()?;
        Ok(Self { ids, opened: Opened::Locked(locked) })
    }

    /// Who decides.
    pub(super) fn keeper(&self) -> &dyn Keeper {
        match &self.opened {
            Opened::Locked(locked) => locked.keeper(),
            Opened::Unlocked(repository) => repository.keeper(),
        }
    }
}

/// What can be said of a snapshot without keys: enough to find it by its id.
fn plain_label(known: &Known) -> Label {
    let Listed { id, record, received, sequence } = &known.listed;
    Label {
        id: *id,
        sequence: *sequence,
        captured: record.captured,
        received: *received,
        spooled: false,
        complete: record.status == Status::Complete,
        series: record.series.to_string(),
        host: String::new(),
        tags: Vec::new(),
    }
}

/// All snapshots, the oldest first. Those that cannot be opened are named in a warning and left out.
pub(super) fn points(session: &Session, repository: &Repository) -> Result<Vec<Point>, Failure> {
    let listing = repository.listing()?;
    warn(session, &listing.refused);
    let labels: Vec<Label> = listing.points.iter().map(label).collect();
    let mut points: Vec<Option<Point>> = listing.points.into_iter().map(Some).collect();
    Ok(in_order(&labels).into_iter().filter_map(|placed| points[placed.at].take()).collect())
}

fn warn(session: &Session, refused: &[Refused]) {
    for refused in refused {
        session.output.warn(&format!("warning: snapshot {} is left out: {}", refused.id, refused.why));
    }
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
        spooled: point.private.tags.iter().any(|tag| tag == SPOOLED || tag.starts_with(COPIED)),
        complete: point.record.status == Status::Complete,
        series: point.record.series.to_string(),
        host: point.private.host.clone(),
        tags: point.private.tags.clone(),
    }
}
