//! Every size and count of the format, with their relations asserted at compile time.
//!
//! A reader allocates and loops within these bounds whatever the bytes say, and a writer never exceeds them.

/// Version of the format that this code writes.
pub const FORMAT_VERSION: u16 = 1;

/// Most bytes that one object's plaintext may have.
pub const PLAIN_BYTES_MAX: usize = 8 << 20;
/// Most references that one node may have.
pub const REFERENCES_MAX: usize = 1 << 16;
/// Most bytes of one sealed object: header, references, nonce, sealed content, tag.
pub const OBJECT_BYTES_MAX: usize = PLAIN_BYTES_MAX + 32 * REFERENCES_MAX + (1 << 16);

/// Fewest bytes that the shortest, the average and the longest chunk of a repository may be set to.
pub const CHUNK_BYTES_LEAST: [usize; 3] = [64, 256, 1024];
/// Fewest bytes that a repository's image chunks and bundles may be set to.
pub const BUNDLE_BYTES_LEAST: usize = 1024;

/// Most bytes of a label: of a key slot, of a tag, of the names of a snapshot's host, user and program.
pub const LABEL_BYTES_MAX: usize = 255;
/// Most memory in KiB that opening a key slot may take.
pub const KDF_MEMORY_KIB_MAX: u32 = 256 << 10;
/// Most passes over that memory.
pub const KDF_PASSES_MAX: u32 = 32;
/// Most lanes in that memory.
pub const KDF_LANES_MAX: u32 = 16;

/// Most bytes of the name of a series.
pub const SERIES_BYTES_MAX: usize = 1024;
/// Most bytes of the private part of a snapshot record, before it is sealed.
pub const PRIVATE_BYTES_MAX: usize = 1 << 20;
/// Most paths that one snapshot names as its sources.
pub const SNAPSHOT_PATHS_MAX: usize = 1 << 14;
/// Most tags of one snapshot.
pub const SNAPSHOT_TAGS_MAX: usize = 256;

/// A regular file of at most this many bytes, without holes, is bundled with its neighbours.
pub const SMALL_FILE_BYTES_MAX: u64 = 128 << 10;
/// Most bytes of plaintext in one bundle.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;

/// Most bytes of one path component, as on Linux.
pub const NAME_BYTES_MAX: usize = 255;
/// Most bytes of one path key. Far more than `PATH_MAX`, since deep trees are walked by folder descriptor.
pub const PATH_BYTES_MAX: usize = 1 << 20;
/// Most bytes of the target of a symbolic link.
pub const LINK_TARGET_BYTES_MAX: usize = 64 << 10;
/// Most extended attributes of one entry.
pub const ATTRIBUTES_MAX: usize = 4096;
/// Most bytes of the value of one extended attribute, as on Linux.
pub const ATTRIBUTE_VALUE_BYTES_MAX: usize = 64 << 10;
/// Most bytes of the name of one extended attribute, as on Linux.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 255;
/// Most bytes of all extended attributes of one entry, with 8 for each of them.
pub const ATTRIBUTES_BYTES_MAX: usize = 4 << 20;
/// Most bytes of a user's or group's name.
pub const OWNER_NAME_BYTES_MAX: usize = 255;
/// Permission bits with set-user-id, set-group-id and sticky.
pub const MODE_MAX: u32 = 0o7777;
/// Most holes of one file.
pub const HOLES_MAX: usize = 1 << 16;

/// Most pointers to chunks that stand in the entry of a file; more go to a content list.
pub const INLINE_POINTERS_MAX: usize = 8;
/// Most pointers in one node of a content list.
pub const LIST_POINTERS_MAX: usize = 1024;
/// Most levels of list nodes above the ones that point to chunks.
pub const LIST_HEIGHT_MAX: u8 = 16;

/// Most entries of one leaf of the tree.
pub const LEAF_ENTRIES_MAX: usize = 1024;
/// Most bytes that the entries of one leaf weigh together, if they are more than one. It bounds what a reader
/// allocates, since paths and attributes that entries share stand in the bytes once.
pub const LEAF_WEIGHT_BYTES_MAX: usize = 1 << 20;
/// Most children of one inner node.
pub const INNER_CHILDREN_MAX: usize = 256;
/// Most bytes of the first keys in one inner node, if its children are more than two.
pub const INNER_KEYS_BYTES_MAX: usize = 1 << 20;
/// Most levels of inner nodes. Every inner node but the last of its level has two children or more.
pub const TREE_LEVELS_MAX: u8 = 64;

const _: () = assert!(BUNDLE_BYTES_MAX <= PLAIN_BYTES_MAX);
const _: () = assert!(SMALL_FILE_BYTES_MAX <= BUNDLE_BYTES_MAX as u64);
const _: () = assert!(PATH_BYTES_MAX + LINK_TARGET_BYTES_MAX < PLAIN_BYTES_MAX);
const _: () = assert!(LEAF_ENTRIES_MAX * INLINE_POINTERS_MAX <= REFERENCES_MAX);
const _: () = assert!(LIST_POINTERS_MAX <= REFERENCES_MAX);
const _: () = assert!(
    LEAF_WEIGHT_BYTES_MAX + LEAF_ENTRIES_MAX * 2 * (OWNER_NAME_BYTES_MAX + 8) <= PLAIN_BYTES_MAX,
    "a leaf of many entries fits an object",
);
const _: () = assert!(
    PATH_BYTES_MAX + ATTRIBUTES_BYTES_MAX + 20 * HOLES_MAX + (64 << 10) <= PLAIN_BYTES_MAX,
    "a leaf of the largest entry fits an object",
);
