//! The puts of a session that are on their way, and what waits for its turn behind them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::Range;
use farkeep_protocol::field::Ranges;
use farkeep_protocol::limits::DURABLE_RANGES_MAX;

use super::line::LineId;
use super::numbers::sequence;

#[cfg(test)]
mod tests;

/// A request that is carried out after those of lower numbers.
#[derive(Debug)]
pub(super) enum Ordered {
    Put {
        line: LineId,
        id: ObjectId,
        object: Vec<u8>,
        body_bytes: usize,
    },
    Flush,
    Commit {
        group: Option<GroupId>,
        record: Vec<u8>,
        tags: Option<Vec<TagToken>>,
        replaces: Option<SnapshotId>,
        body_bytes: usize,
    },
}

/// A put that is on its way to the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Under {
    pub(super) number: u64,
    pub(super) line: LineId,
    /// Bytes that are counted as stored for it.
    pub(super) reserved_bytes: u64,
    /// Bytes of credit that are held for it.
    pub(super) body_bytes: usize,
}

/// Puts of a session.
#[derive(Debug, Default)]
pub(super) struct Puts {
    /// Those that the engine takes in right now.
    pub(super) batch: Option<Vec<Under>>,
    /// Those that were taken in and are not durable, by ticket.
    pub(super) tickets: BTreeMap<u64, Vec<Under>>,
    pub(super) next_ticket: u64,
    /// Numbers that came and are neither durable nor refused.
    pub(super) undurable: BTreeSet<u64>,
    /// The lowest number that was refused.
    refused: Option<u64>,
}

impl Puts {
    /// A put came.
    pub(super) fn came(&mut self, number: u64) {
        self.undurable.insert(number);
    }

    /// Whether puts are on their way to the disk.
    pub(super) fn is_busy(&self) -> bool {
        self.batch.is_some() || !self.tickets.is_empty()
    }

    /// The highest number up to which every put is durable, where all numbers below `missing` came.
    pub(super) fn acknowledged(&self, missing: u64) -> u64 {
        let undurable = self.undurable.first().copied();
        let least = [Some(missing), undurable, self.refused].into_iter().flatten().min();
        least.map_or(0, |least| least - 1)
    }

    /// Numbers begin anew.
    pub(super) fn begin_anew(&mut self) {
        self.undurable.clear();
        self.refused = None;
    }

    pub(super) fn refuse(&mut self, number: u64) {
        self.undurable.remove(&number);
        self.refused = Some(self.refused.map_or(number, |refused| refused.min(number)));
    }
}

/// Numbers that rise, as ranges, in as few messages as will do.
pub(super) fn ranges(numbers: &[u64]) -> Vec<Ranges> {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let range = |run: &[u64]| Range { first: sequence(run[0]), count: run.len() as u64 };
    let ranges: Vec<Range> = runs.map(range).collect();
    let message =
        |some: &[Range]| Ranges::new(some.to_vec()).expect("the numbers rise, and runs do not touch");
    ranges.chunks(DURABLE_RANGES_MAX).map(message).collect()
}
