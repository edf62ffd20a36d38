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
/// Most bytes of a user's or group's name.
pub const OWNER_NAME_BYTES_MAX: usize = 255;

const _: () = assert!(BUNDLE_BYTES_MAX <= PLAIN_BYTES_MAX);
const _: () = assert!(SMALL_FILE_BYTES_MAX as usize <= BUNDLE_BYTES_MAX);
const _: () = assert!(PATH_BYTES_MAX + LINK_TARGET_BYTES_MAX < PLAIN_BYTES_MAX);
