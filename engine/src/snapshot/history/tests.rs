use std::sync::Arc;

use super::*;
use crate::CollectOptions;
use crate::Engine;
use crate::ManualClock;
use crate::collect::Purge;
use crate::collect::Young;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::open_with;
use crate::store::tests::options;
use crate::store::tests::put_tree;

const HOUR: i64 = DAY_NANOSECONDS / 24;

fn commit(engine: &Engine, series: &str, numbers: std::ops::Range<u64>) -> farkeep_codec::id::SnapshotId {
    let record = Recorder::new(series).record(put_tree(engine, numbers));
    engine.commit(&engine.begin(), &record).expect("committed").id
}

/// What came less what went is what is there, whatever happened in between, and a reader says the same.
#[test]
fn each_day_says_what_it_brought() {
    let disk = SimulatedDisk::new(1);
    drop(crate::store::tests::create(&disk).expect("made"));
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(10 * DAY_NANOSECONDS + HOUR)));
    let with = crate::Options { clock: clock.clone(), ..options(2) };
    let engine = open_with(Arc::new(disk.clone()), with).expect("opened");
    let first = commit(&engine, "a", 0..30);
    commit(&engine, "b", 100..110);
    clock.set(Time::from_nanoseconds(10 * DAY_NANOSECONDS + 23 * HOUR));
    commit(&engine, "c", 200..210);
    clock.set(Time::from_nanoseconds(12 * DAY_NANOSECONDS));
    engine.forget(&first, "a test").expect("it is there");
    clock.set(Time::from_nanoseconds(13 * DAY_NANOSECONDS + HOUR));
    let collect = CollectOptions { purge: Purge::AtOnce, young: Young::Goes, ..CollectOptions::default() };
    let collected = engine.collect(&collect, &|_| std::ops::ControlFlow::Continue(())).expect("collected");
    assert!(collected.bytes_removed > 0, "{collected:?}");

    let days = engine.history().expect("read");
    let at = |day: i64| {
        let time = Time::from_nanoseconds(day * DAY_NANOSECONDS);
        *days.iter().find(|grown| grown.day == time).unwrap_or_else(|| panic!("no day {day} in {days:?}"))
    };
    assert_eq!((at(10).snapshots, at(10).forgotten, at(10).removed_bytes), (3, 0, 0));
    assert_eq!((at(12).snapshots, at(12).forgotten, at(12).stored_bytes), (0, 1, 0));
    assert_eq!((at(13).purged, at(13).removed_bytes), (1, collected.bytes_removed));
    assert!(days.is_sorted_by_key(|grown| grown.day));
    let sum = |of: fn(&Grown) -> u64| days.iter().map(of).sum::<u64>();
    let there = sum(|day| day.stored_bytes) - sum(|day| day.removed_bytes);
    assert_eq!(there, engine.usage().expect("it answers").bytes);
    drop(engine);
    assert_eq!(crate::store::tests::read(&disk).expect("opened").history().expect("read"), days);
}
