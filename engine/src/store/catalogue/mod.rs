//! What the journal says ([`Catalogue`]): packs with their extents, snapshots, series, key slots, settings.
//!
//! It is replayed, from the first record or from a checkpoint, and the same either way.

use std::collections::BTreeMap;
use std::time::Duration;

use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;

use crate::index::Mark;
use crate::index::Spot;
use crate::journal::Replayed;
use crate::journal::Settings;
use crate::journal::SlotId;
use crate::store::StoreError;
use crate::store::set_back;

pub(crate) use packs::ExtentAt;
pub(crate) use packs::Pack;
pub use snapshots::Newest;
pub(crate) use snapshots::SnapshotAt;

mod apply;
mod checkpoint;
mod packs;
mod snapshots;

#[cfg(test)]
mod tests;

/// The state of a repository at one position of its journal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Catalogue {
    repository: RepositoryId,
    at: Replayed,
    parameters: Option<blake3::Hash>,
    packs: packs::Packs,
    snapshots: snapshots::Snapshots,
    slots: BTreeMap<SlotId, blake3::Hash>,
    settings: Settings,
    collections: Collections,
    /// Nothing is deleted, because the clock showed this.
    frozen: Option<Time>,
}

/// What was collected, and what is being collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Collections {
    /// Of the last collection that was begun; 0 before the first.
    number: u64,
    /// The record with which it began.
    begun: u64,
    /// The record behind which it leaves everything alone.
    young: u64,
    /// Something is condemned in it.
    is_condemned: bool,
    /// How often something was condemned in all.
    epoch: u64,
    /// It has done everything that there was to do, but for so many thousandths of garbage.
    done: Option<u16>,
}

impl Catalogue {
    /// Before the first record.
    pub(crate) fn new(repository: RepositoryId) -> Self {
        Self {
            repository,
            at: Replayed::GENESIS,
            parameters: None,
            packs: packs::Packs::default(),
            snapshots: snapshots::Snapshots::default(),
            slots: BTreeMap::new(),
            settings: Settings::default(),
            collections: Collections::default(),
            frozen: None,
        }
    }

    /// Remembers where in the journal the last event lies.
    pub(crate) fn pass(&mut self, at: Replayed) {
        self.at = at;
    }

    /// The end of what it knows.
    pub(crate) fn at(&self) -> Replayed {
        self.at
    }

    /// Hash of the file with the parameters.
    pub(crate) fn parameters(&self) -> Option<&blake3::Hash> {
        self.parameters.as_ref()
    }

    /// What the keepers decided.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the clock showed when deletions were frozen, while they are.
    pub(crate) fn frozen(&self) -> Option<Time> {
        self.frozen
    }

    /// All packs with their numbers, in that order.
    pub(crate) fn packs(&self) -> impl DoubleEndedIterator<Item = (u32, &Pack)> + ExactSizeIterator {
        self.packs.by_number.iter().map(|(number, pack)| (*number, pack))
    }

    /// The pack with this number, unless it was removed.
    pub(crate) fn pack(&self, number: u32) -> Option<&Pack> {
        self.packs.by_number.get(&number)
    }

    /// The number of the pack with this id.
    pub(crate) fn pack_number(&self, id: &PackId) -> Option<u32> {
        self.packs.numbers.get(id).copied()
    }

    /// The number of the next pack that appears in the journal.
    pub(crate) fn next_number(&self) -> u32 {
        self.packs.next_number
    }

    /// All extents in the order of the journal.
    pub(crate) fn extents(&self) -> &[ExtentAt] {
        &self.packs.extents
    }

    /// Those that records behind that one made durable.
    pub(crate) fn extents_behind(&self, sequence: u64) -> &[ExtentAt] {
        self.packs.extents_behind(sequence)
    }

    /// Whether packs were removed, whose files may still be there.
    pub(crate) fn has_removed_packs(&self) -> bool {
        self.packs.by_number.len() < self.packs.next_number as usize
    }

    /// The last record that stored something; 0 if there is none.
    pub(crate) fn last_stored(&self) -> u64 {
        self.packs.last_stored()
    }

    /// Objects in all extents.
    pub(crate) fn objects(&self) -> u64 {
        self.packs.objects
    }

    /// Whether what lies there is durable and journalled.
    pub(crate) fn is_durable(&self, spot: &Spot) -> bool {
        self.pack(spot.ordinal).is_some_and(|pack| spot.offset < pack.bytes && !pack.has_lost(spot.offset))
    }

    /// Whether what an index says is true still: no later record took away what lay there. True for what is under
    /// construction.
    pub(crate) fn there(&self, spot: &Spot) -> bool {
        self.packs.there(spot)
    }

    /// The mark of an index that holds what was stored up to that record, if something was stored by it, not too long
    /// ago.
    pub(crate) fn mark(&self, sequence: u64) -> Option<Mark> {
        self.packs.mark(sequence)
    }

    /// The record up to which an index with that mark holds what was stored, if the mark is one of this history, and not
    /// too old.
    pub(crate) fn covered(&self, mark: Mark) -> Option<u64> {
        self.packs.covered(mark)
    }

    /// Whether that mark lies behind everything that is known here.
    pub(crate) fn is_ahead(&self, mark: Mark) -> bool {
        packs::decode_mark(mark).sequence > self.at.position.sequence
    }

    /// All snapshots that were not purged, forgotten ones included, in the order in which they were received.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &SnapshotAt> {
        self.snapshots.ranked.values()
    }

    /// The snapshot with this id, unless it was purged.
    pub(crate) fn snapshot(&self, id: &SnapshotId) -> Option<&SnapshotAt> {
        self.snapshots.get(id)
    }

    /// What a snapshot is of.
    pub(crate) fn series_of(&self, at: &SnapshotAt) -> Option<&Series> {
        self.snapshots.series.get(at.series as usize).map(|(series, _)| series)
    }

    /// The newest record of a series, even if it was forgotten or purged.
    pub(crate) fn newest(&self, series: &Series) -> Option<Newest> {
        self.snapshots.newest(series)
    }

    /// All series, each with its newest record, even if that was forgotten or purged.
    pub(crate) fn newest_of_all(&self) -> impl Iterator<Item = (&Series, &Newest)> {
        self.snapshots.series.iter().map(|(series, newest)| (series, newest))
    }

    /// The number of the last collection that was begun, and the record with which it began; zeros before the first.
    pub(crate) fn last_collection(&self) -> (u64, u64) {
        (self.collections.number, self.collections.begun)
    }

    /// What another collection that purges nothing would leave, in thousandths of what is live, if it would find nothing to
    /// do: the last one has done everything, and nothing that it left alone because it was young has become old since,
    /// now that what was stored behind that record is young.
    pub(crate) fn is_collected(&self, young: u64) -> Option<u16> {
        let Collections { done, young: before, .. } = self.collections;
        let next = self.extents_behind(before).first();
        done.filter(|_| next.is_none_or(|extent| extent.sequence > young))
    }

    /// Whether anything may be deleted when the clock shows this.
    ///
    /// # Errors
    /// [`StoreError::Frozen`] if the clock is not believed.
    pub(crate) fn expect_deletions(&self, now: Time) -> Result<(), StoreError> {
        let limit = Duration::from_secs(self.settings.clock_seconds.into());
        match self.frozen.or_else(|| set_back(now, self.at.time, limit).then_some(now)) {
            None => Ok(()),
            Some(shown) => Err(StoreError::Frozen { shown }),
        }
    }

    /// How often something was condemned.
    pub(crate) fn epoch(&self) -> u64 {
        self.collections.epoch
    }

    /// All key slots, with the hashes of their files.
    pub(crate) fn slots(&self) -> &BTreeMap<SlotId, blake3::Hash> {
        &self.slots
    }
}
