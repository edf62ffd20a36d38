//! Any sequence of what keepers, agents, clocks and power cuts do, with collections between and beside, against a list of
//! snapshots and a set of objects.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::OnceLock;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::test_runner::Config;

use super::CollectOptions;
use super::Objects;
use super::closure;
use super::expect_closed;
use super::knows;
use super::now;
use crate::CollectError;
use crate::CollectStep;
use crate::Engine;
use crate::Fate;
use crate::ManualClock;
use crate::Options;
use crate::Patients;
use crate::Rules;
use crate::Session;
use crate::Share;
use crate::StoreError;
use crate::collect::plan::Act as Planned;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::journal::Tail;
use crate::limits::BLOCK_BYTES;
use crate::policy::Policy;
use crate::store::checkpoint::replay_all;
use crate::store::tests::Recorder;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::open_with;
use crate::store::tests::read;

const TREES: u64 = 8;
const DATA: u64 = 16;
const DAY: i64 = 86_400_000_000_000;
const GRACE_DAYS: i64 = 7;

#[derive(Debug, Clone)]
enum Act {
    /// Puts a tree, as far as it is not there, and commits it.
    Write(u8),
    /// Puts so many objects of a tree, and perhaps makes them durable.
    Loose(u8, u8, bool),
    /// A session begins that is told what is there.
    Begin,
    /// It ends.
    End,
    Forget(u8),
    Recover(u8),
    Hold(u8, u8),
    Days(u8),
    Collect(How),
    /// A policy keeps so many of the newest.
    Retain(u8),
    /// The clock shows an earlier day for a moment, and somebody collects in it.
    Yesterday,
    /// A sector of some pack rots, after what rotted before was healed.
    Rot(u8, u16),
    /// What has rotted is healed.
    Heal,
    Reopen,
    RebuildIndex,
}

#[derive(Debug, Clone)]
struct How {
    at_once: bool,
    /// Stops when it has said so often how far it is.
    stop: Option<u8>,
    /// A tree that is written by somebody else when it has said so often how far it is.
    beside: Option<(u8, u8)>,
    /// So many kilobytes are free on the disk while it goes on.
    room: Option<u8>,
}

fn act() -> impl Strategy<Value = Act> {
    let number = 0_u8..8;
    prop_oneof![
        6 => number.clone().prop_map(Act::Write),
        2 => (number.clone(), 1_u8..12, any::<bool>()).prop_map(|(tree, count, flush)| Act::Loose(tree, count, flush)),
        1 => Just(Act::Begin),
        1 => Just(Act::End),
        4 => number.clone().prop_map(Act::Forget),
        1 => number.clone().prop_map(Act::Recover),
        1 => (number.clone(), 1_u8..20).prop_map(|(at, days)| Act::Hold(at, days)),
        1 => (1_u8..9).prop_map(Act::Days),
        5 => (any::<bool>(), option::of(0_u8..9), option::of((0_u8..9, number)), option::weighted(0.2, 60_u8..250))
            .prop_map(|(at_once, stop, beside, room)| Act::Collect(How { at_once, stop, beside, room })),
        1 => (1_u8..4).prop_map(Act::Retain),
        1 => Just(Act::Yesterday),
        2 => (any::<u8>(), any::<u16>()).prop_map(|(pack, block)| Act::Rot(pack, block)),
        1 => Just(Act::Heal),
        2 => Just(Act::Reopen),
        1 => Just(Act::RebuildIndex),
    ]
}

/// An act, and after how many operations the power fails in it, with what the crash leaves.
fn step() -> impl Strategy<Value = (Act, Option<(u64, u64)>)> {
    (act(), option::weighted(0.15, (0_u64..40, any::<u64>())))
}

struct Universe {
    objects: Objects,
    roots: Vec<ObjectId>,
}

/// Each tree has a leaf of its own and one of its neighbour's.
fn universe() -> &'static Universe {
    static UNIVERSE: OnceLock<Universe> = OnceLock::new();
    UNIVERSE.get_or_init(|| {
        let sizes = [300, 2_800, 5_300];
        let data = |number: u64| {
            data(number % DATA, sizes[usize::from(number % 2 == 1) + usize::from(number % 4 > 1)])
        };
        let mut objects: Objects = (0..DATA).map(data).collect();
        let leaf = |tree: u64| node(10 * tree, &[data(tree).0, data(tree + 1).0, data(2 * tree + 5).0]);
        let mut roots = Vec::new();
        for tree in 0..TREES {
            let own = node(10 * tree + 1, &[data(tree + 3).0, data(tree + 7).0]);
            let (first, second) = (leaf(tree % TREES), leaf((tree + 1) % TREES));
            let root = node(10 * tree + 2, &[own.0, first.0, second.0]);
            roots.push(root.0);
            objects.extend([own, first, second, root]);
        }
        Universe { objects, roots }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Snapshot {
    root: ObjectId,
    /// In the order of receipt.
    arrived: u64,
    /// Day.
    forgotten: Option<i64>,
    /// Day.
    held: i64,
}

struct Model {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    today: i64,
    engine: Option<Engine>,
    openings: u8,
    recorder: Recorder,
    session: Option<(Session, BTreeSet<ObjectId>)>,
    snapshots: BTreeMap<SnapshotId, Snapshot>,
    parity_thousandths: u16,
}

impl Model {
    fn begin(parity_thousandths: u16) -> Self {
        let disk = SimulatedDisk::new(1);
        drop(super::create(&disk).expect("made"));
        let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(DAY)));
        let recorder = Recorder::new("host:/a");
        let (session, snapshots) = (None, BTreeMap::new());
        let mut model = Self {
            disk,
            clock,
            today: 1,
            engine: None,
            openings: 1,
            recorder,
            session,
            snapshots,
            parity_thousandths,
        };
        model.reopen();
        let settings = crate::Settings { parity_thousandths, ..model.engine().settings() };
        model.engine().change_settings(&settings, "a test").expect("they are good");
        model
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open between acts")
    }

    fn reopen(&mut self) {
        self.try_open().expect("opened");
        let whole = replay_all(&self.disk, self.engine().parameters(), Tail::IsStill).expect("it is sound");
        assert_eq!(*self.engine().store.catalogue(), whole.catalogue, "a checkpoint changes nothing");
    }

    fn try_open(&mut self) -> Option<()> {
        (self.session, self.engine) = (None, None);
        self.openings += 1;
        let options = Options {
            clock: Arc::<ManualClock>::clone(&self.clock),
            // The index is written often, so that it is in use too.
            index_lag_objects: 12,
            index_lag_extents: 4,
            checkpoint_records: 3,
            ..super::wide(self.openings)
        };
        self.engine = Some(open_with(Arc::new(self.disk.clone()), options).ok()?);
        Some(())
    }

    /// The snapshot with that number.
    fn nth(&self, at: u8) -> Option<SnapshotId> {
        self.snapshots.keys().nth(usize::from(at)).copied()
    }

    /// Nothing, if the power failed.
    fn act(&mut self, act: &Act) -> Option<()> {
        match act {
            Act::Write(tree) => {
                let root = universe().roots[usize::from(*tree)];
                let (id, recorder) = write(self.engine(), &self.recorder, root)?;
                self.recorder = recorder;
                self.insert(id, root);
            }
            Act::Loose(tree, count, flush) => self.loose(*tree, *count, *flush)?,
            Act::Begin => {
                let session = self.engine().begin();
                let is_known = |id: &&ObjectId| knows(self.engine(), &session, id);
                let told = universe().objects.keys().filter(is_known).copied().collect();
                if self.session.is_none() {
                    self.session = Some((session, told));
                }
            }
            Act::End => self.session = None,
            Act::Forget(at) => {
                let Some(id) = self.nth(*at) else { return Some(()) };
                self.engine().forget(&id, "a test").ok()?;
                let today = self.today;
                self.snapshots.get_mut(&id).expect("known").forgotten.get_or_insert(today);
            }
            Act::Recover(at) => {
                let Some(id) = self.nth(*at) else { return Some(()) };
                self.engine().recover(&id, "a test").ok()?;
                self.snapshots.get_mut(&id).expect("known").forgotten = None;
            }
            Act::Hold(at, days) => {
                let Some(id) = self.nth(*at) else { return Some(()) };
                let until = self.today + i64::from(*days);
                let time = Time::from_nanoseconds(until * DAY);
                let held = self.engine().hold(&id, time, "a test");
                if self.disk.has_stopped() {
                    return None;
                }
                let snapshot = self.snapshots.get_mut(&id).expect("known");
                assert_eq!(held.is_ok(), until >= snapshot.held);
                snapshot.held = snapshot.held.max(until);
            }
            Act::Days(days) => {
                self.today += i64::from(*days);
                self.clock.set(Time::from_nanoseconds(self.today * DAY));
            }
            Act::Collect(how) => self.collect(how)?,
            Act::Retain(last) => self.retain(*last)?,
            Act::Yesterday => self.collect_yesterday()?,
            Act::Rot(pack, block) => self.rot(*pack, *block)?,
            Act::Heal => self.heal()?,
            Act::Reopen => self.try_open()?,
            Act::RebuildIndex => self.engine().rebuild_index().ok()?,
        }
        Some(())
    }

    fn loose(&mut self, tree: u8, count: u8, flush: bool) -> Option<()> {
        let objects = closure(&universe().objects, universe().roots[usize::from(tree)]);
        let session = self.engine().begin();
        for (id, bytes) in in_order(&objects).into_iter().take(usize::from(count)) {
            self.engine().put(&session, id, bytes).ok()?;
        }
        if flush { self.engine().flush().ok() } else { Some(()) }
    }

    fn insert(&mut self, id: SnapshotId, root: ObjectId) {
        let arrived = self.engine().store.catalogue().snapshot(&id).expect("it was committed").arrived;
        self.snapshots.insert(id, Snapshot { root, arrived, forgotten: None, held: 0 });
    }

    /// The newest ones stay, and what is held.
    fn retain(&mut self, last: u8) -> Option<()> {
        let pattern = "*".parse().expect("a good pattern");
        let policy = Policy { last: last.into(), ..Policy::new(pattern) };
        let done = self.engine().retain(&Rules::Given(vec![policy]), crate::Act::Execute, "a test").ok()?;
        let mut listed: Vec<_> = self.snapshots.values_mut().filter(|at| at.forgotten.is_none()).collect();
        listed.sort_by_key(|at| std::cmp::Reverse(at.arrived));
        let (today, mut gone) = (self.today, 0);
        for at in listed.into_iter().skip(last.into()).filter(|at| at.held <= today) {
            at.forgotten = Some(today);
            gone += 1;
        }
        let goes = done.judged.iter().filter(|judged| matches!(judged.fate, Fate::Forgotten(_)));
        assert_eq!(goes.count(), gone);
        Some(())
    }

    /// Nothing is deleted by a clock that was set back.
    fn collect_yesterday(&mut self) -> Option<()> {
        self.engine().flush().ok()?;
        let last = self.engine().store.catalogue().at().time;
        self.clock.set(Time::from_nanoseconds(last.nanoseconds() - DAY));
        let before = self.snapshots.clone();
        let collected = self.engine().collect(&now(), &|_| ControlFlow::Continue(()));
        self.clock.set(Time::from_nanoseconds(self.today * DAY));
        if self.disk.has_stopped() {
            return None;
        }
        let frozen = matches!(collected, Err(CollectError::Store(StoreError::Frozen { .. })));
        assert!(frozen && self.snapshots == before, "{collected:?}");
        self.expect_promises();
        Some(())
    }

    /// One sector at a time, which parity can always make good.
    fn rot(&mut self, pack: u8, block: u16) -> Option<()> {
        if self.parity_thousandths == 0 {
            return Some(());
        }
        self.heal()?;
        let packs: Vec<_> = {
            let catalogue = self.engine().store.catalogue();
            catalogue.packs().map(|(_, pack)| (crate::pack::path(&pack.id), pack.bytes as usize)).collect()
        };
        let Some((path, bytes)) = packs.get(usize::from(pack) % packs.len().max(1)) else { return Some(()) };
        let block = usize::from(block) % (bytes / BLOCK_BYTES);
        let at = block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES;
        self.disk.mutate(path, |bytes| bytes[at].fill(0x5a)).ok()?;
        self.expect_promises();
        Some(())
    }

    fn heal(&mut self) -> Option<()> {
        let healing = self.engine().heal(&Patients::All, "a test").ok()?;
        // A pack that could not be written is told of, and no error.
        if self.disk.has_stopped() {
            return None;
        }
        assert_eq!((healing.objects, healing.unhealed), (Vec::new(), Vec::new()));
        Some(())
    }

    fn is_over(&self, snapshot: &Snapshot, at_once: bool) -> bool {
        let over = |day| at_once || day + GRACE_DAYS <= self.today;
        snapshot.held <= self.today && snapshot.forgotten.is_some_and(over)
    }

    fn collect(&mut self, how: &How) -> Option<()> {
        let told = Cell::new(0);
        let beside = Cell::new(None);
        let watch = |progress: crate::CollectProgress| {
            let turn = told.replace(told.get() + 1);
            if let Some((_, tree)) = how.beside.filter(|(when, _)| *when == turn) {
                let root = universe().roots[usize::from(tree)];
                beside.set(write(self.engine(), &self.recorder, root).map(|written| (root, written)));
            }
            let stops = how.stop == Some(turn) || progress.step == CollectStep::Waiting;
            if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = if how.at_once { now() } else { CollectOptions::default() };
        let used: usize = self.disk.files().iter().map(|(_, bytes)| bytes).sum();
        self.disk.limit_bytes(how.room.map(|room| used + (usize::from(room) << 10)));
        let collected = self.engine().collect(&options, &watch);
        self.disk.limit_bytes(None);
        if self.disk.has_stopped() {
            return None;
        }
        if how.room.is_some() {
            return self.collected_without_room(how, collected.as_ref().err());
        }
        let collected = collected.expect("collected");
        let before = self.snapshots.len();
        let gone: Vec<_> = self.snapshots.iter().filter(|(_, at)| self.is_over(at, how.at_once)).collect();
        let gone: Vec<SnapshotId> = gone.into_iter().map(|(id, _)| *id).collect();
        self.snapshots.retain(|id, _| !gone.contains(id));
        assert_eq!(usize::try_from(collected.purged), Ok(before - self.snapshots.len()));
        if let Some((root, (id, recorder))) = beside.into_inner() {
            self.recorder = recorder;
            self.insert(id, root);
        }
        self.expect_promises();
        Some(())
    }

    /// It may have found no room at any step, and the one beside it too.
    fn collected_without_room(&mut self, how: &How, error: Option<&CollectError>) -> Option<()> {
        let is_full =
            matches!(error, None | Some(CollectError::Store(StoreError::Full { .. } | StoreError::Lost)));
        assert!(is_full, "{error:?}");
        // What was put and not durable yet may have been given up.
        self.session = None;
        let there = self.there();
        for (id, at) in &self.snapshots {
            assert!(there.contains_key(id) || self.is_over(at, how.at_once), "a snapshot is lost");
        }
        self.take_in(there);
        self.expect_promises();
        Some(())
    }

    /// Does that while the power fails, and takes in what is left.
    fn fail(&mut self, act: &Act, operations: u64, seed: u64) {
        // Who begins only asks, and is asked here whether the answer is right.
        if !matches!(act, Act::Begin) {
            self.disk.stop_after(operations);
        }
        let before = self.snapshots.clone();
        let done = self.act(act).is_some();
        (self.session, self.engine) = (None, None);
        self.disk = self.disk.crash(&Crash::Seeded(seed));
        self.reopen();
        let there = self.there();
        if done {
            let ids: BTreeSet<_> = there.keys().copied().collect();
            assert_eq!(ids, self.snapshots.keys().copied().collect(), "what was acknowledged is there");
        }
        for (id, snapshot) in before {
            assert!(there.contains_key(&id) || self.is_over(&snapshot, true), "a snapshot is lost");
        }
        self.take_in(there);
        self.expect_promises();
    }

    /// The snapshots that there are, and whether they are forgotten.
    fn there(&self) -> BTreeMap<SnapshotId, Option<i64>> {
        let listed = self.engine().snapshots().expect("listed").into_iter().map(|at| (at.id, None));
        let forgotten = self.engine().forgotten().expect("listed");
        let day = |time: Time| Some(time.nanoseconds() / DAY);
        listed.chain(forgotten.into_iter().map(|at| (at.listed.id, day(at.forgotten)))).collect()
    }

    fn take_in(&mut self, there: BTreeMap<SnapshotId, Option<i64>>) {
        let mut known = std::mem::take(&mut self.snapshots);
        for (id, forgotten) in there {
            let catalogue = self.engine().store.catalogue();
            let at = catalogue.snapshot(&id).expect("it is listed");
            let held = at.held_until.nanoseconds() / DAY;
            let snapshot = Snapshot { root: at.root, arrived: at.arrived, forgotten, held };
            drop(catalogue);
            known.remove(&id);
            self.snapshots.insert(id, snapshot);
        }
        let series = self.recorder.clone();
        self.recorder = series.behind(self.engine());
    }

    fn expect_promises(&self) {
        let forgotten: BTreeMap<_, _> = self.snapshots.iter().map(|(id, at)| (*id, at.forgotten)).collect();
        assert_eq!(self.there(), forgotten);
        for snapshot in self.snapshots.values() {
            expect_readable(self.engine(), &closure(&universe().objects, snapshot.root));
        }
        expect_closed(self.engine(), &universe().objects);
        if let Some((session, told)) = &self.session {
            let gone = told.iter().find(|id| !knows(self.engine(), session, id));
            assert_eq!(gone, None, "it was told that this is there");
        }
    }

    fn end(mut self) {
        self.expect_promises();
        self.session = None;
        self.heal().expect("the power is on");
        self.act(&Act::Reopen);
        self.expect_promises();
        for _ in 0..2 {
            self.act(&Act::Collect(How { at_once: true, stop: None, beside: None, room: None }));
        }
        let plan = self.engine().plan_collection(&now()).expect("planned");
        assert!(plan.packs.iter().all(|planned| planned.act == Planned::Empty), "{plan:?}");
        self.expect_no_garbage();
        self.engine().rebuild_index().expect("built");
        self.expect_promises();
        self.expect_no_garbage();
        let report = self.engine().verify(Share::Everything, &|_| {}).expect("checked");
        assert_eq!(report.damage, []);
        let reader = read(&self.disk).expect("opened");
        for snapshot in self.snapshots.values() {
            expect_readable(&reader, &closure(&universe().objects, snapshot.root));
        }
    }

    /// Nodes that nothing needs are unknown.
    fn expect_no_garbage(&self) {
        let needed = |id: &ObjectId| {
            let mut roots = self.snapshots.values().map(|at| at.root);
            roots.any(|root| closure(&universe().objects, root).contains_key(id))
        };
        let session = self.engine().begin();
        for (id, bytes) in &universe().objects {
            let is_node = !super::references(bytes).is_empty();
            assert!(
                !is_node || !knows(self.engine(), &session, id) || needed(id),
                "{id} is needed by nobody"
            );
        }
    }
}

/// Children first.
fn in_order(objects: &Objects) -> Vec<(&ObjectId, &Vec<u8>)> {
    let rank = |bytes: &[u8]| match super::references(bytes) {
        none if none.is_empty() => 0,
        some if some.iter().all(|id| super::references(&universe().objects[id]).is_empty()) => 1,
        _ => 2,
    };
    let mut all: Vec<_> = objects.iter().collect();
    all.sort_by_key(|(_, bytes)| rank(bytes));
    all
}

/// Writes a tree as an agent does. Nothing, if the power failed.
fn write(engine: &Engine, recorder: &Recorder, root: ObjectId) -> Option<(SnapshotId, Recorder)> {
    let session = engine.begin();
    for (id, bytes) in in_order(&closure(&universe().objects, root)) {
        if engine.probe(&session, &[*id]).ok()? == [crate::Presence::Unknown] {
            match engine.put(&session, id, bytes) {
                Ok(_) => {}
                Err(error @ crate::PutError::MissingReferences { .. }) => panic!("{error}"),
                Err(_) => return None,
            }
        }
    }
    let record = recorder.record(root);
    let committed = engine.commit(&session, &record).ok()?;
    let mut recorder = recorder.clone();
    recorder.taken(&record);
    Some((committed.id, recorder))
}

proptest! {
    #![proptest_config(Config { cases: 2000, ..Config::default() })]

    #[test]
    fn what_is_needed_stays_and_what_is_not_goes_whatever_happens(
        steps in vec(step(), 1..30),
        parity_thousandths in prop_oneof![Just(0_u16), Just(10)],
    ) {
        let mut model = Model::begin(parity_thousandths);
        for (act, cut) in &steps {
            match cut {
                None => model.act(act).expect("the power is on"),
                Some((operations, seed)) => model.fail(act, *operations, *seed),
            }
        }
        model.end();
    }
}
