//! Many threads at once: nothing is stored twice, one sync serves all, and what one reads another has verified.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::object::Kind;

use super::Recorder;
use super::create;
use super::data;
use super::expect_readable;
use super::node;
use super::open;
use crate::Put;
use crate::Share;
use crate::StoreError;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::store::intake::Added;

const THREADS: usize = 6;

#[test]
fn an_object_that_many_threads_put_is_stored_once() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let objects: Vec<_> = (0..120).map(|number| data(number, 1_000)).collect();
    let new = AtomicU64::new(0);
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, objects, new, barrier) = (&engine, &objects, &new, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for at in 0..objects.len() {
                    let (id, bytes) = &objects[(at + thread) % objects.len()];
                    if engine.put(&engine.begin(), id, bytes).expect("put") == Put::New {
                        new.fetch_add(1, Ordering::SeqCst);
                    }
                    let mut back = Vec::new();
                    engine.object(id, &mut back).expect("read at once");
                    assert_eq!(back, *bytes);
                }
                engine.flush().expect("flushed");
            });
        }
    });
    assert_eq!(new.load(Ordering::SeqCst), objects.len() as u64);
    assert_eq!(engine.usage().expect("counted").objects, objects.len() as u64);
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    expect_readable(&engine, &objects.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
}

#[test]
fn threads_that_commit_each_get_what_they_put() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let engine = &engine;
            scope.spawn(move || {
                let mut recorder = Recorder::new(&format!("host:/{thread}"));
                for round in 0..5 {
                    let (leaf, leaf_bytes) = data(thread * 100 + round, 3_000);
                    engine.put(&engine.begin(), &leaf, &leaf_bytes).expect("put");
                    let (root, root_bytes) = node(thread * 100 + round, &[leaf]);
                    engine.put(&engine.begin(), &root, &root_bytes).expect("put");
                    let record = recorder.record(root);
                    engine.commit(&engine.begin(), &record).expect("committed");
                    recorder.taken(&record);
                }
            });
        }
    });
    drop(engine);
    let disk = disk.crash(&crate::disk::simulated::Crash::LoseAll);
    let engine = open(&disk, 2).expect("opened");
    let listed = engine.snapshots().expect("listed");
    assert_eq!(listed.len(), THREADS * 5);
    for at in &listed {
        engine.object(&at.record.root, &mut Vec::new()).expect("the root is there");
    }
    assert!(listed.is_sorted_by_key(|at| (at.sequence, at.received)));
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
}

#[test]
fn one_sync_covers_many_objects() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1000, 50);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    engine.flush().expect("flushed");
    let ids: Vec<_> = (0..100)
        .map(|number| {
            let (id, bytes) = data(number, 50);
            engine.put(&engine.begin(), &id, &bytes).expect("put");
            id
        })
        .collect();
    let (root, root_bytes) = node(1, &ids);
    engine.put(&engine.begin(), &root, &root_bytes).expect("put");
    let record = Recorder::new("host:/a").record(root);
    // Two packs, both sides of the journal, the head: the sixth sync would fail.
    disk.fail(Faulty::Sync, 5, Failure::Broken);
    engine.commit(&engine.begin(), &record).expect("a hundred objects and a snapshot cost five syncs");
    engine.put(&engine.begin(), &data(2000, 50).0, &data(2000, 50).1).expect("put");
    assert!(matches!(engine.flush(), Err(StoreError::Poisoned { .. })), "the sixth sync fails");
}

#[test]
fn threads_that_flush_together_share_the_work() {
    let disk = SimulatedDisk::new(1);
    let engine = Arc::new(create(&disk).expect("made"));
    for number in 0..20 {
        let (id, bytes) = data(number, 500);
        engine.put(&engine.begin(), &id, &bytes).expect("put");
    }
    let before = engine.head().sequence;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| engine.flush().expect("flushed"));
        }
    });
    assert_eq!(engine.head().sequence, before + 1, "one event makes everything durable");
}

/// What was written to a pack is not all in the journal as soon as the pack is full: a collection that took it for one
/// that never grows would remove the rest with it.
#[test]
fn a_pack_that_is_full_and_not_all_durable_may_grow() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (first, bytes) = data(0, 1_000);
    engine.put(&engine.begin(), &first, &bytes).expect("put");
    engine.flush().expect("durable");
    let pack = engine.locate(&first).expect("answered").expect("there").pack;
    let number = engine.store.catalogue().pack_number(&pack).expect("known");
    {
        let mut intake = engine.store.writer().expect("it writes").intake();
        let is_full = |number| {
            let (id, bytes) = data(number, 1_000);
            matches!(intake.add(Kind::Data, &id, &bytes), Ok(Added::NoRoom))
        };
        assert!((1..100).any(is_full));
    }
    assert!(engine.store.survey().expect("there").open.contains(&number));
}
