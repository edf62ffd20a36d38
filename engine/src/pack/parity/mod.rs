//! What stands behind an extent to mend it with: where it lies, and how long it is. FORMAT.md, "Parity".
//!
//! A table, the parity blocks, and the table again, each of whole blocks. The blocks of an extent are cut into windows of
//! [`WINDOW_BLOCKS_MAX`], the last of which may be shorter, and each window has parity blocks of its own. So one window at
//! a time is in memory, whoever writes or mends.

use super::extent::Extent;
use crate::limits::BLOCK_BYTES;
use crate::limits::PACK_BYTES_MAX;
use crate::limits::PARITY_THOUSANDTHS_MAX;

pub(super) use code::Code;
pub(super) use code::restore;
pub(crate) use encoder::Encoder;
pub use encoder::Encoders;
pub(super) use table::Table;

mod code;
mod encoder;
mod table;

#[cfg(test)]
mod tests;

/// How much parity an extent has, and the hash that it hangs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parity {
    /// Parity blocks for a thousand blocks, rounded up in each window: 1 to [`PARITY_THOUSANDTHS_MAX`].
    pub(crate) thousandths: u16,
    /// BLAKE3 of the table, as it stands at the table's end.
    pub(crate) hash: blake3::Hash,
}

/// Most blocks of a window: 8 MiB.
const WINDOW_BLOCKS_MAX: u32 = 2048;
#[expect(clippy::cast_possible_truncation, reason = "a block has 4096 bytes")]
const BLOCK: u32 = BLOCK_BYTES as u32;

/// Where the blocks of an extent, their parity and the tables lie. Offsets are in bytes from the start of the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// First byte of the first block that is covered.
    pub(super) start: u32,
    /// Blocks that are covered.
    pub(super) blocks: u32,
    pub(super) thousandths: u16,
}

/// A part of an extent that is mended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Number of its first block among those that are covered.
    pub(super) first: u32,
    pub(super) blocks: u32,
    /// Number of its first parity block among those of the extent.
    pub(super) parity_first: u32,
    pub(super) parity_blocks: u32,
}

impl Layout {
    /// That of an extent which has parity.
    pub(super) fn of(extent: &Extent) -> Option<(Self, Parity)> {
        let parity = extent.parity?;
        Some((Self::before(extent.start, extent.summary_end(), parity.thousandths), parity))
    }

    /// That of an extent from `start` to the end of its padding. The header block has no extent of its own, so it is
    /// mended with the first.
    pub(super) fn before(start: u32, summary_end: u32, thousandths: u16) -> Self {
        let start = if start == BLOCK { 0 } else { start };
        Self { start, blocks: (summary_end - start) / BLOCK, thousandths }
    }

    pub(super) fn windows(&self) -> impl Iterator<Item = Window> + use<> {
        let Self { blocks, thousandths, .. } = *self;
        let full = parity_blocks_of(WINDOW_BLOCKS_MAX, thousandths);
        (0..blocks.div_ceil(WINDOW_BLOCKS_MAX)).map(move |number| {
            let first = number * WINDOW_BLOCKS_MAX;
            let blocks = (blocks - first).min(WINDOW_BLOCKS_MAX);
            let parity_blocks = parity_blocks_of(blocks, thousandths);
            Window { first, blocks, parity_first: number * full, parity_blocks }
        })
    }

    /// Parity blocks of all windows.
    pub(super) fn parity_blocks(&self) -> u32 {
        let full = self.blocks / WINDOW_BLOCKS_MAX;
        let rest = match self.blocks % WINDOW_BLOCKS_MAX {
            0 => 0,
            rest => parity_blocks_of(rest, self.thousandths),
        };
        full * parity_blocks_of(WINDOW_BLOCKS_MAX, self.thousandths) + rest
    }

    /// Bytes of a table with its padding.
    pub(super) fn table_bytes(&self) -> u32 {
        table::bytes(self.blocks + self.parity_blocks()).next_multiple_of(BLOCK)
    }

    /// First bytes of both tables.
    pub(super) fn tables(&self) -> [u32; 2] {
        let first = self.block(self.blocks);
        [first, first + self.table_bytes() + self.parity_blocks() * BLOCK]
    }

    /// First byte of a block.
    pub(super) fn block(&self, number: u32) -> u32 {
        self.start + number * BLOCK
    }

    /// First byte of a parity block.
    pub(super) fn parity_block(&self, number: u32) -> u32 {
        self.block(self.blocks) + self.table_bytes() + number * BLOCK
    }

    /// First byte behind the second table.
    pub(super) fn end(&self) -> u32 {
        let [_, second] = self.tables();
        second + self.table_bytes()
    }
}

/// End of an extent from `start` to the end of its padding, with that much parity behind it.
pub(crate) fn end(start: u32, summary_end: u32, thousandths: u16) -> u32 {
    match thousandths {
        0 => summary_end,
        _ => Layout::before(start, summary_end, thousandths).end(),
    }
}

/// Parity blocks of a window.
fn parity_blocks_of(blocks: u32, thousandths: u16) -> u32 {
    (blocks * u32::from(thousandths)).div_ceil(1000).max(1)
}

const _: () = assert!(
    PACK_BYTES_MAX * (1000 + 2 * PARITY_THOUSANDTHS_MAX as u64) / 1000 < u32::MAX as u64,
    "an extent with its parity fits 32 bits",
);
