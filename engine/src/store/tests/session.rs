//! Who counts on what the store said is pinned by the epoch in which it began, and readers of other processes by a lock.

use std::path::Path;
use std::sync::Arc;

use farkeep_codec::time::Time;

use super::append;
use super::create;
use super::data;
use super::open;
use super::read;
use crate::Engine;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::SimulatedDisk;
use crate::journal::Event;
use crate::store::is_wanted;
use crate::store::queue;
use crate::store::session::make_locks;
use crate::store::session::pin;

fn condemn(number: u64) -> [Event; 2] {
    let begun = Event::CollectionBegun { number, young: 0, purged: Vec::new() };
    [begun, Event::Condemned { number, packs: 0, objects: 0, bytes: 0 }]
}

/// Raises the epoch of a repository that is open.
fn raise(engine: &Engine, number: u64) {
    let before = engine.store.moment().expect("a writer");
    let written = engine.store.persist(before, |_| Ok::<_, StoreError>(condemn(number)));
    assert_eq!(written.expect("there is room").len(), 2);
}

fn is_free(disk: &SimulatedDisk, lock: &str) -> bool {
    match disk.lock(Path::new(lock), "a collection") {
        Ok(_) => true,
        Err(DiskError::Held { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_session_is_pinned_by_its_epoch_until_it_ends() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    assert_eq!(engine.pins(), []);
    let (first, second) = (engine.begin(), engine.begin());
    assert_eq!(engine.pins(), [(0, 2)]);
    raise(&engine, 1);
    let third = engine.begin();
    assert_eq!((first.epoch(), third.epoch()), (0, 1));
    assert_eq!(engine.pins(), [(0, 2), (1, 1)]);
    drop((first, third));
    assert_eq!(engine.pins(), [(0, 1)]);
    drop(engine);
    // It may outlive the engine, and proves nothing to the next one.
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.begin().epoch(), 1);
    drop(second);
    assert_eq!(engine.pins(), []);
}

#[test]
#[should_panic(expected = "a session is of the repository that it is used with")]
fn a_session_of_another_engine_proves_nothing() {
    let engine = create(&SimulatedDisk::new(1)).expect("made");
    let other = create(&SimulatedDisk::new(2)).expect("made");
    drop(engine.probe(&other.begin(), &[data(1, 100).0]));
}

#[test]
fn a_reader_of_another_process_holds_the_lock_of_its_epoch() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    assert!(is_free(&disk, "pins/0") && is_free(&disk, "pins/1"));
    let (reader, another) = (read(&disk).expect("opened"), read(&disk).expect("opened"));
    assert!(!is_free(&disk, "pins/0") && is_free(&disk, "pins/1"));
    raise(&engine, 1);
    let younger = read(&disk).expect("opened");
    drop(reader);
    assert!(!is_free(&disk, "pins/0") && !is_free(&disk, "pins/1"));
    drop(another);
    assert!(is_free(&disk, "pins/0") && !is_free(&disk, "pins/1"));
    drop(younger);
    assert!(is_free(&disk, "pins/1"));
}

#[test]
fn a_writer_is_told_that_somebody_waits() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    assert!(!is_wanted(&disk) && !is_wanted(&disk), "whoever asks waits for nothing");
    let (one, another) = (queue(&disk), queue(&disk));
    assert!(is_wanted(&disk));
    drop(one);
    assert!(is_wanted(&disk));
    drop(another);
    assert!(!is_wanted(&disk));
    // Where nobody gives way, nobody is told.
    drop(engine);
    disk.remove(Path::new("pins/queue")).expect("there");
    let files = disk.files();
    drop(queue(&disk));
    assert_eq!(disk.files(), files);
}

/// A reader changes nothing: where no writer has made the locks yet, there is nobody who collects.
#[test]
fn a_reader_does_without_the_lock_where_there_is_none() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    for lock in ["pins/0", "pins/1"] {
        disk.remove(Path::new(lock)).expect("there");
    }
    let files = disk.files();
    drop(read(&disk).expect("opened"));
    assert_eq!(disk.files(), files);
    drop(open(&disk, 2).expect("opened"));
    assert!(is_free(&disk, "pins/0") && is_free(&disk, "pins/1"), "a writer makes them again");
}

#[test]
fn what_was_read_before_the_lock_is_read_once_more() {
    let disk = SimulatedDisk::new(1);
    make_locks(&disk).expect("there is room");
    let epochs = [4, 5, 7, 7];
    let mut reads = epochs.iter();
    let read = || Ok(reads.next().map(|epoch| (*epoch, *epoch)).expect("it is not read more often"));
    let (seen, lock) = pin(&disk, read).expect("read");
    assert_eq!(seen, 7);
    assert!(is_free(&disk, "pins/0") && !is_free(&disk, "pins/1"));
    drop(lock);
    assert!(is_free(&disk, "pins/1"));
}

/// A collection that passes by while a reader opens raises the epoch: the reader sees what was there behind it.
#[test]
fn a_reader_sees_the_epoch_of_its_lock() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    append(Arc::new(disk.clone()), &condemn(1), Time::from_nanoseconds(2_000)).expect("it is sound");
    let reader = read(&disk).expect("opened");
    assert_eq!(reader.begin().epoch(), 1);
    assert!(is_free(&disk, "pins/0") && !is_free(&disk, "pins/1"));
}

/// A pack that was removed in the journal stays for a reader of another process that began before, and goes when nobody
/// reads.
#[test]
fn a_removed_pack_stays_for_a_reader_that_began_before() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 900);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    engine.flush().expect("flushed");
    let pack = engine.locate(&id).expect("answered").expect("it is there").pack;
    drop(engine);
    let reader = read(&disk).expect("opened");
    let [begun, condemned] = condemn(1);
    let removed = Event::Removed { number: 1, packs: vec![pack], dead: Vec::new() };
    let now = Time::from_nanoseconds(2_000);
    append(Arc::new(disk.clone()), &[begun, condemned, removed], now).expect("it is sound");

    let store = |seed| {
        let engine = open(&disk, seed).expect("opened");
        let (id, bytes) = data(seed.into(), 900);
        engine.put(&engine.begin(), &id, &bytes).expect("put");
        engine.flush().expect("flushed");
    };
    let is_there = || disk.exists(&crate::pack::path(&pack)).expect("answered");
    store(2);
    assert!(is_there());
    let mut read_back = Vec::new();
    reader.object(&id, &mut read_back).expect("it was there when the reader began");
    assert_eq!(read_back, bytes);
    drop(reader);
    store(3);
    assert!(!is_there());
}

/// The collection that holds it is in the middle of a step that lasts a moment.
#[test]
fn a_reader_comes_back_for_a_lock_that_a_collection_holds() {
    let disk = SimulatedDisk::new(1);
    make_locks(&disk).expect("made");
    let held = std::cell::RefCell::new(Some(disk.lock(Path::new("pins/0"), "").expect("free")));
    let mut reads = 0;
    let read = || {
        reads += 1;
        if reads == 3 {
            drop(held.take());
        }
        Ok((reads, 4))
    };
    let (seen, lock) = pin(&disk, read).expect("read");
    assert_eq!((seen, lock.is_some()), (4, true), "it is read once more under the lock");
    assert!(!is_free(&disk, "pins/0"));
}
