//! The limits of single stages, to print beside what the rooms reach.

use std::fmt;

/// What a stage cannot be faster than on the machine of reference.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Megabytes (10^6 bytes) of input each second.
    MegabytesPerSecond(u32),
    /// Thousands of operations each second.
    ThousandsPerSecond(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MegabytesPerSecond(n) => write!(f, "limit {n} MB s"),
            Self::ThousandsPerSecond(n) => write!(f, "limit {n}k s"),
        }
    }
}

/// FastCDC over a slice, 1 MiB average.
pub const CHUNK: Limit = Limit::MegabytesPerSecond(2_450);
/// Keyed BLAKE3, streaming.
pub const HASH: Limit = Limit::MegabytesPerSecond(3_900);
/// Hash, zstd 1 and AES-256-GCM of unseen source text.
pub const SEAL_TEXT: Limit = Limit::MegabytesPerSecond(440);
/// Hash and AES-256-GCM of bytes that do not compress.
pub const SEAL_RANDOM: Limit = Limit::MegabytesPerSecond(1_075);
/// Id, AES-256-GCM, zstd (1,400 by its own bench) and seed, as the sum of the single stages.
pub const OPEN_TEXT: Limit = Limit::MegabytesPerSecond(950);
/// The same without zstd.
pub const OPEN_RANDOM: Limit = Limit::MegabytesPerSecond(1_600);
/// Sequential appending to a preallocated file in few large writes.
pub const APPEND: Limit = Limit::MegabytesPerSecond(2_100);
/// Reed-Solomon of 1000 and 100 blocks, by the figures of the crate, on another machine.
pub const PARITY: Limit = Limit::MegabytesPerSecond(6_000);
/// BLAKE3 in cache, on one thread.
pub const CHECK: Limit = Limit::MegabytesPerSecond(6_000);
/// RocksDB with 50 million keys: lookups of keys that are there, one thread.
pub const INDEX_HIT: Limit = Limit::ThousandsPerSecond(44);
/// RocksDB with 50 million keys: lookups of keys that are not, answered by its filters.
pub const INDEX_MISS: Limit = Limit::ThousandsPerSecond(2_100);
/// A split-block Bloom filter in memory: ids that are not in it, one thread.
pub const FILTER: Limit = Limit::ThousandsPerSecond(10_000);
/// Open, read and close of warm small files by linked io_uring chains, one thread.
pub const FETCH_SMALL: Limit = Limit::ThousandsPerSecond(245);
/// Names with their statx, one thread: as many entries as a walk can hand to the tree, or a restore can take from it.
pub const ENTRIES: Limit = Limit::ThousandsPerSecond(430);
