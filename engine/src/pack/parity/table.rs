//! The table of an extent's parity ([`Table`]): which bytes were in which block.
//!
//! Its sums only say *where* something is wrong. What is mended counts when ids and hashes hold again.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Layout;
use super::Parity;
use crate::limits::BLOCK_BYTES;

const MAGIC: [u8; 4] = *b"FKpt";
const HEADER_BYTES: u32 = 4 + 2 + 2 + 4 + 4;
const SUM_BYTES: u32 = 4;
const HASH_BYTES: u32 = 32;

/// The CRC-32 of every block of an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pack) struct Table {
    pub(in crate::pack) thousandths: u16,
    /// Of the blocks that are covered.
    pub(in crate::pack) blocks: Vec<u32>,
    /// Of the parity blocks, window by window.
    pub(in crate::pack) parity: Vec<u32>,
}

impl Table {
    /// The table as it stands in a pack, with zeros up to a whole block, and its hash.
    pub(in crate::pack) fn encode(&self) -> (Vec<u8>, blake3::Hash) {
        let count = |sums: &[u32]| u32::try_from(sums.len()).expect("an extent has a limit");
        let mut writer = Writer::new();
        writer.bytes(&MAGIC).u16(self.thousandths).u16(0);
        writer.u32(count(&self.blocks)).u32(count(&self.parity));
        for sum in self.blocks.iter().chain(&self.parity) {
            writer.u32(*sum);
        }
        let hash = blake3::hash(writer.as_bytes());
        writer.bytes(hash.as_bytes());
        let mut bytes = writer.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        (bytes, hash)
    }

    /// Reads the table of an extent that lies so, with its padding, and nothing else.
    pub(in crate::pack) fn parse_of(
        layout: &Layout,
        parity: &Parity,
        bytes: &[u8],
    ) -> Result<Self, Malformed> {
        let (table, hash) = Self::parse(bytes)?;
        let counts = (table.blocks.len(), table.parity.len());
        let wanted = (layout.blocks as usize, layout.parity_blocks() as usize);
        match (table.thousandths, counts, hash) == (layout.thousandths, wanted, parity.hash) {
            true => Ok(table),
            false => Err(Malformed { what: "parity table of another extent", offset: 0 }),
        }
    }

    /// Reads a table with its padding, and the hash that it has.
    pub(in crate::pack) fn parse(bytes: &[u8]) -> Result<(Self, blake3::Hash), Malformed> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 4] = reader.array("parity table magic")?;
        let thousandths = reader.u16("parity table thousandths")?;
        let reserved = reader.u16("parity table reserved")?;
        if magic != MAGIC || reserved != 0 {
            return Err(reader.malformed("parity table"));
        }
        let blocks = reader.u32("parity table blocks")?;
        let parity_blocks = reader.u32("parity table parity blocks")?;
        let blocks = sums(&mut reader, blocks)?;
        let table = Self { thousandths, blocks, parity: sums(&mut reader, parity_blocks)? };
        // Hash and padding follow from the rest.
        match table.encode() {
            (again, hash) if again == bytes => Ok((table, hash)),
            _ => Err(reader.malformed("parity table hash or padding")),
        }
    }
}

/// The sums are read one by one, so nobody makes much out of little.
fn sums(reader: &mut Reader<'_>, count: u32) -> Result<Vec<u32>, Malformed> {
    (0..count).map(|_| reader.u32("parity table sum")).collect()
}

/// Bytes of the table of so many blocks, parity blocks included, without its padding.
pub(super) const fn bytes(blocks: u32) -> u32 {
    HEADER_BYTES + blocks * SUM_BYTES + HASH_BYTES
}
