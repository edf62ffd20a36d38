//! Extents: the part of a pack that became durable at once ([`Extent`]), and the table of its objects ([`Summary`]).
//!
//! A summary lists ids and lengths alone. Records lie behind one another without a gap, so every offset follows, and a
//! summary cannot contradict itself.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::parity::Layout;
use super::parity::Parity;
use super::record::RECORD_HEADER_BYTES;
use crate::limits::BLOCK_BYTES;
use crate::limits::EXTENT_OBJECTS_MAX;
use crate::limits::PACK_BYTES_MAX;

const MAGIC: [u8; 4] = *b"FKex";
const HEADER_BYTES: u32 = 4 + 4 + 32 + 4;
const ENTRY_BYTES: u32 = 32 + 4;
const HASH_BYTES: u32 = 32;
#[expect(clippy::cast_possible_truncation, reason = "a block has 4096 bytes")]
const BLOCK: u32 = BLOCK_BYTES as u32;

/// Where an extent lies in its pack, and the hash that everything in it hangs from. All offsets are in bytes from the
/// start of the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First byte: a whole number of blocks, and the end of the extent before.
    pub(crate) start: u32,
    /// First byte of the summary, behind the last record.
    pub(crate) summary: u32,
    /// Objects in the extent: one or more.
    pub(crate) objects: u32,
    /// BLAKE3 of the summary, as it stands at the summary's end.
    pub(crate) hash: blake3::Hash,
    /// What stands behind the summary to mend the extent with.
    pub(crate) parity: Option<Parity>,
}

impl Extent {
    /// An extent whose numbers fit together and stay within the limits, or nothing.
    pub(crate) fn new(start: u32, summary: u32, objects: u32, hash: blake3::Hash) -> Option<Self> {
        let records = objects.checked_mul(RECORD_HEADER_BYTES)?;
        let placed =
            start >= BLOCK && start.is_multiple_of(BLOCK) && summary >= start.checked_add(records)?;
        let counted = (1..=EXTENT_OBJECTS_MAX).contains(&objects);
        let ends = u64::from(summary) + u64::from(summary_bytes(objects)) <= PACK_BYTES_MAX;
        (placed && counted && ends).then_some(Self { start, summary, objects, hash, parity: None })
    }

    /// The same extent with parity behind it, if that stays within the limits.
    pub(crate) fn with_parity(self, parity: Parity) -> Option<Self> {
        let extent = Self { parity: Some(parity), ..self };
        (u64::from(extent.end()) <= PACK_BYTES_MAX).then_some(extent)
    }

    /// Bytes of the summary.
    pub(crate) fn summary_bytes(&self) -> u32 {
        summary_bytes(self.objects)
    }

    /// First byte behind the summary and its padding.
    pub(crate) fn summary_end(&self) -> u32 {
        end(self.summary, self.objects)
    }

    /// First byte behind the extent, with everything that belongs to it.
    pub(crate) fn end(&self) -> u32 {
        Layout::of(self).map_or_else(|| self.summary_end(), |(layout, _)| layout.end())
    }
}

/// One object of an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ObjectId,
    /// Of its record, in bytes from the start of the pack.
    pub(crate) offset: u32,
    /// Of the object, without the header of its record.
    pub(crate) bytes: u32,
}

impl Entry {
    /// First byte behind the record.
    pub(crate) fn end(&self) -> u32 {
        self.offset.saturating_add(RECORD_HEADER_BYTES).saturating_add(self.bytes)
    }
}

/// The table of the objects of one extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) pack: PackId,
    pub(crate) start: u32,
    pub(crate) objects: Vec<(ObjectId, u32)>,
}

impl Summary {
    /// The bytes of the summary, and its hash, which is the last part of them.
    pub(crate) fn encode(&self) -> (Vec<u8>, blake3::Hash) {
        let count = u32::try_from(self.objects.len()).expect("a writer keeps extents within their limit");
        let mut writer = Writer::onto(Vec::with_capacity(summary_bytes(count) as usize));
        writer.bytes(&MAGIC).u32(count).bytes(self.pack.as_bytes()).u32(self.start);
        for (id, bytes) in &self.objects {
            writer.bytes(id.as_bytes()).u32(*bytes);
        }
        let hash = blake3::hash(writer.as_bytes());
        writer.bytes(hash.as_bytes());
        (writer.into_bytes(), hash)
    }

    /// Reads the summary of that extent of that pack, and nothing else.
    pub(crate) fn parse(bytes: &[u8], pack: &PackId, extent: &Extent) -> Result<Self, Malformed> {
        let (hashed, hash) = bytes
            .split_last_chunk::<{ HASH_BYTES as usize }>()
            .ok_or(Malformed { what: "extent summary", offset: 0 })?;
        if extent.hash != *hash || blake3::hash(hashed) != extent.hash {
            return Err(Malformed { what: "extent summary hash", offset: hashed.len() });
        }
        let mut reader = Reader::new(hashed);
        let magic = reader.array("extent summary magic")?;
        let count = reader.u32("extent summary count")?;
        let named = PackId::from_bytes(reader.array("extent summary pack")?);
        let start = reader.u32("extent summary start")?;
        if magic != MAGIC || count != extent.objects || named != *pack || start != extent.start {
            return Err(reader.malformed("extent summary of another extent"));
        }
        let mut objects = Vec::with_capacity(count as usize);
        let mut end = u64::from(start);
        for _ in 0..count {
            let id = ObjectId::from_bytes(reader.array("extent summary id")?);
            let bytes = reader.u32("extent summary length")?;
            end += u64::from(RECORD_HEADER_BYTES) + u64::from(bytes);
            objects.push((id, bytes));
        }
        if end != u64::from(extent.summary) {
            return Err(reader.malformed("extent summary lengths"));
        }
        reader.finish()?;
        Ok(Self { pack: *pack, start, objects })
    }

    /// The objects with their offsets.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        let mut next = self.start;
        self.objects.iter().map(move |(id, bytes)| {
            let offset = next;
            next += RECORD_HEADER_BYTES + bytes;
            Entry { id: *id, offset, bytes: *bytes }
        })
    }
}

/// Bytes of the summary of so many objects.
pub(crate) fn summary_bytes(objects: u32) -> u32 {
    HEADER_BYTES + objects * ENTRY_BYTES + HASH_BYTES
}

/// First byte behind an extent whose summary begins there.
pub(crate) fn end(summary: u32, objects: u32) -> u32 {
    (summary + summary_bytes(objects)).next_multiple_of(BLOCK)
}

const _: () = assert!(
    (EXTENT_OBJECTS_MAX as u64) * (ENTRY_BYTES as u64) + PACK_BYTES_MAX < u32::MAX as u64,
    "the end of an extent within its limits fits 32 bits",
);
const _: () = assert!(
    (EXTENT_OBJECTS_MAX as u64) * (RECORD_HEADER_BYTES as u64 + ENTRY_BYTES as u64) > PACK_BYTES_MAX,
    "a pack is full before the count of an extent is",
);
