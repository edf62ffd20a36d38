//! The nodes of a repository by id ([`NodeTable`]): 16 bytes each, in open addressing.
//!
//! A slot holds the first 12 bytes of an id and the number of the object. Who finds a number reads the node and verifies its
//! id, which is done anyway; so two nodes whose ids begin alike, which somebody may have made on purpose, are both
//! found, and the wrong one is put aside. Where to look follows from the id and a seed that nobody else knows, so nobody
//! can make nodes that crowd together.

use farkeep_codec::id::ObjectId;

use super::mix;

#[cfg(test)]
mod tests;

/// A slot that holds none.
const EMPTY: u32 = u32::MAX;
/// Fewest slots.
const SLOTS_LEAST: usize = 16;

/// A map from ids to numbers of objects.
#[derive(Debug)]
pub struct NodeTable {
    /// A power of two, at most three quarters of it taken.
    slots: Vec<Slot>,
    count: usize,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    first: u64,
    then: u32,
    number: u32,
}

impl NodeTable {
    /// Greatest number that an object may have.
    pub const NUMBER_MAX: u32 = EMPTY - 1;

    /// A table with room for so many nodes. With more it grows.
    pub fn new(nodes: usize, seed: u64) -> Self {
        let slots = (nodes + nodes / 3 + 1).next_power_of_two().max(SLOTS_LEAST);
        Self { slots: vec![Slot { first: 0, then: 0, number: EMPTY }; slots], count: 0, seed }
    }

    /// Adds a node. A node that is stored in several places has several numbers.
    pub fn insert(&mut self, id: &ObjectId, number: u32) {
        debug_assert!(number <= Self::NUMBER_MAX, "a repository has fewer objects");
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            let slots = vec![Slot { first: 0, then: 0, number: EMPTY }; self.slots.len() * 2];
            let before = std::mem::replace(&mut self.slots, slots);
            before.into_iter().filter(|slot| slot.number != EMPTY).for_each(|slot| self.take(slot));
        }
        let (first, then) = beginning(id);
        self.take(Slot { first, then, number });
        self.count += 1;
    }

    /// The numbers of all nodes whose ids begin as this one: none if it is no node. Of several places of one node, the
    /// greatest number is the one that was journalled last.
    pub fn find(&self, id: &ObjectId) -> impl Iterator<Item = u32> + '_ {
        let (first, then) = beginning(id);
        let run = self.run(first).map(|index| &self.slots[index]).take_while(|slot| slot.number != EMPTY);
        run.filter(move |slot| slot.first == first && slot.then == then).map(|slot| slot.number)
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    fn take(&mut self, slot: Slot) {
        let free = self.run(slot.first).find(|index| self.slots[*index].number == EMPTY);
        self.slots[free.expect("a quarter of the slots is empty")] = slot;
    }

    /// The slots in the order in which they are looked at.
    fn run(&self, first: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        let begin = usize::try_from(mix(first ^ self.seed)).expect("a pointer has 64 bits") & mask;
        (0..=mask).map(move |step| (begin + step) & mask)
    }
}

fn beginning(id: &ObjectId) -> (u64, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *id.as_bytes();
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes([i, j, k, l]))
}
