//! Where one node of the tree ends and the next begins.
//!
//! Borders are decided by the keyed hash of what would stand first behind them, so the same entries always fall into
//! the same nodes and a local edit moves few borders. Two thresholds, a strict one before the middle and a generous
//! one behind it, keep the sizes together; the idea is the normalized chunking of FastCDC (Xia et al., "The
//! Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020),
//! for a list of keys where theirs is for bytes.

use crate::limits::INNER_CHILDREN_MAX;
use crate::limits::LEAF_ENTRIES_MAX;
use crate::limits::LIST_POINTERS_MAX;

#[cfg(test)]
mod tests;

/// The rule for one kind of node. Lengths are numbers of items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BorderRule {
    /// No border before the node has as many.
    shortest: usize,
    /// From here on the generous threshold counts.
    middle: usize,
    /// A border whatever the hash.
    longest: usize,
    /// Before the middle a border stands where the hash is below this.
    strict: u64,
    /// From the middle on a border stands where the hash is below this.
    generous: u64,
}

/// Leaves of the tree: about 335 entries.
///
/// Measured with a million small files, compressed and with all that a node costs, in bytes per entry: first
/// snapshot 4.3 at 235 entries a leaf, 3.6 at 335, 3.1 at 475; rewritten by 1 % of scattered edits 4.3, 3.8, 3.4; by
/// 0.1 % 1.27, 1.31, 1.38, and there the larger leaf loses more on trees whose entries are less alike.
pub(crate) const LEAF: BorderRule = BorderRule {
    shortest: 128,
    middle: 320,
    longest: LEAF_ENTRIES_MAX,
    strict: one_in(384),
    generous: one_in(96),
};

/// Inner nodes of the tree, on every level: about 60 children, whose 64 bytes of id and seed do not compress.
pub(crate) const INNER: BorderRule = BorderRule {
    shortest: 24,
    middle: 56,
    longest: INNER_CHILDREN_MAX,
    strict: one_in(64),
    generous: one_in(16),
};

/// Nodes of a content list, on every level: about 120 pointers.
pub(crate) const LIST: BorderRule = BorderRule {
    shortest: 48,
    middle: 112,
    longest: LIST_POINTERS_MAX,
    strict: one_in(128),
    generous: one_in(32),
};

impl BorderRule {
    /// Whether a node that has `items` ends before the item with this hash. The hash is asked for only where it
    /// decides.
    pub(crate) fn ends_before(&self, items: usize, hash: impl FnOnce() -> u64) -> bool {
        if items < self.shortest {
            return false;
        }
        let threshold = if items < self.middle { self.strict } else { self.generous };
        items >= self.longest || hash() < threshold
    }
}

/// The threshold that one hash in `count` lies below.
const fn one_in(count: u64) -> u64 {
    u64::MAX / count
}
