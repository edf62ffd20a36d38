//! The end of a complete catalogue: what became of the snapshot, for a run that finds nothing changed.

use farkeep_codec::id::ContentId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;

use super::block::pointer;
use super::block::write_pointer;

/// The end of a complete catalogue: what the snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// Root of the tree.
    pub(crate) root: Pointer,
    /// Content id of the snapshot.
    pub(crate) content: ContentId,
}

impl Trailer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        write_pointer(&self.root, &mut out);
        out.bytes(self.content.as_bytes());
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let trailer =
            Self { root: pointer(&mut reader)?, content: ContentId::from_bytes(reader.array("content id")?) };
        reader.finish()?;
        Ok(trailer)
    }
}
