//! How far a long operation has come: counters that its workers raise and the output room reads.
//!
//! The pipelines know nothing of terminals and the output knows nothing of pipelines; between them stand these
//! atomic numbers. All of them are hints for people, so relaxed ordering is enough.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What an operation is doing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Opening the repository and the cache.
    Preparing,
    /// Reading source files and storing what is new in them.
    Storing,
    /// Making what was stored durable and writing the snapshot.
    Committing,
    /// Finding out which objects are wanted, and where they lie.
    Planning,
    /// Writing restored files.
    Restoring,
    /// Reading restored files back.
    Verifying,
    /// Following every snapshot's tree.
    Walking,
    /// Reading every byte of the packs.
    Reading,
    /// Opening objects and comparing what they hold with what was stored.
    Opening,
    /// Finding out which objects somebody needs.
    Sorting,
    /// Writing once more what is there already.
    Copying,
    /// Waiting for others.
    Waiting,
    /// Removing what nobody needs.
    Removing,
}

const PHASES: [Phase; 13] = [
    Phase::Preparing,
    Phase::Storing,
    Phase::Committing,
    Phase::Planning,
    Phase::Restoring,
    Phase::Verifying,
    Phase::Walking,
    Phase::Reading,
    Phase::Opening,
    Phase::Sorting,
    Phase::Copying,
    Phase::Waiting,
    Phase::Removing,
];

/// Counters of one running operation, shared between its workers and whoever displays them.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    entries_done: AtomicU64,
    bytes_done: AtomicU64,
    entries_total: AtomicU64,
    bytes_total: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// What is being done.
    pub phase: Phase,
    /// Entries (files, folders, objects: whatever the phase counts) that are finished.
    pub entries_done: u64,
    /// Bytes that are finished.
    pub bytes_done: u64,
    /// Entries in all; 0 while nobody knows.
    pub entries_total: u64,
    /// Bytes in all; 0 while nobody knows.
    pub bytes_total: u64,
}

impl Progress {
    /// Counters at zero, in the first phase.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins another phase: what is done goes back to zero, and the totals (0 = unknown) are those given.
    pub fn begin(&self, phase: Phase, entries_total: u64, bytes_total: u64) {
        self.entries_done.store(0, Relaxed);
        self.bytes_done.store(0, Relaxed);
        self.entries_total.store(entries_total, Relaxed);
        self.bytes_total.store(bytes_total, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// Counts finished entries.
    pub fn add_entries(&self, entries: u64) {
        self.entries_done.fetch_add(entries, Relaxed);
    }

    /// Counts finished bytes.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Relaxed);
    }

    /// Sets the bytes to what somebody else has counted.
    pub fn show(&self, bytes_done: u64, bytes_total: u64) {
        self.bytes_done.store(bytes_done, Relaxed);
        self.bytes_total.store(bytes_total, Relaxed);
    }

    /// Says how many entries are finished, and how many there are.
    pub fn show_entries(&self, entries_done: u64, entries_total: u64) {
        self.entries_done.store(entries_done, Relaxed);
        self.entries_total.store(entries_total, Relaxed);
    }

    /// Raises the totals by what has just been found to be there.
    pub fn expect_more(&self, entries: u64, bytes: u64) {
        self.entries_total.fetch_add(entries, Relaxed);
        self.bytes_total.fetch_add(bytes, Relaxed);
    }

    /// The counters as they stand.
    pub fn sample(&self) -> Sample {
        let phase = PHASES.get(usize::from(self.phase.load(Relaxed))).copied();
        Sample {
            phase: phase.unwrap_or(Phase::Preparing),
            entries_done: self.entries_done.load(Relaxed),
            bytes_done: self.bytes_done.load(Relaxed),
            entries_total: self.entries_total.load(Relaxed),
            bytes_total: self.bytes_total.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
