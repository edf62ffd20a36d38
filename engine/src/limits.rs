//! Sizes and counts of the engine, in one place, with their relations asserted where they are compiled.

/// What a disk writes as a whole, in bytes: the grain of synced data, and of O_DIRECT.
pub const BLOCK_BYTES: usize = 4096;

/// What a disk never tears, in bytes: the grain of the simulated disk's torn writes.
pub const SECTOR_BYTES: usize = 512;

/// Size of one buffer of a file under construction, in bytes: large enough that the cost of a system call vanishes.
pub const APPEND_BUFFER_BYTES: usize = 1 << 20;

/// Buffers of a file under construction: one is being filled while the others are on their way.
pub const APPEND_BUFFERS: usize = 4;

/// Sets of such buffers that are kept while no file needs them: as many as there are files under construction.
pub const APPEND_KITS_IDLE_MAX: usize = 2;

/// Most bytes that are read of what the holder of a lock wrote about itself.
pub const LOCK_OWNER_BYTES_MAX: u64 = 4096;

/// Small files that are being read at a time. Cold, the disk answers that many at once; and each is an open file.
pub const FETCH_FILES_OPEN: usize = 64;

/// Most bytes of a pack. Large enough that a repository of a terabyte is 16,000 files, small enough that compacting
/// one is quick, and that every offset in a pack fits 32 bits.
pub const PACK_BYTES_MAX: u64 = 64 << 20;

/// Most objects of one extent: more than the smallest possible objects could fill a pack with.
pub const EXTENT_OBJECTS_MAX: u32 = 1 << 20;

/// Most extents that one journal event makes durable together: one per open pack, and room for more of them.
pub const EXTENTS_PER_EVENT_MAX: usize = 16;

/// Events that stored something, and that an index may end with: an older index is built anew.
pub const STORED_POSITIONS_MAX: usize = 4096;

/// Records behind the last checkpoint for which closing a repository writes another one: replaying as many takes some
/// ten milliseconds.
pub const CHECKPOINT_RECORDS: u64 = 4096;

/// So many times as many records, and a checkpoint is written without waiting for the end.
pub const CHECKPOINT_RUNNING_FACTOR: u64 = 16;

/// Most bytes of a checkpoint that is read: some million snapshots.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;

/// Bytes at which a new journal segment is begun.
pub const JOURNAL_SEGMENT_BYTES: u64 = 16 << 20;

/// Most bytes of the payload of one journal record, the largest being a snapshot record.
pub const JOURNAL_PAYLOAD_BYTES_MAX: usize = 2 << 20;

/// Most bytes of a text in the journal, such as the reason for which a snapshot was forgotten.
pub const JOURNAL_TEXT_BYTES_MAX: usize = 1024;

/// Most snapshots that the beginning of one collection purges.
pub const PURGED_PER_EVENT_MAX: usize = 32 << 10;

/// Most records that one event quarantines.
pub const QUARANTINED_PER_EVENT_MAX: usize = 32 << 10;

/// Most tokens of tags of one snapshot.
pub const SNAPSHOT_TOKENS_MAX: usize = 32;

/// Most parity, in thousandths of what it is for.
pub const PARITY_THOUSANDTHS_MAX: u16 = 200;

/// Parity of a repository that is made, in thousandths, unless somebody decides otherwise.
pub const PARITY_THOUSANDTHS: u16 = 10;

/// Sets of memory for parity that are kept while no pack needs them, at 16 MiB each at most: as many as there are packs
/// under construction.
pub const PARITY_KITS_IDLE_MAX: usize = 2;

/// Data objects of which it is remembered who reaches them when it is counted what snapshots cost: some 100 MB.
pub const SIZED_OBJECTS_MAX: u64 = 3 << 20;

/// Most garbage that a collection may leave, in thousandths of what is alive.
pub const GARBAGE_THOUSANDTHS_MAX: u16 = 1000;

/// Most snapshots that policies forget with one write to the journal: at most 2 KB of it each.
pub const FORGOTTEN_TOGETHER_MAX: usize = 4096;

/// Most retention policies of a repository.
pub const POLICIES_MAX: usize = 64;

/// Most bytes of one retention policy.
pub const POLICY_BYTES_MAX: usize = 2048;

/// Most tags of one retention policy.
pub const POLICY_TAGS_MAX: usize = 32;

/// Most bytes of the parameters, and of one key slot.
pub const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// Bytes of the file system that no pack takes, so that journal and index can still be written, and what was
/// forgotten can still be collected, when it is full.
pub const RESERVE_BYTES: u64 = 32 << 20;

/// Bytes of a file that is there to be removed when a deletion finds the disk full.
pub const BALLAST_BYTES: u64 = 256 << 10;

/// So many times as large are the packs of a repository that has such a file.
pub const BALLAST_PART: u64 = 256;

/// Most snapshots that a collection purges at once on a disk that is nearly full.
pub const PURGED_WHEN_FULL_MAX: usize = 2048;

/// Least room in bytes for which a new pack is begun on a disk that is nearly full.
pub const PACK_ROOM_BYTES_MIN: u64 = 1 << 20;

/// Most objects that RocksDB may lag behind the journal. They are in memory meanwhile, at about 80 bytes each, and
/// a run that adds less than this never opens RocksDB to write.
pub const INDEX_LAG_OBJECTS: u64 = 64 << 10;

/// Most extents that RocksDB may lag behind the journal: each costs the next opening one small read.
pub const INDEX_LAG_EXTENTS: u64 = 64;

/// Objects by which RocksDB may lag while it cannot be written, for example because the disk is full. Beyond this
/// the engine takes no more objects, so that its memory stays bounded.
pub const INDEX_LAG_OBJECTS_MAX: u64 = 16 * INDEX_LAG_OBJECTS;

/// Places of objects that were found in RocksDB and are remembered: nodes refer to the same objects again and again.
pub const FOUND_OBJECTS_MAX: usize = 64 << 10;

/// Objects that are read from the index at once where all of them are looked at, so that nobody waits for more.
pub const INDEX_PAGE_OBJECTS: usize = 64 << 10;

/// Entries that are sorted in memory at a time when the index is rebuilt, at 44 bytes each.
pub const INDEX_RUN_OBJECTS: usize = 512 << 10;

/// Most bytes of one read that fetches several objects.
pub const READ_SPAN_BYTES: u32 = 1 << 20;

/// Most bytes that nobody asked for between two objects that are fetched with one read.
pub const READ_GAP_BYTES: u32 = 64 << 10;

/// Packs that are held open for reading.
pub const OPEN_PACKS_MAX: usize = 64;

/// Most bytes of the file that says when packs were verified, at 44 bytes for each.
pub const VERIFIED_BYTES_MAX: u64 = 1 << 30;

/// Size of one read of a scrub, in bytes: stays in the second-level cache until it is hashed.
pub const SCRUB_READ_BYTES: usize = 512 << 10;

/// Threads of a scrub.
pub const SCRUB_THREADS: usize = 2;

/// Most ids, damages and notices that a report lists; beyond them it counts.
pub const REPORT_LINES_MAX: usize = 10_000;

/// Bytes at which a record of what a collection removed is full, and another one is begun.
pub const REMOVED_EVENT_BYTES: usize = 1 << 20;

/// Nodes that a collection reads before it follows what they refer to.
pub const COLLECT_NODES_AT_ONCE: usize = 4096;

/// Memory of a collection in bytes, unless it is given another one.
pub const COLLECT_MEMORY_BYTES: u64 = 512 << 20;

/// Most bytes that a collection copies before it removes what they were copied from.
pub const COLLECT_BATCH_BYTES: u64 = 256 << 20;

/// Most objects that it does.
pub const COLLECT_BATCH_OBJECTS: u64 = 512 << 10;

/// Most copies of objects that get their place in journal and index at a time: whoever puts or asks waits for that.
pub const COLLECT_STORED_OBJECTS: usize = 64 << 10;

/// Percent of a pack of nodes that may be dead before it is emptied.
pub const COLLECT_NODES_DEAD_PERCENT: u64 = 25;

/// Percent of a pack of data that must be dead for it to be emptied: below, nearly all of it would be copied for nothing.
pub const COLLECT_SHARE_DEAD_PERCENT: u64 = 2;

/// Small packs of a kind that are left alone while they would not fill a pack together.
pub const COLLECT_SMALL_PACKS: usize = 16;

/// Nodes that are remembered while a tree is walked, so that none is read twice: 32 bytes each.
pub const CLOSURE_NODES_MAX: usize = 1 << 20;

const _: () = assert!(BLOCK_BYTES.is_multiple_of(SECTOR_BYTES), "a block is whole sectors");
const _: () = assert!(APPEND_BUFFER_BYTES.is_multiple_of(BLOCK_BYTES), "a buffer is whole blocks");
const _: () = assert!(APPEND_BUFFERS >= 2, "one buffer is filled while another is written");
const _: () = assert!(PACK_BYTES_MAX <= u32::MAX as u64, "offsets in a pack fit 32 bits");
const _: () = assert!(PACK_BYTES_MAX.is_multiple_of(BLOCK_BYTES as u64), "a pack is whole blocks");
const _: () = assert!(
    2 * farkeep_codec::limits::OBJECT_BYTES_MAX as u64 <= PACK_BYTES_MAX,
    "the largest object fits a pack, with its header, summary and padding"
);
const _: () = assert!(
    PURGED_PER_EVENT_MAX * 32 + 64 <= JOURNAL_PAYLOAD_BYTES_MAX,
    "the beginning of a collection fits a journal record"
);
const _: () = assert!(
    QUARANTINED_PER_EVENT_MAX * (32 + 5 + 5) + 2 * JOURNAL_TEXT_BYTES_MAX <= JOURNAL_PAYLOAD_BYTES_MAX,
    "a quarantine fits a journal record, with each of its records in another pack"
);
const _: () = assert!(
    POLICIES_MAX * (POLICY_BYTES_MAX + 2) + 8 * JOURNAL_TEXT_BYTES_MAX <= JOURNAL_PAYLOAD_BYTES_MAX,
    "settings fit a journal record"
);
