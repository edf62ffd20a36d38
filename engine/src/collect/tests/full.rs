//! A disk that is full at every step of a collection; and deletions on one that others have filled to the last byte.

use std::ops::ControlFlow;
use std::sync::Arc;

use farkeep_codec::id::SnapshotId;

use super::Objects;
use super::collect;
use super::commit;
use super::create;
use super::expect_sound;
use super::now;
use super::pack_bytes;
use super::put;
use super::tree;
use crate::CollectError;
use crate::Engine;
use crate::Options;
use crate::StoreError;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::store::tests::Recorder;
use crate::store::tests::expect_readable;
use crate::store::tests::open_with;

const BALLAST: u64 = 4096;

fn open(disk: &SimulatedDisk, seed: u8) -> Engine {
    let options = Options { ballast_bytes: BALLAST, ..super::wide(seed) };
    open_with(Arc::new(disk.clone()), options).expect("opened")
}

/// Trees that share packs, two of three of which are of one snapshot each that may go.
fn fill(disk: &SimulatedDisk) -> (Vec<SnapshotId>, Objects) {
    drop(create(disk).expect("made"));
    let engine = open(disk, 2);
    let mut recorder = Recorder::new("host:/a");
    let (mut going, mut kept) = (Vec::new(), Objects::new());
    for number in 0..24 {
        let (root, objects) = tree(10 * number..10 * number + 6, 9_000);
        put(&engine, &objects);
        let id = commit(&engine, &mut recorder, root);
        if number % 3 == 0 { kept.extend(objects) } else { going.push(id) }
    }
    (going, kept)
}

fn used(disk: &SimulatedDisk) -> usize {
    disk.files().iter().map(|(_, bytes)| bytes).sum()
}

/// Whatever does not find room: nothing is lost, the refusal is typed, and with room again all of it goes.
#[test]
fn a_collection_on_a_full_disk_loses_nothing_and_goes_on_later() {
    let (mut refused, mut went) = (0, 0);
    for extra in (0..320 << 10).step_by(20 << 10) {
        let disk = SimulatedDisk::new(extra as u64);
        let (going, kept) = fill(&disk);
        let engine = open(&disk, 3);
        going.iter().for_each(|id| engine.forget(id, "a test").expect("forgotten"));
        disk.limit_bytes(Some(used(&disk) + extra));
        match engine.collect(&now(), &|_| ControlFlow::Continue(())) {
            Ok(collected) if collected.outcome == crate::CollectOutcome::Complete => went += 1,
            Ok(_) | Err(CollectError::Store(StoreError::Full { .. })) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        expect_readable(&engine, &kept);
        expect_sound(&engine);
        disk.limit_bytes(None);
        collect(&engine);
        expect_readable(&engine, &kept);
        expect_sound(&engine);
        assert!(pack_bytes(&disk) < 24 * 2 * 10_000 * 3, "{}", pack_bytes(&disk));
    }
    assert!(refused + went == 16 && went > 0, "{refused} {went}");
}

#[test]
fn a_write_that_finds_no_room_in_a_collection_costs_nothing_that_is_needed() {
    for calls_before in (0..).step_by(3) {
        let disk = SimulatedDisk::new(3);
        let (going, kept) = fill(&disk);
        let engine = open(&disk, 3);
        going.iter().for_each(|id| engine.forget(id, "a test").expect("forgotten"));
        disk.fail(Faulty::Write, calls_before, Failure::Full);
        let collected = engine.collect(&now(), &|_| ControlFlow::Continue(()));
        let done = matches!(&collected, Ok(done) if done.outcome == crate::CollectOutcome::Complete);
        drop(engine);
        let engine = open(&disk, 4);
        expect_readable(&engine, &kept);
        collect(&engine);
        expect_readable(&engine, &kept);
        expect_sound(&engine);
        if done {
            break;
        }
        assert!(calls_before < 400, "there are only so many writes: {collected:?}");
    }
}

#[test]
fn deletions_work_at_no_byte_free() {
    let disk = SimulatedDisk::new(3);
    let (mut going, kept) = fill(&disk);
    // The ballast has room for so many records, in both places of the journal.
    going.truncate(5);
    let engine = open(&disk, 3);
    assert!(disk.files().iter().any(|(path, _)| path.to_str() == Some("ballast")), "there is a ballast");
    disk.limit_bytes(Some(used(&disk)));
    let before = pack_bytes(&disk);
    going.iter().for_each(|id| engine.forget(id, "a test").expect("it needs no room"));
    let collected = collect(&engine);
    assert_eq!(collected.purged, going.len() as u64);
    assert!(pack_bytes(&disk) < before, "{collected:?}");
    expect_readable(&engine, &kept);
    expect_sound(&engine);
    drop(engine);
    expect_readable(&open(&disk, 4), &kept);
}
