//! What a collection asks of the store: how everything stands at one moment, what is condemned, and what goes.
//!
//! The order is that of all deletions: first the journal says that something is gone, then its bytes go.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::MutexGuard;
use std::sync::TryLockError;
use std::time::Duration;

use farkeep_codec::id::PackId;

use super::Catalogue;
use super::Store;
use super::catalogue::ExtentAt;
use super::catalogue::Pack;
use super::error::StoreError;
use super::ledger::Condemned;
use super::ledger::RecordAt;
use super::ledger::Removal;
use super::ledger::Reprieve;
use super::session;
use crate::disk::DiskError;
use crate::disk::Lock;
use crate::journal::Entry;
use crate::journal::Event;
use crate::journal::Struck;
use crate::limits::REMOVED_EVENT_BYTES;
use crate::pack;

/// How often an event of a collection is tried that fails because objects of others found no room.
const TRIES: usize = 4;

/// What there is at one moment.
pub(crate) struct Survey {
    pub(crate) packs: BTreeMap<u32, Pack>,
    /// In the order of the journal.
    pub(crate) extents: Vec<ExtentAt>,
    /// Numbers of packs that may grow.
    pub(crate) open: BTreeSet<u32>,
    /// The last record of the journal.
    pub(crate) sequence: u64,
}

/// What became of a removal.
pub(crate) struct Removed {
    /// Packs that are gone.
    pub(crate) packs: Vec<u32>,
    /// Bytes of their files.
    pub(crate) bytes: u64,
    /// Nodes that are gone from packs that stay.
    pub(crate) nodes: u64,
}

/// A lock that keeps readers of other processes out who count on what is going to be removed.
pub(crate) struct NoReaders(#[expect(dead_code, reason = "it is held")] Box<dyn Lock>);

impl Store {
    /// Keeps others from collecting. Nothing if somebody does.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`].
    pub(crate) fn collecting(&self) -> Result<Option<MutexGuard<'_, ()>>, StoreError> {
        match self.writer()?.collecting.try_lock() {
            Ok(guard) => Ok(Some(guard)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // One who collected has panicked. What it condemned was given up, and what it removed is removed.
            Err(TryLockError::Poisoned(poisoned)) => Ok(Some(poisoned.into_inner())),
        }
    }

    /// Makes everything durable that was put, and lets none of its packs grow any more.
    pub(crate) fn end_packs(&self) -> Result<(), StoreError> {
        self.writer()?.intake().end_packs(0);
        match self.flush() {
            // Whoever put what was given up is told so.
            Ok(()) | Err(StoreError::Full { .. } | StoreError::Lost) => {}
            Err(error) => return Err(error),
        }
        let writer = self.writer()?;
        writer.intake().close_ended().map_err(|error| writer.poison(error))
    }

    /// How everything stands, with nothing on its way into the journal.
    pub(crate) fn survey(&self) -> Result<Survey, StoreError> {
        let durable = self.writer.as_ref().map(|writer| writer.durable());
        let intake = self.writer.as_ref().map(|writer| writer.intake());
        let open = intake.iter().flat_map(|intake| intake.open_packs()).collect();
        let catalogue = self.catalogue();
        let packs = catalogue.packs().map(|(number, pack)| (number, pack.clone())).collect();
        let (extents, sequence) = (catalogue.extents().to_vec(), catalogue.at().position.sequence);
        drop((durable, intake));
        Ok(Survey { packs, extents, open, sequence })
    }

    /// Adds an event that a collection decides, and everything that was put before. Objects of others that are given up
    /// meanwhile are no reason not to.
    pub(crate) fn persist_own<E>(
        &self,
        decide: &mut dyn FnMut(&Catalogue) -> Result<Vec<Event>, E>,
    ) -> Result<Vec<Entry>, E>
    where
        E: From<StoreError>,
    {
        let mut tries = 0;
        loop {
            let failed = std::cell::Cell::new(false);
            let (before, losses) = (self.moment()?, self.losses()?);
            let result =
                self.persist(before, |catalogue| decide(catalogue).inspect_err(|_| failed.set(true)));
            tries += 1;
            match result {
                Err(_) if !failed.get() && tries < TRIES && self.losses()? != losses => {}
                result => return result,
            }
        }
    }

    /// What a plan has to reckon with: the size of packs, and the room on the disk.
    pub(crate) fn aims(&self) -> Result<(u64, u64, u64), StoreError> {
        Ok((self.options.pack_bytes, self.free_bytes()?, self.options.reserve_bytes))
    }

    /// Bytes that packs may still take.
    pub(crate) fn room_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.free_bytes()?.saturating_sub(self.options.reserve_bytes))
    }

    /// The error for what the disk said about a copy.
    pub(crate) fn full_or(&self, error: DiskError) -> StoreError {
        self.disk_error(error, self.options.reserve_bytes)
    }

    /// A number that nobody else can guess, another one at each record.
    pub(crate) fn seed_at(&self, sequence: u64) -> u64 {
        let hash = blake3::keyed_hash(&self.options.seed, &sequence.to_le_bytes());
        let first = hash.as_bytes().first_chunk().expect("a hash is longer than a number");
        u64::from_le_bytes(*first)
    }

    /// Condemns: who comes from here on does not count on it. Nothing, and nothing is condemned, while readers of other
    /// processes share the lock of the epoch to come, who are older than the one before.
    pub(crate) fn condemn(&self, event: &Event, condemned: &Condemned) -> Result<Option<()>, StoreError> {
        let epoch = self.catalogue().epoch();
        let Some(_held) = session::hold_off_of(self.disk(), epoch + 1)? else { return Ok(None) };
        self.pins.propose(Some(condemned.clone()));
        let written = self.persist_own(&mut |catalogue| {
            catalogue.expect_deletions(self.now())?;
            Ok::<_, StoreError>(vec![event.clone()])
        });
        self.pins.propose(None);
        written.map(|_| Some(()))
    }

    /// Gives up what is condemned.
    pub(crate) fn void(&self) {
        self.pins.ledger().void();
    }

    /// Keeps what somebody turned out to need.
    pub(crate) fn reprieve(&self, at: RecordAt) -> Reprieve {
        self.pins.ledger().reprieve(at)
    }

    /// How many sessions are older than the condemnation.
    pub(crate) fn waits_for(&self) -> u32 {
        self.pins.ledger().waits_for()
    }

    /// Waits until one of them ends, or so long.
    pub(crate) fn wait_for_pins(&self, most: Duration) {
        self.pins.wait(most);
    }

    /// Whether no reader of another process counts on what is condemned; it stays so while this is held.
    pub(crate) fn hold_readers_off(&self) -> Result<Option<NoReaders>, StoreError> {
        let before = self.catalogue().epoch().saturating_sub(1);
        Ok(session::hold_off_of(self.disk(), before)?.map(NoReaders))
    }

    /// Removes what is condemned of these packs, with all nodes that are, and then the files. Nothing, while a session is
    /// waited for or if nothing is condemned.
    pub(crate) fn remove(
        &self,
        number: u64,
        emptied: &BTreeSet<u32>,
        _no_readers: &NoReaders,
    ) -> Result<Option<Removed>, StoreError> {
        let Some(Removal { packs, nodes }) = self.pins.ledger().clone().remove(emptied) else {
            return Ok(None);
        };
        let (mut ids, mut bytes) = (Vec::new(), 0);
        let entries = self.persist_own(&mut |catalogue| {
            catalogue.expect_deletions(self.now())?;
            let known = packs.iter().filter_map(|number| catalogue.pack(*number));
            bytes = known.clone().map(|pack| u64::from(pack.bytes)).sum();
            ids = known.map(|pack| pack.id).collect();
            ids.sort_unstable_by_key(|id| *id.as_bytes());
            Ok::<_, StoreError>(events(number, &ids, &struck(catalogue, &nodes)))
        })?;
        let ledger_removed = self.pins.ledger().remove(emptied);
        debug_assert!(ledger_removed.is_some(), "nobody older can have begun meanwhile");
        if !entries.is_empty() {
            self.unlink(&ids);
        }
        Ok(Some(Removed { packs, bytes, nodes: nodes.len() as u64 }))
    }

    /// Removes files of packs that the journal does not know any more. What stays is removed by the next one who sweeps.
    fn unlink(&self, packs: &[PackId]) {
        for id in packs {
            match self.disk.remove(&pack::path(id)) {
                Ok(()) | Err(DiskError::NotFound { .. }) => {}
                Err(error) => tracing::warn!(%error, "a pack that was collected stays for now"),
            }
        }
    }
}

/// Records of nodes, by packs, in the order in which a journal has them.
fn struck(catalogue: &Catalogue, nodes: &[RecordAt]) -> Vec<Struck> {
    let mut by_pack: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    nodes.iter().for_each(|at| by_pack.entry(at.pack).or_default().push(at.offset));
    let named = by_pack.into_iter().filter_map(|(number, mut offsets)| {
        let pack = catalogue.pack(number)?.id;
        offsets.sort_unstable();
        Some(Struck { pack, offsets })
    });
    let mut struck: Vec<Struck> = named.collect();
    struck.sort_unstable_by_key(|struck| *struck.pack.as_bytes());
    struck
}

/// As many events as it takes for each to fit a record. They become durable together.
fn events(number: u64, packs: &[PackId], struck: &[Struck]) -> Vec<Event> {
    let (mut events, mut dead, mut bytes) = (Vec::new(), Vec::new(), 0);
    for one in struck {
        // Four bytes name any offset in a pack.
        let more = 40 + 4 * one.offsets.len();
        if bytes + more > REMOVED_EVENT_BYTES && !dead.is_empty() {
            events.push(Event::Removed { number, packs: Vec::new(), dead: std::mem::take(&mut dead) });
            bytes = 0;
        }
        bytes += more;
        dead.push(one.clone());
    }
    if !dead.is_empty() {
        events.push(Event::Removed { number, packs: Vec::new(), dead });
    }
    for packs in packs.chunks(REMOVED_EVENT_BYTES / 32) {
        events.push(Event::Removed { number, packs: packs.to_vec(), dead: Vec::new() });
    }
    events
}
