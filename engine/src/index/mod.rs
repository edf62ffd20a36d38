//! The index: object id -> where it lies. Derived from packs and journal, so losing it costs time only.
//!
//! Two implementations stand behind [`Index`]: RocksDB, which holds more than memory can, and a table in memory for
//! the simulated disk. An index may lag behind the journal, and says how far it is by a mark that is written
//! together with the entries; what it lacks, the store adds from the summaries of the packs. The place of an object
//! that lies in several packs is the one that was journalled last.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::RwLock;

use farkeep_codec::id::ObjectId;
use thiserror::Error;

pub(crate) use memory::MemoryIndex;
pub(crate) use rocks::Files;
pub(crate) use rocks::RocksBuilder;
pub(crate) use rocks::RocksIndex;

mod memory;
mod rocks;

#[cfg(test)]
mod tests;

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Number of the pack, by its first appearance in the journal.
    pub(crate) ordinal: u32,
    /// Of the object's record, in bytes from the start of the pack.
    pub(crate) offset: u32,
    /// Of the object, without the header of its record.
    pub(crate) bytes: u32,
}

/// Which packs are there, as far as the library must know it to drop what it has of others. Nothing is ever taken out of an
/// index: that would cost writes, and room on a disk that may be full. What is stale falls out when tables are merged.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Packs with this number and above were stored since, and may all be there.
    next_number: u32,
    numbers: HashSet<u32>,
}

/// The same, shared with the threads of the library.
pub(crate) type LivePacks = Arc<RwLock<Live>>;

impl Live {
    /// These packs of all that have a smaller number than the next one.
    pub(crate) fn new(numbers: impl Iterator<Item = u32>, next_number: u32) -> Self {
        Self { next_number, numbers: numbers.collect() }
    }

    /// Forgets packs that were removed.
    pub(crate) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.numbers.retain(|number| is_there(*number));
    }

    /// Whether nothing can lie there any more.
    fn is_stale(&self, spot: &Spot) -> bool {
        spot.ordinal < self.next_number && !self.numbers.contains(&spot.ordinal)
    }
}

/// How far in the journal an index is, in the words of whoever wrote it. The index does not look inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) [u8; Mark::BYTES]);

impl Mark {
    /// Bytes of a mark.
    pub(crate) const BYTES: usize = 40;
}

/// A map from object ids to spots.
pub(crate) trait Index: Send + Sync {
    /// Where the object lies.
    fn find(&self, id: &ObjectId) -> Result<Option<Spot>, IndexError>;

    /// Adds entries, replacing those of the same id, and then the mark, if there is a new one. After a crash the mark is
    /// there only if all entries are.
    fn apply(&self, entries: &[(ObjectId, Spot)], mark: Option<Mark>) -> Result<(), IndexError>;

    /// The mark that was written last.
    fn mark(&self) -> Result<Option<Mark>, IndexError>;

    /// Shows the first entries behind that id, in the order of ids, so many at most. Returns how many.
    fn scan(
        &self,
        behind: Option<&ObjectId>,
        most: usize,
        show: &mut dyn FnMut(&ObjectId, Spot),
    ) -> Result<usize, IndexError>;
}

/// Why the index did not answer. It can always be built anew.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// RocksDB refuses.
    #[error("cannot {act} the index {}", path.display())]
    Rocks {
        /// What was being done.
        act: &'static str,
        /// The folder of the index.
        path: PathBuf,
        /// RocksDB's own error.
        #[source]
        source: rocksdb::Error,
    },
    /// It holds something that this program did not write.
    #[error("the index {} holds {what} that this program did not write", path.display())]
    Foreign {
        /// The folder of the index.
        path: PathBuf,
        /// What was being read.
        what: &'static str,
    },
    /// The folder cannot be made or removed.
    #[error("cannot {act} the folder of the index {}", path.display())]
    Folder {
        /// What was being done.
        act: &'static str,
        /// The folder of the index.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: Arc<std::io::Error>,
    },
}
