//! `farkeep stats`

use std::collections::BTreeSet;

use clap::Args;

use super::failure::Failure;
use super::session::Session;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;

/// Show what the repository holds, and how much room it takes
#[derive(Debug, Args)]
pub(super) struct Stats {}

impl Stats {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        let points = points(session, &repository)?;
        let usage = repository.usage()?;
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
        })?;
        Ok(Exit::Done)
    }
}
