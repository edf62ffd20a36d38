//! What stands behind an extent to mend it with: where it lies, and how long it is. FORMAT.md, "Parity".
//!
//! A table, the parity blocks, and the table again, each of whole blocks. The blocks of an extent are cut into windows of
//! nearly equal size, and each window has parity blocks of its own.

use crate::limits::BLOCK_BYTES;
use crate::limits::PACK_BYTES_MAX;
use crate::limits::PARITY_THOUSANDTHS_MAX;

/// How much parity an extent has, and the hash that it hangs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parity {
    /// Parity blocks for a thousand blocks, rounded up in each window: 1 to [`PARITY_THOUSANDTHS_MAX`].
    pub(crate) thousandths: u16,
    /// BLAKE3 of the table, as it stands at the table's end.
    pub(crate) hash: blake3::Hash,
}

/// Most blocks of a window.
const WINDOW_BLOCKS_MAX: u32 = 2048;
const TABLE_HEADER_BYTES: u32 = 4 + 2 + 2 + 4 + 4;
const CHECK_BYTES: u32 = 4;
const HASH_BYTES: u32 = 32;
#[expect(clippy::cast_possible_truncation, reason = "a block has 4096 bytes")]
const BLOCK: u32 = BLOCK_BYTES as u32;

/// Bytes of the parity of so many blocks, with both tables.
pub(super) fn bytes(blocks: u32, thousandths: u16) -> u32 {
    let parity_blocks = parity_blocks(blocks, thousandths);
    let table = TABLE_HEADER_BYTES + (blocks + parity_blocks) * CHECK_BYTES + HASH_BYTES;
    2 * table.next_multiple_of(BLOCK) + parity_blocks * BLOCK
}

/// Parity blocks of all windows.
fn parity_blocks(blocks: u32, thousandths: u16) -> u32 {
    let windows = blocks.div_ceil(WINDOW_BLOCKS_MAX).max(1);
    let (least, longer) = (blocks / windows, blocks % windows);
    let of = |window: u32| (window * u32::from(thousandths)).div_ceil(1000).max(1);
    longer * of(least + 1) + (windows - longer) * of(least)
}

const _: () = assert!(
    PACK_BYTES_MAX * (1000 + 2 * PARITY_THOUSANDTHS_MAX as u64) / 1000 < u32::MAX as u64,
    "an extent with its parity fits 32 bits",
);
