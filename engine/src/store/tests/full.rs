//! A disk that fills up at every step: typed refusals, nothing lost, and on with it when there is room again.

use super::Recorder;
use super::create;
use super::data;
use super::open;
use super::put_tree;
use crate::CommitError;
use crate::Engine;
use crate::Put;
use crate::PutError;
use crate::Share;
use crate::StoreError;
use crate::disk::DiskError;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::journal::Event;

/// Puts objects and commits a tree over them; the error if the disk is full.
fn write(engine: &Engine, recorder: &mut Recorder, numbers: std::ops::Range<u64>) -> Result<(), StoreError> {
    for number in numbers.clone() {
        let (id, bytes) = data(number, 6_000);
        match engine.put(&engine.begin(), &id, &bytes) {
            Ok(_) => {}
            Err(PutError::Store { source, .. }) => return Err(source),
            Err(error) => panic!("{error}"),
        }
    }
    let ids: Vec<_> = numbers.clone().map(|number| data(number, 6_000).0).collect();
    let (root, bytes) = super::node(numbers.start, &ids);
    match engine.put(&engine.begin(), &root, &bytes) {
        Ok(_) => {}
        Err(PutError::Store { source, .. }) => return Err(source),
        Err(error) => panic!("{error}"),
    }
    let record = recorder.record(root);
    match engine.commit(&engine.begin(), &record) {
        Ok(_) => recorder.taken(&record),
        Err(CommitError::Store(source)) => return Err(source),
        Err(error) => panic!("{error}"),
    }
    Ok(())
}

fn expect_sound(engine: &Engine, snapshots: usize) {
    assert_eq!(engine.snapshots().expect("listed").len(), snapshots);
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
}

#[test]
fn a_full_disk_is_a_typed_refusal_and_the_same_store_goes_on_later() {
    let mut refusals = 0;
    for extra in (0..400 << 10).step_by(12 << 10) {
        let disk = SimulatedDisk::new(extra as u64);
        let engine = create(&disk).expect("made");
        let mut recorder = Recorder::new("host:/a");
        write(&engine, &mut recorder, 0..2).expect("there is room");
        let used: usize = disk.files().iter().map(|(_, bytes)| bytes).sum();
        disk.limit_bytes(Some(used + extra));
        let result = write(&engine, &mut recorder, 10..30);
        match result {
            Ok(()) => {}
            Err(StoreError::Full { needed_bytes, free_bytes }) => {
                refusals += 1;
                assert!(needed_bytes > free_bytes, "{needed_bytes} {free_bytes}");
                expect_sound(&engine, 1);
                disk.limit_bytes(None);
                write(&engine, &mut recorder, 10..30).expect("there is room again");
            }
            Err(error) => panic!("{error}"),
        }
        expect_sound(&engine, 2);
        drop(engine);
        expect_sound(&open(&disk, 2).expect("opened"), 2);
    }
    assert!((5..34).contains(&refusals), "{refusals} of the limits were too small");
}

#[test]
fn a_write_that_finds_no_room_costs_what_was_not_durable_only() {
    for calls_before in 0.. {
        let disk = SimulatedDisk::new(3);
        let mut engine = create(&disk).expect("made");
        let mut recorder = Recorder::new("host:/a");
        write(&engine, &mut recorder, 0..2).expect("there is room");
        disk.fail(Faulty::Write, calls_before, Failure::Full);
        match write(&engine, &mut recorder, 10..20) {
            Ok(()) => break,
            Err(StoreError::Full { .. }) => {}
            // The head is overwritten in its place. A file system that has no room for that leaves nobody knowing what
            // stands there, so the store is opened anew.
            Err(StoreError::Poisoned { source: DiskError::Full { path, .. } }) if path == *"head" => {
                drop(engine);
                engine = open(&disk, 3).expect("opened");
                if engine.snapshots().expect("listed").len() == 2 {
                    continue;
                }
            }
            Err(error) => panic!("{error}"),
        }
        expect_sound(&engine, 1);
        write(&engine, &mut recorder, 10..20).expect("the next one succeeds");
        expect_sound(&engine, 2);
        drop(engine);
        let engine = open(&disk, 2).expect("opened");
        expect_sound(&engine, 2);
        assert_eq!(engine.recovery(), crate::Recovery::default(), "half a record was left behind");
        assert!(calls_before < 100, "there are only so many writes");
    }
}

#[test]
fn objects_that_were_given_up_are_missing_and_no_parent_is_stored_over_them() {
    let disk = SimulatedDisk::new(3);
    let engine = create(&disk).expect("made");
    put_tree(&engine, 0..2);
    engine.flush().expect("flushed");
    let (child, child_bytes) = data(50, 100);
    engine.put(&engine.begin(), &child, &child_bytes).expect("put");
    disk.fail(Faulty::Write, 0, Failure::Full);
    assert!(matches!(engine.flush(), Err(StoreError::Full { .. })));
    let (parent, parent_bytes) = super::node(50, &[child]);
    assert!(matches!(
        engine.put(&engine.begin(), &parent, &parent_bytes),
        Err(PutError::MissingReferences { .. })
    ));
    assert_eq!(engine.put(&engine.begin(), &child, &child_bytes).expect("put"), Put::New);
    assert_eq!(engine.put(&engine.begin(), &parent, &parent_bytes).expect("put"), Put::New);
    engine.flush().expect("flushed");
    expect_sound(&engine, 0);
}

#[test]
fn who_put_objects_that_another_call_gave_up_is_told() {
    let disk = SimulatedDisk::new(3);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(50, 100);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    let before = engine.store.moment().expect("it is open for writing");
    let losses = engine.losses().expect("it is open for writing");
    disk.fail(Faulty::Write, 0, Failure::Full);
    assert!(matches!(engine.flush(), Err(StoreError::Full { .. })));
    assert_eq!(engine.losses().expect("it is open for writing"), losses + 1);
    let late = engine.store.persist(before, |_| Ok::<_, StoreError>(None::<Event>));
    assert!(matches!(late, Err(StoreError::Lost)));
    engine.flush().expect("who comes later has nothing to lose");
}

#[test]
fn the_reserve_is_left_to_the_journal() {
    let disk = SimulatedDisk::new(3);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let root = put_tree(&engine, 0..2);
    let record = recorder.record(root);
    engine.commit(&engine.begin(), &record).expect("committed");
    recorder.taken(&record);
    let used: usize = disk.files().iter().map(|(_, bytes)| bytes).sum();
    disk.limit_bytes(Some(used + (60 << 10)));
    let many: Vec<_> = (100..200).map(|number| data(number, 6_000)).collect();
    let refused = many.iter().find_map(|(id, bytes)| engine.put(&engine.begin(), id, bytes).err());
    assert!(matches!(refused, Some(PutError::Store { source: StoreError::Full { .. }, .. })));
    let record = recorder.record(root);
    let id =
        engine.commit(&engine.begin(), &record).expect("a commit without new objects fits the reserve").id;
    engine.forget(&id, "a test").expect("and so does forgetting");
    expect_sound(&engine, 1);
}
