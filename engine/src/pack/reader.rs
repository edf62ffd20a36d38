//! Reading single things from a pack that the journal knows ([`PackReader`]).

use std::collections::BTreeMap;

use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;

use super::PackError;
use super::extent::Entry;
use super::extent::Extent;
use super::extent::Summary;
use super::path;
use super::record::RECORD_HEADER_BYTES;
use super::record::RecordHeader;
use crate::disk::Act;
use crate::disk::Advice;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;
use crate::limits::BLOCK_BYTES;

/// Blocks as they should be, by the offset of each in its pack.
pub(crate) type Patches = BTreeMap<u64, Vec<u8>>;

/// A pack, open for reading.
pub(crate) struct PackReader {
    pack: PackId,
    file: Box<dyn File>,
    /// What is read in place of the file's own.
    patches: Patches,
}

impl PackReader {
    pub(crate) fn open(disk: &dyn Disk, pack: &PackId, advice: Advice) -> Result<Self, PackError> {
        let file = disk.open(&path(pack), Mode::Read)?;
        file.advise(advice);
        Ok(Self { pack: *pack, file, patches: Patches::new() })
    }

    /// The same pack with those blocks in place of its own.
    pub(crate) fn patched(self, patches: Patches) -> Self {
        Self { patches, ..self }
    }

    /// The blocks that are read in place of its own.
    pub(super) fn patches(&self) -> &Patches {
        &self.patches
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
        match self.read_at(u64::from(offset), into)? {
            count if count == into.len() => Ok(()),
            _ => {
                let ends = Malformed { what: "end: the file is too short", offset: 0 };
                Err(PackError::damaged(&self.pack, u64::from(offset), ends))
            }
        }
    }

    /// Reads up to `into.len()` bytes, fewer only where the pack ends; returns how many.
    pub(crate) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        if self.patches.is_empty() {
            return self.file.read_at(offset, into);
        }
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            match self.read_part(at, &mut into[done..])? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    /// Reads to the end of a patch, or up to the beginning of the next one.
    fn read_part(&self, at: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let inside = at % BLOCK_BYTES as u64;
        let room = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(into.len());
        if let Some(block) = self.patches.get(&(at - inside)) {
            let count = room(block.len() as u64 - inside);
            let skipped = usize::try_from(inside).expect("less than a block");
            into[..count].copy_from_slice(&block[skipped..][..count]);
            return Ok(count);
        }
        let next = self.patches.range(at..).next().map_or(u64::MAX, |(next, _)| *next);
        let count = room(next - at);
        self.file.read_at(at, &mut into[..count])
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
                Err(PackError::Damaged { .. } | PackError::Disk(DiskError::Io { act: Act::Read, .. })) => {
                    break;
                }
                Err(error) => return Err(error),
            }
            let Ok(record) = RecordHeader::parse(&header, &self.pack, offset) else { break };
            let entry = Entry { id: record.id, offset, bytes: record.bytes };
            entries.push(entry);
            offset = entry.end();
        }
        Ok(entries)
    }
}
