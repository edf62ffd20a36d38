//! Adding to the journal ([`JournalWriter`]), in three steps whose order the store decides: write, sync, publish.

use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;

use super::FOLDER;
use super::event::Event;
use super::head::HeadFile;
use super::head::Heads;
use super::record;
use super::record::Record;
use super::replay::Entry;
use super::replay::Place;
use super::replay::Replayed;
use super::segment;
use super::segment::SegmentHeader;
use super::segment::segment_number;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;
use crate::limits::JOURNAL_SEGMENT_BYTES;

/// The one who adds to a journal.
pub(crate) struct JournalWriter {
    disk: Arc<dyn Disk>,
    repository: RepositoryId,
    segment_bytes: u64,
    head: HeadFile,
    file: Box<dyn File>,
    /// Behind the last published record.
    at: Replayed,
}

/// Records that were written, and are not published yet.
pub(crate) struct Written {
    pub(crate) entries: Vec<Entry>,
    /// A segment that the records begin.
    begun: Option<Box<dyn File>>,
    at: Replayed,
}

impl JournalWriter {
    /// Makes a journal that holds `events`, and syncs its files; their names are the caller's to sync.
    pub(crate) fn create(
        disk: &dyn Disk,
        repository: RepositoryId,
        events: &[Event],
        now: Time,
    ) -> Result<(), DiskError> {
        let (bytes, written) = encode(repository, Replayed::GENESIS, true, events, now);
        let file = disk.open(&segment::path(0), Mode::CreateNew)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        HeadFile::create(disk, &written.at.position)
    }

    /// Goes on behind what a replay found. Cuts a torn tail off, and writes the head again, so that what a dead
    /// process left in the memory of the system alone is durable before anything is said about it.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        repository: RepositoryId,
        segment_bytes: u64,
        heads: &Heads,
        at: Replayed,
    ) -> Result<(Self, u64), DiskError> {
        let cut = cut_behind(&*disk, at.place)?;
        let file = disk.open(&segment::path(at.place.segment), Mode::Write)?;
        let mut head = HeadFile::open(&*disk, heads)?;
        head.publish(&at.position)?;
        let segment_bytes = segment_bytes.min(JOURNAL_SEGMENT_BYTES);
        Ok((Self { disk, repository, segment_bytes, head, file, at }, cut))
    }

    /// Behind the last published record.
    pub(crate) fn at(&self) -> &Replayed {
        &self.at
    }

    /// Bytes that records of these events may take on the disk.
    pub(crate) fn room_bytes(events: &[Event]) -> u64 {
        let payloads: usize = events.iter().map(|event| event.encode().len()).sum();
        let around = segment::HEADER_BYTES + events.len() * (record::HEADER_BYTES + record::CHAIN_BYTES);
        (payloads + around) as u64
    }

    /// Writes the records of `events`. After an error nothing of them is there.
    ///
    /// # Errors
    /// The error of the write; and whether the half-written records could be taken back, without which the writer is
    /// of no use any more.
    pub(crate) fn write(&mut self, events: &[Event], now: Time) -> Result<Written, WriteError> {
        let begins = self.at.place.offset >= self.segment_bytes;
        let (bytes, mut written) = encode(self.repository, self.at, begins, events, now);
        let result = if begins {
            self.begin_segment(written.at.place.segment, &bytes).map(|file| written.begun = Some(file))
        } else {
            self.file.write_at(self.at.place.offset, &bytes)
        };
        match result {
            Ok(()) => Ok(written),
            Err(error) => match self.take_back(begins) {
                Ok(()) => Err(WriteError::TakenBack(error)),
                Err(worse) => Err(WriteError::Stuck(worse)),
            },
        }
    }

    /// Makes records durable.
    pub(crate) fn sync(&mut self, written: &Written) -> Result<(), DiskError> {
        match &written.begun {
            None => self.file.sync(),
            Some(file) => {
                file.sync()?;
                self.disk.sync_folder(Path::new(FOLDER))
            }
        }
    }

    /// Makes durable that records are durable. From then on they are acknowledged.
    pub(crate) fn publish(&mut self, written: Written) -> Result<Vec<Entry>, DiskError> {
        self.head.publish(&written.at.position)?;
        if let Some(file) = written.begun {
            self.file = file;
        }
        self.at = written.at;
        Ok(written.entries)
    }

    fn begin_segment(&self, number: u64, bytes: &[u8]) -> Result<Box<dyn File>, DiskError> {
        let file = self.disk.open(&segment::path(number), Mode::CreateNew)?;
        file.write_at(0, bytes)?;
        Ok(file)
    }

    fn take_back(&self, begun: bool) -> Result<(), DiskError> {
        if !begun {
            return self.file.truncate(self.at.place.offset);
        }
        let path = segment::path(self.at.place.segment + 1);
        if self.disk.exists(&path)? { self.disk.remove(&path) } else { Ok(()) }
    }
}

/// Why records were not written.
pub(crate) enum WriteError {
    /// The journal is as it was.
    TakenBack(DiskError),
    /// Nobody knows how it is.
    Stuck(DiskError),
}

/// The bytes of records, with the header of a new segment before them if they begin one, and where they will lie.
fn encode(
    repository: RepositoryId,
    from: Replayed,
    begins: bool,
    events: &[Event],
    now: Time,
) -> (Vec<u8>, Written) {
    let mut writer = Writer::new();
    let mut at = from;
    let genesis = from.position.sequence == 0;
    let start = if begins {
        at.place = Place { segment: from.place.segment + u64::from(!genesis), offset: 0 };
        let header = SegmentHeader { repository, number: at.place.segment, previous: from.position };
        writer.bytes(&header.encode());
        0
    } else {
        from.place.offset
    };
    at.time = at.time.max(now);
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        let payload_offset = start + (writer.len() + record::HEADER_BYTES) as u64;
        at.position = Record::write(&at.position, at.time, event, &mut writer);
        let end = start + writer.len() as u64;
        let payload_bytes = u32::try_from(end - payload_offset - record::CHAIN_BYTES as u64)
            .expect("the limit of a payload fits 32 bits");
        let payload = Place { segment: at.place.segment, offset: payload_offset };
        let record = Record { position: at.position, time: at.time, event: event.clone() };
        entries.push(Entry { record, payload, payload_bytes });
    }
    at.place.offset = start + writer.len() as u64;
    (writer.into_bytes(), Written { entries, begun: None, at })
}

/// Removes every byte of the journal behind `end`, durably; returns how many there were.
fn cut_behind(disk: &dyn Disk, end: Place) -> Result<u64, DiskError> {
    let mut cut = 0;
    let file = disk.open(&segment::path(end.segment), Mode::Write)?;
    let length = file.len()?;
    if length > end.offset {
        file.truncate(end.offset)?;
        file.sync()?;
        cut += length - end.offset;
    }
    let folder = Path::new(FOLDER);
    let numbers = disk.list(folder)?.into_iter().filter_map(|name| segment_number(&name));
    let later: Vec<u64> = numbers.filter(|number| *number > end.segment).collect();
    for number in &later {
        let path = segment::path(*number);
        cut += disk.open(&path, Mode::Read)?.len()?;
        disk.remove(&path)?;
    }
    if !later.is_empty() {
        disk.sync_folder(folder)?;
    }
    Ok(cut)
}
