//! What others do while a collection runs, step by step between its steps.

use std::cell::Cell;
use std::cell::RefCell;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;

use super::CollectOptions;
use super::Objects;
use super::Young;
use super::closure;
use super::collect;
use super::commit;
use super::create;
use super::expect_closed;
use super::expect_sound;
use super::knows;
use super::now;
use super::open;
use super::put;
use super::tree;
use crate::CollectOutcome;
use crate::CollectProgress;
use crate::CollectStep;
use crate::Engine;
use crate::Put;
use crate::Session;
use crate::StoreError;
use crate::collect::pace::Limits;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::store::tests::Recorder;
use crate::store::tests::close_packs;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::read;

/// A repository with a snapshot, and another one that nobody wants any more.
struct World {
    disk: SimulatedDisk,
    engine: Engine,
    recorder: Recorder,
    parent: SnapshotId,
    parent_root: ObjectId,
    old: Objects,
    kept: Objects,
}

impl World {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let engine = create(&disk).expect("made");
        let (parent_root, old) = tree(0..6, 3_000);
        let (kept_root, kept) = tree(100..102, 900);
        put(&engine, &kept);
        commit(&engine, &mut Recorder::new("host:/kept"), kept_root);
        put(&engine, &old);
        let mut recorder = Recorder::new("host:/a");
        let parent = commit(&engine, &mut recorder, parent_root);
        drop(engine);
        let engine = open(&disk, 2).expect("opened");
        Self { disk, engine, recorder, parent, parent_root, old, kept }
    }

    /// What must hold at the end of every story.
    fn expect_promises(self, universe: &Objects, alive: &[&Objects]) {
        let expect = |engine: &Engine| {
            alive.iter().for_each(|objects| expect_readable(engine, objects));
            expect_closed(engine, universe);
        };
        expect(&self.engine);
        expect(&read(&self.disk).expect("opened"));
        drop(self.engine);
        let engine = open(&self.disk, 9).expect("opened");
        expect(&engine);
        engine.rebuild_index().expect("built");
        expect(&engine);
        collect(&engine);
        expect(&engine);
        expect_sound(&engine);
    }
}

/// A leaf of the old tree and its branch are used again, beside a new one.
fn incremental(old: &Objects, parent_root: ObjectId) -> (ObjectId, Objects) {
    let branch = super::references(&old[&parent_root])[0];
    let fresh = data(500, 700);
    let leaf = node(500, &[fresh.0, data(1, 3_000).0]);
    let root = node(501, &[branch, leaf.0]);
    let mut all = closure(old, branch);
    all.extend([fresh, leaf, root.clone()]);
    (root.0, all)
}

/// A backup that goes on step by step.
struct Backup {
    step: u32,
    session: Option<Session>,
    committed: bool,
}

const BACKUP_STEPS: u32 = 6;

impl Backup {
    fn new() -> Self {
        Self { step: 0, session: None, committed: false }
    }

    /// What an agent does that remembers the parent: it asks, and sends what it is told is unknown, children first.
    fn go_on(&mut self, world: &World, recorder: &mut Recorder, (root, all): &(ObjectId, Objects)) {
        let engine = &world.engine;
        self.step += 1;
        if self.step == 1 {
            self.session = Some(engine.begin());
            return;
        }
        let Some(session) = &self.session else { return };
        let send = |wanted: &dyn Fn(&[u8]) -> bool| {
            let mut waiting: Vec<_> = all.iter().filter(|(_, bytes)| wanted(bytes)).collect();
            for _ in 0..4 {
                waiting.retain(|(id, bytes)| {
                    !knows(engine, session, id) && engine.put(session, id, bytes).is_err()
                });
            }
            assert!(waiting.is_empty(), "what a session was told is there is not there any more");
        };
        let is_data = |bytes: &[u8]| super::references(bytes).is_empty();
        match self.step {
            2 => drop(all.keys().map(|id| knows(engine, session, id)).collect::<Vec<_>>()),
            3 => send(&is_data),
            4 => send(&|bytes| !is_data(bytes)),
            5 => {
                let record = recorder.record(*root);
                engine
                    .commit(session, &record)
                    .expect("everything is there that the session put or was told of");
                recorder.taken(&record);
                self.committed = true;
            }
            _ => self.session = None,
        }
    }
}

/// Six steps each: the schedule says before which step of the forgetting and collecting each step of the backup comes.
fn race(schedule: &[u32]) {
    let world = World::new();
    let new = incremental(&world.old, world.parent_root);
    let state = RefCell::new((Backup::new(), world.recorder.clone(), schedule.to_vec()));
    let catch_up = |point: u32| {
        let (backup, recorder, left) = &mut *state.borrow_mut();
        while left.first().is_some_and(|first| *first <= point) {
            left.remove(0);
            backup.go_on(&world, recorder, &new);
        }
    };
    catch_up(0);
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    catch_up(1);
    let watch = |progress: CollectProgress| {
        match progress.step {
            CollectStep::Begun => catch_up(2),
            CollectStep::Sorting => catch_up(3),
            CollectStep::Condemned => catch_up(4),
            CollectStep::Settled => catch_up(5),
            CollectStep::Waiting => {
                let (backup, recorder, left) = &mut *state.borrow_mut();
                assert!(!left.is_empty(), "it waits for nobody");
                while backup.session.is_some() {
                    left.remove(0);
                    backup.go_on(&world, recorder, &new);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert_eq!(collected.outcome, CollectOutcome::Complete);
    catch_up(u32::MAX);
    let (backup, recorder, left) = state.into_inner();
    assert!(left.is_empty() && backup.step == BACKUP_STEPS && backup.committed);
    let mut universe = world.old.clone();
    universe.extend(world.kept.clone());
    universe.extend(new.1.clone());
    let kept = world.kept.clone();
    World { recorder, ..world }.expect_promises(&universe, &[&kept, &new.1]);
}

#[test]
fn a_new_incremental_snapshot_commits_while_its_parent_is_forgotten_and_collected() {
    let mut schedules = 0;
    let mut schedule = Vec::new();
    each_schedule(&mut schedule, 0, &mut |schedule| {
        schedules += 1;
        race(schedule);
    });
    assert_eq!(schedules, 924, "six steps among six");
}

fn each_schedule(schedule: &mut Vec<u32>, least: u32, show: &mut dyn FnMut(&[u32])) {
    if schedule.len() == BACKUP_STEPS as usize {
        return show(schedule);
    }
    for point in least..=6 {
        schedule.push(point);
        each_schedule(schedule, point, show);
        schedule.pop();
    }
}

#[test]
fn a_session_that_is_older_than_the_condemnation_keeps_what_it_was_told() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let session = RefCell::new(Some(world.engine.begin()));
    let waited = RefCell::new(0);
    let told = |session: &Session| world.old.keys().all(|id| knows(&world.engine, session, id));
    assert!(told(session.borrow().as_ref().expect("it has begun")));
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Waiting {
            *waited.borrow_mut() += 1;
            assert_eq!(progress.total, 1);
            assert!(
                told(session.borrow().as_ref().expect("it goes on")),
                "condemned, and still there for it"
            );
            expect_readable(&world.engine, &world.old);
            drop(session.take());
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert!(collected.packs_removed > 0 && *waited.borrow() == 1, "{collected:?}");
}

#[test]
fn a_session_that_is_younger_stores_anew() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let recorder = world.recorder.clone();
    let stored = RefCell::new(false);
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Settled && !stored.replace(true) {
            let session = world.engine.begin();
            let known = world.old.keys().filter(|id| knows(&world.engine, &session, id)).count();
            assert!(known <= 2, "{known} of what is condemned are known to who comes later");
            drop(session);
            put(&world.engine, &world.old);
            let record = recorder.record(world.parent_root);
            world.engine.commit(&world.engine.begin(), &record).expect("everything was stored anew");
        }
        ControlFlow::Continue(())
    };
    let mut watch = watch;
    let cell = RefCell::new(&mut watch);
    let collected =
        world.engine.collect(&now(), &|progress| (cell.borrow_mut())(progress)).expect("collected");
    assert!(collected.packs_removed > 0, "{collected:?}");
    let (old, kept) = (world.old.clone(), world.kept.clone());
    let universe = old.clone().into_iter().chain(kept.clone()).collect();
    world.expect_promises(&universe, &[&old, &kept]);
}

#[test]
fn a_pin_that_never_ends_blocks_removal_and_nothing_else() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let session = world.engine.begin();
    let mut recorder = Recorder::new("host:/else");
    for turn in 0..3 {
        let stop = |progress: CollectProgress| match progress.step {
            CollectStep::Waiting => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let collected = world.engine.collect(&now(), &stop).expect("it gives up");
        assert_eq!(collected.outcome, CollectOutcome::Waited { sessions: 1 });
        assert_eq!(collected.packs_removed, 0);
        let (root, more) = tree(1000 + 10 * turn..1003 + 10 * turn, 900);
        put(&world.engine, &more);
        commit(&world.engine, &mut recorder, root);
        expect_readable(&world.engine, &more);
        assert!(world.old.keys().all(|id| knows(&world.engine, &session, id)));
    }
    expect_sound(&world.engine);
    drop(session);
    assert!(collect(&world.engine).packs_removed > 0);
}

#[test]
fn a_reader_of_another_process_is_waited_for() {
    let world = World::new();
    let reader = RefCell::new(Some(read(&world.disk).expect("opened")));
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let waited = RefCell::new(0);
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Waiting {
            *waited.borrow_mut() += 1;
            assert_eq!(progress.total, 0, "no session is waited for");
            expect_readable(reader.borrow().as_ref().expect("it goes on"), &world.old);
            drop(reader.take());
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert!(collected.packs_removed > 0 && *waited.borrow() == 1, "{collected:?}");
}

/// One that began behind the condemnation is not waited for: what it misses in its place it finds by its id.
#[test]
fn a_reader_that_misses_a_pack_finds_what_was_moved() {
    let world = World::new();
    // Of the pack of data that goes something survives.
    let (shared, _) = data(1, 3_000);
    let root = node(700, &[shared]);
    put(&world.engine, &[root.clone()].into());
    commit(&world.engine, &mut Recorder::new("host:/shared"), root.0);
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let reader = RefCell::new(None);
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Condemned {
            let engine = read(&world.disk).expect("opened");
            let place = engine.locate(&shared).expect("answered").expect("it is there");
            *reader.borrow_mut() = Some((engine, place));
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert!(collected.objects_moved > 0 && collected.packs_removed > 0, "{collected:?}");
    let (reader, place) = reader.into_inner().expect("it began");
    close_packs(&reader);
    let mut found = Vec::new();
    reader.objects(&[(shared, place)], &mut Vec::new(), &mut |_, read| found.push(read.map(<[u8]>::to_vec)));
    let found = found.pop().expect("shown").expect("it is there, elsewhere");
    assert_eq!(found, world.old[&shared]);
}

/// It holds the lock of the epoch to come, and nobody waited for it when the condemnation between was given up.
#[test]
fn a_reader_of_two_condemnations_ago_keeps_the_next_from_coming() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let reader = read(&world.disk).expect("opened");
    let stop = |progress: CollectProgress| match progress.step {
        CollectStep::Waiting => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let first = world.engine.collect(&now(), &stop).expect("it gives up");
    assert_eq!((first.outcome, first.packs_removed), (CollectOutcome::Stopped, 0));
    let second = world.engine.collect(&now(), &stop).expect("it gives up");
    assert_eq!((second.outcome, second.packs_removed), (CollectOutcome::Readers, 0));
    expect_readable(&reader, &world.old);
    drop(reader);
    assert!(collect(&world.engine).packs_removed > 0);
}

/// What survives is copied meanwhile: when the last one has ended, only the removal is left to do.
#[test]
fn copies_are_made_while_somebody_is_waited_for() {
    let world = World::new();
    let (shared, _) = data(1, 3_000);
    let root = node(700, &[shared]);
    put(&world.engine, &[root.clone()].into());
    commit(&world.engine, &mut Recorder::new("host:/shared"), root.0);
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let place = || world.engine.locate(&shared).expect("answered").expect("it is there");
    let (before, session) = (place(), RefCell::new(Some(world.engine.begin())));
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Waiting {
            assert_ne!(place(), before, "it lies elsewhere already");
            expect_readable(&world.engine, &world.old);
            assert!(session.take().is_some(), "it waits once");
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert!(collected.objects_moved > 0 && collected.packs_removed > 0, "{collected:?}");
    assert!(session.borrow().is_none());
    assert_eq!(collected.outcome, CollectOutcome::Complete);
    expect_sound(&world.engine);
}

/// What was put once more, since it was condemned, and found no room: it lies where it lay.
#[test]
fn what_is_put_once_more_and_given_up_is_still_there() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let was_full = Cell::new(false);
    let watch = |progress: CollectProgress| {
        if progress.step != CollectStep::Condemned {
            return ControlFlow::Continue(());
        }
        let session = world.engine.begin();
        for number in 0..6 {
            let (id, bytes) = data(number, 3_000);
            assert_eq!(world.engine.put(&session, &id, &bytes).expect("there is room"), Put::New);
        }
        world.disk.fail(Faulty::Write, 0, Failure::Full);
        assert!(matches!(world.engine.flush(), Err(StoreError::Full { .. })));
        was_full.set(true);
        // Nobody condemns it any more.
        ControlFlow::Break(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("ended");
    assert_eq!((collected.outcome, was_full.get()), (CollectOutcome::Stopped, true));
    expect_readable(&world.engine, &world.old);
    expect_closed(&world.engine, &world.old);
    assert!(collect(&world.engine).packs_removed > 0);
    expect_readable(&world.engine, &world.kept);
    expect_sound(&world.engine);
}

/// Whoever gives up what found no room clears away what nobody knows, and leaves the copies alone.
#[test]
fn copies_outlast_what_others_give_up() {
    let world = World::new();
    let shared: Vec<_> = (1..5).map(|number| data(number, 3_000)).collect();
    let root = node(700, &shared.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    put(&world.engine, &[root.clone()].into());
    commit(&world.engine, &mut Recorder::new("host:/shared"), root.0);
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let was_full = Cell::new(0);
    let watch = |progress: CollectProgress| {
        if progress.step == CollectStep::Copying {
            let (id, bytes) = data(9_000 + was_full.get(), 3_000);
            assert_eq!(
                world.engine.put(&world.engine.begin(), &id, &bytes).expect("there is room"),
                Put::New
            );
            world.disk.fail(Faulty::Write, 0, Failure::Full);
            assert!(matches!(world.engine.flush(), Err(StoreError::Full { .. })));
            was_full.set(was_full.get() + 1);
        }
        ControlFlow::Continue(())
    };
    let collected = world.engine.collect(&now(), &watch).expect("collected");
    assert!(
        was_full.get() > 1 && collected.objects_moved > 0 && collected.packs_removed > 0,
        "{collected:?}"
    );
    expect_readable(&world.engine, &shared.iter().cloned().collect());
    expect_readable(&world.engine, &world.kept);
    expect_sound(&world.engine);
}

/// What is young is needed, and so is all that it refers to, wherever that lies.
#[test]
fn what_is_young_keeps_what_it_refers_to() {
    let world = World::new();
    collect(&world.engine);
    let young = node(800, &[data(2, 3_000).0, super::references(&world.old[&world.parent_root])[0]]);
    put(&world.engine, &[young.clone()].into());
    world.engine.flush().expect("durable");
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let courteous = CollectOptions { young: Young::Stays, ..now() };
    let collected = world.engine.collect(&courteous, &|_| ControlFlow::Continue(())).expect("collected");
    assert!(collected.purged == 1 && collected.nodes_read > 0, "{collected:?}");
    let below = closure(&world.old, super::references(&world.old[&world.parent_root])[0]);
    expect_readable(&world.engine, &below);
    expect_readable(&world.engine, &[young.clone()].into());
    let mut universe = world.old.clone();
    universe.insert(young.0, young.1);
    expect_closed(&world.engine, &universe);
    let session = world.engine.begin();
    assert!(!knows(&world.engine, &session, &world.parent_root), "what nothing young refers to goes");
}

/// So slow that it comes to its end before anything is done.
#[test]
fn a_pace_is_kept() {
    let world = World::new();
    world.engine.forget(&world.parent, "a test").expect("forgotten");
    let time_max = Some(Duration::from_millis(20));
    let slow = Limits { bytes_per_second: NonZeroU64::new(1), ..Limits::NONE };
    let options = CollectOptions { limits: slow, time_max, ..now() };
    let collected = world.engine.collect(&options, &|_| ControlFlow::Continue(())).expect("collected");
    assert_eq!((collected.outcome, collected.packs_removed), (CollectOutcome::Stopped, 0));
    assert!(collect(&world.engine).packs_removed > 0);
}
