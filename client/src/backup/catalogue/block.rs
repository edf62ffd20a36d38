//! Blocks: the unit in which the catalogue's files are written, checked and read.
//!
//! `kind u8 | length u32 | check [u8; 16] | payload`. The check is a keyed hash over kind, the block's number in its
//! file, the file's lineage and the payload: a damaged, moved or foreign block is not read.

use std::io;
use std::io::Read;
use std::io::Write;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::Epoch;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;
use thiserror::Error;

/// Bytes before the payload of a block.
pub(super) const BLOCK_HEADER_BYTES: usize = 21;
/// Most bytes of a payload that is read: a row of the longest path with its attributes still fits.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// Why a catalogue cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CatalogueError {
    /// The file could not be read or written.
    #[error("catalogue: {0}")]
    Io(#[from] io::Error),
    /// A block is not what was written.
    #[error("catalogue: a block does not pass its check")]
    Damaged,
    /// A block passes its check and does not decode: it was written by another version.
    #[error("catalogue: {0}")]
    Malformed(#[from] Malformed),
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Head of a file: repository, series, lineage.
    Head = 1,
    /// Rows.
    Rows = 2,
    /// Records of bundles.
    Bundles = 3,
    /// End of a complete catalogue.
    Trailer = 4,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Head, Self::Rows, Self::Bundles, Self::Trailer].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What ties the blocks of one file together.
#[derive(Clone)]
pub(super) struct Lineage {
    pub(super) keys: DomainKeys,
    pub(super) token: [u8; 16],
}

impl Lineage {
    fn check(&self, kind: BlockKind, number: u64, payload: &[u8]) -> [u8; 16] {
        let mut bound = [0; 57];
        bound[0] = kind as u8;
        bound[1..9].copy_from_slice(&number.to_le_bytes());
        bound[9..25].copy_from_slice(&self.token);
        bound[25..].copy_from_slice(&self.keys.cache_check(payload));
        let [check @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.keys.cache_check(&bound);
        check
    }

    /// Writes one block; gives the number of bytes that it takes.
    pub(super) fn write(
        &self,
        kind: BlockKind,
        number: u64,
        payload: &[u8],
        out: &mut impl Write,
    ) -> Result<u64, CatalogueError> {
        let length = u32::try_from(payload.len()).map_err(|_| CatalogueError::Damaged)?;
        let mut header = Writer::new();
        header.u8(kind as u8).u32(length).bytes(&self.check(kind, number, payload));
        out.write_all(header.as_bytes())?;
        out.write_all(payload)?;
        Ok((BLOCK_HEADER_BYTES + payload.len()) as u64)
    }

    /// Reads the next block into `payload`. `None` at the end of the file; an unfinished last block is `Damaged`.
    pub(super) fn read(
        &self,
        number: u64,
        input: &mut impl Read,
        payload: &mut Vec<u8>,
    ) -> Result<Option<BlockKind>, CatalogueError> {
        let Some((kind, check)) = read_unchecked(input, payload)? else { return Ok(None) };
        if self.check(kind, number, payload) == check { Ok(Some(kind)) } else { Err(CatalogueError::Damaged) }
    }
}

/// Reads the next block without its check, for the head of a file, which names the lineage.
pub(super) fn read_unchecked(
    input: &mut impl Read,
    payload: &mut Vec<u8>,
) -> Result<Option<(BlockKind, [u8; 16])>, CatalogueError> {
    let mut header = [0; BLOCK_HEADER_BYTES];
    let mut filled = 0;
    while filled < header.len() {
        match input.read(&mut header[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(CatalogueError::Damaged),
            count => filled += count,
        }
    }
    let mut reader = Reader::new(&header);
    let kind = BlockKind::from_byte(reader.u8("block")?).ok_or(CatalogueError::Damaged)?;
    let length = reader.u32("block")? as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(CatalogueError::Damaged);
    }
    payload.clear();
    let read = input.take(length as u64).read_to_end(payload)?;
    if read != length {
        return Err(CatalogueError::Damaged);
    }
    Ok(Some((kind, reader.array("check")?)))
}

pub(super) fn write_pointer(pointer: &Pointer, out: &mut Writer) {
    out.bytes(pointer.id.as_bytes()).bytes(pointer.seed.as_bytes()).u32(pointer.plain_bytes);
    out.u32(pointer.epoch.number());
}

pub(super) fn pointer(reader: &mut Reader<'_>) -> Result<Pointer, Malformed> {
    Ok(Pointer {
        id: ObjectId::from_bytes(reader.array("object")?),
        seed: Seed::from_bytes(reader.array("seed")?),
        plain_bytes: reader.u32("length")?,
        epoch: Epoch::new(reader.u32("epoch")?),
    })
}
