//! Segments of the journal: their names, and the header that ties each to the one before.

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::FOLDER;
use super::event::EventError;
use super::record::ChainHash;
use super::record::Position;

const MAGIC: [u8; 4] = *b"FKjs";
const VERSION: u16 = 1;
/// Bytes of the header of a segment.
pub(crate) const HEADER_BYTES: usize = 4 + 2 + 2 + 8 + 8 + 32 + 32 + 32;

/// What stands at the front of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) repository: RepositoryId,
    /// From 0 without a gap.
    pub(crate) number: u64,
    /// The last record of the segment before.
    pub(crate) previous: Position,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&MAGIC).u16(VERSION).u16(0).u64(self.number).u64(self.previous.sequence);
        writer.bytes(self.repository.as_bytes()).bytes(self.previous.chain.as_bytes());
        let check = blake3::hash(writer.as_bytes());
        writer.bytes(check.as_bytes());
        writer.into_bytes()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, EventError> {
        let broken = Malformed { what: "journal segment header", offset: 0 };
        let (hashed, check) = bytes.split_last_chunk::<32>().ok_or(broken.clone())?;
        if blake3::hash(hashed) != *check {
            return Err(Malformed { what: "journal segment header check", offset: hashed.len() }.into());
        }
        let mut reader = Reader::new(hashed);
        let magic = reader.array("journal segment magic")?;
        let version = reader.u16("journal segment version")?;
        if version > VERSION {
            return Err(EventError::NewerSegment { found: version, known: VERSION });
        }
        let reserved = reader.u16("journal segment reserved")?;
        if magic != MAGIC || version != VERSION || reserved != 0 {
            return Err(broken.into());
        }
        let number = reader.u64("journal segment number")?;
        let sequence = reader.u64("journal segment sequence")?;
        let repository = RepositoryId::from_bytes(reader.array("journal segment repository")?);
        let chain = ChainHash::from_bytes(reader.array("journal segment previous hash")?);
        reader.finish()?;
        Ok(Self { repository, number, previous: Position { sequence, chain } })
    }
}

/// The file of a segment.
pub(crate) fn path(number: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("{number:016x}"))
}

/// The number of the segment with this file name.
pub(crate) fn segment_number(name: &OsStr) -> Option<u64> {
    let name = name.to_str()?;
    let number = u64::from_str_radix(name, 16).ok()?;
    (path(number).file_name()? == name).then_some(number)
}
