//! The store of the model: maps in place of packs, index, journal and disk, and the decisions of the real code.
//!
//! What the engine does under one lock or as one journal record is one step here, so others come between wherever they may
//! come between there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::iter;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;
use farkeep_engine::collect::ledger::Graph;
use farkeep_engine::collect::ledger::Ledger;
use farkeep_engine::collect::ledger::Pin;
use farkeep_engine::collect::ledger::RecordAt;
use farkeep_engine::policy::Policy;
use farkeep_engine::policy::PolicySet;
use farkeep_engine::retention;
use farkeep_engine::retention::Candidate;
use jiff::tz::TimeZone;

/// Name of an object.
pub(crate) type Id = u8;

/// Leaves and roots. What is below the first of them is data.
pub(crate) const LEAF_OLD: Id = 11;
pub(crate) const LEAF_KEPT: Id = 12;
pub(crate) const LEAF_NEW: Id = 13;
pub(crate) const ROOT_OLD: Id = 21;
pub(crate) const ROOT_KEPT: Id = 22;
pub(crate) const ROOT_NEW: Id = 23;
pub(crate) const ROOT_OTHER: Id = 24;

/// Days for which what is forgotten can be recovered.
pub(crate) const GRACE_DAYS: i64 = 2;
const DAY_SECONDS: i64 = 86_400;

/// What a node refers to. The new tree shares a leaf with the old one, as an incremental one does, and one object of data
/// with the kept one.
pub(crate) fn references(id: Id) -> &'static [Id] {
    match id {
        LEAF_OLD => &[1, 2],
        LEAF_KEPT => &[2, 4],
        LEAF_NEW => &[2, 3],
        ROOT_OLD => &[LEAF_OLD],
        ROOT_KEPT | ROOT_OTHER => &[LEAF_KEPT],
        ROOT_NEW => &[LEAF_OLD, LEAF_NEW],
        _ => &[],
    }
}

/// A set of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ids(u32);

impl Ids {
    pub(crate) fn of(ids: &[Id]) -> Self {
        Self(ids.iter().fold(0, |set, id| set | 1 << id))
    }

    pub(crate) fn has(self, id: Id) -> bool {
        self.0 & 1 << id != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Id> {
        let behind = |rest: &Self| Some(Self(rest.0 & rest.0.wrapping_sub(1)));
        iter::successors(Some(self), behind).map_while(Self::first)
    }

    pub(crate) fn first(self) -> Option<Id> {
        let id = Id::try_from(self.0.trailing_zeros()).expect("at most 32");
        (self.0 != 0).then_some(id)
    }
}

/// Everything that can be reached from there, itself included.
pub(crate) fn closure(id: Id) -> Ids {
    references(id).iter().fold(Ids::of(&[id]), |all, below| all.and(closure(*below)))
}

pub(crate) fn kind(id: Id) -> Kind {
    if id < LEAF_OLD { Kind::Data } else { Kind::Node }
}

/// Bytes of a record. Trees that stay weigh more, so that one pack of nodes is only struck and the other one emptied.
pub(crate) fn bytes(id: Id) -> u64 {
    if matches!(id, LEAF_KEPT | ROOT_KEPT) { 100 } else { 10 }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pack {
    pub kind: Kind,
    /// A record's offset is its place in the list.
    pub records: Vec<Id>,
    /// Offsets of records that are gone.
    pub struck: BTreeSet<u32>,
    /// Number of the journal record that made it durable.
    pub sequence: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub root: Id,
    pub series: &'static str,
    /// Day.
    pub received: i64,
    pub sequence: u32,
    /// Day.
    pub forgotten: Option<i64>,
    pub purged: bool,
}

/// What the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Catalogue {
    pub packs: BTreeMap<u32, Pack>,
    pub snapshots: Vec<Snapshot>,
    pub sequence: u32,
    pub next_pack: u32,
    pub epoch: u64,
}

impl Catalogue {
    /// Where an object lies, if it is there: of several places the last one.
    pub(crate) fn find(&self, id: Id) -> Option<RecordAt> {
        self.packs.iter().rev().find_map(|(number, pack)| {
            let offset = pack.records.iter().position(|record| *record == id)?;
            let at = RecordAt { pack: *number, offset: u32::try_from(offset).expect("few records") };
            (!pack.struck.contains(&at.offset)).then_some(at)
        })
    }

    /// Everything that is there.
    pub(crate) fn there(&self) -> Ids {
        let mut there = Ids::default();
        for pack in self.packs.values() {
            let records = (0..).zip(&pack.records).filter(|(offset, _)| !pack.struck.contains(offset));
            there = records.fold(there, |there, (_, id)| there.and(Ids::of(&[*id])));
        }
        there
    }

    fn store(&mut self, records: &[Id]) -> BTreeSet<u32> {
        self.sequence += 1;
        let mut numbers = BTreeSet::new();
        for kind in [Kind::Data, Kind::Node] {
            let records: Vec<Id> = records.iter().copied().filter(|id| self::kind(*id) == kind).collect();
            if !records.is_empty() {
                let pack = Pack { kind, records, struck: BTreeSet::new(), sequence: self.sequence };
                self.packs.insert(self.next_pack, pack);
                numbers.insert(self.next_pack);
                self.next_pack += 1;
            }
        }
        numbers
    }
}

impl Graph for Catalogue {
    type Id = Id;
    type Error = Infallible;

    fn find(&self, id: &Id) -> Result<Option<RecordAt>, Infallible> {
        Ok(Catalogue::find(self, *id))
    }

    fn references(&self, node: &Id) -> Result<Vec<Id>, Infallible> {
        Ok(references(*node).to_vec())
    }
}

/// A put or a commit that is refused, because what it needs is not there.
#[derive(Debug)]
pub(crate) struct Missing(pub Id);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub catalogue: Catalogue,
    /// Packs on the disk.
    pub files: BTreeSet<u32>,
    /// What was put and is not durable yet.
    pub intake: Vec<Id>,
    pub ledger: Ledger,
    /// The day.
    pub today: i64,
    /// Whether a collection is under way.
    pub collecting: bool,
    /// How many processes of their own hold each of the two locks.
    pub locks: [u8; 2],
}

impl Store {
    /// Three snapshots, and some garbage. The first snapshot is already forgotten, and its grace over, or it is listed.
    pub(crate) fn new(first_forgotten: bool) -> Self {
        let mut catalogue =
            Catalogue { packs: BTreeMap::new(), snapshots: Vec::new(), sequence: 0, next_pack: 0, epoch: 0 };
        // A pack of data with the old tree alone, one with the others' and garbage; likewise of nodes.
        for records in
            [[1, 5].as_slice(), &[2, 4, 6], &[LEAF_OLD, LEAF_KEPT, ROOT_KEPT], &[ROOT_OLD, ROOT_OTHER]]
        {
            catalogue.store(records);
        }
        let files = catalogue.packs.keys().copied().collect();
        let (ledger, today) = (Ledger::new(0), 10);
        let mut store =
            Self { catalogue, files, intake: Vec::new(), ledger, today, collecting: false, locks: [0; 2] };
        for (root, series) in [(ROOT_OLD, "home"), (ROOT_KEPT, "home"), (ROOT_OTHER, "etc")] {
            store.record(root, series);
        }
        store.catalogue.snapshots[0].forgotten = first_forgotten.then_some(10 - GRACE_DAYS);
        store
    }

    pub(crate) fn has(&self, pin: Pin, id: Id) -> bool {
        let found = || self.catalogue.find(id).is_some_and(|at| self.ledger.sees(pin, at));
        self.intake.contains(&id) || found()
    }

    /// Everything that is there, durable or not.
    pub(crate) fn there(&self) -> Ids {
        self.catalogue.there().and(Ids::of(&self.intake))
    }

    /// Whether it is durable, in a file.
    pub(crate) fn is_readable(&self, id: Id) -> bool {
        self.catalogue.find(id).is_some_and(|at| self.files.contains(&at.pack))
    }

    pub(crate) fn put(&mut self, pin: Pin, id: Id) -> Result<(), Missing> {
        if self.has(pin, id) {
            return Ok(());
        }
        if let Some(missing) = references(id).iter().find(|reference| !self.has(pin, **reference)) {
            return Err(Missing(*missing));
        }
        self.intake.push(id);
        self.intake.sort_unstable();
        Ok(())
    }

    /// Makes durable what was put, and further records with it. Returns the packs.
    pub(crate) fn flush(&mut self, more: &[Id]) -> BTreeSet<u32> {
        let own = std::mem::take(&mut self.intake);
        let mut packs = BTreeSet::new();
        for records in [own.as_slice(), more] {
            packs.extend(self.catalogue.store(records));
        }
        self.files.extend(&packs);
        packs
    }

    pub(crate) fn commit(&mut self, pin: Pin, root: Id) -> Result<usize, Missing> {
        if !self.has(pin, root) {
            return Err(Missing(root));
        }
        self.flush(&[]);
        self.record(root, "new");
        Ok(self.catalogue.snapshots.len() - 1)
    }

    fn record(&mut self, root: Id, series: &'static str) {
        self.catalogue.sequence += 1;
        let (received, sequence) = (self.today, self.catalogue.sequence);
        let snapshot = Snapshot { root, series, received, sequence, forgotten: None, purged: false };
        self.catalogue.snapshots.push(snapshot);
    }

    /// What the policy forgets now: all but the newest of each series.
    pub(crate) fn retention(&self) -> Vec<usize> {
        let listed = self.catalogue.snapshots.iter().enumerate().filter(|(_, at)| at.forgotten.is_none());
        let candidates: Vec<Candidate> = listed.map(|(number, at)| candidate(number, at)).collect();
        let policy = Policy::new("*".parse().expect("a good pattern"));
        let set = PolicySet { policies: vec![policy], zone: TimeZone::UTC };
        let plan = retention::plan(&candidates, &set, time(self.today));
        plan.forget.iter().map(|forgotten| usize::from(forgotten.id.as_bytes()[0])).collect()
    }

    /// Whether the grace of a snapshot is over.
    pub(crate) fn is_over(&self, snapshot: &Snapshot) -> bool {
        let grace = u64::try_from(GRACE_DAYS * DAY_SECONDS).expect("some days");
        let until = |day: i64| retention::restorable_until(time(day), grace, None);
        snapshot.forgotten.is_some_and(|day| until(day) <= time(self.today))
    }

    /// The power fails, and the repository is opened anew: what was not durable is gone, and so is everyone who was pinned.
    pub(crate) fn lose_power(&mut self) {
        self.intake.clear();
        self.ledger = Ledger::new(self.catalogue.epoch);
        self.collecting = false;
    }

    /// What must hold after every step, whoever takes part: the closure law, and that nothing which can be restored is gone.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(pack) = self.catalogue.packs.keys().find(|pack| !self.files.contains(pack)) {
            return Err(format!("pack {pack} is known, and its file is gone"));
        }
        let durable = self.catalogue.there();
        for (all, what) in [(durable, "durable"), (self.there(), "there")] {
            for id in all.each() {
                if let Some(gone) = Ids::of(references(id)).without(all).first() {
                    return Err(format!("closure: {id} is {what}, and {gone}, which it refers to, is not"));
                }
            }
        }
        for (number, snapshot) in self.catalogue.snapshots.iter().enumerate().filter(|(_, at)| !at.purged) {
            if let Some(gone) = closure(snapshot.root).without(durable).first() {
                return Err(format!("snapshot {number} can be restored, and {gone} is gone"));
            }
        }
        Ok(())
    }
}

fn time(day: i64) -> Time {
    Time::from_nanoseconds(day * DAY_SECONDS * 1_000_000_000)
}

fn candidate(number: usize, at: &Snapshot) -> Candidate {
    let mut id = [0; 32];
    id[0] = u8::try_from(number).expect("few snapshots");
    Candidate {
        id: SnapshotId::from_bytes(id),
        series: Series::new(at.series).expect("a good name"),
        received: time(at.received),
        sequence: u64::from(at.sequence),
        complete: true,
        tags: None,
        hold: None,
    }
}
