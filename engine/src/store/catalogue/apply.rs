//! What each event changes, and which events cannot have happened.

use farkeep_codec::envelope::EnvelopeError;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;

use super::Catalogue;
use super::Collections;
use crate::journal::ClockTrust;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Position;
use crate::store::StoreError;
use crate::store::layout::Name;
use crate::store::layout::path;

impl Catalogue {
    /// Takes the next event in.
    ///
    /// # Errors
    /// If it cannot have happened after those before: somebody wrote an intact journal of nonsense.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let nonsense = |what| StoreError::Damaged {
            path: path(Name::Journal).into(),
            offset: entry.payload.offset,
            what,
        };
        let first = self.at.position == Position::GENESIS;
        let created = matches!(entry.record.event, Event::RepositoryCreated { .. });
        if first != created {
            return Err(nonsense("a journal event: a repository is created first, and once"));
        }
        match &entry.record.event {
            Event::SnapshotCommitted { record } => {
                let snapshot = parse(record, nonsense)?;
                self.commit(entry, record, &snapshot).map_err(nonsense)?;
            }
            Event::SnapshotReplaced { old, record } => {
                let snapshot = parse(record, nonsense)?;
                self.expect_own(&snapshot).map_err(nonsense)?;
                self.snapshots.replace(entry, old, record, &snapshot).map_err(nonsense)?;
            }
            event => self.apply_small(event, entry).map_err(nonsense)?,
        }
        self.at.position = entry.record.position;
        self.at.time = entry.record.time;
        Ok(())
    }

    /// Those that hold no record of a snapshot.
    fn apply_small(&mut self, event: &Event, entry: &Entry) -> Result<(), &'static str> {
        let (position, now) = (entry.record.position, entry.record.time);
        match event {
            Event::RepositoryCreated { parameters } => self.parameters = Some(*parameters),
            Event::Stored { extents } => self.packs.store(extents, position)?,
            Event::SnapshotForgotten { id, .. } => {
                self.snapshots.forget(id, now, self.settings.grace_seconds)?;
            }
            Event::KeySlotAdded { slot, hash } => {
                self.slots.insert(*slot, *hash);
            }
            Event::KeySlotRemoved { slot } => {
                self.slots.remove(slot).ok_or("a journal event: an unknown key slot is removed")?;
            }
            Event::SettingsChanged { settings, .. } => self.settings = settings.clone(),
            Event::SnapshotHeld { id, until, .. } => self.snapshots.hold(id, *until)?,
            Event::SnapshotRecovered { id, .. } => self.snapshots.recover(id)?,
            Event::SnapshotMarked { id, tokens } => self.snapshots.mark(id, tokens)?,
            Event::CollectionBegun { number, young, purged } => {
                self.collections.begin(*number, *young, position.sequence)?;
                self.snapshots.purge(purged, now)?;
            }
            Event::Condemned { number, .. } => self.collections.condemn(*number)?,
            Event::Removed { number, packs, dead } => {
                self.collections.expect_condemned(*number)?;
                self.packs.strike(dead)?;
                self.packs.remove(packs)?;
            }
            Event::Collected { number, garbage_thousandths } => {
                self.collections.end(*number, *garbage_thousandths)?;
            }
            Event::Quarantined { damaged, .. } => self.packs.quarantine(damaged)?,
            Event::DeletionsFrozen { clock, shown, .. } => self.trust(*clock, *shown)?,
            Event::SnapshotCommitted { .. } | Event::SnapshotReplaced { .. } => {
                unreachable!("these hold a record")
            }
        }
        Ok(())
    }

    fn commit(&mut self, entry: &Entry, record: &[u8], snapshot: &Snapshot) -> Result<(), &'static str> {
        self.expect_own(snapshot)?;
        self.snapshots.commit(entry, record, snapshot, self.settings.hold_seconds)
    }

    fn expect_own(&self, snapshot: &Snapshot) -> Result<(), &'static str> {
        match snapshot.repository == self.repository {
            true => Ok(()),
            false => Err("a journal event: a snapshot of another repository"),
        }
    }

    fn trust(&mut self, clock: ClockTrust, shown: Time) -> Result<(), &'static str> {
        match (clock, self.frozen) {
            (ClockTrust::Frozen, None) => self.frozen = Some(shown),
            (ClockTrust::Thawed, Some(_)) => self.frozen = None,
            _ => return Err("a journal event: deletions are frozen twice, or thawed twice"),
        }
        Ok(())
    }
}

impl Collections {
    fn begin(&mut self, number: u64, young: u64, sequence: u64) -> Result<(), &'static str> {
        if self.number.checked_add(1) != Some(number) || young >= sequence {
            return Err("a journal event: a collection that does not follow the one before");
        }
        // What an earlier one condemned and did not remove stays.
        *self = Self { number, begun: sequence, young, is_condemned: false, epoch: self.epoch, done: None };
        Ok(())
    }

    fn condemn(&mut self, number: u64) -> Result<(), &'static str> {
        if self.number != number || number == 0 {
            return Err("a journal event: another collection than the last condemns");
        }
        self.is_condemned = true;
        self.epoch = self.epoch.checked_add(1).ok_or("a journal event: too many condemnations")?;
        Ok(())
    }

    fn end(&mut self, number: u64, garbage_thousandths: u16) -> Result<(), &'static str> {
        if self.number != number || number == 0 || self.done.is_some() {
            return Err("a journal event: another collection than the last has ended");
        }
        (self.done, self.is_condemned) = (Some(garbage_thousandths), false);
        Ok(())
    }

    fn expect_condemned(&self, number: u64) -> Result<(), &'static str> {
        match self.number == number && self.is_condemned {
            true => Ok(()),
            false => Err("a journal event: what was not condemned is removed"),
        }
    }
}

fn parse(record: &[u8], nonsense: impl Fn(&'static str) -> StoreError) -> Result<Snapshot, StoreError> {
    Snapshot::parse(record).map_err(|error| match error {
        EnvelopeError::NewerFormat { found, known, .. } => {
            StoreError::NewerFormat { what: "the format of a snapshot record", found, known }
        }
        _ => nonsense("a journal event: a snapshot record"),
    })
}
