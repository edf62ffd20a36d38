//! Values of a node that stand once each, in the order in which the entries first use them.
//!
//! The order makes the encoding a function of the entries. A reader refuses every other order, values that stand
//! twice and values that nothing uses, so that one node has one encoding.

use std::collections::HashMap;
use std::hash::Hash;

use crate::limits::LEAF_ENTRIES_MAX;

#[cfg(test)]
mod tests;

/// Collects distinct values while a node is written.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    values: Vec<T>,
    places: HashMap<T, usize>,
    last: usize,
}

/// Where a value stands in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It came in now, behind all others.
    New(usize),
    /// It is there already.
    Known(usize),
}

impl Place {
    /// The value's number in the table.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::New(index) | Self::Known(index) => index,
        }
    }

    /// The number by which a column of references names the place: 0 for the next new value, so that a run of new
    /// ones is a run of zeros; 1 and more for a value that stands before.
    pub(crate) fn code(self) -> usize {
        match self {
            Self::New(_) => 0,
            Self::Known(index) => index + 1,
        }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), places: HashMap::new(), last: 0 }
    }

    /// The place of the value, which comes in if it is not there.
    pub(crate) fn place(&mut self, value: &T) -> Place {
        if self.values.get(self.last) == Some(value) {
            return Place::Known(self.last);
        }
        let next = self.values.len();
        let known = self.places.get(value).copied();
        self.last = known.unwrap_or(next);
        if known.is_none() {
            self.places.insert(value.clone(), next);
            self.values.push(value.clone());
        }
        known.map_or(Place::New(next), Place::Known)
    }

    /// The values in the order in which they came.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// Forgets the values and keeps the memory, unless a rare node made it large.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.places.clear();
        self.places.shrink_to(LEAF_ENTRIES_MAX);
        self.last = 0;
    }
}

/// Checks while a node is read that values are first used in the order in which they stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstUse {
    used: usize,
}

impl FirstUse {
    /// Notes a use of the value with this number; `None` when one before it was not used yet.
    pub(crate) fn index(&mut self, index: usize) -> Option<usize> {
        if index > self.used {
            return None;
        }
        self.used = self.used.max(index + 1);
        Some(index)
    }

    /// Notes a use by the code of [`Place::code`]; `None` when it names a value that was not used yet.
    pub(crate) fn code(&mut self, code: usize) -> Option<usize> {
        match code.checked_sub(1) {
            None => self.index(self.used),
            Some(index) => (index < self.used).then_some(index),
        }
    }

    /// Whether all of `count` values were used, and none beyond them.
    pub(crate) fn is_complete(&self, count: usize) -> bool {
        self.used == count
    }
}

/// Whether no value stands twice.
pub(crate) fn are_distinct<T: Ord>(values: &[T]) -> bool {
    let mut sorted: Vec<&T> = values.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair.first() != pair.last())
}
