//! The header that stands before each object in a pack.
//!
//! Its check is bound to the place where it lies, so that bytes which belong elsewhere (a misdirected write, an old
//! block, a pack under a wrong name) are never taken for the object that was asked for.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::limits::OBJECT_BYTES_MAX;

const MAGIC: [u8; 4] = *b"FKor";

/// Bytes of the header of an object's record.
pub(crate) const RECORD_HEADER_BYTES: u32 = 48;

const ENCODED_BYTES: usize = RECORD_HEADER_BYTES as usize;
const CHECK_BYTES: usize = 8;

/// What stands before an object: its id and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) id: ObjectId,
    pub(crate) bytes: u32,
}

impl RecordHeader {
    /// The header as it stands at `offset` in the pack.
    pub(crate) fn encode(&self, pack: &PackId, offset: u32) -> [u8; ENCODED_BYTES] {
        let mut bytes = [0; ENCODED_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[8..40].copy_from_slice(self.id.as_bytes());
        bytes[40..].copy_from_slice(&self.check(pack, offset));
        bytes
    }

    /// Reads the header that lies at `offset` in the pack.
    pub(crate) fn parse(header: &[u8], pack: &PackId, offset: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(header);
        if reader.array("object record magic")? != MAGIC {
            return Err(Malformed { what: "object record magic", offset: 0 });
        }
        let bytes = reader.u32("object record length")?;
        let id = ObjectId::from_bytes(reader.array("object record id")?);
        let check = reader.array("object record check")?;
        reader.finish()?;
        let header = Self { id, bytes };
        if check != header.check(pack, offset) {
            return Err(Malformed { what: "object record check", offset: 40 });
        }
        if bytes as usize > OBJECT_BYTES_MAX {
            return Err(Malformed { what: "object record length", offset: 4 });
        }
        Ok(header)
    }

    fn check(&self, pack: &PackId, offset: u32) -> [u8; CHECK_BYTES] {
        let mut bound = [0; 4 + 32 + 4 + 4 + 32];
        bound[..4].copy_from_slice(&MAGIC);
        bound[4..36].copy_from_slice(pack.as_bytes());
        bound[36..40].copy_from_slice(&offset.to_le_bytes());
        bound[40..44].copy_from_slice(&self.bytes.to_le_bytes());
        bound[44..].copy_from_slice(self.id.as_bytes());
        let hash = blake3::hash(&bound);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
        check
    }
}
