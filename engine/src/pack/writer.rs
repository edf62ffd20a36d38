//! A pack under construction ([`PackWriter`]).

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;

use super::extent;
use super::extent::Extent;
use super::extent::Summary;
use super::header::PackHeader;
use super::parity::Encoder;
use super::record::RECORD_HEADER_BYTES;
use super::record::RecordHeader;
use crate::disk::Append;
use crate::disk::DiskError;

/// Appends objects to a pack, and closes extents.
///
/// What it does not do: decide when, and say that anything is durable. That is the store's.
pub(crate) struct PackWriter {
    header: PackHeader,
    file: Box<dyn Append>,
    /// Most bytes that the pack shall have, at least for all objects but the first.
    room_bytes: u32,
    extent: Summary,
    parity: Option<Encoder>,
}

impl PackWriter {
    /// Begins a pack in an empty file, with parity behind each extent if there is an encoder.
    pub(crate) fn begin(
        file: Box<dyn Append>,
        header: PackHeader,
        room_bytes: u32,
        parity: Option<Encoder>,
    ) -> Result<Self, DiskError> {
        let block = header.encode();
        let start = u32::try_from(block.len()).expect("the header is one block");
        let extent = Summary { pack: header.pack, start, objects: Vec::new() };
        let mut writer = Self { header, file, room_bytes, extent, parity };
        writer.write(&block)?;
        Ok(writer)
    }

    pub(crate) fn id(&self) -> &PackId {
        &self.header.pack
    }

    pub(crate) fn kind(&self) -> Kind {
        self.header.kind
    }

    /// Whether an object of that length still has its place here. The first one always has, whatever its length.
    pub(crate) fn fits(&self, object_bytes: u32) -> bool {
        let objects = u32::try_from(self.extent.objects.len()).expect("an extent has a limit") + 1;
        let summary = self.len() + RECORD_HEADER_BYTES + object_bytes;
        let first = self.len() == self.extent.start && self.is_begun_only();
        let end = extent::end(summary, objects);
        let behind = self.parity.as_ref().map_or(0, |parity| parity.bytes_behind(self.extent.start, end));
        first || end + behind <= self.room_bytes
    }

    /// Appends an object; returns the offset of its record.
    pub(crate) fn add(&mut self, id: &ObjectId, object: &[u8]) -> Result<u32, DiskError> {
        let offset = self.len();
        let bytes = u32::try_from(object.len()).expect("an object has a limit");
        self.write(&RecordHeader { id: *id, bytes }.encode(&self.header.pack, offset))?;
        self.write(object)?;
        self.extent.objects.push((*id, bytes));
        Ok(offset)
    }

    /// Whether there are objects that belong to no closed extent.
    pub(crate) fn is_open(&self) -> bool {
        !self.extent.objects.is_empty()
    }

    /// Closes the extent, if there is anything in it, and begins the next.
    pub(crate) fn close_extent(&mut self) -> Result<Option<Extent>, DiskError> {
        if !self.is_open() {
            return Ok(None);
        }
        let summary = self.len();
        let objects = u32::try_from(self.extent.objects.len()).expect("an extent has a limit");
        let (bytes, hash) = self.extent.encode();
        self.write(&bytes)?;
        self.file.pad_to_block()?;
        let mut extent = Extent::new(self.extent.start, summary, objects, hash);
        if let Some(encoder) = &mut self.parity {
            let parity = encoder.finish(|part| self.file.write(part))?;
            extent = extent.and_then(|extent| extent.with_parity(parity));
        }
        let extent = extent.expect("a writer keeps to the limits");
        self.extent.start = self.len();
        self.extent.objects.clear();
        Ok(Some(extent))
    }

    /// Makes every closed extent durable.
    pub(crate) fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync()
    }

    /// Ends the pack, with everything in it durable.
    pub(crate) fn finish(self) -> Result<u64, DiskError> {
        self.file.finish()
    }

    /// Fills `into` with bytes that were written, from `offset` on.
    pub(crate) fn read_back(&self, offset: u32, into: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_back(u64::from(offset), into)
    }

    /// Writes what parity is for.
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if let Some(parity) = &mut self.parity {
            parity.write(bytes);
        }
        self.file.write(bytes)
    }

    fn len(&self) -> u32 {
        u32::try_from(self.file.len()).expect("a pack is kept below its limit")
    }

    fn is_begun_only(&self) -> bool {
        self.extent.start as usize == crate::limits::BLOCK_BYTES && self.extent.objects.is_empty()
    }
}
