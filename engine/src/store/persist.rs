//! The order of durability, and what happens when a step of it fails.

use std::path::Path;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::Catalogue;
use super::Store;
use super::Writer;
use super::error::StoreError;
use super::intake::Intake;
use super::recover;
use crate::disk::Act;
use crate::disk::DiskError;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::JournalWriter;
use crate::journal::WriteError;
use crate::limits::PACK_ROOM_BYTES_MIN;

/// A moment in the life of a store that is open for writing: what was put before it is there, or was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// How often objects that were not durable yet were given up before. Who checked that an object is there finds
    /// out by it whether it still is.
    pub(super) generation: u64,
    /// How many objects were put before.
    pub(super) objects: u64,
}

/// What became of the packs under construction.
pub(super) struct Persisted {
    /// The event that says what is durable, if anything is now that was not before.
    pub(super) stored: Option<Event>,
    /// How many objects are durable with it.
    pub(super) objects: u64,
    /// The first of the numbers that were given away.
    pub(super) first_number: u32,
}

impl Moment {
    /// The moment up to which things were looked at that began to be looked at here.
    pub(crate) fn until(self, end: Self) -> Self {
        Self { generation: self.generation, objects: end.objects }
    }
}

impl Store {
    /// Now.
    pub(crate) fn moment(&self) -> Result<Moment, StoreError> {
        Ok(self.writer()?.moment())
    }

    /// Makes durable what was put before. Whoever comes while another one does this waits, and finds it done.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let before = self.moment()?;
        self.persist(before, |_| Ok(None::<Event>)).map(|_: Vec<Entry>| ())
    }

    /// How often objects that were not durable yet were given up, by whichever call failed.
    pub(crate) fn losses(&self) -> Result<u64, StoreError> {
        Ok(self.moment()?.generation)
    }

    /// Makes durable what was put before that moment and, after it, the events that `decide` finds right in view of
    /// all events before, all of them or none. Returns what was added to the journal.
    ///
    /// The order: bytes of packs, names of packs, journal record, head. Nothing is acknowledged before the last.
    pub(crate) fn persist<E: From<StoreError>, I: IntoIterator<Item = Event>>(
        &self,
        before: Moment,
        decide: impl FnOnce(&Catalogue) -> Result<I, E>,
    ) -> Result<Vec<Entry>, E> {
        let writer = self.writer()?;
        let mut journal = writer.durable();
        self.writer()?;
        let decided = decide(&self.catalogue())?;

        let Persisted { stored, objects, .. } = self.persist_packs(writer, before, 0)?;
        let events: Vec<Event> = stored.into_iter().chain(decided).collect();
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.persist_events(writer, &mut journal, &events)?;
        writer.objects_durable.store(objects, Ordering::SeqCst);
        self.learn(&journal, &entries)?;
        self.settle_index();
        self.checkpoint_when_running(writer);
        Ok(entries)
    }

    /// Closes the extents of all packs, and makes their bytes and their names durable. With `numbers` to give away the
    /// packs are ended, too, so that what gets them stands behind in the journal.
    pub(super) fn persist_packs(
        &self,
        writer: &Writer,
        before: Moment,
        numbers: u32,
    ) -> Result<Persisted, StoreError> {
        let mut intake = writer.intake();
        let now = writer.moment();
        if now.generation != before.generation {
            return Err(StoreError::Lost);
        }
        let durable = writer.objects_durable.load(Ordering::SeqCst);
        if durable >= before.objects && intake.failed.is_none() && numbers == 0 {
            return Ok(Persisted { stored: None, objects: durable, first_number: 0 });
        }
        if let Some(error) = intake.failed.take() {
            return Err(self.fail(writer, &mut intake, error));
        }
        let extents = match intake.close_extents() {
            Ok(extents) => extents,
            Err(error) => return Err(self.fail(writer, &mut intake, error)),
        };
        if extents.is_empty() && numbers == 0 {
            return Ok(Persisted { stored: None, objects: durable, first_number: 0 });
        }
        let first_number = if numbers == 0 { 0 } else { intake.end_packs(numbers) };
        if let Err(error) = intake.sync() {
            return Err(self.fail(writer, &mut intake, error));
        }
        let new_names = intake.take_new_names();
        drop(intake);
        for folder in new_names {
            self.disk.sync_folder(&folder).map_err(|error| writer.poison(error))?;
        }
        let stored = (!extents.is_empty()).then_some(Event::Stored { extents });
        Ok(Persisted { stored, objects: now.objects, first_number })
    }

    /// Adds the events to the journal, and acknowledges them.
    pub(super) fn persist_events(
        &self,
        writer: &Writer,
        journal: &mut MutexGuard<'_, JournalWriter>,
        events: &[Event],
    ) -> Result<Vec<Entry>, StoreError> {
        let needed_bytes = JournalWriter::room_bytes(events);
        let mut free_bytes = self.free_bytes()?;
        if free_bytes < needed_bytes && self.drop_ballast(events) {
            free_bytes = self.free_bytes()?;
        }
        let written = if free_bytes < needed_bytes {
            Err(StoreError::Full { needed_bytes, free_bytes })
        } else {
            match journal.write(events, self.options.clock.now()) {
                Ok(written) => Ok(written),
                Err(WriteError::TakenBack(error)) => Err(self.disk_error(error, needed_bytes)),
                Err(WriteError::Stuck(error)) => Err(writer.poison(error)),
            }
        };
        let written = written.inspect_err(|_| {
            // The extents are on the disk and not in the journal, so nothing may be appended behind them.
            if events.iter().any(|event| matches!(event, Event::Stored { .. })) {
                self.give_up(writer, &mut writer.intake());
            }
        })?;
        journal.sync(&written).map_err(|error| writer.poison(error))?;
        journal.publish(written).map_err(|error| writer.poison(error))
    }

    /// Takes acknowledged events into the catalogue.
    pub(super) fn learn(&self, journal: &JournalWriter, entries: &[Entry]) -> Result<(), StoreError> {
        let mut catalogue = self.catalogue.write().expect("nothing panics while it holds the catalogue");
        entries.iter().try_for_each(|entry| catalogue.apply(entry))?;
        catalogue.pass(*journal.at());
        drop(catalogue);
        let some = |is: fn(&Event) -> bool| entries.iter().any(|entry| is(&entry.record.event));
        if some(|event| matches!(event, Event::Condemned { .. })) {
            self.pins.condemn();
        }
        if some(|event| matches!(event, Event::Removed { .. })) {
            self.forget_removed();
        }
        if some(|event| matches!(event, Event::Quarantined { .. })) {
            self.learn_quarantined();
        }
        Ok(())
    }

    /// Removes what earlier runs left behind, before the first pack is begun.
    pub(super) fn sweep_once(&self, intake: &mut Intake) -> Result<(), StoreError> {
        if !intake.is_swept {
            recover::sweep_packs(&*self.disk, &self.catalogue(), &intake.moving)?;
            intake.is_swept = true;
        }
        Ok(())
    }

    /// What a failed write or sync of a pack comes to. A sync that failed poisons the store, since nobody knows what
    /// it made durable; bytes that did not find room, or were not written, concern only what is not durable yet.
    fn fail(&self, writer: &Writer, intake: &mut Intake, error: DiskError) -> StoreError {
        let error = match error {
            DiskError::Full { act: Act::Sync, .. } | DiskError::Io { act: Act::Sync, .. } => {
                writer.poison(error)
            }
            error => self.disk_error(error, self.options.reserve_bytes + PACK_ROOM_BYTES_MIN),
        };
        self.give_up(writer, intake);
        error
    }

    /// Gives everything up that is not durable: objects that were put and not flushed are not there any more.
    pub(super) fn give_up(&self, writer: &Writer, intake: &mut Intake) {
        writer.generation.fetch_add(1, Ordering::SeqCst);
        intake.abandon(self.catalogue().next_number());
        self.forget_recent();
        if writer.poison.get().is_none() {
            // So that their room is free at once; otherwise it is when the next pack is begun.
            let swept = recover::sweep_packs(&*self.disk, &self.catalogue(), &intake.moving);
            intake.is_swept = swept.is_ok();
        }
    }

    /// The store's error for what the disk said, where that many bytes were needed.
    pub(super) fn disk_error(&self, error: DiskError, needed_bytes: u64) -> StoreError {
        match error {
            DiskError::Full { .. } => {
                StoreError::Full { needed_bytes, free_bytes: self.free_bytes().unwrap_or_default() }
            }
            other => other.into(),
        }
    }

    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.disk.free_bytes(Path::new(""))?)
    }
}
