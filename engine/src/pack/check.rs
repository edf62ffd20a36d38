//! Every byte of a pack against what the journal says about it ([`check`]).
//!
//! Reads from front to back through one small buffer, which stays in the processor's cache while it is hashed.

use farkeep_codec::id::ObjectId;
use farkeep_codec::layout::Malformed;

use super::PackError;
use super::extent::Entry;
use super::extent::Extent;
use super::extent::Summary;
use super::header::PackHeader;
use super::parity::Layout;
use super::parity::Parity;
use super::parity::Table;
use super::reader::PackReader;
use super::record::RECORD_HEADER_BYTES;
use super::record::RecordHeader;
use crate::disk::DiskError;
use crate::limits::BLOCK_BYTES;

/// A part of a pack that is not what was written.
#[derive(Debug, Clone)]
pub(crate) struct Flaw {
    /// First byte of the part, from the start of the pack.
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
    /// Objects that are lost by it.
    pub(crate) objects: Vec<ObjectId>,
    /// The extent whose objects it could not name, because the summary is lost too.
    pub(crate) unnamed: Option<Extent>,
}

impl Flaw {
    pub(crate) fn new(offset: u64, what: &'static str) -> Self {
        Self { offset, what, objects: Vec::new(), unnamed: None }
    }

    /// An extent whose objects cannot be named.
    pub(crate) fn unnamed(extent: &Extent, what: &'static str) -> Self {
        Self { unnamed: Some(*extent), ..Self::new(u64::from(extent.summary), what) }
    }

    /// The record that is damaged, if it is one.
    pub(crate) fn record(&self) -> Option<u32> {
        u32::try_from(self.offset).ok().filter(|_| !self.objects.is_empty())
    }

    fn of(entry: &Entry, what: &'static str) -> Self {
        Self { objects: vec![entry.id], ..Self::new(u64::from(entry.offset), what) }
    }
}

/// Reads a whole pack, whose extents are given in order, and reports each flaw. `listed` is shown every summary that
/// holds. `buffer` is where the pack passes through, whole blocks long; `passed` is told how many bytes did.
pub(crate) fn check(
    reader: &PackReader,
    header: &PackHeader,
    extents: &[Extent],
    buffer: &mut [u8],
    passed: &mut dyn FnMut(u64),
    listed: &mut dyn FnMut(&Summary),
    report: &mut dyn FnMut(Flaw),
) {
    let mut stream = Stream { reader, buffer, passed, start: 0, filled: 0 };
    if let Err(what) = stream.expect(0, &header.encode(), "pack header block") {
        report(Flaw::new(0, what));
    }
    for extent in extents {
        let checked = reader.summary(extent).map(|summary| {
            listed(&summary);
            check_extent(&mut stream, extent, &summary, report);
        });
        match checked {
            Ok(()) => {}
            Err(error) => {
                let what = match error {
                    PackError::Damaged { malformed: Malformed { what, .. }, .. } => what,
                    PackError::Disk(_) => "extent summary: unreadable",
                };
                report(Flaw::unnamed(extent, what));
            }
        }
        if let Some((layout, parity)) = Layout::of(extent) {
            check_parity(&mut stream, &layout, &parity, report);
        }
    }
}

fn check_extent(stream: &mut Stream<'_>, extent: &Extent, summary: &Summary, report: &mut dyn FnMut(Flaw)) {
    for entry in summary.entries() {
        let header = RecordHeader { id: entry.id, bytes: entry.bytes }.encode(&summary.pack, entry.offset);
        let offset = u64::from(entry.offset);
        let object = offset + u64::from(RECORD_HEADER_BYTES);
        let checked = stream
            .expect(offset, &header, "object record header")
            .and_then(|()| stream.expect_object(object, &entry));
        if let Err(what) = checked {
            report(Flaw::of(&entry, what));
        }
    }
    let (mut rest, _) = summary.encode();
    rest.resize((extent.summary_end() - extent.summary) as usize, 0);
    if let Err(what) = stream.expect(u64::from(extent.summary), &rest, "extent summary or its padding") {
        report(Flaw::new(u64::from(extent.summary), what));
    }
}

/// Compares the tables with the hash in the journal, and the parity blocks with the tables.
fn check_parity(stream: &mut Stream<'_>, layout: &Layout, parity: &Parity, report: &mut dyn FnMut(Flaw)) {
    let [first, second] = layout.tables().map(u64::from);
    let mut read = |stream: &mut Stream<'_>, offset| match stream.table(offset, layout, parity) {
        Ok(table) => Some(table),
        Err(what) => {
            report(Flaw::new(offset, what));
            None
        }
    };
    let table = read(stream, first);
    let sums = stream.sums(u64::from(layout.parity_block(0)), layout.parity_blocks());
    let table = read(stream, second).or(table);
    // Without a table nobody knows, and both of them were reported.
    let wanted = table.map(|table| table.parity).unwrap_or_default();
    for (number, (wanted, found)) in (0..).zip(wanted.iter().zip(sums)) {
        if found != Some(*wanted) {
            report(Flaw::new(u64::from(layout.parity_block(number)), "parity block"));
        }
    }
}

/// A file that is read from front to back.
struct Stream<'a> {
    reader: &'a PackReader,
    buffer: &'a mut [u8],
    passed: &'a mut dyn FnMut(u64),
    /// Offset in the file of the first byte in the buffer.
    start: u64,
    filled: usize,
}

impl Stream<'_> {
    /// Compares what lies at `offset` with `wanted`.
    fn expect(&mut self, offset: u64, wanted: &[u8], what: &'static str) -> Result<(), &'static str> {
        let mut rest = wanted;
        let mut equal = true;
        self.pass(offset, wanted.len() as u64, &mut |part| {
            let (now, later) = rest.split_at(part.len());
            equal &= now == part;
            rest = later;
        })?;
        if equal { Ok(()) } else { Err(what) }
    }

    /// Hashes the object that lies at `offset`.
    fn expect_object(&mut self, offset: u64, entry: &Entry) -> Result<(), &'static str> {
        let mut hasher = blake3::Hasher::new();
        self.pass(offset, u64::from(entry.bytes), &mut |part| {
            hasher.update(part);
        })?;
        match hasher.finalize() == *entry.id.as_bytes() {
            true => Ok(()),
            false => Err("object bytes"),
        }
    }

    /// Reads the table that lies at `offset`.
    fn table(&mut self, offset: u64, layout: &Layout, parity: &Parity) -> Result<Table, &'static str> {
        let mut bytes = Vec::with_capacity(layout.table_bytes() as usize);
        self.pass(offset, u64::from(layout.table_bytes()), &mut |part| bytes.extend_from_slice(part))?;
        Table::parse_of(layout, parity, &bytes).map_err(|malformed| malformed.what)
    }

    /// The sums of that many blocks from `offset` on, or nothing for one that cannot be read.
    fn sums(&mut self, offset: u64, count: u32) -> Vec<Option<u32>> {
        let sum = |number| {
            let mut hasher = crc32fast::Hasher::new();
            let at = offset + number * BLOCK_BYTES as u64;
            let passed = self.pass(at, BLOCK_BYTES as u64, &mut |part| hasher.update(part));
            passed.is_ok().then(|| hasher.finalize())
        };
        (0..u64::from(count)).map(sum).collect()
    }

    /// Shows `bytes` bytes from `offset` on, in parts.
    fn pass(&mut self, offset: u64, bytes: u64, show: &mut dyn FnMut(&[u8])) -> Result<(), &'static str> {
        let end = offset + bytes;
        let mut next = offset;
        while next < end {
            let held = self.held(next).map_err(|_| "unreadable bytes")?;
            let wanted = usize::try_from(end - next).unwrap_or(usize::MAX);
            let part = &held[..held.len().min(wanted)];
            if part.is_empty() {
                return Err("end: the file is too short");
            }
            next += part.len() as u64;
            show(part);
        }
        Ok(())
    }

    /// The bytes in the buffer from `offset` on; reads the next ones if there are none.
    fn held(&mut self, offset: u64) -> Result<&[u8], DiskError> {
        let end = self.start + self.filled as u64;
        if !(self.start..end).contains(&offset) {
            self.start = offset - offset % BLOCK_BYTES as u64;
            self.filled = 0;
            // Where something does not answer, what lies in front of it may.
            let block = BLOCK_BYTES.min(self.buffer.len());
            self.filled = match self.reader.read_at(self.start, self.buffer) {
                Err(_) => self.reader.read_at(self.start, &mut self.buffer[..block])?,
                read => read?,
            };
            (self.passed)(self.filled as u64);
        }
        let skipped = usize::try_from(offset - self.start).expect("less than the buffer holds");
        Ok(self.buffer[..self.filled].get(skipped..).unwrap_or_default())
    }
}
