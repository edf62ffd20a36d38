//! Reading objects: every one is verified in full before a byte of it is returned.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::object_id;

use super::Catalogue;
use super::Store;
use super::error::ObjectError;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use crate::disk::Advice;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::limits::OPEN_PACKS_MAX;
use crate::limits::READ_GAP_BYTES;
use crate::limits::READ_SPAN_BYTES;
use crate::pack::Entry;
use crate::pack::Extent;
use crate::pack::PackReader;
use crate::pack::RECORD_HEADER_BYTES;
use crate::pack::RecordHeader;

/// Where an object lies. Places order as a disk reads best: pack by pack, from front to back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The pack.
    pub pack: PackId,
    /// Of the object's record, in bytes from the start of the pack.
    pub offset: u32,
    /// Length of the object in bytes.
    pub bytes: u32,
}

/// Packs that are open for reading: the last ones that were used.
#[derive(Default)]
pub(super) struct PackReaders {
    /// By number; used last, stands last.
    open: Mutex<Vec<(u32, Arc<PackReader>)>>,
}

impl PackReaders {
    /// Closes packs that were removed, so that their room is free.
    pub(super) fn forget_removed(&self, catalogue: &Catalogue) {
        let mut readers = self.open.lock().expect("nothing panics while it holds the open packs");
        readers.retain(|(number, _)| catalogue.pack(*number).is_some());
    }

    fn get_or_open(
        &self,
        number: u32,
        open: impl FnOnce() -> Result<PackReader, StoreError>,
    ) -> Result<Arc<PackReader>, StoreError> {
        let mut readers = self.open.lock().expect("nothing panics while it holds the open packs");
        let reader = match readers.iter().position(|(held, _)| *held == number) {
            Some(at) => readers.remove(at).1,
            None => Arc::new(open()?),
        };
        if readers.len() >= OPEN_PACKS_MAX {
            readers.remove(0);
        }
        readers.push((number, Arc::clone(&reader)));
        Ok(reader)
    }
}

impl Store {
    /// Where the object lies.
    pub(crate) fn locate(&self, id: &ObjectId) -> Result<Option<Place>, StoreError> {
        let Some(Spot { ordinal, offset, bytes }) = self.find(id)? else { return Ok(None) };
        let known = self.catalogue().pack(ordinal).map(|pack| pack.id);
        let pack = match (known, &self.writer) {
            (None, Some(writer)) => writer.intake().pack(ordinal),
            (known, _) => known,
        };
        Ok(pack.map(|pack| Place { pack, offset, bytes }))
    }

    /// Of which kind the object is, where its pack says it already.
    pub(crate) fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, StoreError> {
        let spot = self.find(id)?;
        Ok(spot.and_then(|spot| self.catalogue().pack(spot.ordinal).map(|pack| pack.kind)))
    }

    /// Reads an object into `object`, whose former contents are lost.
    ///
    /// # Errors
    /// [`ObjectError::Tampered`] if other bytes lie in its place; they are not returned.
    pub(crate) fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), ObjectError> {
        match self.object_once(id, object) {
            // Somebody else may have moved it since this reader read the journal.
            Err(error) if self.writer.is_none() => {
                let caught_up = self.catch_up().map(|()| self.look_anew());
                if caught_up.is_ok() { self.object_once(id, object) } else { Err(error) }
            }
            read => read,
        }
    }

    fn object_once(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), ObjectError> {
        let io = |source| ObjectError::Io { id: *id, source };
        loop {
            let spot = self.find(id).map_err(io)?.ok_or(ObjectError::Missing { id: *id })?;
            let pack_bytes = self.catalogue().pack(spot.ordinal).map_or(0, |pack| pack.bytes);
            let durable = spot.offset < pack_bytes;
            if durable && end(&spot) > u64::from(pack_bytes) {
                return Err(self.tampered(id, &spot));
            }
            object.resize(spot.bytes as usize, 0);
            let read = match durable {
                true => self.read_durable(id, &spot, object).map(|()| true),
                false => self.read_back(&spot, object).map_err(|error| io(error.into())),
            };
            if !matches!(read, Ok(true)) && !self.catalogue().there(&spot) {
                // It was removed since the spot was looked up, and may lie elsewhere.
                continue;
            }
            let damaged = durable && (read.is_err() || object_id(object) != *id);
            if damaged && self.mend_object(id, &spot, object) {
                return Ok(());
            }
            if !read? {
                // The pack was ended, or given up, since the spot was looked up; in a moment the journal knows.
                std::thread::yield_now();
                continue;
            }
            if !damaged && (durable || object_id(object) == *id) {
                return Ok(());
            }
            object.clear();
            return Err(self.tampered(id, &spot));
        }
    }

    /// Reads objects whose places are known, neighbours with one read, and shows each with its index in `wanted`.
    /// Best in the order of places. `buffer` is reused.
    pub(crate) fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], ObjectError>),
    ) {
        let mut next = 0;
        while next < wanted.len() {
            let run = run_from(wanted, next);
            next = run.end;
            if let Err(Singly) = self.read_run(wanted, run.clone(), buffer, show) {
                for at in run {
                    let read = self.object(&wanted[at].0, buffer);
                    show(at, read.map(|()| &**buffer));
                }
            }
        }
    }

    /// The objects of an extent, as its summary lists them, which is read through parity if need be.
    ///
    /// # Errors
    /// If the summary is not what the journal says.
    pub(crate) fn summary(&self, number: u32, extent: &Extent) -> Result<Vec<Entry>, StoreError> {
        let read = self.reader(number).and_then(|reader| reader.summary(extent).map_err(StoreError::from));
        let mended = |error| self.mend_summary(number, extent).ok_or(error);
        Ok(read.or_else(mended)?.entries().collect())
    }

    /// The objects of an extent. Where its summary is damaged, those whose records still say what they are.
    pub(crate) fn extent_entries(&self, number: u32, extent: &Extent) -> Result<Vec<Entry>, StoreError> {
        let reader = match self.reader(number) {
            Ok(reader) => reader,
            Err(error @ StoreError::Damaged { .. }) => {
                self.suspect(number);
                // A writer says so once for all packs, and a reader when it misses something.
                tracing::debug!(%error, "a pack is missing, and its objects with it");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        match reader.summary(extent) {
            Ok(summary) => Ok(summary.entries().collect()),
            Err(error) => {
                if let Some(summary) = self.mend_summary(number, extent) {
                    return Ok(summary.entries().collect());
                }
                let error = StoreError::from(error);
                if !error.is_damage() {
                    return Err(error);
                }
                self.suspect(number);
                if !self.has_lost_of(number) {
                    tracing::warn!(%error, "an extent is read without its summary");
                }
                reader.salvage(extent).map_err(StoreError::from)
            }
        }
    }

    /// Whether a record of that object lies there.
    pub(crate) fn is_record(&self, id: &ObjectId, spot: &Spot) -> bool {
        let mut header = [0; RECORD_HEADER_BYTES as usize];
        let known = self.catalogue().pack(spot.ordinal).is_some();
        let reader = if known { self.reader(spot.ordinal).ok() } else { None };
        reader.is_some_and(|reader| {
            let read = reader.read(spot.offset, &mut header);
            let parsed = RecordHeader::parse(&header, reader.id(), spot.offset);
            read.is_ok() && parsed == Ok(RecordHeader { id: *id, bytes: spot.bytes })
        })
    }

    fn read_run(
        &self,
        wanted: &[(ObjectId, Place)],
        run: Range<usize>,
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], ObjectError>),
    ) -> Result<(), Singly> {
        let Some([(_, first), .., (_, last)] | [(_, first @ last)]) = wanted.get(run.clone()) else {
            return Err(Singly);
        };
        let number = self.catalogue().pack_number(&first.pack).ok_or(Singly)?;
        if self.catalogue().pack(number).is_none_or(|pack| end_of(last) > u64::from(pack.bytes)) {
            return Err(Singly);
        }
        buffer.resize(usize::try_from(end_of(last) - u64::from(first.offset)).map_err(|_| Singly)?, 0);
        let reader = self.reader(number).map_err(|_| Singly)?;
        reader.read(first.offset, buffer).map_err(|_| Singly)?;
        for at in run {
            let (id, place) = &wanted[at];
            let start = (place.offset - first.offset + RECORD_HEADER_BYTES) as usize;
            let object = &buffer[start..start + place.bytes as usize];
            if object_id(object) == *id {
                show(at, Ok(object));
                continue;
            }
            let mut again = Vec::new();
            let read = self.object(id, &mut again);
            show(at, read.map(|()| &*again));
        }
        Ok(())
    }

    fn read_durable(&self, id: &ObjectId, spot: &Spot, object: &mut [u8]) -> Result<(), ObjectError> {
        let read = self.reader(spot.ordinal).and_then(|reader| {
            let offset = spot.offset + RECORD_HEADER_BYTES;
            reader.read(offset, object).map_err(StoreError::from)
        });
        match read {
            Ok(()) => Ok(()),
            Err(StoreError::Damaged { .. }) => {
                self.suspect(spot.ordinal);
                Err(self.tampered(id, spot))
            }
            Err(source) => Err(ObjectError::Io { id: *id, source }),
        }
    }

    /// Reads from a pack under construction. False if it is no longer one.
    fn read_back(&self, spot: &Spot, object: &mut [u8]) -> Result<bool, DiskError> {
        match &self.writer {
            None => Ok(false),
            Some(writer) => writer.intake().read_back(spot, object),
        }
    }

    fn reader(&self, number: u32) -> Result<Arc<PackReader>, StoreError> {
        self.readers.get_or_open(number, || {
            let id = self.catalogue().pack(number).map(|pack| pack.id);
            let id = id.ok_or_else(|| layout::damaged(Name::Packs, "a pack that was removed"))?;
            PackReader::open(self.disk(), &id, Advice::Random).map_err(StoreError::from)
        })
    }

    fn tampered(&self, id: &ObjectId, spot: &Spot) -> ObjectError {
        let pack = self.catalogue().pack(spot.ordinal).map_or(PackId::from_bytes([0; 32]), |pack| pack.id);
        ObjectError::Tampered { id: *id, pack, offset: spot.offset }
    }
}

/// The objects cannot be read together.
struct Singly;

/// The places from `first` on that are read together: near one another in one pack, and not too many.
fn run_from(wanted: &[(ObjectId, Place)], first: usize) -> Range<usize> {
    let (_, begin) = wanted[first];
    let mut end = end_of(&begin);
    let mut last = first + 1;
    while let Some((_, place)) = wanted.get(last) {
        let gap = u64::from(place.offset).checked_sub(end);
        let near = gap.is_some_and(|gap| gap <= u64::from(READ_GAP_BYTES));
        let spanned = end_of(place).saturating_sub(u64::from(begin.offset));
        if place.pack != begin.pack || !near || spanned > u64::from(READ_SPAN_BYTES) {
            break;
        }
        end = end_of(place);
        last += 1;
    }
    first..last
}

/// First byte behind an object.
fn end_of(place: &Place) -> u64 {
    u64::from(place.offset) + u64::from(RECORD_HEADER_BYTES) + u64::from(place.bytes)
}

/// First byte behind what lies there.
pub(super) fn end(spot: &Spot) -> u64 {
    u64::from(spot.offset) + u64::from(RECORD_HEADER_BYTES) + u64::from(spot.bytes)
}
