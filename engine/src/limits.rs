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

const _: () = assert!(BLOCK_BYTES.is_multiple_of(SECTOR_BYTES), "a block is whole sectors");
const _: () = assert!(APPEND_BUFFER_BYTES.is_multiple_of(BLOCK_BYTES), "a buffer is whole blocks");
const _: () = assert!(APPEND_BUFFERS >= 2, "one buffer is filled while another is written");
