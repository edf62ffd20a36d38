//! What a caller decides about an open repository.

use std::path::PathBuf;
use std::sync::Arc;

use super::clock::Clock;
use super::clock::SystemClock;
use crate::limits::BALLAST_BYTES;
use crate::limits::CHECKPOINT_RECORDS;
use crate::limits::INDEX_LAG_EXTENTS;
use crate::limits::INDEX_LAG_OBJECTS;
use crate::limits::JOURNAL_SEGMENT_BYTES;
use crate::limits::PACK_BYTES_MAX;
use crate::limits::PARITY_THOUSANDTHS;
use crate::limits::RESERVE_BYTES;

/// Whether a repository is opened to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// To read. Never waits for a writer, never keeps one waiting, and changes no file but the one in which patrols note
    /// what they have verified.
    Read,
    /// To read and write, alone.
    Write {
        /// What others are told who come meanwhile, such as "process 17 on host".
        holder: String,
    },
}

/// Where the index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexKind {
    /// In a folder of RocksDB, which may lie outside the repository.
    Rocks(PathBuf),
    /// In memory, built from the packs at every opening.
    Memory,
}

/// Where everything must be that an object or a snapshot refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// Here, before it: whoever finds an object finds all that it reaches.
    Here,
    /// Here or in another store of the same repository, to which this one's contents are brought later. What is taken in
    /// is not compared with what is here.
    Elsewhere,
}

/// What a caller decides about an open repository.
#[derive(Clone)]
pub struct Options {
    /// Where the index is kept.
    pub index: IndexKind,
    /// Where everything must be that is referred to.
    pub references: References,
    /// What stamps the time of receipt.
    pub clock: Arc<dyn Clock>,
    /// Where the names of packs come from. Never the same for two openings.
    pub seed: [u8; 32],
    /// Parity of new packs in thousandths, where these options make a repository; 0 for none. In one that is there, its
    /// settings decide. At most [`PARITY_THOUSANDTHS_MAX`](crate::limits::PARITY_THOUSANDTHS_MAX).
    pub parity_thousandths: u16,
    /// Bytes at which a pack is full, at most [`PACK_BYTES_MAX`].
    pub pack_bytes: u64,
    /// Bytes at which a segment of the journal is full, at most [`JOURNAL_SEGMENT_BYTES`].
    pub journal_segment_bytes: u64,
    /// Records behind the last checkpoint for which closing the repository writes another one: see
    /// [`CHECKPOINT_RECORDS`].
    pub checkpoint_records: u64,
    /// Free bytes that no pack takes: see [`RESERVE_BYTES`].
    pub reserve_bytes: u64,
    /// Bytes that are given up when a deletion finds the disk full: see [`BALLAST_BYTES`].
    pub ballast_bytes: u64,
    /// Objects by which RocksDB may lag behind the journal: see [`INDEX_LAG_OBJECTS`].
    pub index_lag_objects: u64,
    /// Extents by which RocksDB may lag behind the journal: see [`INDEX_LAG_EXTENTS`].
    pub index_lag_extents: u64,
}

impl Options {
    /// The usual: the clock of the system, and sizes from [`limits`](crate::limits).
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(index: IndexKind) -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::seeded(index, Arc::new(SystemClock), seed))
    }

    /// The usual sizes, with everything from outside that could differ between two runs.
    pub fn seeded(index: IndexKind, clock: Arc<dyn Clock>, seed: [u8; 32]) -> Self {
        Self {
            index,
            references: References::Here,
            clock,
            seed,
            parity_thousandths: PARITY_THOUSANDTHS,
            pack_bytes: PACK_BYTES_MAX,
            journal_segment_bytes: JOURNAL_SEGMENT_BYTES,
            checkpoint_records: CHECKPOINT_RECORDS,
            reserve_bytes: RESERVE_BYTES,
            ballast_bytes: BALLAST_BYTES,
            index_lag_objects: INDEX_LAG_OBJECTS,
            index_lag_extents: INDEX_LAG_EXTENTS,
        }
    }
}
