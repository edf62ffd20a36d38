//! Reading single things from a pack that the journal knows ([`PackReader`]).

use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;

use super::PackError;
use super::extent::Entry;
use super::extent::Extent;
use super::extent::Summary;
use super::path;
use super::record::RECORD_HEADER_BYTES;
use super::record::RecordHeader;
use crate::disk::Advice;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;

/// A pack, open for reading.
pub(crate) struct PackReader {
    pack: PackId,
    file: Box<dyn File>,
}

impl PackReader {
    pub(crate) fn open(disk: &dyn Disk, pack: &PackId, advice: Advice) -> Result<Self, PackError> {
        let file = disk.open(&path(pack), Mode::Read)?;
        file.advise(advice);
        Ok(Self { pack: *pack, file })
    }

    pub(crate) fn id(&self) -> &PackId {
        &self.pack
    }

    pub(crate) fn file(&self) -> &dyn File {
        &*self.file
    }

    /// Reads the summary of an extent, and proves that it is the one that was journalled.
    pub(crate) fn summary(&self, extent: &Extent) -> Result<Summary, PackError> {
        let mut bytes = vec![0; extent.summary_bytes() as usize];
        self.read(extent.summary, &mut bytes)?;
        Summary::parse(&bytes, &self.pack, extent)
            .map_err(|malformed| PackError::damaged(&self.pack, u64::from(extent.summary), malformed))
    }

    /// Fills `into` from `offset` on. A pack that ends before is damaged.
    pub(crate) fn read(&self, offset: u32, into: &mut [u8]) -> Result<(), PackError> {
        match self.file.read_exact_at(u64::from(offset), into) {
            Err(DiskError::Ended { .. }) => {
                let ends = Malformed { what: "end: the file is too short", offset: 0 };
                Err(PackError::damaged(&self.pack, u64::from(offset), ends))
            }
            other => Ok(other?),
        }
    }

    /// Reads what the records of an extent say about themselves, up to the first that says nothing: for an extent
    /// whose summary is damaged.
    pub(crate) fn salvage(&self, extent: &Extent) -> Result<Vec<Entry>, PackError> {
        let mut entries = Vec::new();
        let mut offset = extent.start;
        while offset < extent.summary {
            let mut header = [0; RECORD_HEADER_BYTES as usize];
            match self.read(offset, &mut header) {
                Ok(()) => {}
                Err(PackError::Damaged { .. }) => break,
                Err(error) => return Err(error),
            }
            let Ok(record) = RecordHeader::parse(&header, &self.pack, offset) else { break };
            entries.push(Entry { id: record.id, offset, bytes: record.bytes });
            offset = offset.saturating_add(RECORD_HEADER_BYTES).saturating_add(record.bytes);
        }
        Ok(entries)
    }
}
