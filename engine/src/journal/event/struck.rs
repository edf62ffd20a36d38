//! Records of a pack that are not there any more ([`Struck`]), while the pack is.

use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use crate::limits::BLOCK_BYTES;
use crate::limits::PACK_BYTES_MAX;

/// Records of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Struck {
    /// The pack.
    pub(crate) pack: PackId,
    /// Of each record, in bytes from the start of the pack; one or more, in ascending order.
    pub(crate) offsets: Vec<u32>,
}

/// Packs in the order of their ids, so that a set has one encoding.
pub(super) fn write(packs: &[Struck], writer: &mut Writer) {
    writer.count(packs.len());
    for Struck { pack, offsets } in packs {
        writer.bytes(pack.as_bytes()).count(offsets.len());
        let mut before = 0;
        for offset in offsets {
            writer.varint(u64::from(offset - before));
            before = *offset;
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Struck>, Malformed> {
    let mut packs: Vec<Struck> = Vec::new();
    // Each takes bytes that must be there, so nobody makes much out of little.
    for _ in 0..reader.count(reader.remaining(), "packs with struck records")? {
        let disorder = reader.malformed("order of packs with struck records");
        let pack = PackId::from_bytes(reader.array("pack with struck records")?);
        if packs.last().is_some_and(|last| last.pack.as_bytes() >= pack.as_bytes()) {
            return Err(disorder);
        }
        packs.push(Struck { pack, offsets: offsets(reader)? });
    }
    Ok(packs)
}

fn offsets(reader: &mut Reader<'_>) -> Result<Vec<u32>, Malformed> {
    let count = reader.count(reader.remaining(), "struck records")?;
    let mut offsets = Vec::new();
    let mut before = 0_u32;
    for _ in 0..count {
        let unfit = reader.malformed("offset of a struck record");
        let more = reader.varint_u32("offset of a struck record")?;
        let offset = before.checked_add(more).filter(|offset| {
            more > 0 && *offset as usize >= BLOCK_BYTES && u64::from(*offset) < PACK_BYTES_MAX
        });
        before = offset.ok_or(unfit)?;
        offsets.push(before);
    }
    if offsets.is_empty() { Err(reader.malformed("no struck record")) } else { Ok(offsets) }
}
