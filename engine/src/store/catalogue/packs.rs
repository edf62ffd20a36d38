//! Packs and their extents, as the journal tells of them ([`Packs`]).

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;

use crate::index::Mark;
use crate::index::Spot;
use crate::journal::ChainHash;
use crate::journal::Position;
use crate::journal::StoredExtent;
use crate::journal::Struck;
use crate::limits::BLOCK_BYTES;
use crate::limits::STORED_POSITIONS_MAX;
use crate::pack::Extent;

/// A pack, as far as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pack {
    pub(crate) id: PackId,
    pub(crate) kind: Kind,
    /// End of its last extent.
    pub(crate) bytes: u32,
    /// Offsets of records that were collected, in ascending order.
    pub(crate) dead: Box<[u32]>,
    /// Offsets of records that are damaged, in ascending order.
    pub(crate) damaged: Box<[u32]>,
}

impl Pack {
    /// Whether the record at that offset is not there any more.
    pub(crate) fn has_lost(&self, offset: u32) -> bool {
        [&self.dead, &self.damaged].iter().any(|struck| struck.binary_search(&offset).is_ok())
    }
}

/// An extent, the number of its pack, and the journal record that made it durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExtentAt {
    pub(crate) pack: u32,
    pub(crate) extent: Extent,
    /// Of the record.
    pub(crate) sequence: u64,
}

/// All packs that are there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packs {
    pub(super) by_number: BTreeMap<u32, Pack>,
    pub(super) numbers: HashMap<PackId, u32>,
    /// Of the next pack: no number is used again.
    pub(super) next_number: u32,
    /// In the order of the journal.
    pub(super) extents: Vec<ExtentAt>,
    /// Records in all extents that are there.
    pub(super) objects: u64,
    /// The last events that stored something. An index that was written before them is built anew.
    pub(super) stored: VecDeque<Position>,
}

impl Packs {
    /// The number of the last record that stored something.
    pub(super) fn last_stored(&self) -> u64 {
        self.stored.back().map_or(0, |position| position.sequence)
    }

    /// Extents of records behind that one.
    pub(super) fn extents_behind(&self, sequence: u64) -> &[ExtentAt] {
        let first = self.extents.partition_point(|at| at.sequence <= sequence);
        self.extents.get(first..).unwrap_or_default()
    }

    /// The mark of an index that holds what was stored up to that record.
    pub(super) fn mark(&self, sequence: u64) -> Option<Mark> {
        let index = self.stored.binary_search_by_key(&sequence, |position| position.sequence).ok()?;
        self.stored.get(index).map(encode_mark)
    }

    /// The record up to which an index with that mark holds what was stored, if the mark is one of this history.
    pub(super) fn covered(&self, mark: Mark) -> Option<u64> {
        let position = decode_mark(mark);
        (self.mark(position.sequence)? == mark).then_some(position.sequence)
    }

    /// Whether what lies there is there, or is under construction: no later record took it away.
    pub(super) fn there(&self, spot: &Spot) -> bool {
        match self.by_number.get(&spot.ordinal) {
            Some(pack) => !pack.has_lost(spot.offset),
            None => spot.ordinal >= self.next_number,
        }
    }

    pub(super) fn store(&mut self, extents: &[StoredExtent], at: Position) -> Result<(), &'static str> {
        extents.iter().try_for_each(|stored| self.store_one(stored, at.sequence))?;
        if self.stored.len() >= STORED_POSITIONS_MAX {
            self.stored.pop_front();
        }
        self.stored.push_back(at);
        Ok(())
    }

    fn store_one(&mut self, stored: &StoredExtent, sequence: u64) -> Result<(), &'static str> {
        let StoredExtent { pack: id, kind, extent } = *stored;
        let number = match self.numbers.get(&id) {
            Some(number) => *number,
            None => self.number(id, kind)?,
        };
        let pack = self.by_number.get_mut(&number).ok_or("a journal event: a pack without a number")?;
        if pack.kind != kind || pack.bytes != extent.start {
            return Err("a journal event: an extent that does not continue its pack");
        }
        pack.bytes = extent.end();
        self.extents.push(ExtentAt { pack: number, extent, sequence });
        self.objects += u64::from(extent.objects);
        Ok(())
    }

    fn number(&mut self, id: PackId, kind: Kind) -> Result<u32, &'static str> {
        let number = self.next_number;
        self.next_number = number.checked_add(1).ok_or("a journal event: too many packs")?;
        let bytes = u32::try_from(BLOCK_BYTES).expect("a block is small");
        let none = Box::default;
        self.by_number.insert(number, Pack { id, kind, bytes, dead: none(), damaged: none() });
        self.numbers.insert(id, number);
        Ok(number)
    }

    /// Takes packs away as a whole, with their extents.
    pub(super) fn remove(&mut self, packs: &[PackId]) -> Result<(), &'static str> {
        for id in packs {
            let number = self.numbers.remove(id).ok_or("a journal event: an unknown pack is removed")?;
            let pack = self.by_number.remove(&number).ok_or("a journal event: a pack without a number")?;
            self.objects += (pack.dead.len() + pack.damaged.len()) as u64;
        }
        let (by_number, objects) = (&self.by_number, &mut self.objects);
        self.extents.retain(|at| {
            let stays = by_number.contains_key(&at.pack);
            *objects -= if stays { 0 } else { u64::from(at.extent.objects) };
            stays
        });
        Ok(())
    }

    /// Takes nodes away.
    pub(super) fn strike(&mut self, packs: &[Struck]) -> Result<(), &'static str> {
        for struck in packs {
            let pack = self.pack_of(struck)?;
            if pack.kind != Kind::Node {
                return Err("a journal event: a record is removed that is no node");
            }
            pack.dead = merged(&pack.dead, &struck.offsets);
            self.objects -= struck.offsets.len() as u64;
        }
        Ok(())
    }

    /// Believes no record there any more.
    pub(super) fn quarantine(&mut self, packs: &[Struck]) -> Result<(), &'static str> {
        for struck in packs {
            let pack = self.pack_of(struck)?;
            pack.damaged = merged(&pack.damaged, &struck.offsets);
            self.objects -= struck.offsets.len() as u64;
        }
        Ok(())
    }

    /// The pack of records that are there.
    fn pack_of(&mut self, struck: &Struck) -> Result<&mut Pack, &'static str> {
        let number = self.numbers.get(&struck.pack);
        let pack = number.and_then(|number| self.by_number.get_mut(number));
        let pack = pack.ok_or("a journal event: records of an unknown pack are gone")?;
        let is_there = |offset: &u32| *offset < pack.bytes && !pack.has_lost(*offset);
        match struck.offsets.iter().all(is_there) {
            true => Ok(pack),
            false => Err("a journal event: a record is gone that is not there"),
        }
    }
}

fn merged(old: &[u32], new: &[u32]) -> Box<[u32]> {
    let mut all = [old, new].concat();
    all.sort_unstable();
    all.into()
}

pub(super) fn encode_mark(position: &Position) -> Mark {
    let mut mark = Mark([0; Mark::BYTES]);
    let (sequence, chain) = mark.0.split_at_mut(8);
    sequence.copy_from_slice(&position.sequence.to_le_bytes());
    chain.copy_from_slice(position.chain.as_bytes());
    mark
}

pub(super) fn decode_mark(mark: Mark) -> Position {
    let (sequence, chain) = mark.0.split_first_chunk().expect("a mark is longer than a number");
    let chain = chain.first_chunk().expect("a mark holds a number and a hash");
    Position { sequence: u64::from_le_bytes(*sequence), chain: ChainHash::from_bytes(*chain) }
}
