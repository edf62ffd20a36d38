//! Mending an extent in memory ([`mend`]): the blocks that are not as the table says, computed from the others.
//!
//! Whoever uses them compares ids and hashes again, as with everything that was read.

use std::ops::Range;

use super::extent::Extent;
use super::parity::Code;
use super::parity::Layout;
use super::parity::Parity;
use super::parity::Table;
use super::parity::Window;
use super::parity::restore;
use super::reader::PackReader;
use super::reader::Patches;
use crate::limits::BLOCK_BYTES;

/// The blocks that hold bytes `wanted` of the pack and are not as they were written, as they should be. Empty if there
/// are none, and if too much is damaged. Reads the windows in which they lie.
pub(crate) fn mend(reader: &PackReader, extent: &Extent, wanted: Range<u32>) -> Patches {
    let mut patches = Patches::new();
    let Some((layout, parity)) = Layout::of(extent) else { return patches };
    let Some(table) = tables(reader, &layout, &parity).into_iter().flatten().next() else { return patches };
    for window in layout.windows() {
        let bytes = layout.block(window.first)..layout.block(window.first + window.blocks);
        if bytes.start < wanted.end && wanted.start < bytes.end {
            let mut blocks = blocks_of(reader, &layout, &window, &table);
            if !blocks.lost.is_empty() {
                let parity = parity_of(reader, &layout, &window, &table);
                mend_blocks(&mut blocks, &parity, &mut patches);
            }
        }
    }
    patches
}

/// Everything in an extent that is not as it was written, parity and tables included, as it should be, as far as it can be
/// known.
pub(super) fn mend_all(reader: &PackReader, extent: &Extent) -> Patches {
    let mut patches = Patches::new();
    let Some((layout, parity)) = Layout::of(extent) else { return patches };
    let tables = tables(reader, &layout, &parity);
    let Some(table) = tables.iter().flatten().next() else {
        return mend_around(reader, &layout, &parity);
    };
    let mut code = Code::default();
    for window in layout.windows() {
        let mut blocks = blocks_of(reader, &layout, &window, table);
        let mut parity = parity_of(reader, &layout, &window, table);
        let whole = mend_blocks(&mut blocks, &parity, &mut patches);
        if whole && !parity.lost.is_empty() {
            let mut again = Vec::with_capacity(parity.bytes.len());
            code.encode(&blocks.bytes, parity.sums.len(), &mut again);
            parity.bytes = again;
            parity.patch(&mut patches);
        }
    }
    let (encoded, _) = table.encode();
    for (offset, read) in layout.tables().into_iter().zip(&tables) {
        if read.is_none() {
            patch(&mut patches, offset, &encoded);
        }
    }
    patches
}

/// Without a table, everything is as it should be if the same table comes of it. Blocks that cannot be read are computed;
/// one that is not as it was is looked for.
fn mend_around(reader: &PackReader, layout: &Layout, parity: &Parity) -> Patches {
    let mut patches = Patches::new();
    let mut code = Code::default();
    let mut again = Vec::new();
    let mut table = Table { thousandths: layout.thousandths, blocks: Vec::new(), parity: Vec::new() };
    for window in layout.windows() {
        let mut around = Around::read(reader, layout, &window);
        if !around.restore(&around.lost.clone()) {
            return Patches::new();
        }
        for at in &around.lost {
            patches.insert(
                u64::from(layout.block(window.first)) + (at * BLOCK_BYTES) as u64,
                around.block(*at).to_vec(),
            );
        }
        table.blocks.extend(sums(&around.blocks));
        code.encode(&around.blocks, window.parity_blocks as usize, &mut again);
    }
    table.parity.extend(sums(&again));
    let (mut encoded, hash) = table.encode();
    if hash == parity.hash {
        let (found, _) = read(reader, layout.parity_block(0), layout.parity_blocks());
        let blocks = again.chunks_exact(BLOCK_BYTES).zip(found.chunks_exact(BLOCK_BYTES));
        for (number, (block, found)) in (0..).zip(blocks) {
            if block != found {
                patch(&mut patches, layout.parity_block(number), block);
            }
        }
    } else {
        let Some(found) = search(reader, layout, parity, &table) else { return Patches::new() };
        patches = Patches::new();
        patch(&mut patches, found.offset, &found.block);
        (encoded, _) = found.table.encode();
    }
    layout.tables().into_iter().for_each(|offset| patch(&mut patches, offset, &encoded));
    patches
}

/// The one block that is not as it was written, as it should be.
struct Found {
    offset: u32,
    block: Vec<u8>,
    /// The table that it makes right.
    table: Table,
}

/// Computes each block from the others and the parity that is there, until the right table comes of one. `table` is what comes of
/// all blocks as they are.
fn search(reader: &PackReader, layout: &Layout, parity: &Parity, table: &Table) -> Option<Found> {
    for window in layout.windows() {
        let mut around = Around::read(reader, layout, &window);
        if !around.lost.is_empty() || around.parity.iter().any(Option::is_none) {
            continue;
        }
        let mut tried = table.clone();
        for (at, block) in around.parity.iter().flatten().enumerate() {
            tried.parity[window.parity_first as usize + at] = crc32fast::hash(block);
        }
        for at in 0..window.blocks as usize {
            let number = window.first as usize + at;
            let before = around.block(at).to_vec();
            around.restore(&[at]);
            tried.blocks[number] = crc32fast::hash(around.block(at));
            if tried.encode().1 == parity.hash {
                let offset = layout.block(window.first + u32::try_from(at).ok()?);
                return Some(Found { offset, block: around.block(at).to_vec(), table: tried });
            }
            around.blocks[at * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(&before);
            tried.blocks[number] = table.blocks[number];
        }
    }
    None
}

/// A window of which no table says what was in it.
struct Around {
    blocks: Vec<u8>,
    /// Those that cannot be read.
    lost: Vec<usize>,
    parity: Vec<Option<Vec<u8>>>,
}

impl Around {
    fn read(reader: &PackReader, layout: &Layout, window: &Window) -> Self {
        let (blocks, lost) = read(reader, layout.block(window.first), window.blocks);
        let (parity, unread) = read(reader, layout.parity_block(window.parity_first), window.parity_blocks);
        let parity = parity.chunks_exact(BLOCK_BYTES).enumerate();
        let parity = parity.map(|(at, block)| (!unread.contains(&at)).then(|| block.to_vec())).collect();
        Self { blocks, lost, parity }
    }

    fn block(&self, at: usize) -> &[u8] {
        &self.blocks[at * BLOCK_BYTES..][..BLOCK_BYTES]
    }

    /// Computes those blocks from the others. False if there is too little parity.
    fn restore(&mut self, lost: &[usize]) -> bool {
        let parity: Vec<_> = self.parity.iter().map(Option::as_deref).collect();
        restore(&mut self.blocks, lost, &parity)
    }
}

/// Computes lost blocks. False if that cannot be done.
fn mend_blocks(blocks: &mut Blocks<'_>, parity: &Blocks<'_>, patches: &mut Patches) -> bool {
    let parts = parity.bytes.chunks_exact(BLOCK_BYTES).enumerate();
    let parts: Vec<_> = parts.map(|(at, part)| (!parity.lost.contains(&at)).then_some(part)).collect();
    restore(&mut blocks.bytes, &blocks.lost, &parts) && blocks.patch(patches)
}

/// Blocks of a window, or its parity blocks.
struct Blocks<'a> {
    offset: u32,
    bytes: Vec<u8>,
    /// What the table says about each.
    sums: &'a [u32],
    /// Those that cannot be read, or are not as the table says, in ascending order.
    lost: Vec<usize>,
}

impl<'a> Blocks<'a> {
    fn read(reader: &PackReader, offset: u32, wanted: &'a [u32]) -> Self {
        let count = u32::try_from(wanted.len()).expect("an extent has a limit");
        let (bytes, unread) = read(reader, offset, count);
        let differing = sums(&bytes).zip(wanted).enumerate().filter(|(_, (found, wanted))| found != *wanted);
        let mut lost: Vec<usize> = differing.map(|(at, _)| at).chain(unread).collect();
        lost.sort_unstable();
        lost.dedup();
        Self { offset, bytes, sums: wanted, lost }
    }

    /// Takes over what was lost, if all of it is right now.
    fn patch(&self, patches: &mut Patches) -> bool {
        let block = |at: usize| &self.bytes[at * BLOCK_BYTES..][..BLOCK_BYTES];
        let right = self.lost.iter().all(|at| crc32fast::hash(block(*at)) == self.sums[*at]);
        if right {
            for at in &self.lost {
                patches.insert(u64::from(self.offset) + (at * BLOCK_BYTES) as u64, block(*at).to_vec());
            }
        }
        right
    }
}

fn blocks_of<'a>(reader: &PackReader, layout: &Layout, window: &Window, table: &'a Table) -> Blocks<'a> {
    let sums = &table.blocks[window.first as usize..][..window.blocks as usize];
    Blocks::read(reader, layout.block(window.first), sums)
}

fn parity_of<'a>(reader: &PackReader, layout: &Layout, window: &Window, table: &'a Table) -> Blocks<'a> {
    let sums = &table.parity[window.parity_first as usize..][..window.parity_blocks as usize];
    Blocks::read(reader, layout.parity_block(window.parity_first), sums)
}

/// Both tables, where they are as the journal says.
fn tables(reader: &PackReader, layout: &Layout, parity: &Parity) -> [Option<Table>; 2] {
    layout.tables().map(|offset| {
        let mut bytes = vec![0; layout.table_bytes() as usize];
        reader.read(offset, &mut bytes).ok()?;
        Table::parse_of(layout, parity, &bytes).ok()
    })
}

/// Reads that many blocks, and says which of them cannot be read.
fn read(reader: &PackReader, offset: u32, count: u32) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = vec![0; count as usize * BLOCK_BYTES];
    let mut lost = Vec::new();
    match reader.read_at(u64::from(offset), &mut bytes) {
        Ok(read) => lost.extend(read / BLOCK_BYTES..count as usize),
        // Something in there does not answer. The rest may.
        Err(_) => {
            for (at, block) in bytes.chunks_exact_mut(BLOCK_BYTES).enumerate() {
                let read = reader.read_at(u64::from(offset) + (at * BLOCK_BYTES) as u64, block);
                if !matches!(read, Ok(BLOCK_BYTES)) {
                    lost.push(at);
                }
            }
        }
    }
    (bytes, lost)
}

fn sums(blocks: &[u8]) -> impl Iterator<Item = u32> {
    blocks.chunks_exact(BLOCK_BYTES).map(crc32fast::hash)
}

/// Takes over blocks that lie behind one another.
fn patch(patches: &mut Patches, offset: u32, blocks: &[u8]) {
    for (number, block) in (0..).zip(blocks.chunks_exact(BLOCK_BYTES)) {
        patches.insert(u64::from(offset) + number * BLOCK_BYTES as u64, block.to_vec());
    }
}
