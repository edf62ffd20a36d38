//! Collections of small repositories on the simulated disk.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::ObjectView;

use super::CollectOptions;
use super::Collected;
use super::Purge;
use super::Young;
use crate::Engine;
use crate::Options;
use crate::Presence;
use crate::Session;
use crate::Share;
use crate::StoreError;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::SLOT;
use crate::store::tests::SLOT_BYTES;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::open_with;
use crate::store::tests::options;
use crate::store::tests::parameters;
use crate::store::tests::read;

mod again;
mod beside;
mod crash;
mod damage;
mod full;
mod model;
mod threads;

/// Everything that is forgotten and not held goes, and everything that nothing refers to.
pub(super) fn now() -> CollectOptions {
    CollectOptions { purge: Purge::AtOnce, young: Young::Goes, ..CollectOptions::default() }
}

pub(super) fn collect(engine: &Engine) -> Collected {
    engine.collect(&now(), &|_| ControlFlow::Continue(())).expect("collected")
}

/// With packs of which a small one is small.
pub(super) fn wide(seed: u8) -> Options {
    Options { pack_bytes: 64 << 10, ..options(seed) }
}

pub(super) fn create(disk: &SimulatedDisk) -> Result<Engine, StoreError> {
    Engine::create(Arc::new(disk.clone()), &parameters(), (SLOT, SLOT_BYTES), wide(1))
}

pub(super) fn open(disk: &SimulatedDisk, seed: u8) -> Result<Engine, StoreError> {
    open_with(Arc::new(disk.clone()), wide(seed))
}

/// Objects by id.
pub(super) type Objects = BTreeMap<ObjectId, Vec<u8>>;

/// A tree over data with these numbers.
pub(super) fn tree(numbers: std::ops::Range<u64>, bytes: usize) -> (ObjectId, Objects) {
    let leaves: Vec<_> = numbers.clone().map(|number| data(number, bytes)).collect();
    let ids: Vec<ObjectId> = leaves.iter().map(|(id, _)| *id).collect();
    let branch = node(numbers.start, &ids);
    let root = node(numbers.start + 100_000, &[branch.0]);
    let id = root.0;
    (id, leaves.into_iter().chain([branch, root]).collect())
}

/// Puts objects, data first, and then nodes as soon as all is there that they refer to.
pub(super) fn put(engine: &Engine, objects: &Objects) {
    let session = engine.begin();
    let mut waiting: Vec<_> = objects.iter().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|(id, bytes)| match engine.put(&session, id, bytes) {
            Ok(_) => false,
            Err(crate::PutError::MissingReferences { .. }) => true,
            Err(error) => panic!("{error}"),
        });
        assert!(waiting.len() < before, "there are objects whose references nobody has");
    }
}

pub(super) fn commit(engine: &Engine, recorder: &mut Recorder, root: ObjectId) -> SnapshotId {
    let record = recorder.record(root);
    let committed = engine.commit(&engine.begin(), &record).expect("committed");
    recorder.taken(&record);
    committed.id
}

pub(super) fn expect_sound(engine: &Engine) {
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage, report.notices), (Vec::new(), Vec::new()));
}

pub(super) fn pack_bytes(disk: &SimulatedDisk) -> usize {
    disk.files().iter().filter(|(path, _)| path.starts_with("packs")).map(|(_, bytes)| bytes).sum()
}

/// Whether a session may count on an object.
pub(super) fn knows(engine: &Engine, session: &Session, id: &ObjectId) -> bool {
    engine.probe(session, &[*id]).expect("answered") == [Presence::Known]
}

/// What an object refers to.
pub(super) fn references(object: &[u8]) -> Vec<ObjectId> {
    ObjectView::parse(object).expect("a good object").references().collect()
}

/// Whatever is there, all that it reaches is there: of all objects that a test has.
pub(super) fn expect_closed(engine: &Engine, universe: &Objects) {
    let session = engine.begin();
    for (id, bytes) in universe.iter().filter(|(id, _)| knows(engine, &session, id)) {
        for reference in references(bytes) {
            assert!(knows(engine, &session, &reference), "{id} is there, and {reference} is not");
        }
    }
}

/// Everything that can be reached from there.
pub(super) fn closure(universe: &Objects, root: ObjectId) -> Objects {
    let (mut all, mut waiting) = (Objects::new(), vec![root]);
    while let Some(id) = waiting.pop() {
        let bytes = &universe[&id];
        if all.insert(id, bytes.clone()).is_none() {
            waiting.extend(references(bytes));
        }
    }
    all
}

#[test]
fn what_no_snapshot_needs_goes_and_the_rest_is_restored() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let (old_root, old) = tree(0..20, 6_000);
    put(&engine, &old);
    let forgotten = commit(&engine, &mut recorder, old_root);
    let (root, kept) = tree(100..104, 6_000);
    put(&engine, &kept);
    commit(&engine, &mut recorder, root);
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    let before = pack_bytes(&disk);
    let nothing = collect(&engine);
    assert_eq!((nothing.packs_removed, nothing.nodes_struck, nothing.bytes_moved), (0, 0, 0));
    engine.forget(&forgotten, "a test").expect("forgotten");
    let waits =
        engine.collect(&CollectOptions { purge: Purge::WhenOver, ..now() }, &|_| ControlFlow::Continue(()));
    assert_eq!(waits.expect("collected").purged, 0, "its grace is not over");
    let collected = collect(&engine);
    assert_eq!(collected.purged, 1);
    assert!(collected.packs_removed >= 3, "{collected:?}");
    assert!(pack_bytes(&disk) < before / 2, "{} of {before}", pack_bytes(&disk));
    for _ in 0..2 {
        expect_readable(&engine, &kept);
        expect_readable(&read(&disk).expect("opened"), &kept);
        expect_sound(&engine);
    }
    drop(engine);
    let engine = open(&disk, 3).expect("opened");
    expect_readable(&engine, &kept);
    let ids: Vec<ObjectId> = old.keys().copied().filter(|id| !kept.contains_key(id)).collect();
    let known = engine.probe(&engine.begin(), &ids).expect("answered");
    assert!(known.iter().filter(|known| **known == Presence::Known).count() <= 4, "{known:?}");
    put(&engine, &old);
    commit(&engine, &mut recorder, old_root);
    expect_readable(&engine, &old);
    expect_sound(&engine);
}

#[test]
fn what_the_newest_snapshot_needs_is_laid_down_together_in_its_order() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let mut recorder = Recorder::new("host:/a");
    let (mut present, mut snapshots) = (Vec::new(), Vec::new());
    for (turn, number) in
        (10_u8..).zip([7, 12, 2, 19, 9, 0, 16, 5, 3, 14, 8, 1, 11, 6, 18, 4, 10, 17, 13, 15])
    {
        let engine = open(&disk, turn).expect("opened");
        present.push(number);
        present.sort_unstable();
        let (id, bytes) = data(number, 900);
        let all: Vec<ObjectId> = present.iter().map(|number| data(*number, 900).0).collect();
        let root = node(u64::from(turn), &all);
        put(&engine, &[(id, bytes)].into());
        put(&engine, &[root.clone()].into());
        snapshots.push((commit(&engine, &mut recorder, root.0), all));
    }
    let engine = open(&disk, 50).expect("opened");
    let (_, newest) = snapshots.pop().expect("the last one");
    snapshots.iter().for_each(|(id, _)| engine.forget(id, "a test").expect("forgotten"));
    assert!(collect(&engine).objects_moved >= 20);
    let place = |id: &ObjectId| engine.locate(id).expect("answered").expect("it is there");
    let places: Vec<_> = newest.iter().map(place).collect();
    assert!(places.iter().all(|place| place.pack == places[0].pack), "{places:?}");
    assert!(places.is_sorted_by_key(|place| place.offset), "in the order of the tree: {places:?}");
}
