//! Adding to the journal ([`JournalWriter`]), in three steps whose order the store decides: write, sync, publish. Each step is
//! for the journal and its mirror alike.

use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;

use super::FOLDER;
use super::JournalError;
use super::event::Event;
use super::head::HeadFile;
use super::head::Heads;
use super::mend::mend;
use super::record;
use super::record::Record;
use super::replay::Entry;
use super::replay::Place;
use super::replay::Replay;
use super::replay::Replayed;
use super::segment;
use super::segment::SegmentHeader;
use super::segment::segment_number;
use super::side::Side;
use super::side::make_mirror_of;
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
    /// The segment that grows: of the journal, and of the mirror, unless that could not be put in order.
    grown: Vec<Grown>,
    /// Behind the last published record.
    at: Replayed,
}

/// A segment that grows, on one side.
struct Grown {
    side: Side,
    file: Box<dyn File>,
}

/// What an opening put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Resumed {
    /// Bytes behind the end, which are gone.
    pub(crate) bytes_cut: u64,
    /// Segments of either side that were written again.
    pub(crate) segments_mended: u64,
}

/// Records that were written, and are not published yet.
pub(crate) struct Written {
    pub(crate) entries: Vec<Entry>,
    /// A segment that the records begin.
    begun: Vec<Grown>,
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
        for side in [Side::Journal, Side::Mirror] {
            let file = disk.open(&side.path(0), Mode::CreateNew)?;
            file.write_at(0, &bytes)?;
            file.sync()?;
        }
        HeadFile::create(disk, &written.at.position)
    }

    /// Goes on behind what a replay found. Cuts a torn tail off, writes what was damaged again, and writes the head again,
    /// so that what a dead process left in the memory of the system alone is durable before anything is said about it.
    ///
    /// A mirror that cannot be put in order is not written any more; the next opening tries it again.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        repository: RepositoryId,
        segment_bytes: u64,
        heads: &Heads,
        replay: &Replay,
    ) -> Result<(Self, Resumed), JournalError> {
        let at = replay.at;
        let mut resumed =
            Resumed { bytes_cut: cut_behind(&*disk, Side::Journal, at.place)?, segments_mended: 0 };
        if replay.mended.is_some() {
            resumed.segments_mended += mend(&*disk, repository, &at, Side::Journal)?;
        }
        match resume_mirror(&*disk, repository, &at) {
            Ok(mended) => resumed.segments_mended += mended,
            Err(error) => tracing::warn!(%error, "the mirror of the journal cannot be put in order"),
        }
        let mut head = HeadFile::open(&*disk, heads)?;
        head.publish(&at.position)?;
        let segment_bytes = segment_bytes.min(JOURNAL_SEGMENT_BYTES);
        let grown = open(&*disk, at.place)?;
        Ok((Self { disk, repository, segment_bytes, head, grown, at }, resumed))
    }

    /// Writes again what is not as it was written, on both sides. Returns how many segments that were. Whatever comes of it,
    /// the writer is of no use before it was [reopened](Self::reopen).
    pub(crate) fn mend(&mut self) -> Result<u64, JournalError> {
        let disk = &*self.disk;
        make_mirror_of(disk, Path::new(FOLDER))?;
        let mended = mend(disk, self.repository, &self.at, Side::Journal)?;
        cut_behind(disk, Side::Mirror, self.at.place)?;
        Ok(mended + mend(disk, self.repository, &self.at, Side::Mirror)?)
    }

    /// Opens the files again in which the journal goes on.
    pub(crate) fn reopen(&mut self) -> Result<(), DiskError> {
        self.grown = open(&*self.disk, self.at.place)?;
        Ok(())
    }

    /// Behind the last published record.
    pub(crate) fn at(&self) -> &Replayed {
        &self.at
    }

    /// Bytes that records of these events may take on the disk.
    pub(crate) fn room_bytes(events: &[Event]) -> u64 {
        let payloads: usize = events.iter().map(|event| event.encode().len()).sum();
        let around = segment::HEADER_BYTES + events.len() * (record::HEADER_BYTES + record::CHAIN_BYTES);
        2 * (payloads + around) as u64
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
            self.begin_segment(written.at.place.segment, &bytes).map(|begun| written.begun = begun)
        } else {
            self.grown.iter().try_for_each(|grown| grown.file.write_at(self.at.place.offset, &bytes))
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
        if written.begun.is_empty() {
            return self.grown.iter().try_for_each(|grown| grown.file.sync());
        }
        written.begun.iter().try_for_each(|begun| {
            begun.file.sync()?;
            self.disk.sync_folder(&begun.side.folder())
        })
    }

    /// Makes durable that records are durable. From then on they are acknowledged.
    pub(crate) fn publish(&mut self, written: Written) -> Result<Vec<Entry>, DiskError> {
        self.head.publish(&written.at.position)?;
        if !written.begun.is_empty() {
            self.grown = written.begun;
        }
        self.at = written.at;
        Ok(written.entries)
    }

    fn begin_segment(&self, number: u64, bytes: &[u8]) -> Result<Vec<Grown>, DiskError> {
        let begin = |Grown { side, .. }: &Grown| {
            let file = self.disk.open(&side.path(number), Mode::CreateNew)?;
            file.write_at(0, bytes)?;
            Ok(Grown { side: *side, file })
        };
        self.grown.iter().map(begin).collect()
    }

    fn take_back(&self, begun: bool) -> Result<(), DiskError> {
        for Grown { side, file } in &self.grown {
            let path = side.path(self.at.place.segment + 1);
            if !begun {
                file.truncate(self.at.place.offset)?;
            } else if self.disk.exists(&path)? {
                self.disk.remove(&path)?;
            }
        }
        Ok(())
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
    (writer.into_bytes(), Written { entries, begun: Vec::new(), at })
}

/// The segment that grows, on both sides; on that of the journal alone if the mirror does not reach as far.
fn open(disk: &dyn Disk, end: Place) -> Result<Vec<Grown>, DiskError> {
    let file = disk.open(&Side::Journal.path(end.segment), Mode::Write)?;
    let mut grown = vec![Grown { side: Side::Journal, file }];
    let mirror = disk.open(&Side::Mirror.path(end.segment), Mode::Write);
    if let Ok(file) = mirror
        && file.len()? == end.offset
    {
        grown.push(Grown { side: Side::Mirror, file });
    }
    Ok(grown)
}

/// Has the mirror end where the journal ends, and writes what either lacks; returns how many segments were written. Whether
/// they say the same a scrub compares.
fn resume_mirror(disk: &dyn Disk, repository: RepositoryId, end: &Replayed) -> Result<u64, JournalError> {
    make_mirror_of(disk, Path::new(FOLDER))?;
    cut_behind(disk, Side::Mirror, end.place)?;
    for number in 0..=end.place.segment {
        if length(disk, Side::Mirror, number)? != length(disk, Side::Journal, number)? {
            let mended = mend(disk, repository, end, Side::Journal)?;
            return Ok(mended + mend(disk, repository, end, Side::Mirror)?);
        }
    }
    Ok(0)
}

fn length(disk: &dyn Disk, side: Side, number: u64) -> Result<Option<u64>, DiskError> {
    match disk.length(&side.path(number)) {
        Err(DiskError::NotFound { .. }) => Ok(None),
        length => length.map(Some),
    }
}

/// Removes every byte of one side behind `end`, durably; returns how many there were.
fn cut_behind(disk: &dyn Disk, side: Side, end: Place) -> Result<u64, DiskError> {
    let mut cut = 0;
    let path = side.path(end.segment);
    let bytes = length(disk, side, end.segment)?.unwrap_or_default();
    if bytes > end.offset {
        let file = disk.open(&path, Mode::Write)?;
        file.truncate(end.offset)?;
        file.sync()?;
        cut += bytes - end.offset;
    }
    let folder = side.folder();
    let numbers = disk.list(&folder)?.into_iter().filter_map(|name| segment_number(&name));
    let later: Vec<u64> = numbers.filter(|number| *number > end.segment).collect();
    for number in &later {
        let path = side.path(*number);
        cut += disk.open(&path, Mode::Read)?.len()?;
        disk.remove(&path)?;
    }
    if !later.is_empty() {
        disk.sync_folder(&folder)?;
    }
    Ok(cut)
}
