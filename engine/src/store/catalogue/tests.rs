//! What events change, and which are nonsense.

use std::collections::BTreeSet;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::test_runner::Config;

use super::Catalogue;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::index::Spot;
use crate::journal::ClockTrust;
use crate::journal::Event;
use crate::journal::Payloads;
use crate::journal::Settings;
use crate::journal::StoredExtent;
use crate::journal::Struck;
use crate::journal::Tail;
use crate::limits::STORED_POSITIONS_MAX;
use crate::pack::Extent;
use crate::store::checkpoint::open_journal;
use crate::store::layout::Name;
use crate::store::layout::path;
use crate::store::tests::REPOSITORY;
use crate::store::tests::append;
use crate::store::tests::create;
use crate::store::tests::parameters;
use crate::store::tests::sign;

const DATA: PackId = PackId::from_bytes([0xda; 32]);
const NODES: PackId = PackId::from_bytes([0x0d; 32]);
const SERIES: &str = "host:/a";

/// A journal that grows event by event.
struct Story {
    disk: SimulatedDisk,
    catalogue: Catalogue,
    seconds: i64,
}

impl Story {
    /// Two packs of three objects each in the third record, and two snapshots in the two behind.
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        drop(create(&disk).expect("made"));
        let catalogue = append(Arc::new(disk.clone()), &[stored(4096)], at(1)).expect("it is sound");
        let mut story = Self { disk, catalogue, seconds: 1 };
        story.add(commit(0));
        story.add(commit(1));
        story
    }

    /// What comes of an event, ten seconds after the one before. The journal stays as it was.
    fn attempt(&self, event: Event) -> Result<Self, StoreError> {
        let (disk, seconds) = (self.disk.crash(&Crash::KeepAll), self.seconds + 10);
        let catalogue = append(Arc::new(disk.clone()), &[event], at(seconds))?;
        let again = Catalogue::from_checkpoint(&catalogue.checkpoint(), REPOSITORY);
        assert_eq!(again.as_ref(), Ok(&catalogue), "a checkpoint holds everything");
        Ok(Self { disk, catalogue, seconds })
    }

    fn add(&mut self, event: Event) {
        *self = self.attempt(event).expect("it is sound");
    }

    fn with(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().for_each(|event| self.add(event));
        self
    }

    fn expect_nonsense(&self, event: Event) {
        let said = format!("{event:?}");
        match self.attempt(event) {
            Err(StoreError::Damaged { what, .. }) => assert!(what.starts_with("a journal event: "), "{what}"),
            Err(other) => panic!("{said}: {other}"),
            Ok(_) => panic!("{said} was believed"),
        }
    }

    fn listed(&self) -> Vec<SnapshotId> {
        let listed = self.catalogue.snapshots().filter(|at| at.forgotten.is_none());
        listed.map(|at| at.id).collect()
    }
}

fn at(seconds: i64) -> Time {
    Time::from_nanoseconds(seconds * 1_000_000_000)
}

fn stored(start: u32) -> Event {
    let extent = Extent::new(start, start + 600, 3, blake3::Hash::from_bytes([7; 32])).expect("it can be");
    let one = |pack, kind| StoredExtent { pack, kind, extent };
    Event::Stored { extents: vec![one(DATA, Kind::Data), one(NODES, Kind::Node)] }
}

fn record(number: u8, root: u8) -> Vec<u8> {
    sign(Draft {
        repository: REPOSITORY,
        series: Series::new(SERIES).expect("a good name"),
        sequence: number.into(),
        previous: number.checked_sub(1).map(snapshot),
        captured: at(i64::from(root)),
        status: Status::Complete,
        root: ObjectId::from_bytes([root; 32]),
        entries: 1,
        bytes: 1,
    })
}

fn commit(number: u8) -> Event {
    Event::SnapshotCommitted { record: record(number, number) }
}

fn name(record: &[u8]) -> SnapshotId {
    SnapshotId::from_bytes(*blake3::hash(record).as_bytes())
}

fn snapshot(number: u8) -> SnapshotId {
    name(&record(number, number))
}

fn forget(number: u8) -> Event {
    Event::SnapshotForgotten { id: snapshot(number), by: String::new(), reason: String::new() }
}

fn recover(number: u8) -> Event {
    Event::SnapshotRecovered { id: snapshot(number), by: String::new(), reason: String::new() }
}

fn hold(number: u8, seconds: i64) -> Event {
    Event::SnapshotHeld { id: snapshot(number), until: at(seconds), by: String::new(), reason: String::new() }
}

fn replace(number: u8, root: u8) -> Event {
    Event::SnapshotReplaced { old: snapshot(number), record: record(number, root) }
}

fn settings(grace_seconds: u64, hold_seconds: u64) -> Event {
    let settings = Settings { grace_seconds, hold_seconds, ..Settings::default() };
    Event::SettingsChanged { settings, by: String::new() }
}

fn begin(number: u64, purged: impl IntoIterator<Item = u8>) -> Event {
    let mut purged: Vec<SnapshotId> = purged.into_iter().map(snapshot).collect();
    purged.sort_unstable_by_key(|id| *id.as_bytes());
    Event::CollectionBegun { number, young: 0, purged }
}

fn condemn(number: u64) -> Event {
    Event::Condemned { number, packs: 1, objects: 1, bytes: 1 }
}

fn struck(pack: PackId, offsets: &[u32]) -> Vec<Struck> {
    vec![Struck { pack, offsets: offsets.to_vec() }]
}

fn remove(number: u64, packs: &[PackId], dead: Vec<Struck>) -> Event {
    Event::Removed { number, packs: packs.to_vec(), dead }
}

fn quarantine(pack: PackId, offset: u32) -> Event {
    Event::Quarantined { damaged: struck(pack, &[offset]), by: String::new() }
}

fn clock(clock: ClockTrust) -> Event {
    Event::DeletionsFrozen { clock, shown: at(1), expected: at(2), by: String::new() }
}

fn there(story: &Story, ordinal: u32, offset: u32) -> bool {
    let spot = Spot { ordinal, offset, bytes: 100 };
    let (there, durable) = (story.catalogue.there(&spot), story.catalogue.is_durable(&spot));
    assert!(there || !durable, "what is durable is there");
    there
}

#[test]
fn a_forgotten_snapshot_comes_back_until_it_is_purged() {
    let story = Story::new().with([forget(0)]);
    assert_eq!(story.listed(), [snapshot(1)]);
    let back = story.attempt(recover(0)).expect("it was forgotten");
    assert_eq!(back.listed(), [snapshot(0), snapshot(1)]);
    back.expect_nonsense(recover(0));

    let purged = story.with([begin(1, [0])]);
    assert_eq!(purged.catalogue.snapshots().count(), 1);
    for event in [recover(0), hold(0, 500), forget(0), begin(2, [0]), replace(0, 9)] {
        purged.expect_nonsense(event);
    }
    let gone = purged.with([forget(1), begin(2, [1])]);
    assert_eq!(gone.catalogue.snapshots().count(), 0);
    let newest = gone.catalogue.newest(&Series::new(SERIES).expect("a good name")).expect("it is known");
    assert_eq!((newest.id, newest.sequence), (snapshot(1), 1), "a series goes on behind what was purged");
}

#[test]
fn grace_is_that_of_the_time_when_it_was_forgotten() {
    let story = Story::new().with([settings(100, 0), forget(0), settings(5, 0), forget(1), forget(0)]);
    let until = |number| {
        let forgotten = story.catalogue.snapshot(&snapshot(number)).and_then(|at| at.forgotten);
        let forgotten = forgotten.expect("it is forgotten");
        (forgotten.until.nanoseconds() - forgotten.at.nanoseconds()) / 1_000_000_000
    };
    assert_eq!((until(0), until(1)), (100, 5));
}

#[test]
fn no_event_shortens_a_hold_or_purges_what_is_held() {
    let story = Story::new().with([hold(0, 500)]);
    story.expect_nonsense(hold(0, 499));
    story.expect_nonsense(hold(0, 500));
    story.expect_nonsense(replace(0, 9));
    let story = story.with([hold(0, 501), forget(0)]);
    story.expect_nonsense(begin(1, [0]));
    story.expect_nonsense(begin(1, [1]));
    let late = Story { seconds: 491, ..story };
    late.attempt(begin(1, [0])).expect("the hold is over");

    let least = Story::new().with([settings(0, 1000), commit(2), settings(0, 0), commit(3)]);
    least.expect_nonsense(hold(2, 900));
    let least = least.with([forget(2), forget(3)]);
    least.expect_nonsense(begin(1, [2]));
    least.attempt(begin(1, [3])).expect("no hold was asked for when it came");
}

#[test]
fn a_record_takes_the_place_of_the_one_that_it_replaces() {
    let story = Story::new().with([replace(0, 9)]);
    let new = name(&record(0, 9));
    assert_eq!(story.listed(), [new, snapshot(1)]);
    let (old, at) = (story.catalogue.snapshot(&snapshot(0)), story.catalogue.snapshot(&new));
    let (old, at) = (old.expect("it is forgotten"), at.expect("it is there"));
    assert_eq!(at.received, old.received);
    let forgotten = old.forgotten.expect("it is forgotten");
    assert_eq!(forgotten.at, forgotten.until, "what was erased has no grace");
    let read = Payloads::new(&story.disk).read(at.payload, at.payload_bytes).expect("it is there");
    assert_eq!(read, record(0, 9));

    let newest = |story: &Story| story.catalogue.newest(&Series::new(SERIES).expect("good")).expect("one").id;
    assert_eq!(newest(&story), snapshot(1));
    let story = story.with([replace(1, 8)]);
    assert_eq!(newest(&story), name(&record(1, 8)));
    let other = Event::SnapshotReplaced { old: name(&record(1, 8)), record: record(0, 7) };
    story.expect_nonsense(other);
    story.expect_nonsense(replace(0, 9));
    story.expect_nonsense(replace(5, 9));
}

#[test]
fn what_was_removed_is_not_there_and_its_number_is_not_used_again() {
    let story = Story::new().with([stored(8192)]);
    assert_eq!((story.catalogue.objects(), story.catalogue.last_stored()), (12, 6));
    let spots = |story: &Story| {
        [(0, 4096), (0, 4200), (1, 4096), (1, 4200), (2, 4096)].map(|(o, at)| there(story, o, at))
    };
    assert_eq!(spots(&story), [true; 5], "what has no number yet is under construction");
    story.expect_nonsense(remove(0, &[DATA], Vec::new()));
    story.expect_nonsense(condemn(0));
    story.expect_nonsense(begin(2, []));
    let story = story.with([begin(1, [])]);
    story.expect_nonsense(begin(1, []));
    story.expect_nonsense(condemn(2));
    story.expect_nonsense(remove(1, &[DATA], Vec::new()));
    let story = story.with([condemn(1)]);
    story.expect_nonsense(remove(2, &[DATA], Vec::new()));
    story.expect_nonsense(remove(1, &[PackId::from_bytes([1; 32])], Vec::new()));
    story.expect_nonsense(remove(1, &[], struck(DATA, &[4096])));
    story.expect_nonsense(remove(1, &[], struck(NODES, &[12288])));
    story.expect_nonsense(remove(1, &[NODES], struck(PackId::from_bytes([1; 32]), &[4096])));

    let removed = story.with([remove(1, &[DATA], struck(NODES, &[4200]))]);
    assert_eq!(spots(&removed), [false, false, true, false, true]);
    assert_eq!((removed.catalogue.objects(), removed.catalogue.extents().len()), (5, 2));
    removed.expect_nonsense(remove(1, &[DATA], Vec::new()));
    removed.expect_nonsense(remove(1, &[], struck(NODES, &[4200])));
    removed.expect_nonsense(stored(12288));
    let voided = removed.attempt(begin(2, [])).expect("it follows");
    voided.expect_nonsense(remove(1, &[NODES], Vec::new()));
    voided.expect_nonsense(remove(2, &[NODES], Vec::new()));
    let all = removed.with([remove(1, &[NODES], Vec::new()), stored(4096)]);
    assert_eq!((all.catalogue.objects(), all.catalogue.packs().count()), (6, 2));
    assert_eq!(all.catalogue.packs().map(|(number, _)| number).collect::<Vec<_>>(), [2, 3]);
    assert!(!there(&all, 0, 4096) && !there(&all, 1, 4096) && there(&all, 2, 4096));
}

#[test]
fn what_is_damaged_is_not_there_while_its_pack_is() {
    let story = Story::new().with([quarantine(DATA, 4096)]);
    assert!(!there(&story, 0, 4096) && there(&story, 0, 4200) && there(&story, 1, 4096));
    assert_eq!(story.catalogue.objects(), 5);
    story.expect_nonsense(quarantine(DATA, 4096));
    story.expect_nonsense(quarantine(DATA, 8192));
    story.expect_nonsense(quarantine(PackId::from_bytes([1; 32]), 4096));
    let story = story.with([begin(1, []), condemn(1), remove(1, &[DATA], Vec::new())]);
    assert_eq!(story.catalogue.objects(), 3);
}

#[test]
fn tags_are_told_once_and_the_clock_is_frozen_and_thawed_in_turn() {
    let mark = |number| Event::SnapshotMarked { id: snapshot(number), tokens: vec![[1; 8]] };
    let story = Story::new();
    story.expect_nonsense(mark(7));
    let story = story.with([mark(0)]);
    story.expect_nonsense(mark(0));
    story.expect_nonsense(clock(ClockTrust::Thawed));
    let story = story.with([clock(ClockTrust::Frozen)]);
    story.expect_nonsense(clock(ClockTrust::Frozen));
    story.attempt(clock(ClockTrust::Thawed)).expect("it was frozen");
}

#[test]
fn a_collection_leaves_alone_what_came_before_it_only() {
    let story = Story::new();
    let young = |young| Event::CollectionBegun { number: 1, young, purged: Vec::new() };
    story.attempt(young(5)).expect("the record before");
    story.expect_nonsense(young(6));
}

/// Any event, sensible or not.
fn event() -> impl Strategy<Value = Event> {
    let of_snapshot = (0_u8..4, 0_u8..6, 1_i64..900).prop_map(|(number, act, seconds)| match act {
        0 => commit(number),
        1 => forget(number),
        2 => recover(number),
        3 => hold(number, seconds),
        4 => replace(number, 100 + number),
        _ => Event::SnapshotMarked { id: snapshot(number), tokens: vec![[number; 8]] },
    });
    let of_collection = (1_u64..4, 0_u8..4, vec(0_u8..4, 0..2)).prop_map(|(number, act, which)| match act {
        0 => begin(number, which.into_iter().collect::<BTreeSet<_>>()),
        1 => condemn(number),
        2 => remove(number, &[DATA], Vec::new()),
        _ => remove(number, &[], struck(NODES, &[4096 + u32::from(which.first().copied().unwrap_or(9))])),
    });
    let of_packs = (1_u32..6, any::<bool>()).prop_map(|(block, stores)| match stores {
        true => stored(block * 4096),
        false => quarantine(NODES, 4096 + block),
    });
    let others = (0_u64..9, 0_u64..900).prop_map(|(grace, hold)| match grace {
        0 => clock(ClockTrust::Frozen),
        1 => clock(ClockTrust::Thawed),
        _ => settings(grace * 100, hold),
    });
    prop_oneof![5 => of_snapshot, 3 => of_collection, 2 => of_packs, 1 => others]
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    /// Wherever a checkpoint was made, replaying from it gives what replaying everything gives.
    #[test]
    fn checkpoint_equals_replay(events in vec(event(), 1..40)) {
        let mut story = Story::new();
        let mut checkpoints = Vec::new();
        for event in events {
            checkpoints.push(story.catalogue.checkpoint());
            if let Ok(next) = story.attempt(event) {
                story = next;
            }
        }
        let parameters = Parameters::parse(&parameters()).expect("they are good");
        for checkpoint in checkpoints {
            story.disk.replace(path(Name::Checkpoint), &checkpoint).expect("there is room");
            let from = Catalogue::from_checkpoint(&checkpoint, REPOSITORY).expect("it is sound").at();
            let read = open_journal(&story.disk, &parameters, Tail::IsStill).expect("it is sound");
            prop_assert_eq!(read.checkpoint, from.position.sequence, "the checkpoint is used");
            prop_assert_eq!(&read.catalogue, &story.catalogue);
        }
    }
}

/// Whatever is wrong with a checkpoint, the journal is what counts.
#[test]
fn a_checkpoint_that_is_damaged_or_of_another_history_is_not_believed() {
    let parameters = Parameters::parse(&parameters()).expect("they are good");
    let old = Story::new();
    let good = old.catalogue.checkpoint();
    let fork = old.attempt(forget(0)).expect("it is sound").catalogue.checkpoint();
    let story = old.with([hold(0, 500), forget(1)]);
    let ahead = story.attempt(forget(0)).expect("it is sound").catalogue.checkpoint();
    let read = |checkpoint: &[u8]| {
        story.disk.replace(path(Name::Checkpoint), checkpoint).expect("there is room");
        let read = open_journal(&story.disk, &parameters, Tail::IsStill).expect("the journal is sound");
        assert_eq!(read.catalogue, story.catalogue);
        read.checkpoint
    };
    assert_eq!(read(&good), 5);
    assert_eq!((read(&fork), read(&ahead), read(&[])), (0, 0, 0));
    for byte in 0..good.len() {
        let mut flipped = good.clone();
        flipped[byte] ^= 1;
        assert_eq!(read(&flipped), 0);
    }
    for length in (0..good.len()).step_by(7) {
        assert_eq!(read(&good[..length]), 0);
    }
    let other = Catalogue::from_checkpoint(&good, RepositoryId::from_bytes([9; 32]));
    assert!(other.is_err(), "it is of another repository");
}

/// FORMAT.md, "Checkpoint": the front of it. What follows is derived, and written anew where it changes.
#[test]
fn golden_checkpoint() {
    let bytes = Story::new().catalogue.checkpoint();
    let (front, rest) = bytes.split_at(8);
    assert_eq!(front, b"FKck\x02\x00\x00\x00");
    assert!(rest.starts_with(REPOSITORY.as_bytes()));
    assert_eq!(rest[32..40], 5_u64.to_le_bytes());
    let (hashed, hash) = bytes.split_last_chunk::<32>().expect("it is longer");
    assert_eq!(blake3::hash(hashed), *hash);
}

/// However many events stored something, the last ones alone are remembered as places where an index may end.
#[test]
fn the_places_where_an_index_may_end_are_bounded() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let events: Vec<Event> = (1..=5_000).map(|block| stored(block * 4096)).collect();
    let catalogue = append(Arc::new(disk), &events, at(1)).expect("it is sound");
    let last = catalogue.last_stored();
    assert_eq!(last, 5_002);
    let oldest = last + 1 - STORED_POSITIONS_MAX as u64;
    assert_eq!((catalogue.mark(oldest - 1), catalogue.mark(last + 1)), (None, None));
    for sequence in [oldest, last] {
        let mark = catalogue.mark(sequence).expect("it is remembered");
        assert_eq!(catalogue.covered(mark), Some(sequence));
    }
    assert_eq!(catalogue.extents_behind(last - 1).len(), 2);
    let again = Catalogue::from_checkpoint(&catalogue.checkpoint(), REPOSITORY);
    assert_eq!(again.as_ref(), Ok(&catalogue));
}
