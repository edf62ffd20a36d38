//! Packs that a collection writes ([`MovedPack`]): what survives of the packs that it empties.
//!
//! They lie beside those under construction, and nobody knows of what is in them before the journal does. Each is one
//! extent, and ended before it is journalled, so nothing is ever behind its end that a crash left.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;

use super::Store;
use super::error::StoreError;
use super::intake;
use super::persist::Persisted;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::journal::Event;
use crate::journal::StoredExtent;
use crate::limits::EXTENTS_PER_EVENT_MAX;
use crate::pack;
use crate::pack::PackHeader;
use crate::pack::PackWriter;

/// A pack of objects that lie elsewhere, too.
pub(crate) struct MovedPack {
    writer: PackWriter,
    objects: Vec<Moved>,
}

/// An object, and where in the pack its copy is.
struct Moved {
    id: ObjectId,
    bytes: u32,
    offset: u32,
}

impl MovedPack {
    /// Whether another object of that length has its place here.
    pub(crate) fn fits(&self, object: &[u8]) -> bool {
        self.writer.fits(u32::try_from(object.len()).expect("an object has a limit"))
    }

    /// How many objects there are in it.
    pub(crate) fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Adds the copy of an object.
    pub(crate) fn add(&mut self, id: &ObjectId, object: &[u8]) -> Result<(), DiskError> {
        let offset = self.writer.add(id, object)?;
        let bytes = u32::try_from(object.len()).expect("an object has a limit");
        self.objects.push(Moved { id: *id, bytes, offset });
        Ok(())
    }

    /// Ends it, with all its bytes durable.
    fn finish(mut self) -> Result<(StoredExtent, Vec<Moved>), DiskError> {
        let (pack, kind) = (*self.writer.id(), self.writer.kind());
        let extent = self.writer.close_extent()?.expect("a pack is begun for an object");
        self.writer.finish()?;
        Ok((StoredExtent { pack, kind, extent }, self.objects))
    }
}

impl Store {
    /// Begins a pack for copies of objects of that kind, the first of which has so many bytes.
    pub(crate) fn begin_moved(&self, kind: Kind, object_bytes: u32) -> Result<MovedPack, StoreError> {
        let writer = self.writer()?;
        let free_bytes = self.free_bytes()?;
        let parity = self.catalogue().settings().parity_thousandths;
        let room_bytes = intake::pack_room_bytes(&self.options, parity, object_bytes, free_bytes)
            .map_err(|needed_bytes| StoreError::Full { needed_bytes, free_bytes })?;
        let (pack, encoder) = {
            let mut intake = writer.intake();
            self.sweep_once(&mut intake)?;
            let pack = intake.next_id();
            intake.moving.insert(pack);
            (pack, intake.encoder(parity))
        };
        let begin = || {
            match self.disk.create_folder(&pack::folder(&pack)) {
                Ok(()) | Err(DiskError::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
            let file = self.disk.append(&pack::path(&pack), u64::from(room_bytes))?;
            PackWriter::begin(
                file,
                PackHeader { repository: self.parameters.repository, pack, kind },
                room_bytes,
                encoder,
            )
        };
        match begin() {
            Ok(writer) => Ok(MovedPack { writer, objects: Vec::new() }),
            Err(error) => {
                self.abandon_moved();
                Err(self.disk_error(error, self.options.reserve_bytes + u64::from(room_bytes)))
            }
        }
    }

    /// Gives all packs up that were begun and not stored.
    pub(crate) fn abandon_moved(&self) {
        let Ok(writer) = self.writer() else { return };
        let moving = std::mem::take(&mut writer.intake().moving);
        for pack in moving {
            // What stays is removed by the next one who sweeps.
            if let Err(error) = self.disk.remove(&pack::path(&pack)) {
                tracing::debug!(%error, "a pack that was given up stays for now");
            }
        }
    }

    /// Makes packs durable, and lets everybody find what is in them there.
    ///
    /// Their numbers are given while nobody can begin a pack, behind all packs that are under construction, which are ended
    /// with this: so the newest pack of a kind is the only one that a crash may find with a tail.
    /// Returns those numbers.
    pub(crate) fn store_moved(&self, packs: Vec<MovedPack>) -> Result<Range<u32>, StoreError> {
        let ids: Vec<PackId> = packs.iter().map(|pack| *pack.writer.id()).collect();
        let stored = self.try_store_moved(packs);
        match &stored {
            // Others may be under construction still.
            Ok(_) => self.writer()?.intake().moving.retain(|pack| !ids.contains(pack)),
            Err(_) => self.abandon_moved(),
        }
        stored
    }

    fn try_store_moved(&self, packs: Vec<MovedPack>) -> Result<Range<u32>, StoreError> {
        let needed_bytes = self.options.reserve_bytes;
        let finished: Result<Vec<_>, _> = packs.into_iter().map(MovedPack::finish).collect();
        let finished = finished.map_err(|error| self.disk_error(error, needed_bytes))?;
        if finished.is_empty() {
            return Ok(0..0);
        }
        let writer = self.writer()?;
        let folders: BTreeSet<_> = finished.iter().map(|(stored, _)| pack::folder(&stored.pack)).collect();
        for folder in folders.iter().map(|folder| folder.as_path()).chain([Path::new(pack::FOLDER)]) {
            self.disk.sync_folder(folder).map_err(|error| writer.poison(error))?;
        }

        let mut journal = writer.durable();
        self.writer()?;
        let count = u32::try_from(finished.len()).expect("a batch is small");
        let Persisted { stored, objects, first_number } =
            match self.persist_packs(writer, writer.moment(), count) {
                // Objects of others were given up, so there is nothing of them left that could fail.
                Err(StoreError::Full { .. } | StoreError::Lost) => {
                    self.persist_packs(writer, writer.moment(), count)?
                }
                persisted => persisted?,
            };
        let extents: Vec<StoredExtent> = finished.iter().map(|(stored, _)| *stored).collect();
        let moved =
            extents.chunks(EXTENTS_PER_EVENT_MAX).map(|some| Event::Stored { extents: some.to_vec() });
        let events: Vec<Event> = stored.into_iter().chain(moved).collect();
        let entries = self.persist_events(writer, &mut journal, &events)?;
        writer.objects_durable.store(objects, Ordering::SeqCst);
        self.learn(&journal, &entries)?;
        for (number, (stored, objects)) in (first_number..).zip(finished) {
            self.learn_moved(number, &stored, &objects);
        }
        self.settle_index();
        self.checkpoint_when_running(writer);
        Ok(first_number..first_number + count)
    }

    fn learn_moved(&self, number: u32, stored: &StoredExtent, objects: &[Moved]) {
        let known = self.catalogue().pack_number(&stored.pack);
        assert_eq!(known, Some(number), "a pack has the number of its first appearance in the journal");
        let at = |moved: &Moved| Spot { ordinal: number, offset: moved.offset, bytes: moved.bytes };
        let moved: Vec<_> = objects.iter().map(|moved| (moved.id, at(moved))).collect();
        self.lookup.moved(&moved, &self.catalogue);
    }
}
