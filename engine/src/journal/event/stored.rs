//! What the journal says about extents that became durable ([`StoredExtent`]), with and without parity.

use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Kind;

use super::hash;
use crate::limits::EXTENTS_PER_EVENT_MAX;
use crate::limits::PARITY_THOUSANDTHS_MAX;
use crate::pack::Extent;
use crate::pack::Parity;

/// An extent and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredExtent {
    /// The pack.
    pub(crate) pack: PackId,
    /// What its objects are for.
    pub(crate) kind: Kind,
    /// Where it lies in the pack.
    pub(crate) extent: Extent,
}

const NO_HASH: [u8; 32] = [0; 32];

pub(super) fn write(extents: &[StoredExtent], with_parity: bool, writer: &mut Writer) {
    for StoredExtent { pack, kind, extent } in extents {
        writer.bytes(pack.as_bytes()).u16(kind.number());
        writer.u32(extent.start).u32(extent.summary).u32(extent.objects);
        writer.bytes(extent.hash.as_bytes());
        match &extent.parity {
            Some(parity) => writer.u16(parity.thousandths).bytes(parity.hash.as_bytes()),
            None if with_parity => writer.u16(0).bytes(&NO_HASH),
            None => writer,
        };
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<StoredExtent>, Malformed> {
    read_each(reader, |_| Ok(None))
}

/// Where none has parity, the other kind says so.
pub(super) fn read_with_parity(reader: &mut Reader<'_>) -> Result<Vec<StoredExtent>, Malformed> {
    let extents = read_each(reader, read_parity)?;
    match extents.iter().any(|stored| stored.extent.parity.is_some()) {
        true => Ok(extents),
        false => Err(reader.malformed("stored extents without parity")),
    }
}

fn read_parity(reader: &mut Reader<'_>) -> Result<Option<Parity>, Malformed> {
    let unfit = reader.malformed("stored extent parity");
    let thousandths = reader.u16("stored extent parity")?;
    let hash = hash(reader, "stored extent parity hash")?;
    match thousandths {
        0 if hash == NO_HASH => Ok(None),
        1..=PARITY_THOUSANDTHS_MAX => Ok(Some(Parity { thousandths, hash })),
        _ => Err(unfit),
    }
}

fn read_each(
    reader: &mut Reader<'_>,
    parity: impl Fn(&mut Reader<'_>) -> Result<Option<Parity>, Malformed>,
) -> Result<Vec<StoredExtent>, Malformed> {
    let mut extents: Vec<StoredExtent> = Vec::new();
    while reader.remaining() > 0 {
        let pack = PackId::from_bytes(reader.array("stored pack")?);
        let kind = reader.u16("stored kind")?;
        let kind = Kind::from_number(kind).ok_or(reader.malformed("stored kind"))?;
        let start = reader.u32("stored extent start")?;
        let summary = reader.u32("stored extent summary")?;
        let objects = reader.u32("stored extent objects")?;
        let hash = hash(reader, "stored extent hash")?;
        let parity = parity(reader)?;
        let extent = Extent::new(start, summary, objects, hash).and_then(|extent| match parity {
            Some(parity) => extent.with_parity(parity),
            None => Some(extent),
        });
        let extent = extent.ok_or(reader.malformed("stored extent numbers"))?;
        if extents.iter().any(|earlier| earlier.pack == pack) {
            return Err(reader.malformed("stored pack named twice"));
        }
        extents.push(StoredExtent { pack, kind, extent });
    }
    match (1..=EXTENTS_PER_EVENT_MAX).contains(&extents.len()) {
        true => Ok(extents),
        false => Err(reader.malformed("stored extent count")),
    }
}
