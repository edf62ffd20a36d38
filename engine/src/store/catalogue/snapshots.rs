//! Snapshots and series, as the journal tells of them ([`Snapshots`]).

use std::collections::BTreeMap;
use std::collections::HashMap;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;

use crate::journal::Entry;
use crate::journal::Place;

/// A snapshot, and where its record lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotAt {
    pub(crate) id: SnapshotId,
    pub(crate) received: Time,
    /// Of the record in the journal.
    pub(crate) sequence: u64,
    /// Of the first record of this point in time: what was written anew keeps its place.
    pub(crate) arrived: u64,
    pub(crate) payload: Place,
    pub(crate) payload_bytes: u32,
    /// It is off the list.
    pub(crate) forgotten: Option<Forgotten>,
    /// Before that time nobody may purge it.
    pub(crate) held_until: Time,
    /// What is known of its tags.
    pub(super) tokens: Option<Box<[[u8; 8]]>>,
    /// Number of its series.
    pub(super) series: u32,
    /// Its number in the series.
    pub(crate) number: u64,
    pub(crate) previous: Option<SnapshotId>,
    pub(crate) root: ObjectId,
    pub(super) is_complete: bool,
}

/// When a snapshot was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) at: Time,
    /// Until then it stays restorable, by the grace that held when it was forgotten.
    pub(crate) until: Time,
}

/// The newest record of a series, forgotten or not: the one that the next record of the series names as the one before
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Name of the record.
    pub id: SnapshotId,
    /// Its number in the series.
    pub sequence: u64,
    /// When its run began, by the clock of the host.
    pub captured: Time,
    /// When the store received it, by its own clock.
    pub received: Time,
    /// Root of its tree.
    pub root: ObjectId,
    /// Public key of the agent that signed it.
    pub agent: [u8; 32],
}

impl SnapshotAt {
    /// What is known of its tags.
    pub(crate) fn tokens(&self) -> Option<&[[u8; 8]]> {
        self.tokens.as_deref()
    }

    /// Whether everything was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Where a snapshot stands among all: the record that brought it here, and then the one that wrote it anew.
pub(super) type Rank = (u64, u64);

/// All snapshots that were not purged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshots {
    /// In the order in which they were received.
    pub(super) ranked: BTreeMap<Rank, SnapshotAt>,
    pub(super) ranks: HashMap<SnapshotId, Rank>,
    /// By number. Of a series whose snapshots were all purged, too.
    pub(super) series: Vec<(Series, Newest)>,
    pub(super) numbers: HashMap<Series, u32>,
}

impl Snapshots {
    pub(super) fn get(&self, id: &SnapshotId) -> Option<&SnapshotAt> {
        self.ranked.get(self.ranks.get(id)?)
    }

    /// One that was not purged.
    pub(super) fn known(&mut self, id: &SnapshotId) -> Result<&mut SnapshotAt, &'static str> {
        let known = self.ranks.get(id).and_then(|rank| self.ranked.get_mut(rank));
        known.ok_or("a journal event: an unknown snapshot")
    }

    pub(super) fn newest(&self, series: &Series) -> Option<Newest> {
        let number = *self.numbers.get(series)?;
        self.series.get(number as usize).map(|(_, newest)| *newest)
    }

    pub(super) fn commit(
        &mut self,
        entry: &Entry,
        record: &[u8],
        snapshot: &Snapshot,
        hold_seconds: u64,
    ) -> Result<(), &'static str> {
        let id = SnapshotId::from_bytes(*blake3::hash(record).as_bytes());
        if self.ranks.contains_key(&id) {
            return Err("a journal event: twice the same snapshot");
        }
        let received = entry.record.time;
        let newest = Newest {
            id,
            sequence: snapshot.sequence,
            captured: snapshot.captured,
            received,
            root: snapshot.root,
            agent: *snapshot.agent().as_bytes(),
        };
        let series = self.number(&snapshot.series, newest)?;
        let at = SnapshotAt {
            id,
            received,
            sequence: entry.record.position.sequence,
            arrived: entry.record.position.sequence,
            payload: entry.payload,
            payload_bytes: entry.payload_bytes,
            forgotten: None,
            held_until: later(received, hold_seconds),
            tokens: None,
            series,
            number: snapshot.sequence,
            previous: snapshot.previous,
            root: snapshot.root,
            is_complete: snapshot.status == Status::Complete,
        };
        self.insert((at.sequence, at.sequence), at);
        Ok(())
    }

    /// The number of a series whose newest record is known now.
    fn number(&mut self, series: &Series, newest: Newest) -> Result<u32, &'static str> {
        if let Some(number) = self.numbers.get(series) {
            let known = self.series.get_mut(*number as usize);
            known.ok_or("a journal event: a series without a number")?.1 = newest;
            return Ok(*number);
        }
        let number = u32::try_from(self.series.len()).map_err(|_| "a journal event: too many series")?;
        self.series.push((series.clone(), newest));
        self.numbers.insert(series.clone(), number);
        Ok(number)
    }

    /// Puts a record in the place of another one, which is forgotten and stays restorable no longer.
    pub(super) fn replace(
        &mut self,
        entry: &Entry,
        old: &SnapshotId,
        record: &[u8],
        snapshot: &Snapshot,
    ) -> Result<(), &'static str> {
        let unfit = "a journal event: a snapshot is replaced by another one's record";
        let id = SnapshotId::from_bytes(*blake3::hash(record).as_bytes());
        let (first, _) = *self.ranks.get(old).ok_or("a journal event: an unknown snapshot is replaced")?;
        let now = entry.record.time;
        let of_series = self.numbers.get(&snapshot.series).copied();
        let before = self.known(old)?;
        if before.held_until > now || before.forgotten.is_some() {
            return Err("a journal event: a snapshot is replaced that is held, or forgotten");
        }
        let same = of_series == Some(before.series)
            && (before.number, before.previous) == (snapshot.sequence, snapshot.previous);
        let at = SnapshotAt {
            id,
            sequence: entry.record.position.sequence,
            payload: Place { offset: entry.payload.offset + REPLACED_BYTES, ..entry.payload },
            payload_bytes: entry.payload_bytes.checked_sub(32).ok_or(unfit)?,
            root: snapshot.root,
            is_complete: snapshot.status == Status::Complete,
            ..before.clone()
        };
        before.forgotten = Some(Forgotten { at: now, until: now });
        if !same || self.ranks.contains_key(&id) {
            return Err(unfit);
        }
        let series = self.series.get_mut(at.series as usize);
        if let Some((_, newest)) = series.filter(|(_, newest)| newest.id == *old) {
            // The series stays that of the agent, whoever signed the new record.
            *newest = Newest { id, captured: snapshot.captured, root: snapshot.root, ..*newest };
        }
        self.insert((first, at.sequence), at);
        Ok(())
    }

    pub(super) fn insert(&mut self, rank: Rank, at: SnapshotAt) {
        self.ranks.insert(at.id, rank);
        self.ranked.insert(rank, at);
    }

    pub(super) fn forget(
        &mut self,
        id: &SnapshotId,
        now: Time,
        grace_seconds: u64,
    ) -> Result<(), &'static str> {
        let snapshot = self.known(id)?;
        snapshot.forgotten.get_or_insert(Forgotten { at: now, until: later(now, grace_seconds) });
        Ok(())
    }

    pub(super) fn recover(&mut self, id: &SnapshotId) -> Result<(), &'static str> {
        let forgotten = self.known(id)?.forgotten.take();
        forgotten.map(|_| ()).ok_or("a journal event: a snapshot is recovered that was not forgotten")
    }

    pub(super) fn hold(&mut self, id: &SnapshotId, until: Time) -> Result<(), &'static str> {
        let snapshot = self.known(id)?;
        if until <= snapshot.held_until {
            return Err("a journal event: a hold that ends no later than the one before");
        }
        snapshot.held_until = until;
        Ok(())
    }

    pub(super) fn mark(&mut self, id: &SnapshotId, tokens: &[[u8; 8]]) -> Result<(), &'static str> {
        match self.known(id)?.tokens.replace(tokens.into()) {
            None => Ok(()),
            Some(_) => Err("a journal event: a snapshot is marked twice"),
        }
    }

    /// Forgets snapshots for good.
    pub(super) fn purge(&mut self, ids: &[SnapshotId], now: Time) -> Result<(), &'static str> {
        for id in ids {
            let snapshot = self.known(id)?;
            if snapshot.forgotten.is_none() || snapshot.held_until > now {
                return Err("a journal event: a snapshot is purged that is held, or not forgotten");
            }
            if let Some(rank) = self.ranks.remove(id) {
                self.ranked.remove(&rank);
            }
        }
        Ok(())
    }
}

/// Bytes before the record in the payload of a replacement: the id of the old one.
const REPLACED_BYTES: u64 = 32;

/// So many seconds later, or at the end of time.
fn later(time: Time, seconds: u64) -> Time {
    let nanoseconds = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    Time::from_nanoseconds(time.nanoseconds().saturating_add(nanoseconds))
}
