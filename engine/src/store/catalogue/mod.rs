//! What the journal says, replayed ([`Catalogue`]): packs with their extents, snapshots, series, key slots.

use std::collections::BTreeMap;
use std::collections::HashMap;

use farkeep_codec::envelope::EnvelopeError;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;

use super::error::StoreError;
use super::layout::Name;
use super::layout::path;
use crate::index::Mark;
use crate::index::Spot;
use crate::journal::ChainHash;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Place;
use crate::journal::Position;
use crate::journal::Replayed;
use crate::journal::SlotId;
use crate::journal::StoredExtent;
use crate::limits::BLOCK_BYTES;
use crate::pack::Extent;

/// A pack, as far as the journal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pack {
    pub(crate) id: PackId,
    pub(crate) kind: Kind,
    /// End of its last extent.
    pub(crate) bytes: u32,
}

/// A snapshot, and where its record lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotAt {
    pub(crate) id: SnapshotId,
    pub(crate) received: Time,
    /// Of the record in the journal.
    pub(crate) sequence: u64,
    pub(crate) payload: Place,
    pub(crate) payload_bytes: u32,
    pub(crate) forgotten: bool,
}

/// The newest record of a series, forgotten or not: the one that the next record of the series names as the one before
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Name of the record.
    pub id: SnapshotId,
    /// Its number in the series.
    pub sequence: u64,
    /// When its run began, by the clock of the host.
    pub captured: Time,
    /// When the store received it, by its own clock.
    pub received: Time,
    /// Root of its tree.
    pub root: ObjectId,
    /// Public key of the agent that signed it.
    pub agent: [u8; 32],
}

/// The state of a repository at one position of its journal.
#[derive(Debug)]
pub(crate) struct Catalogue {
    repository: RepositoryId,
    at: Replayed,
    parameters: Option<blake3::Hash>,
    /// By number.
    packs: Vec<Pack>,
    numbers: HashMap<PackId, u32>,
    /// In the order of the journal, with the numbers of their packs.
    extents: Vec<(u32, Extent)>,
    objects: u64,
    /// Each event that stored something, and how many extents there were after it.
    stored: Vec<(Position, usize)>,
    snapshots: Vec<SnapshotAt>,
    snapshots_by_id: HashMap<SnapshotId, usize>,
    newest: HashMap<Series, Newest>,
    slots: BTreeMap<SlotId, blake3::Hash>,
}

impl Catalogue {
    /// Before the first record.
    pub(crate) fn new(repository: RepositoryId) -> Self {
        Self {
            repository,
            at: Replayed::GENESIS,
            parameters: None,
            packs: Vec::new(),
            numbers: HashMap::new(),
            extents: Vec::new(),
            objects: 0,
            stored: Vec::new(),
            snapshots: Vec::new(),
            snapshots_by_id: HashMap::new(),
            newest: HashMap::new(),
            slots: BTreeMap::new(),
        }
    }

    /// Takes the next event in.
    ///
    /// # Errors
    /// If it cannot have happened after those before: somebody wrote an intact journal of nonsense.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let nonsense = |what| StoreError::Damaged {
            path: path(Name::Journal).into(),
            offset: entry.payload.offset,
            what,
        };
        let first = self.at.position == Position::GENESIS;
        let created = matches!(entry.record.event, Event::RepositoryCreated { .. });
        if first != created {
            return Err(nonsense("a journal event: a repository is created first, and once"));
        }
        match &entry.record.event {
            Event::RepositoryCreated { parameters } => self.parameters = Some(*parameters),
            Event::Stored { extents } => {
                extents.iter().try_for_each(|extent| self.store(extent)).map_err(nonsense)?;
                self.stored.push((entry.record.position, self.extents.len()));
            }
            Event::SnapshotCommitted { record } => {
                let snapshot = Snapshot::parse(record).map_err(|error| match error {
                    EnvelopeError::NewerFormat { found, known, .. } => {
                        StoreError::NewerFormat { what: "the format of a snapshot record", found, known }
                    }
                    _ => nonsense("a journal event: a snapshot record"),
                })?;
                let id = SnapshotId::from_bytes(*blake3::hash(record).as_bytes());
                self.commit(entry, id, &snapshot).map_err(nonsense)?;
            }
            Event::SnapshotForgotten { id, .. } => {
                let index = self.snapshots_by_id.get(id).copied();
                let snapshot = index.and_then(|index| self.snapshots.get_mut(index));
                snapshot.ok_or(nonsense("a journal event: an unknown snapshot is forgotten"))?.forgotten =
                    true;
            }
            Event::KeySlotAdded { slot, hash } => {
                self.slots.insert(*slot, *hash);
            }
            Event::KeySlotRemoved { slot } => {
                let removed = self.slots.remove(slot);
                removed.ok_or(nonsense("a journal event: an unknown key slot is removed"))?;
            }
        }
        self.at.position = entry.record.position;
        self.at.time = entry.record.time;
        Ok(())
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

    /// All packs, by number.
    pub(crate) fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// The pack with this number.
    pub(crate) fn pack(&self, number: u32) -> Option<&Pack> {
        self.packs.get(number as usize)
    }

    /// The number of the pack with this id.
    pub(crate) fn pack_number(&self, id: &PackId) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// All extents in the order of the journal, each with the number of its pack.
    pub(crate) fn extents(&self) -> &[(u32, Extent)] {
        &self.extents
    }

    /// Objects in all extents.
    pub(crate) fn objects(&self) -> u64 {
        self.objects
    }

    /// Whether what lies there is durable and journalled.
    pub(crate) fn is_durable(&self, spot: &Spot) -> bool {
        self.pack(spot.ordinal).is_some_and(|pack| spot.offset < pack.bytes)
    }

    /// The mark of an index that holds the first `extents` extents, where an event ends there.
    pub(crate) fn mark(&self, extents: usize) -> Option<Mark> {
        let index = self.stored.binary_search_by_key(&extents, |(_, end)| *end).ok()?;
        self.stored.get(index).map(|(position, _)| encode_mark(position))
    }

    /// How many extents an index with that mark holds, if the mark is one of this history.
    pub(crate) fn extents_at(&self, mark: Mark) -> Option<usize> {
        let position = decode_mark(mark);
        let index = self.stored.binary_search_by_key(&position.sequence, |(at, _)| at.sequence).ok()?;
        let (at, extents) = self.stored.get(index)?;
        (*at == position).then_some(*extents)
    }

    /// Whether that mark lies behind everything that is known here.
    pub(crate) fn is_ahead(&self, mark: Mark) -> bool {
        decode_mark(mark).sequence > self.at.position.sequence
    }

    /// All snapshots, forgotten ones included, in the order in which they were received.
    pub(crate) fn snapshots(&self) -> &[SnapshotAt] {
        &self.snapshots
    }

    /// The snapshot with this id.
    pub(crate) fn snapshot(&self, id: &SnapshotId) -> Option<&SnapshotAt> {
        self.snapshots.get(*self.snapshots_by_id.get(id)?)
    }

    /// The newest record of a series, even if it was forgotten.
    pub(crate) fn newest(&self, series: &Series) -> Option<Newest> {
        self.newest.get(series).copied()
    }

    /// All series, each with its newest record, even if that was forgotten.
    pub(crate) fn newest_of_all(&self) -> impl Iterator<Item = (&Series, &Newest)> {
        self.newest.iter()
    }

    /// All key slots, with the hashes of their files.
    pub(crate) fn slots(&self) -> &BTreeMap<SlotId, blake3::Hash> {
        &self.slots
    }

    fn store(&mut self, stored: &StoredExtent) -> Result<(), &'static str> {
        let StoredExtent { pack: id, kind, extent } = *stored;
        let number = match self.numbers.get(&id) {
            Some(number) => *number,
            None => {
                let number =
                    u32::try_from(self.packs.len()).map_err(|_| "a journal event: too many packs")?;
                let header = u32::try_from(BLOCK_BYTES).expect("a block is small");
                self.packs.push(Pack { id, kind, bytes: header });
                self.numbers.insert(id, number);
                number
            }
        };
        let pack = self.packs.get_mut(number as usize).ok_or("a journal event: a pack without a number")?;
        if pack.kind != kind || pack.bytes != extent.start {
            return Err("a journal event: an extent that does not continue its pack");
        }
        pack.bytes = extent.end();
        self.extents.push((number, extent));
        self.objects += u64::from(extent.objects);
        Ok(())
    }

    fn commit(&mut self, entry: &Entry, id: SnapshotId, snapshot: &Snapshot) -> Result<(), &'static str> {
        if snapshot.repository != self.repository || self.snapshots_by_id.contains_key(&id) {
            return Err("a journal event: a snapshot of another repository, or twice the same");
        }
        self.snapshots_by_id.insert(id, self.snapshots.len());
        let newest = Newest {
            id,
            sequence: snapshot.sequence,
            captured: snapshot.captured,
            received: entry.record.time,
            root: snapshot.root,
            agent: *snapshot.agent().as_bytes(),
        };
        self.newest.insert(snapshot.series.clone(), newest);
        self.snapshots.push(SnapshotAt {
            id,
            received: entry.record.time,
            sequence: entry.record.position.sequence,
            payload: entry.payload,
            payload_bytes: entry.payload_bytes,
            forgotten: false,
        });
        Ok(())
    }
}

fn encode_mark(position: &Position) -> Mark {
    let mut mark = Mark([0; Mark::BYTES]);
    let (sequence, chain) = mark.0.split_at_mut(8);
    sequence.copy_from_slice(&position.sequence.to_le_bytes());
    chain.copy_from_slice(position.chain.as_bytes());
    mark
}

fn decode_mark(mark: Mark) -> Position {
    let (sequence, chain) = mark.0.split_first_chunk().expect("a mark is longer than a number");
    let chain = chain.first_chunk().expect("a mark holds a number and a hash");
    Position { sequence: u64::from_le_bytes(*sequence), chain: ChainHash::from_bytes(*chain) }
}
