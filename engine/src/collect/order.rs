//! In which order survivors are laid down ([`Order`]): as the newest snapshot of each series needs them, so that a restore of
//! the latest point reads a few packs from front to back, however old the repository is.
//!
//! The order of references is the order of paths, which nobody needs a key for. What no newest snapshot needs comes behind, as
//! it lay before, in packs of its own.
//!
//! Ranks are kept for the objects alone that are moved, at most 48 bytes for each. The newest trees are walked once for all
//! of them; where the memory does not hold them all, once for as many as it holds. Nodes that were passed cost a bit.

use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::ObjectView;

use super::bits::Bits;
use super::bits::Inserted;
use super::mark::Marked;
use super::nodes::NodeTable;
use super::run::CollectError;
use super::work::Halt;
use super::work::Work;
use crate::store::ObjectError;
use crate::store::Store;

/// Most memory that the rank of an object takes, while the table is as empty as it ever is.
const OBJECT_BYTES: u64 = 48;
/// Least memory for all of them.
const BYTES_LEAST: u64 = 1 << 20;
/// The rank of what no newest snapshot needs.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests;

/// The places of moved objects in the order of the newest snapshots.
pub(super) struct Order {
    /// The packs whose survivors are ranked.
    packs: BTreeSet<u32>,
    /// By id, the place in `ranks`.
    table: NodeTable,
    ranks: Vec<u32>,
    /// The next rank.
    next: u32,
    /// Objects without one.
    left: usize,
}

impl Default for Order {
    fn default() -> Self {
        Self { packs: BTreeSet::new(), table: NodeTable::new(0, 0), ranks: Vec::new(), next: 0, left: 0 }
    }
}

impl Order {
    /// How many objects can be ranked with so much memory.
    pub(super) fn objects_fitting(memory_bytes: u64) -> u64 {
        memory_bytes.max(BYTES_LEAST) / OBJECT_BYTES
    }

    /// Ranks what is needed of these packs.
    pub(super) fn new(
        store: &Store,
        marked: &Marked,
        packs: BTreeSet<u32>,
        work: &mut Work<'_>,
    ) -> Result<Self, Halt> {
        let of_packs = || marked.numbering.extents().iter().filter(|extent| packs.contains(&extent.at.pack));
        let count: u64 = of_packs().map(|extent| marked.live.count_in(extent.base..extent.end())).sum();
        let count = usize::try_from(count).map_err(|_| CollectError::TooMany)?;
        let table = NodeTable::new(count, store.seed_at(u64::MAX));
        let mut order =
            Self { packs: BTreeSet::new(), table, ranks: Vec::with_capacity(count), next: 0, left: 0 };
        for extent in of_packs().filter(|extent| marked.live.count_in(extent.base..extent.end()) > 0) {
            for (_, entry) in extent.entries(store)?.filter(|(number, _)| marked.needs(*number)) {
                let at = u32::try_from(order.ranks.len()).map_err(|_| CollectError::TooMany)?;
                order.table.insert(&entry.id, at);
                order.ranks.push(NONE);
            }
        }
        order.left = order.ranks.len();
        order.packs = packs;
        order.rank(store, marked, work)?;
        Ok(order)
    }

    /// Whether the survivors of all these packs are ranked, as far as a newest snapshot needs them.
    pub(super) fn covers(&self, packs: &BTreeSet<u32>) -> bool {
        packs.is_subset(&self.packs)
    }

    /// The place of an object. Nothing, if no newest snapshot needs it.
    pub(super) fn of(&self, id: &ObjectId) -> Option<u32> {
        let ranks = self.table.find(id).filter_map(|at| self.ranks.get(at as usize));
        ranks.copied().filter(|rank| *rank != NONE).min()
    }

    /// Walks the newest trees.
    fn rank(&mut self, store: &Store, marked: &Marked, work: &mut Work<'_>) -> Result<(), Halt> {
        let (mut passed, mut object) = (Bits::new(), Vec::new());
        for root in newest_roots(store) {
            let mut waiting = vec![root];
            while let Some(id) = waiting.pop() {
                self.take(&id);
                if self.left == 0 {
                    return Ok(());
                }
                let is_new = |number: &u32| passed.insert(*number) == Inserted::Now;
                // What is no node refers to nothing.
                if marked.table.find(&id).next().filter(is_new).is_none() {
                    continue;
                }
                match store.object(&id, &mut object) {
                    Ok(()) => {}
                    Err(ObjectError::Io { source, .. }) if !source.is_damage() => return Err(source.into()),
                    // Only the order suffers.
                    Err(_) => continue,
                }
                work.moved(object.len() as u64)?;
                let Ok(view) = ObjectView::parse(&object) else { continue };
                let before = waiting.len();
                waiting.extend(view.references());
                // The first reference is taken next.
                waiting[before..].reverse();
            }
        }
        Ok(())
    }

    /// The next place belongs to this object, if it is one of those, and has none.
    fn take(&mut self, id: &ObjectId) {
        let before = self.left;
        for at in self.table.find(id) {
            if let Some(rank) = self.ranks.get_mut(at as usize).filter(|rank| **rank == NONE) {
                *rank = self.next;
                self.left -= 1;
            }
        }
        self.next += u32::from(self.left < before);
    }
}

/// Roots of the newest snapshot of each series that is on the list, in the order of the series.
fn newest_roots(store: &Store) -> Vec<ObjectId> {
    let catalogue = store.catalogue();
    let mut series: Vec<_> = catalogue.newest_of_all().collect();
    series.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let known = series.into_iter().filter_map(|(_, newest)| catalogue.snapshot(&newest.id));
    known.map(|at| at.root).collect()
}
