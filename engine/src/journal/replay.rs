//! Reading the journal from front to back ([`replay()`]).
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

/// Shows every record behind `from` up to the head, in order. Where a slot of the head is bad, also those behind the
/// other one.
///
/// # Errors
/// [`JournalError::Damaged`] if a record up to the head is not there as it was written.
pub(crate) fn replay<E: From<JournalError>>(
    disk: &dyn Disk,
    repository: RepositoryId,
    heads: &Heads,
    from: Replayed,
    tail: Tail,
    show: &mut dyn FnMut(Entry) -> Result<(), E>,
) -> Result<Replayed, E> {
    let head = heads.newest()?;
    let mut scan = Scan::begin(disk, repository, from)?;
    while scan.at.position.sequence < head.sequence {
        match scan.next()? {
            Step::Entry(entry) => show(*entry)?,
            Step::End => return Err(scan.damaged("end: acknowledged records are missing").into()),
            Step::Broken(error) => return Err(error.into()),
        }
    }
    if scan.at.position.sequence == head.sequence && scan.at.position != head {
        let what = "slot of the head: it names another history";
        return Err(JournalError::Damaged { path: HEAD_PATH.into(), offset: 0, what }.into());
    }
    while heads.bad().is_some() {
        match scan.next()? {
            Step::Entry(entry) => show(*entry)?,
            Step::Broken(error) if tail == Tail::IsStill => return Err(error.into()),
            Step::Broken(_) | Step::End => break,
        }
    }
    Ok(scan.at)
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
            None => self.disk.open(&segment::path(place.segment), Mode::Read)?,
        };
        let mut payload = vec![0; bytes as usize];
        file.read_exact_at(place.offset, &mut payload)?;
        self.open = Some((place.segment, file));
        Ok(payload)
    }
}

enum Step {
    Entry(Box<Entry>),
    End,
    /// There are bytes, but they are not the next record.
    Broken(JournalError),
}

struct Scan<'a> {
    disk: &'a dyn Disk,
    repository: RepositoryId,
    file: Box<dyn File>,
    /// Behind the last intact record.
    at: Replayed,
    /// Where the next byte is read. It stands in the next segment while `at` is still in the one before, because a
    /// segment without an intact record is not there.
    cursor: Place,
    buffer: Vec<u8>,
    /// Which bytes of the buffer are those of the segment from `cursor` on.
    held: Range<usize>,
}

impl<'a> Scan<'a> {
    fn begin(disk: &'a dyn Disk, repository: RepositoryId, from: Replayed) -> Result<Self, JournalError> {
        let file = disk.open(&segment::path(from.place.segment), Mode::Read)?;
        file.advise(Advice::Sequential);
        let (buffer, held) = (vec![0; READ_BYTES], 0..0);
        let mut scan = Self { disk, repository, file, at: from, cursor: from.place, buffer, held };
        if from == Replayed::GENESIS {
            scan.cursor.offset = 0;
            if let Some(error) = scan.pass_header()? {
                return Err(error);
            }
        }
        Ok(scan)
    }

    fn next(&mut self) -> Result<Step, JournalError> {
        if self.ahead(1)?.is_empty() {
            let next = Place { segment: self.cursor.segment + 1, offset: 0 };
            let path = segment::path(next.segment);
            if !self.disk.exists(&path)? {
                return Ok(Step::End);
            }
            self.file = self.disk.open(&path, Mode::Read)?;
            self.file.advise(Advice::Sequential);
            self.cursor = next;
            if let Some(error) = self.pass_header()? {
                return Ok(Step::Broken(error));
            }
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
            let offset = self.cursor.offset + held as u64;
            let read = self.file.read_at(offset, &mut self.buffer[held..])?;
            self.held = 0..held + read;
        }
        let held = &self.buffer[self.held.clone()];
        Ok(&held[..held.len().min(count)])
    }

    fn pass(&mut self, count: usize) {
        self.held.start += count;
        self.cursor.offset += count as u64;
    }

    fn broken(&self, error: EventError) -> JournalError {
        error.placed(segment::path(self.cursor.segment), self.cursor.offset)
    }

    fn damaged(&self, what: &'static str) -> JournalError {
        let path = segment::path(self.cursor.segment);
        JournalError::Damaged { path, offset: self.cursor.offset, what }
    }
}
