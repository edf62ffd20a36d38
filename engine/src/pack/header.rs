//! The first block of a pack: which pack of which repository it is, and for what kind of objects.
//!
//! It follows in full from the journal, so a reader compares instead of parsing; it stands there for the day on which
//! a pack is all that is left.

use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Kind;

use crate::limits::BLOCK_BYTES;

const MAGIC: [u8; 4] = *b"FKpk";
const VERSION: u16 = 1;

/// What the first block of a pack says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackHeader {
    pub(crate) repository: RepositoryId,
    pub(crate) pack: PackId,
    pub(crate) kind: Kind,
}

impl PackHeader {
    /// The whole block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&MAGIC).u16(VERSION).u16(self.kind.number());
        writer.bytes(self.repository.as_bytes()).bytes(self.pack.as_bytes());
        let check = blake3::hash(writer.as_bytes());
        writer.bytes(check.as_bytes());
        let mut block = vec![0; BLOCK_BYTES];
        block[..writer.len()].copy_from_slice(writer.as_bytes());
        block
    }
}
