//! How a repository grew ([`history`]): what its journal says of each day, read from its first record to its last.

use std::collections::BTreeMap;
use std::collections::HashMap;

use farkeep_codec::id::PackId;
use farkeep_codec::time::Time;

use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Heads;
use crate::journal::Replayed;
use crate::journal::Tail;
use crate::journal::replay;
use crate::store::Store;
use crate::store::StoreError;

#[cfg(test)]
mod tests;

const DAY_NANOSECONDS: i64 = 86_400 * 1_000_000_000;

/// What one day brought, by the times of the journal in UTC. Days on which nothing happened are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grown {
    /// The beginning of the day.
    pub day: Time,
    /// Bytes that packs became longer by, copies of collections included.
    pub stored_bytes: u64,
    /// Bytes of packs that were removed.
    pub removed_bytes: u64,
    /// Snapshots that came.
    pub snapshots: u64,
    /// Snapshots that were forgotten.
    pub forgotten: u64,
    /// Snapshots that were purged, and can be restored no more.
    pub purged: u64,
}

/// What each day brought, the first one first. Reads the whole journal. Memory: 40 bytes for each pack and 56 for each day.
pub(crate) fn history(store: &Store) -> Result<Vec<Grown>, StoreError> {
    let mut history = History::default();
    let heads = Heads::read(store.disk())?;
    let repository = store.parameters().repository;
    replay(store.disk(), repository, &heads, Replayed::GENESIS, Tail::MayGrow, &mut |entry: Entry| {
        history.take(&entry);
        Ok::<_, StoreError>(())
    })?;
    Ok(history.days.into_values().collect())
}

#[derive(Default)]
struct History {
    days: BTreeMap<i64, Grown>,
    /// Length of each pack that is there.
    packs: HashMap<PackId, u32>,
}

impl History {
    fn take(&mut self, entry: &Entry) {
        let number = entry.record.time.nanoseconds().div_euclid(DAY_NANOSECONDS);
        let day = self.days.entry(number).or_default();
        day.day = Time::from_nanoseconds(number.saturating_mul(DAY_NANOSECONDS));
        match &entry.record.event {
            Event::Stored { extents } => {
                for stored in extents {
                    let end = self.packs.entry(stored.pack).or_default();
                    day.stored_bytes += u64::from(stored.extent.end().saturating_sub(*end));
                    *end = stored.extent.end().max(*end);
                }
            }
            Event::Removed { packs, .. } => {
                let removed = packs.iter().filter_map(|pack| self.packs.remove(pack));
                day.removed_bytes += removed.map(u64::from).sum::<u64>();
            }
            Event::SnapshotCommitted { .. } => day.snapshots += 1,
            Event::SnapshotForgotten { .. } => day.forgotten += 1,
            Event::CollectionBegun { purged, .. } => day.purged += purged.len() as u64,
            _ => {}
        }
    }
}
