//! Objects by number ([`Numbering`]): the base of their extent, and their place in its summary.
//!
//! So four bytes name an object while a repository is marked, and a bit says everything about it. Two places of one
//! object have two numbers.

use crate::pack::Entry;
use crate::store::ExtentAt;
use crate::store::Store;
use crate::store::StoreError;

use super::nodes::NodeTable;

/// The extents of a repository, with the number of the first object of each.
pub(super) struct Numbering {
    extents: Vec<Numbered>,
}

/// An extent, and the numbers of its objects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    pub(super) at: ExtentAt,
    pub(super) base: u32,
}

impl Numbered {
    /// The number behind its last object.
    pub(super) fn end(&self) -> u32 {
        self.base + self.at.extent.objects
    }

    /// Its objects with their numbers.
    pub(super) fn entries(&self, store: &Store) -> Result<impl Iterator<Item = (u32, Entry)>, StoreError> {
        Ok((self.base..).zip(store.summary(self.at.pack, &self.at.extent)?))
    }
}

impl Numbering {
    /// Numbers all objects of these extents. Nothing, if there are too many of them.
    pub(super) fn new(extents: &[ExtentAt]) -> Option<Self> {
        let mut base = 0_u32;
        let mut numbered = Vec::with_capacity(extents.len());
        for at in extents {
            numbered.push(Numbered { at: *at, base });
            base = base.checked_add(at.extent.objects).filter(|end| *end <= NodeTable::NUMBER_MAX)?;
        }
        Some(Self { extents: numbered })
    }

    pub(super) fn extents(&self) -> &[Numbered] {
        &self.extents
    }

    /// The extent of the object with that number.
    pub(super) fn of(&self, number: u32) -> Option<&Numbered> {
        let behind = self.extents.partition_point(|extent| extent.base <= number);
        self.extents.get(behind.checked_sub(1)?).filter(|extent| number < extent.end())
    }
}
