//! `farkeep stats`

use std::collections::BTreeSet;

use clap::Args;
use clap::ValueEnum;
use farkeep_engine::Grown;
use farkeep_engine::Verifications;
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::session::Session;
use super::subject::points;
use crate::output::chain;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::repository::Costs;
use crate::repository::Repository;
use crate::repository::SeriesCost;

/// Show what the repository holds, and how much room it takes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep stats
  farkeep stats --sizes
  farkeep stats --history --by month")]
pub(super) struct Stats {
    /// Show how the repository grew instead: what was stored and removed, and how many snapshots came. Needs no passphrase
    #[arg(long)]
    history: bool,
    /// Show what each series costs instead: what would be free without it, and what several share. Reads all trees. Needs no
    /// passphrase
    #[arg(long, conflicts_with = "history")]
    sizes: bool,
    /// Sum the history up by day, week or month, all in UTC
    #[arg(
        long,
        value_name = "PERIOD",
        requires = "history",
        default_value = "day",
        hide_default_value = true
    )]
    by: Period,
}

/// What a line of the history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Period {
    Day,
    Week,
    Month,
}

impl Stats {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if self.history {
            let days = session.keep(Access::Read)?.keeper().history()?;
            sums(&days, self.by).iter().try_for_each(|growth| session.output.line(growth))?;
            return Ok(Exit::Done);
        }
        if self.sizes {
            return of_series(session);
        }
        let repository = session.open(Access::Read)?;
        let points = points(session, &repository)?;
        let usage = repository.usage()?;
        let verified = verified(session, &repository);
        let source_bytes: u64 = points.iter().map(|point| point.record.bytes).sum();
        let series: BTreeSet<String> = points.iter().map(|point| point.record.series.to_string()).collect();
        session.output.line(&line::Stats {
            repository: repository.parameters().repository,
            snapshots: points.len() as u64,
            series: series.len() as u64,
            entries: points.iter().map(|point| point.record.entries).sum(),
            source_bytes,
            latest_bytes: points.last().map_or(0, |point| point.record.bytes),
            objects: usage.objects,
            pack_bytes: usage.bytes,
            ratio: line::Stats::ratio_of(source_bytes, usage.bytes),
            packs: usage.packs,
            index_bytes: usage.index_bytes,
            journal_bytes: usage.journal_bytes,
            free_bytes: usage.free_bytes,
            oldest_verification: verified.as_ref().and_then(|verified| verified.oldest),
            unverified_bytes: verified.map(|verified| verified.bytes_unverified),
        })?;
        Ok(Exit::Done)
    }
}

/// When packs were verified, if that can be said.
fn verified(session: &Session, repository: &Repository) -> Option<Verifications> {
    let told = repository.keeper().verifications();
    let unknown =
        |error| session.output.note(&format!("when packs were verified is not known: {}", chain(&error)));
    told.map_err(unknown).ok()
}

/// Says what each series costs.
fn of_series(session: &Session) -> Result<Exit, Failure> {
    let Costs { each, shared_bytes, is_estimated } = session.keep(Access::Read)?.keeper().series_sizes()?;
    session.output.heading(line::SeriesSize::HEADING)?;
    for SeriesCost { series, snapshots, unique_bytes, .. } in each {
        session.output.line(&line::SeriesSize { series, snapshots, unique_bytes, is_estimated })?;
    }
    session.output.summary(&line::Shared { by: "series", bytes: shared_bytes, is_estimated })?;
    Ok(Exit::Done)
}

/// The days summed up, each line with what the packs take at its end.
fn sums(days: &[Grown], by: Period) -> Vec<line::Growth> {
    let mut sums: Vec<line::Growth> = Vec::new();
    let mut pack_bytes: u64 = 0;
    for grown in days {
        pack_bytes = pack_bytes.saturating_add(grown.stored_bytes).saturating_sub(grown.removed_bytes);
        let from = first_day(grown, by).to_string();
        if sums.last().is_none_or(|last| last.from != from) {
            sums.push(line::Growth { from, ..line::Growth::default() });
        }
        let sum = sums.last_mut().expect("one was just made if there was none");
        sum.stored_bytes += grown.stored_bytes;
        sum.removed_bytes += grown.removed_bytes;
        sum.snapshots += grown.snapshots;
        sum.forgotten += grown.forgotten;
        sum.purged += grown.purged;
        sum.pack_bytes = pack_bytes;
    }
    sums
}

/// The first day of the period that it is in.
fn first_day(grown: &Grown, by: Period) -> Date {
    let time = Timestamp::from_nanosecond(i128::from(grown.day.nanoseconds()));
    let day = time.unwrap_or_default().to_zoned(TimeZone::UTC).date();
    match by {
        Period::Day => day,
        Period::Week => day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days()),
        Period::Month => day.first_of_month(),
    }
}

#[cfg(test)]
mod tests;
