//! Where objects are ([`Lookup`]): a table in memory in front of an index that may lag behind.
//!
//! The table holds every object that is not in the index: those of this run, and those of earlier runs that the
//! index lacks, read from the summaries of their extents. So RocksDB is opened only when an id is asked for that the
//! table does not have, and written only when the table has grown; in a small repository that is never. A
//! repository all of whose objects are in the table answers "surely new" from it alone.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;

use super::Store;
use super::catalogue::Catalogue;
use super::catalogue::ExtentAt;
use super::error::StoreError;
use super::options::IndexKind;
use crate::index::Files;
use crate::index::Index;
use crate::index::IndexError;
use crate::index::Live;
use crate::index::LivePacks;
use crate::index::Mark;
use crate::index::MemoryIndex;
use crate::index::RocksBuilder;
use crate::index::RocksIndex;
use crate::index::Spot;
use crate::limits::FOUND_OBJECTS_MAX;
use crate::limits::INDEX_LAG_OBJECTS_MAX;
use crate::limits::INDEX_RUN_OBJECTS;

mod scan;

/// Where objects are.
pub(super) struct Lookup {
    index: RwLock<State>,
    recent: RwLock<Recent>,
    /// What was found in the index, because nodes refer to the same objects again and again.
    found: RwLock<HashMap<ObjectId, Spot>>,
    /// The index gave a wrong answer: its files are not opened again before it is built anew.
    is_distrusted: AtomicBool,
    /// Packs of which the index may hold something.
    live: LivePacks,
    /// Why the index was not written.
    failure: Mutex<Option<IndexError>>,
}

/// What the index lacks.
struct Recent {
    spots: HashMap<ObjectId, Spot>,
    /// Where objects lay before that were put once more, until the new place is durable or given up. What is condemned is
    /// unknown to those who come later and known to those who came earlier, so it is put while it is there.
    shadowed: HashMap<ObjectId, Spot>,
    /// What journal records behind this one made durable is in `spots`; with 0 that is everything.
    behind: u64,
}

enum State {
    /// Nobody has asked yet.
    Unopened,
    /// There is none, and everything is in the table.
    Absent,
    Open {
        index: Box<dyn Index>,
        access: IndexAccess,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IndexAccess {
    Read,
    Write,
}

impl Lookup {
    /// For a repository of which this is known.
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let live = Live::new(catalogue.packs().map(|(number, _)| number), catalogue.next_number());
        Self {
            index: RwLock::new(State::Unopened),
            recent: RwLock::new(Recent {
                spots: HashMap::new(),
                shadowed: HashMap::new(),
                behind: catalogue.last_stored(),
            }),
            found: RwLock::default(),
            is_distrusted: AtomicBool::new(false),
            live: LivePacks::new(RwLock::new(live)),
            failure: Mutex::new(None),
        }
    }

    /// Forgets packs that were removed.
    pub(super) fn forget_removed(&self, catalogue: &Catalogue) {
        let mut live = self.live.write().expect(UNBROKEN);
        live.retain(|number| catalogue.pack(number).is_some());
    }

    /// Remembers where a new object is.
    pub(super) fn insert(&self, id: &ObjectId, spot: Spot) {
        let recent = &mut *self.recent_mut();
        if let Some(before) = recent.spots.insert(*id, spot) {
            recent.shadowed.insert(*id, before);
        }
    }

    /// Takes in that objects have another place, which the catalogue knows. What somebody has put once more, and is not
    /// durable yet, comes behind that in the journal, and so it does here.
    pub(super) fn moved(&self, objects: &[(ObjectId, Spot)], catalogue: &RwLock<Catalogue>) {
        let recent = &mut *self.recent_mut();
        let catalogue = catalogue.read().expect(UNBROKEN);
        for (id, to) in objects {
            if recent.spots.get(id).is_some_and(|spot| !catalogue.is_durable(spot) && catalogue.there(spot)) {
                recent.shadowed.insert(*id, *to);
            } else {
                recent.shadowed.remove(id);
                recent.spots.insert(*id, *to);
            }
        }
    }

    /// Looks into the table alone.
    pub(super) fn recent_spot(&self, id: &ObjectId) -> Option<Spot> {
        self.recent().spots.get(id).copied()
    }

    /// Where an object lay before it was put once more, if that was remembered.
    fn shadowed(&self, id: &ObjectId) -> Option<Spot> {
        self.recent().shadowed.get(id).copied()
    }

    /// The outer nothing: the table does not know, but somebody else may.
    fn surely(&self, id: &ObjectId) -> Option<Option<Spot>> {
        let recent = self.recent();
        let spot = recent.spots.get(id).copied();
        (spot.is_some() || recent.behind == 0).then_some(spot)
    }

    fn remember(&self, id: &ObjectId, spot: Spot) {
        let mut found = self.found.write().expect(UNBROKEN);
        if found.len() >= FOUND_OBJECTS_MAX {
            found.clear();
        }
        found.insert(*id, spot);
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().expect(UNBROKEN)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().expect(UNBROKEN)
    }

    fn index(&self) -> RwLockReadGuard<'_, State> {
        self.index.read().expect(UNBROKEN)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.index.write().expect(UNBROKEN)
    }
}

const UNBROKEN: &str = "nothing panics while it holds a table";

impl Store {
    /// Where the object is, be it durable or not.
    pub(crate) fn find(&self, id: &ObjectId) -> Result<Option<Spot>, StoreError> {
        let mut before = None;
        loop {
            let noted = self.find_noted(id)?;
            match noted.filter(|spot| !self.catalogue().there(spot)) {
                // It may have been moved, and its old place removed, between two looks.
                Some(spot) if before != Some(spot) => before = Some(spot),
                Some(_) => return Ok(None),
                None => return Ok(noted),
            }
        }
    }

    /// Where the object lies that is durable. It may be that somebody has put it once more, and not durably yet.
    pub(crate) fn find_durable(&self, id: &ObjectId) -> Result<Option<Spot>, StoreError> {
        let is_durable = |spot: &Spot| self.catalogue().is_durable(spot);
        let found = self.find_noted(id)?.filter(is_durable);
        if found.is_some() || self.lookup.recent_spot(id).is_none() {
            return Ok(found);
        }
        match self.lookup.shadowed(id) {
            Some(spot) => Ok(Some(spot).filter(is_durable)),
            None => Ok(self.find_settled(id)?.filter(is_durable)),
        }
    }

    /// Where the index has the object.
    fn find_settled(&self, id: &ObjectId) -> Result<Option<Spot>, StoreError> {
        self.prepare_index()?;
        match &*self.lookup.index() {
            State::Open { index, .. } => Ok(index.find(id)?),
            State::Unopened | State::Absent => Ok(None),
        }
    }

    /// Where the object was noted last. Nothing is taken out of an index, so it may not be there any more.
    fn find_noted(&self, id: &ObjectId) -> Result<Option<Spot>, StoreError> {
        let lookup = &self.lookup;
        if let Some(known) = lookup.surely(id) {
            return Ok(known);
        }
        if let Some(spot) = lookup.found.read().expect(UNBROKEN).get(id) {
            return Ok(Some(*spot));
        }
        loop {
            match &*lookup.index() {
                State::Unopened => {}
                State::Absent => return Ok(lookup.recent_spot(id)),
                State::Open { index, .. } => match index.find(id) {
                    Ok(Some(spot)) => {
                        lookup.remember(id, spot);
                        return Ok(Some(spot));
                    }
                    Ok(None) => return Ok(lookup.recent_spot(id)),
                    Err(error) if lookup.is_distrusted.load(Ordering::SeqCst) => return Err(error.into()),
                    Err(error) => {
                        tracing::warn!(%error, "the index is built anew");
                        lookup.is_distrusted.store(true, Ordering::SeqCst);
                    }
                },
            }
            self.prepare_index()?;
        }
    }

    /// Builds the index anew from the packs alone, and makes it complete.
    pub(crate) fn rebuild_index(&self) -> Result<(), StoreError> {
        let _durable = self.writer()?.durable();
        let mut state = self.lookup.index_mut();
        *state = State::Unopened;
        let upto = self.catalogue().last_stored();
        let index = self.build_index(upto, self.index_path(), Files::Stay)?;
        self.settled(upto);
        *state = State::Open { index, access: IndexAccess::Write };
        Ok(())
    }

    /// Bytes that the index takes on the disk.
    pub(super) fn index_bytes(&self) -> u64 {
        match &self.options.index {
            IndexKind::Memory => 0,
            IndexKind::Rocks(path) => RocksIndex::disk_bytes(path),
        }
    }

    /// Forgets objects that are not durable.
    pub(super) fn forget_recent(&self) {
        let recent = &mut *self.lookup.recent_mut();
        let catalogue = self.catalogue();
        recent.spots.retain(|_, spot| catalogue.is_durable(spot));
        for (id, spot) in recent.shadowed.drain().filter(|(_, spot)| catalogue.is_durable(spot)) {
            recent.spots.entry(id).or_insert(spot);
        }
    }

    /// Forgets where everything is, so that it is looked up anew in view of what the catalogue knows now. For readers, who
    /// have put nothing.
    pub(super) fn look_anew(&self) {
        let mut state = self.lookup.index_mut();
        *state = State::Unopened;
        let mut recent = self.lookup.recent_mut();
        recent.spots.clear();
        recent.behind = self.catalogue().last_stored();
        self.lookup.found.write().expect(UNBROKEN).clear();
    }

    /// Refuses to let the table grow beyond all bounds when the index cannot be written.
    pub(super) fn expect_index_room(&self) -> Result<(), StoreError> {
        let failure = self.lookup.failure.lock().expect(UNBROKEN);
        match &*failure {
            Some(error) if self.lookup.recent().spots.len() as u64 > INDEX_LAG_OBJECTS_MAX => {
                Err(error.clone().into())
            }
            _ => Ok(()),
        }
    }

    /// Writes the table into the index when it has grown. What cannot be written stays in the table: the index is
    /// derived, and nothing that was acknowledged waits for it.
    pub(super) fn settle_index(&self) {
        let behind = self.lookup.recent().behind;
        let (objects, extents) = lag(self.catalogue().extents_behind(behind));
        let small = objects <= self.options.index_lag_objects && extents <= self.options.index_lag_extents;
        if small {
            return;
        }
        let written = self.write_index();
        if let Err(error) = &written {
            tracing::warn!(%error, "the index was not written and stays behind");
        }
        let failure = written.err().and_then(|error| match error {
            StoreError::Index(error) => Some(error),
            _ => None,
        });
        *self.lookup.failure.lock().expect(UNBROKEN) = failure;
    }

    fn write_index(&self) -> Result<(), StoreError> {
        let mut state = loop {
            self.prepare_index()?;
            let state = self.lookup.index_mut();
            if !matches!(*state, State::Unopened) {
                break state;
            }
        };
        let upto = self.catalogue().last_stored();
        let mark = self.catalogue().mark(upto).expect("the last record that stored something is known");
        let mut entries: Vec<(ObjectId, Spot)> = {
            let recent = self.lookup.recent();
            let catalogue = self.catalogue();
            let noted = recent.shadowed.iter().chain(&recent.spots);
            let durable: HashMap<_, _> = noted.filter(|(_, spot)| catalogue.is_durable(spot)).collect();
            durable.into_iter().map(|(id, spot)| (*id, *spot)).collect()
        };
        entries.sort_unstable();
        // An index that fails while it is written is opened anew by the next one who needs it.
        let index = match std::mem::replace(&mut *state, State::Unopened) {
            State::Open { index, access: IndexAccess::Write } => index,
            State::Open { index, access: IndexAccess::Read } => {
                drop(index);
                self.open_index_to_write()?
            }
            // Everything is in the table. Files that may lie there belong to another history.
            State::Absent | State::Unopened => {
                self.begin_build(self.index_path(), Files::Stay)?.finish(None)?
            }
        };
        index.apply(&entries, Some(mark))?;
        self.settled(upto);
        *state = State::Open { index, access: IndexAccess::Write };
        Ok(())
    }

    /// Notes that the index holds what was stored up to that record. What is in it now goes on being remembered for a
    /// while, since the nodes over new objects come soon after them.
    fn settled(&self, upto: u64) {
        let mut recent = self.lookup.recent_mut();
        let catalogue = self.catalogue();
        let (settled, going_on) =
            std::mem::take(&mut recent.spots).into_iter().partition(|(_, spot)| catalogue.is_durable(spot));
        recent.spots = going_on;
        // What was removed meanwhile is neither durable nor going on.
        recent.spots.retain(|_, spot| catalogue.there(spot));
        recent.shadowed.clear();
        recent.behind = upto;
        *self.lookup.found.write().expect(UNBROKEN) = settled;
        self.lookup.is_distrusted.store(false, Ordering::SeqCst);
    }

    /// Makes index and table complete together.
    fn prepare_index(&self) -> Result<(), StoreError> {
        let mut state = self.lookup.index_mut();
        let distrusted = self.lookup.is_distrusted.load(Ordering::SeqCst);
        if !matches!(*state, State::Unopened) && !distrusted {
            return Ok(());
        }
        *state = State::Unopened;
        let existing = if distrusted { None } else { self.open_index_to_read() };
        let covered = existing.as_ref().map_or(0, |(_, covered)| *covered);
        let end = match self.writer {
            Some(_) => self.lookup.recent().behind,
            None => self.catalogue().last_stored(),
        };
        let missing = covered..end.max(covered);
        let (objects, extents) = lag(&self.extents_of(&missing));
        if objects <= self.options.index_lag_objects && extents <= self.options.index_lag_extents {
            self.load(&missing)?;
            self.lookup.is_distrusted.store(false, Ordering::SeqCst);
            *state = match existing {
                Some((index, _)) => State::Open { index, access: IndexAccess::Read },
                None => State::Absent,
            };
            return Ok(());
        }
        let index = match (existing, &self.writer) {
            (Some((index, _)), Some(_)) => {
                drop(index);
                let index = self.open_index_to_write()?;
                self.add_extents(&missing, &mut |run, mark| {
                    index.apply(run, mark)?;
                    run.clear();
                    Ok(())
                })?;
                index
            }
            (_, Some(_)) => self.build_index(end, self.index_path(), Files::Stay)?,
            (_, None) => {
                self.build_index(end, self.private_index_path().as_deref(), Files::GoWithTheIndex)?
            }
        };
        self.lookup.recent_mut().behind = end;
        self.lookup.is_distrusted.store(false, Ordering::SeqCst);
        *state = State::Open { index, access: IndexAccess::Write };
        Ok(())
    }

    /// Opens the index that is there, if it belongs to this history, and says up to which record it holds what was
    /// stored.
    fn open_index_to_read(&self) -> Option<(Box<dyn Index>, u64)> {
        let path = self.index_path().filter(|path| RocksIndex::exists(path))?;
        let opened = RocksIndex::open_to_read(path).and_then(|index| Ok((index.mark()?, index)));
        let (mark, index) = match opened {
            Ok((mark, index)) => (mark?, index),
            Err(error) => {
                tracing::warn!(%error, "the index does not open and is not used");
                return None;
            }
        };
        if self.writer.is_none() && self.catalogue().is_ahead(mark) {
            self.catch_up().ok()?;
        }
        let covered = self.catalogue().covered(mark)?;
        Some((Box::new(index), covered))
    }

    fn open_index_to_write(&self) -> Result<Box<dyn Index>, StoreError> {
        let path = self.index_path().expect("an index that was opened to be read has a path");
        Ok(Box::new(RocksIndex::open_to_write(path, &self.lookup.live)?))
    }

    /// Extents that records behind the start, up to the end, made durable.
    fn extents_of(&self, records: &Range<u64>) -> Vec<ExtentAt> {
        let catalogue = self.catalogue();
        let extents = catalogue.extents_behind(records.start).iter();
        extents.take_while(|at| at.sequence <= records.end).copied().collect()
    }

    /// Reads the objects of those extents into the table. What the table has already is newer.
    fn load(&self, records: &Range<u64>) -> Result<(), StoreError> {
        let mut loaded = HashMap::new();
        self.add_extents(records, &mut |run, _| {
            loaded.extend(run.drain(..));
            Ok(())
        })?;
        let mut recent = self.lookup.recent_mut();
        for (id, spot) in loaded {
            recent.spots.entry(id).or_insert(spot);
        }
        recent.behind = recent.behind.min(records.start);
        Ok(())
    }

    fn begin_build(&self, path: Option<&Path>, files: Files) -> Result<Build, IndexError> {
        match path {
            Some(path) => RocksBuilder::begin(path, files, &self.lookup.live).map(Build::Rocks),
            None => Ok(Build::Memory(MemoryIndex::default())),
        }
    }

    fn build_index(
        &self,
        upto: u64,
        path: Option<&Path>,
        files: Files,
    ) -> Result<Box<dyn Index>, StoreError> {
        let mut build = self.begin_build(path, files)?;
        self.add_extents(&(0..upto), &mut |run, _| build.add(run))?;
        Ok(build.finish(self.catalogue().mark(upto))?)
    }

    /// Shows the objects of those extents that are there in runs, which are emptied, each with the mark that an index has
    /// which ends with it.
    fn add_extents(
        &self,
        records: &Range<u64>,
        add: &mut dyn FnMut(&mut Vec<(ObjectId, Spot)>, Option<Mark>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut run = Vec::new();
        let mut extents = self.extents_of(records).into_iter().peekable();
        while let Some(ExtentAt { pack, extent, sequence }) = extents.next() {
            // It was removed since.
            let Some(pack_at) = self.catalogue().pack(pack).cloned() else { continue };
            let entries = self.extent_entries(pack, &extent)?;
            let there = entries.into_iter().filter(|entry| !pack_at.has_lost(entry.offset));
            run.extend(
                there.map(|entry| {
                    (entry.id, Spot { ordinal: pack, offset: entry.offset, bytes: entry.bytes })
                }),
            );
            if run.len() >= INDEX_RUN_OBJECTS {
                let ends_record = extents.peek().is_none_or(|next| next.sequence != sequence);
                add(&mut run, if ends_record { self.catalogue().mark(sequence) } else { None })?;
            }
        }
        add(&mut run, self.catalogue().mark(records.end))
    }

    fn index_path(&self) -> Option<&Path> {
        match &self.options.index {
            IndexKind::Rocks(path) => Some(path),
            IndexKind::Memory => None,
        }
    }

    /// Where a reader builds an index of its own, when the shared one cannot be used and the table would grow too
    /// large.
    fn private_index_path(&self) -> Option<PathBuf> {
        let name = format!("farkeep-index-{}", blake3::hash(&self.options.seed).to_hex());
        self.index_path().map(|_| std::env::temp_dir().join(name))
    }
}

/// An index that is being built.
enum Build {
    Rocks(RocksBuilder),
    Memory(MemoryIndex),
}

impl Build {
    fn add(&mut self, run: &mut Vec<(ObjectId, Spot)>) -> Result<(), StoreError> {
        match self {
            Self::Rocks(builder) => Ok(builder.add(run)?),
            Self::Memory(index) => {
                index.add(run);
                run.clear();
                Ok(())
            }
        }
    }

    fn finish(self, mark: Option<Mark>) -> Result<Box<dyn Index>, IndexError> {
        match self {
            Self::Rocks(builder) => Ok(Box::new(builder.finish(mark)?)),
            Self::Memory(index) => Ok(Box::new(index)),
        }
    }
}

/// Objects and extents, counted.
fn lag(extents: &[ExtentAt]) -> (u64, u64) {
    let objects = extents.iter().map(|at| u64::from(at.extent.objects)).sum();
    (objects, extents.len() as u64)
}
