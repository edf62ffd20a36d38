//! The index as a table in memory, built anew at every opening.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::MutexGuard;

use farkeep_codec::id::ObjectId;

use super::Index;
use super::IndexError;
use super::Mark;
use super::Spot;

/// A map from object ids to spots that is gone with the process.
#[derive(Debug, Default)]
pub(crate) struct MemoryIndex {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    spots: BTreeMap<ObjectId, Spot>,
    mark: Option<Mark>,
}

impl MemoryIndex {
    /// Adds entries, replacing those of the same id.
    pub(crate) fn add(&self, entries: &[(ObjectId, Spot)]) {
        self.table().spots.extend(entries.iter().copied());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it holds the table")
    }
}

impl Index for MemoryIndex {
    fn find(&self, id: &ObjectId) -> Result<Option<Spot>, IndexError> {
        Ok(self.table().spots.get(id).copied())
    }

    fn apply(&self, entries: &[(ObjectId, Spot)], mark: Option<Mark>) -> Result<(), IndexError> {
        self.add(entries);
        let mut table = self.table();
        table.mark = mark.or(table.mark);
        Ok(())
    }

    fn mark(&self) -> Result<Option<Mark>, IndexError> {
        Ok(self.table().mark)
    }

    fn scan(
        &self,
        behind: Option<&ObjectId>,
        most: usize,
        show: &mut dyn FnMut(&ObjectId, Spot),
    ) -> Result<usize, IndexError> {
        let table = self.table();
        let behind = behind.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(table.spots.range((behind, Bound::Unbounded)).take(most).map(|(id, spot)| show(id, *spot)).count())
    }
}
