//! When there is nothing to do, and when nothing may be done.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

use farkeep_codec::time::Time;

use super::CollectOptions;
use super::collect;
use super::commit;
use super::create;
use super::expect_sound;
use super::knows;
use super::now;
use super::open;
use super::put;
use super::tree;
use super::wide;
use crate::CollectError;
use crate::CollectStep;
use crate::Collected;
use crate::Engine;
use crate::ManualClock;
use crate::Options;
use crate::StoreError;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::open_with;

fn plainly(engine: &Engine) -> Collected {
    engine.collect(&CollectOptions::default(), &|_| ControlFlow::Continue(())).expect("collected")
}

/// Collects until there is nothing to do, which is soon.
fn settle(engine: &Engine) {
    for _ in 0..4 {
        let before = engine.head();
        let collected = plainly(engine);
        if engine.head() == before {
            assert_eq!(collected, Collected::default());
            return;
        }
    }
    panic!("there is always something to do");
}

#[test]
fn nothing_to_do_is_answered_from_the_catalogue() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let (old_root, old) = tree(0..6, 3_000);
    put(&engine, &old);
    let going = commit(&engine, &mut recorder, old_root);
    let (root, kept) = tree(100..106, 3_000);
    put(&engine, &kept);
    commit(&engine, &mut recorder, root);
    assert!(plainly(&engine).nodes_read > 0);
    settle(&engine);
    drop(engine);
    for seed in [2, 3] {
        // Whoever opens it knows that too, by the journal or by the checkpoint.
        let engine = open(&disk, seed).expect("opened");
        let before = engine.head();
        assert_eq!((plainly(&engine), engine.head()), (Collected::default(), before));
    }
    let engine = open(&disk, 4).expect("opened");
    engine.forget(&going, "a test").expect("forgotten");
    let before = engine.head();
    assert_eq!((plainly(&engine), engine.head()), (Collected::default(), before), "its grace is not over");
    let collected = collect(&engine);
    assert!(collected.purged == 1 && collected.packs_removed > 0, "{collected:?}");
    expect_readable(&engine, &kept);
    settle(&engine);
    expect_sound(&engine);
}

/// What nothing refers to is left alone once, and then it goes, although nothing was purged.
#[test]
fn what_has_become_old_is_looked_at() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (root, kept) = tree(100..106, 3_000);
    put(&engine, &kept);
    commit(&engine, &mut Recorder::new("host:/a"), root);
    plainly(&engine);
    settle(&engine);
    let (_, loose) = tree(0..6, 3_000);
    put(&engine, &loose);
    engine.flush().expect("durable");
    let is_known = |engine: &Engine| loose.keys().filter(|id| knows(engine, &engine.begin(), id)).count();
    let first = plainly(&engine);
    assert_eq!(
        (first.nodes_read, first.packs_removed, is_known(&engine)),
        (0, 0, loose.len()),
        "it is young"
    );
    let second = plainly(&engine);
    assert!(second.nodes_read > 0 && is_known(&engine) < loose.len(), "{second:?}");
    settle(&engine);
    assert_eq!(is_known(&engine), 0);
    expect_readable(&engine, &kept);
}

/// Less garbage is asked for than was left.
#[test]
fn what_was_left_before_goes_when_less_may_stay() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let engine = open(&disk, 2).expect("opened");
    let mut recorder = Recorder::new("host:/a");
    let (going_root, old) = tree(0..10, 5_000);
    put(&engine, &old);
    let going = commit(&engine, &mut recorder, going_root);
    let shared: Vec<_> = (0..9).map(|number| data(number, 5_000).0).collect();
    let root = node(700, &shared);
    put(&engine, &[root.clone()].into());
    commit(&engine, &mut recorder, root.0);
    drop(engine);
    let engine = open(&disk, 3).expect("opened");
    engine.forget(&going, "a test").expect("forgotten");
    let with = |thousandths| {
        let options = CollectOptions { garbage_thousandths: Some(thousandths), ..now() };
        engine.collect(&options, &|_| ControlFlow::Continue(())).expect("collected")
    };
    let first = with(900);
    assert!(first.bytes_left > 5_000, "{first:?}");
    for _ in 0..2 {
        with(900);
    }
    assert_eq!(with(900), Collected::default(), "nothing to do");
    let last = with(0);
    assert!(last.packs_removed > 0 && last.bytes_left == 0, "{last:?}");
}

const HOUR: i64 = 3_600_000_000_000;

#[test]
fn a_clock_that_was_set_back_freezes_every_step() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(100 * HOUR)));
    let options = Options { clock: Arc::<ManualClock>::clone(&clock), ..wide(2) };
    let engine = open_with(Arc::new(disk.clone()), options).expect("opened");
    let (root, old) = tree(0..6, 3_000);
    put(&engine, &old);
    let going = commit(&engine, &mut Recorder::new("host:/a"), root);
    engine.forget(&going, "a test").expect("forgotten");
    let wrong = Time::from_nanoseconds(98 * HOUR);
    let right = Time::from_nanoseconds(100 * HOUR);
    for when in [None, Some(CollectStep::Begun), Some(CollectStep::Settled)] {
        clock.set(if when.is_none() { wrong } else { right });
        let packs = super::pack_bytes(&disk);
        let moved = Cell::new(false);
        let watch = |progress: crate::CollectProgress| {
            if Some(progress.step) == when {
                clock.set(wrong);
                moved.set(true);
            }
            ControlFlow::Continue(())
        };
        let error = engine.collect(&now(), &watch).expect_err("the clock is not believed");
        let CollectError::Store(StoreError::Frozen { shown }) = error else { panic!("{when:?}: {error}") };
        assert_eq!((shown, super::pack_bytes(&disk), moved.get()), (wrong, packs, when.is_some()));
        assert_eq!(engine.forgotten().expect("listed").len(), usize::from(when.is_none()), "{when:?}");
        assert!(!engine.is_frozen(), "that it is behind is seen each time anew");
    }
    // Less than the limit is how clocks are.
    clock.set(Time::from_nanoseconds(100 * HOUR - HOUR / 7));
    assert!(collect(&engine).packs_removed > 0);
}
