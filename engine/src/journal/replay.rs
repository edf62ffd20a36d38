//! Reading the journal from front to back ([`replay()`]), each record from the side on which it is intact.
//!
//! The whole chain is verified at every opening: a few kilobytes per snapshot, at more than a gigabyte per second.

use std::ops::Range;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::time::Time;

use super::JournalError;
use super::event::EventError;
use super::head::HEAD_PATH;
use super::head::Heads;
use super::record;
use super::record::Position;
use super::record::Record;
use super::segment;
use super::segment::SegmentHeader;
use super::side::Side;
use crate::disk::Advice;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;

const READ_BYTES: usize = 64 << 10;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// In bytes from the start of the segment.
    pub(crate) offset: u64,
}

/// A record, and where its payload lies, so that it can be read again instead of being kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) payload: Place,
    pub(crate) payload_bytes: u32,
}

/// Where a replay begins or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) position: Position,
    pub(crate) time: Time,
    pub(crate) place: Place,
}

impl Replayed {
    /// Before the first record.
    pub(crate) const GENESIS: Self = Self {
        position: Position::GENESIS,
        time: Time::from_nanoseconds(i64::MIN),
        place: Place { segment: 0, offset: segment::HEADER_BYTES as u64 },
    };
}

/// What to make of records behind the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Somebody may be writing them at this moment: what is not intact is none of our business.
    MayGrow,
    /// Nobody writes: if a slot of the head is bad, they are what it spoke of, and must be intact.
    IsStill,
}

/// What a replay came to.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    /// Where it ended.
    pub(crate) at: Replayed,
    /// The first damage for which a record was read from the mirror.
    pub(crate) mended: Option<JournalError>,
}

/// Shows every record behind `from` up to the head, in order. Where a slot of the head is bad, also those behind the
/// other one. What is damaged is read from the mirror.
///
/// # Errors
/// [`JournalError::Damaged`] if a record up to the head is not there as it was written, nor in the mirror.
pub(crate) fn replay<E: From<JournalError>>(
    disk: &dyn Disk,
    repository: RepositoryId,
    heads: &Heads,
    from: Replayed,
    tail: Tail,
    show: &mut dyn FnMut(Entry) -> Result<(), E>,
) -> Result<Replay, E> {
    let head = heads.newest()?;
    let mut scan = Scan::begin(disk, repository, from);
    while scan.at.position.sequence < head.sequence {
        show(scan.acknowledged()?)?;
    }
    if scan.at.position.sequence == head.sequence && scan.at.position != head {
        let what = "slot of the head: it names another history";
        return Err(JournalError::Damaged { path: HEAD_PATH.into(), offset: 0, what }.into());
    }
    while heads.bad().is_some() {
        match scan.next()? {
            Step::Entry(entry) => show(*entry)?,
            Step::Broken(error) if tail == Tail::IsStill => show(scan.in_mirror(error)?)?,
            Step::Broken(_) | Step::End => break,
        }
    }
    Ok(Replay { at: scan.at, mended: scan.mended })
}

/// Reads payloads again that a replay has shown.
pub(crate) struct Payloads<'a> {
    disk: &'a dyn Disk,
    /// The segment that was read last.
    open: Option<(u64, Box<dyn File>)>,
}

impl<'a> Payloads<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, open: None }
    }

    /// Reads one. Best in the order of the journal.
    pub(crate) fn read(&mut self, place: Place, bytes: u32) -> Result<Vec<u8>, DiskError> {
        let held = self.open.take().filter(|(segment, _)| *segment == place.segment);
        let file = match held {
            Some((_, file)) => file,
            None => self.disk.open(&Side::Journal.path(place.segment), Mode::Read)?,
        };
        let payload = read_payload(&*file, place, bytes)?;
        self.open = Some((place.segment, file));
        Ok(payload)
    }

    /// Reads one from the mirror.
    pub(crate) fn read_in_mirror(&self, place: Place, bytes: u32) -> Result<Vec<u8>, DiskError> {
        let file = self.disk.open(&Side::Mirror.path(place.segment), Mode::Read)?;
        read_payload(&*file, place, bytes)
    }
}

fn read_payload(file: &dyn File, place: Place, bytes: u32) -> Result<Vec<u8>, DiskError> {
    let mut payload = vec![0; bytes as usize];
    file.read_exact_at(place.offset, &mut payload)?;
    Ok(payload)
}

enum Step {
    Entry(Box<Entry>),
    End,
    /// There are bytes, but they are not the next record.
    Broken(JournalError),
}

/// Goes from record to record.
pub(super) struct Scan<'a> {
    disk: &'a dyn Disk,
    repository: RepositoryId,
    side: Side,
    /// The segment of the cursor, on that side.
    file: Option<Box<dyn File>>,
    /// Behind the last intact record.
    at: Replayed,
    /// Where the next byte is read. It stands in the next segment while `at` is still in the one before, because a
    /// segment without an intact record is not there.
    cursor: Place,
    buffer: Vec<u8>,
    /// Which bytes of the buffer are those of the segment from `cursor` on.
    held: Range<usize>,
    /// Which bytes of the buffer are the last intact record.
    record: Range<usize>,
    mended: Option<JournalError>,
}

impl<'a> Scan<'a> {
    pub(super) fn begin(disk: &'a dyn Disk, repository: RepositoryId, from: Replayed) -> Self {
        let mut scan = Self {
            disk,
            repository,
            side: Side::Journal,
            file: None,
            at: from,
            cursor: from.place,
            buffer: vec![0; READ_BYTES],
            held: 0..0,
            record: 0..0,
            mended: None,
        };
        scan.turn(Side::Journal);
        scan
    }

    /// Behind the last intact record.
    pub(super) fn at(&self) -> &Replayed {
        &self.at
    }

    /// The bytes of the last intact record. Right after it was read alone.
    pub(super) fn record(&self) -> &[u8] {
        &self.buffer[self.record.clone()]
    }

    /// The next record, of which it is known that it was acknowledged.
    pub(super) fn acknowledged(&mut self) -> Result<Entry, JournalError> {
        let error = match self.next() {
            Ok(Step::Entry(entry)) => return Ok(*entry),
            Ok(Step::End) => self.damaged("end: acknowledged records are missing"),
            Ok(Step::Broken(error)) | Err(error) => error,
        };
        self.in_mirror(error)
    }

    /// The next record as the mirror has it, or the error for which it is read there.
    fn in_mirror(&mut self, error: JournalError) -> Result<Entry, JournalError> {
        self.turn(Side::Mirror);
        let found = self.next();
        self.turn(Side::Journal);
        let Ok(Step::Entry(entry)) = found else { return Err(error) };
        self.mended.get_or_insert(error);
        Ok(*entry)
    }

    /// Goes on behind the last intact record, on that side.
    fn turn(&mut self, side: Side) {
        let Replayed { place, .. } = self.at;
        let is_first = self.at == Replayed::GENESIS;
        self.cursor = if is_first { Place { offset: 0, ..place } } else { place };
        (self.side, self.file, self.held) = (side, None, 0..0);
    }

    fn next(&mut self) -> Result<Step, JournalError> {
        if self.cursor.offset > 0 && self.ahead(1)?.is_empty() {
            let next = Place { segment: self.cursor.segment + 1, offset: 0 };
            if !self.disk.exists(&self.side.path(next.segment))? {
                return Ok(Step::End);
            }
            (self.file, self.cursor) = (None, next);
        }
        if self.cursor.offset == 0
            && let Some(error) = self.pass_header()?
        {
            return Ok(Step::Broken(error));
        }
        self.next_in_segment()
    }

    fn next_in_segment(&mut self) -> Result<Step, JournalError> {
        let (position, time) = (self.at.position, self.at.time);
        let header = self.ahead(record::HEADER_BYTES)?;
        if header.is_empty() {
            return Ok(Step::End);
        }
        let length = match Record::length(header) {
            Ok(length) => length,
            Err(malformed) => return Ok(Step::Broken(self.broken(malformed.into()))),
        };
        let bytes = self.ahead(length)?;
        let record = match Record::parse(bytes, &position, time) {
            Ok(record) => record,
            Err(error @ EventError::Malformed(_)) => return Ok(Step::Broken(self.broken(error))),
            Err(error) => return Err(self.broken(error)),
        };
        let Place { segment, offset } = self.cursor;
        let payload = Place { segment, offset: offset + record::HEADER_BYTES as u64 };
        let payload_bytes = u32::try_from(length - record::HEADER_BYTES - record::CHAIN_BYTES)
            .expect("the limit of a payload fits 32 bits");
        self.record = self.held.start..self.held.start + length;
        self.pass(length);
        self.at = Replayed { position: record.position, time: record.time, place: self.cursor };
        Ok(Step::Entry(Box::new(Entry { record, payload, payload_bytes })))
    }

    /// Reads the header of the segment; an error means that it is not the one that must follow here.
    fn pass_header(&mut self) -> Result<Option<JournalError>, JournalError> {
        self.held = 0..0;
        let previous = self.at.position;
        let wanted = SegmentHeader { repository: self.repository, number: self.cursor.segment, previous };
        let parsed = SegmentHeader::parse(self.ahead(segment::HEADER_BYTES)?);
        match parsed {
            Ok(header) if header == wanted => {
                self.pass(segment::HEADER_BYTES);
                Ok(None)
            }
            Ok(_) => Ok(Some(self.damaged("journal segment of another place"))),
            Err(error @ EventError::Malformed(_)) => Ok(Some(self.broken(error))),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The next `count` bytes, or fewer if the segment ends before.
    fn ahead(&mut self, count: usize) -> Result<&[u8], JournalError> {
        if self.held.len() < count {
            let held = self.held.len();
            if count > self.buffer.len() {
                let mut larger = vec![0; count.next_power_of_two()];
                larger[..held].copy_from_slice(&self.buffer[self.held.clone()]);
                self.buffer = larger;
            } else {
                self.buffer.copy_within(self.held.clone(), 0);
            }
            self.held = 0..held;
            let offset = self.cursor.offset + held as u64;
            let file = match self.file.take() {
                Some(file) => file,
                None => self.open()?,
            };
            let read = match file.read_at(offset, &mut self.buffer[held..]) {
                // Something behind may be what does not answer.
                Err(_) => file.read_at(offset, &mut self.buffer[held..count])?,
                read => read?,
            };
            self.file = Some(file);
            self.held = 0..held + read;
        }
        let held = &self.buffer[self.held.clone()];
        Ok(&held[..held.len().min(count)])
    }

    fn open(&self) -> Result<Box<dyn File>, DiskError> {
        let file = self.disk.open(&self.side.path(self.cursor.segment), Mode::Read)?;
        file.advise(Advice::Sequential);
        Ok(file)
    }

    fn pass(&mut self, count: usize) {
        self.held.start += count;
        self.cursor.offset += count as u64;
    }

    fn broken(&self, error: EventError) -> JournalError {
        error.placed(self.side.path(self.cursor.segment), self.cursor.offset)
    }

    fn damaged(&self, what: &'static str) -> JournalError {
        let path = self.side.path(self.cursor.segment);
        JournalError::Damaged { path, offset: self.cursor.offset, what }
    }
}
