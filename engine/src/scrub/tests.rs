//! Patrols of small repositories on the simulated disk.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::time::Time;

use super::Care;
use super::PatrolOptions;
use super::PatrolOutcome;
use super::Patrolled;
use super::Progress;
use super::Turn;
use super::patrol::Timing;
use super::patrol::patrol_timed;
use super::patrol::verifications;
use crate::Access;
use crate::Engine;
use crate::ManualClock;
use crate::Options;
use crate::Presence;
use crate::Put;
use crate::Share;
use crate::StoreError;
use crate::collect::pace::Limits;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::journal::Event;
use crate::limits::BLOCK_BYTES;
use crate::pack;
use crate::store::tests::append;
use crate::store::tests::create_with;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::open_with;
use crate::store::tests::options;

mod crash;
mod repair;

const VERIFIED: &str = "verified";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(time: Duration) -> Time {
    Time::from_nanoseconds(i64::try_from(time.as_nanos()).expect("near 1970"))
}

/// A repository of several packs with parity, and its clock.
struct Yard {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    objects: BTreeMap<ObjectId, Vec<u8>>,
}

impl Yard {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(at(DAY)));
        let mut yard = Self { disk: SimulatedDisk::new(1), clock, objects: BTreeMap::new() };
        let engine = create_with(&yard.disk, yard.options(1)).expect("made");
        yard.put(&engine, 0..100);
        yard
    }

    fn put(&mut self, engine: &Engine, numbers: std::ops::Range<u64>) {
        for (id, bytes) in numbers.map(|number| data(number, 3_000)) {
            engine.put(&engine.begin(), &id, &bytes).expect("put");
            self.objects.insert(id, bytes);
        }
        engine.flush().expect("flushed");
    }

    fn options(&self, seed: u8) -> Options {
        let clock = Arc::clone(&self.clock);
        Options { pack_bytes: 64 << 10, parity_thousandths: 10, clock, ..options(seed) }
    }

    fn open(&self) -> Engine {
        open_with(Arc::new(self.disk.clone()), self.options(2)).expect("opened")
    }

    fn read(&self) -> Engine {
        Engine::open(Arc::new(self.disk.clone()), Access::Read, self.options(0)).expect("opened")
    }

    fn open_on(&self, disk: &SimulatedDisk, seed: u8) -> Option<Engine> {
        open_with(Arc::new(disk.clone()), self.options(seed)).ok()
    }

    fn read_on(&self, disk: &SimulatedDisk) -> Engine {
        Engine::open(Arc::new(disk.clone()), Access::Read, self.options(0)).expect("opened")
    }

    /// The ids of all packs, by their numbers.
    fn packs(&self) -> Vec<PackId> {
        let engine = self.read();
        let catalogue = engine.store.catalogue();
        catalogue.packs().map(|(_, pack)| pack.id).collect()
    }

    fn damage(&self, pack: &PackId, blocks: impl IntoIterator<Item = usize>) {
        for block in blocks {
            let change = |bytes: &mut Vec<u8>| bytes[block * BLOCK_BYTES + 100] ^= 1;
            self.disk.mutate(&pack::path(pack), change).expect("there");
        }
    }
}

fn everything(care: Care) -> PatrolOptions {
    let by = "a test".to_owned();
    PatrolOptions { turn: Turn::All, care, time_max: None, limits: Limits::NONE, by }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Patrols with time that passes only while it rests. Returns how much of it.
fn patrol_in_time(
    engine: &Engine,
    options: &PatrolOptions,
    watch: &dyn Fn(Progress) -> ControlFlow<()>,
) -> (Patrolled, Duration) {
    let now = Cell::new(Duration::ZERO);
    let rest = |rest| now.set(now.get() + rest);
    let time = Timing { elapsed: &|| now.get(), rest: &rest };
    (patrol_timed(&engine.store, options, watch, time).expect("patrolled"), now.get())
}

/// The first patrols to be stopped after each pack, one after the other: nothing is verified twice before everything was
/// once, and the oldest comes first.
#[test]
fn the_oldest_comes_first_over_many_short_patrols() {
    let mut yard = Yard::new();
    let engine = yard.open();
    let packs = yard.packs();
    assert!(packs.len() >= 5, "{}", packs.len());
    let visited = |engine: &Engine| {
        let before = RefCell::new(None);
        let stop = |at: Progress| {
            let first = *before.borrow_mut().get_or_insert(at.bytes_done);
            if at.bytes_done > first { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let patrolled = engine.patrol(&everything(Care::Heal), &stop).expect("patrolled");
        assert_eq!((patrolled.packs, patrolled.damaged_count), (1, 0));
        patrolled.outcome
    };
    let sum = engine.verifications();
    assert_eq!((sum.packs, sum.packs_unverified, sum.oldest), (packs.len() as u64, packs.len() as u64, None));
    for (day, unverified) in (2..).zip((0..packs.len() as u64).rev()) {
        yard.clock.set(at(DAY * day));
        let last = visited(&engine);
        assert_eq!(last == PatrolOutcome::Stopped, unverified > 0 || packs.len() > 1);
        let sum = engine.verifications();
        assert_eq!((sum.packs_unverified, sum.oldest), (unverified, Some(at(DAY * 2))));
    }
    yard.clock.set(at(DAY * 20));
    visited(&engine);
    let sum = engine.verifications();
    assert_eq!(
        (sum.packs_unverified, sum.oldest),
        (0, Some(at(DAY * 3))),
        "the one of the second day is new"
    );
    assert_eq!((sum.bound, sum.is_late), (Some(30 * DAY), false));
    yard.clock.set(at(DAY * 34));
    assert!(engine.verifications().is_late);

    // What is stored meanwhile waits from when it was seen first.
    yard.put(&engine, 100..110);
    let sum = engine.verifications();
    assert_eq!((sum.packs, sum.packs_unverified), (packs.len() as u64 + 1, 1));
    let patrolled = engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    assert_eq!((patrolled.outcome, patrolled.packs), (PatrolOutcome::Complete, sum.packs));
    assert_eq!(patrolled.bytes, sum.bytes);
    let sum = engine.verifications();
    assert_eq!((sum.packs_unverified, sum.oldest, sum.is_late), (0, Some(at(DAY * 34)), false));
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").notices, []);
}

/// A schedule that calls again and again verifies everything within the time that the settings give, in even parts.
#[test]
fn a_schedule_keeps_to_the_settings() {
    let yard = Yard::new();
    let engine = yard.open();
    let all = yard.packs().len() as u64;
    let options = PatrolOptions { turn: Turn::Due(DAY), ..everything(Care::Heal) };
    let (mut visits, mut most) = (0, 0);
    for day in 1..=90 {
        yard.clock.set(at(DAY * day));
        let patrolled = engine.patrol(&options, &go_on).expect("patrolled");
        assert_eq!(patrolled.outcome, PatrolOutcome::Complete);
        visits += patrolled.packs;
        most = most.max(patrolled.packs);
        let sum = engine.verifications();
        assert!(!sum.is_late, "day {day}");
        assert!(day < 25 || sum.packs_unverified == 0, "day {day}");
    }
    assert!((3 * all..=4 * all).contains(&visits), "{visits} of {all} packs");
    assert!(most <= 2, "{most} of {all} packs at once");
}

#[test]
fn nobody_who_does_not_care_is_patrolled_for() {
    let yard = Yard::new();
    let engine = yard.open();
    let settings = crate::Settings { scrub_days: 0, ..engine.settings() };
    engine.change_settings(&settings, "a test").expect("changed");
    yard.clock.set(at(DAY * 900));
    let options = PatrolOptions { turn: Turn::Due(DAY), ..everything(Care::Heal) };
    assert_eq!(engine.patrol(&options, &go_on).expect("patrolled"), Patrolled::default());
    let sum = engine.verifications();
    assert_eq!((sum.bound, sum.is_late, sum.bytes_per_second), (None, false, 0));
}

#[test]
fn a_patrol_goes_at_its_pace_and_ends_in_time() {
    let yard = Yard::new();
    let engine = yard.open();
    let rate = NonZeroU64::new(10_000).expect("not zero");
    let limits = Limits { bytes_per_second: Some(rate), ..Limits::NONE };
    let options = PatrolOptions { limits, ..everything(Care::Heal) };
    let (patrolled, took) = patrol_in_time(&engine, &options, &go_on);
    assert_eq!(patrolled.outcome, PatrolOutcome::Complete);
    let least = patrolled.bytes / 10_000;
    assert!((least - 1..=least + least / 4).contains(&took.as_secs()), "{took:?} for {}", patrolled.bytes);

    let shorter = PatrolOptions { time_max: Some(Duration::from_secs(8)), ..options.clone() };
    let (patrolled, took) = patrol_in_time(&engine, &shorter, &go_on);
    assert_eq!(patrolled.outcome, PatrolOutcome::Stopped);
    assert!((8..9).contains(&took.as_secs()), "{took:?}");
    assert_eq!(patrolled.packs, 2, "the one that was begun is read to its end");

    // Somebody who stops it during a rest need not wait.
    let calls = Cell::new(0);
    let stop = |_| {
        calls.set(calls.get() + 1);
        if calls.get() > 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (patrolled, took) = patrol_in_time(&engine, &options, &stop);
    assert_eq!((patrolled.outcome, patrolled.packs), (PatrolOutcome::Stopped, 1));
    assert!(took <= Duration::from_secs(1), "{took:?}");
}

/// What was verified is noted about once a minute, so a program that is killed has lost little.
#[test]
fn what_was_verified_is_noted_as_it_goes() {
    let yard = Yard::new();
    let engine = yard.open();
    let rate = NonZeroU64::new(1_000).expect("not zero");
    let limits = Limits { bytes_per_second: Some(rate), ..Limits::NONE };
    let least = Cell::new(u64::MAX);
    let look = |at: Progress| {
        if at.bytes_done > 3 * (64 << 10) {
            least.set(least.get().min(verifications(&engine.store).packs_unverified));
        }
        ControlFlow::Continue(())
    };
    patrol_in_time(&engine, &PatrolOptions { limits, ..everything(Care::Heal) }, &look);
    assert!(least.get() <= 2, "{} packs were not noted before it ended", least.get());
}

#[test]
fn a_patrol_heals_and_quarantines() {
    let yard = Yard::new();
    let packs = yard.packs();
    // One block heals; three in a window of sixteen do not.
    yard.damage(&packs[1], [3]);
    yard.damage(&packs[3], [2, 5, 9]);
    let engine = yard.open();
    let patrolled = engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    assert_eq!((patrolled.damaged.clone(), patrolled.damaged_count), (vec![packs[1], packs[3]], 2));
    assert_eq!((patrolled.healing.packs, patrolled.healing.blocks), (2, 1));
    assert_eq!(patrolled.healing.unhealed, [packs[3]]);
    let lost = &patrolled.healing.objects;
    assert_eq!((lost.len() as u64, patrolled.healing.object_count), (3, 3));

    // The next backup of the same data heals it.
    let session = engine.begin();
    assert_eq!(engine.probe(&session, lost).expect("answered"), vec![Presence::Unknown; 3]);
    for id in lost {
        assert_eq!(engine.put(&session, id, &yard.objects[id]).expect("put"), Put::New);
    }
    engine.flush().expect("flushed");
    expect_readable(&engine, &yard.objects);
    let again = engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    assert_eq!((again.damaged_count, again.healing.object_count), (0, 0), "what was given up is given up");
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
}

/// One who reads only reports, and whoever can heal begins with it.
#[test]
fn a_reader_reports() {
    let yard = Yard::new();
    let packs = yard.packs();
    yard.damage(&packs[2], [3]);
    let reader = yard.read();
    assert!(matches!(reader.patrol(&everything(Care::Heal), &go_on), Err(StoreError::ReadOnly)));
    let patrolled = reader.patrol(&everything(Care::Report), &go_on).expect("patrolled");
    assert_eq!((patrolled.packs, patrolled.damaged.clone()), (packs.len() as u64, vec![packs[2]]));
    assert_eq!(reader.verifications().packs_unverified, 1);
    drop(reader);
    let engine = yard.open();
    let first =
        |at: Progress| if at.bytes_done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let patrolled = engine.patrol(&everything(Care::Heal), &first).expect("patrolled");
    assert_eq!((patrolled.damaged, patrolled.healing.blocks), (vec![packs[2]], 1));
    assert_eq!(engine.verifications().packs_unverified, 0);
}

#[test]
fn one_patrols_at_a_time() {
    let yard = Yard::new();
    let engine = yard.open();
    let second = RefCell::new(None);
    let nested = |_| {
        *second.borrow_mut() = Some(engine.patrol(&everything(Care::Heal), &go_on).expect("refused"));
        ControlFlow::Continue(())
    };
    engine.patrol(&everything(Care::Heal), &nested).expect("patrolled");
    let wanted = Patrolled { outcome: PatrolOutcome::Running, ..Patrolled::default() };
    assert_eq!(second.into_inner(), Some(wanted));
}

/// Without the file no pack counts as verified, and nothing else is lost.
#[test]
fn every_byte_of_what_was_noted_may_change() {
    let yard = Yard::new();
    let engine = yard.open();
    engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    let mut length = 0;
    yard.disk.mutate(Path::new(VERIFIED), |bytes| length = bytes.len()).expect("there");
    assert_eq!(length, 40 + 44 * yard.packs().len() + 32);
    for at in 0..length {
        yard.disk.mutate(Path::new(VERIFIED), |bytes| bytes[at] ^= 0x10).expect("there");
        assert_eq!(engine.verifications().packs_unverified, engine.verifications().packs, "byte {at}");
        yard.disk.mutate(Path::new(VERIFIED), |bytes| bytes[at] ^= 0x10).expect("there");
    }
    assert_eq!(engine.verifications().packs_unverified, 0);
}

/// A clock that was wrong when something was noted does not keep a pack from being verified.
#[test]
fn a_time_that_is_far_ahead_counts_as_never() {
    let yard = Yard::new();
    let engine = yard.open();
    yard.clock.set(at(DAY * 40));
    engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    yard.clock.set(at(DAY * 39));
    assert_eq!(engine.verifications().packs_unverified, 0, "a day is nothing");
    yard.clock.set(at(DAY * 38));
    let sum = engine.verifications();
    assert_eq!((sum.packs_unverified, sum.oldest, sum.is_late), (sum.packs, None, false));
}

/// What a pack got since it was verified was not.
#[test]
fn a_pack_that_grew_is_not_verified() {
    let mut yard = Yard::new();
    let engine = yard.open();
    yard.put(&engine, 200..202);
    engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    assert_eq!(engine.verifications().packs_unverified, 0);
    yard.put(&engine, 202..204);
    let sum = engine.verifications();
    assert_eq!(sum.packs_unverified, 1, "the pack that is open");
    assert_eq!(sum.packs, yard.packs().len() as u64);
    engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
    assert_eq!(engine.verifications().packs_unverified, 0);
}

/// A pack that another program has removed since this reader read the journal is not damaged.
#[test]
fn what_was_removed_meanwhile_is_no_damage() {
    let yard = Yard::new();
    let packs = yard.packs();
    let reader = yard.read();
    let removed = [
        Event::CollectionBegun { number: 1, young: 0, purged: Vec::new() },
        Event::Condemned { number: 1, packs: 1, objects: 0, bytes: 0 },
        Event::Removed { number: 1, packs: vec![packs[2]], dead: Vec::new() },
    ];
    append(Arc::new(yard.disk.clone()), &removed, at(DAY * 2)).expect("it is sound");
    yard.disk.remove(&pack::path(&packs[2])).expect("there");
    let patrolled = reader.patrol(&everything(Care::Report), &go_on).expect("patrolled");
    assert_eq!((patrolled.damaged, patrolled.damaged_count), (Vec::new(), 0));
}
