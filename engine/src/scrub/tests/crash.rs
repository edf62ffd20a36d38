//! A power cut at every operation of a repair that heals, evacuates and quarantines, and at every operation of the one
//! that takes it up: nothing is lost that was not before, and in the end everything is done.

use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;

use super::Yard;
use super::everything;
use super::go_on;
use crate::Engine;
use crate::Patients;
use crate::Put;
use crate::Share;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::scrub::Care;
use crate::store::tests::expect_readable;

const WHO: &str = "a test";

/// One pack heals, one cannot be written, and of one three objects are lost.
fn damaged() -> (Yard, BTreeSet<ObjectId>) {
    let yard = Yard::new();
    let packs = yard.packs();
    yard.damage(&packs[1], [3]);
    yard.damage(&packs[2], [6]);
    yard.damage(&packs[3], [2, 5, 9]);
    let engine = yard.read();
    let bad = |id: &&ObjectId| engine.object(id, &mut Vec::new()).is_err();
    let lost: BTreeSet<_> = yard.objects.keys().filter(bad).copied().collect();
    assert_eq!(lost.len(), 3);
    (yard, lost)
}

/// Repairs everything, with a medium that does not take the second block.
fn repair(yard: &Yard, disk: &SimulatedDisk, seed: u8) -> Option<Engine> {
    let engine = yard.open_on(disk, seed)?;
    disk.fail(Faulty::Write, 1, Failure::Broken);
    engine.patrol(&everything(Care::Heal), &go_on).ok()?;
    Some(engine)
}

/// Whoever opens the repository reads everything that is not lost, and is never told wrong bytes.
fn expect_promises(yard: &Yard, lost: &BTreeSet<ObjectId>, disk: &SimulatedDisk, context: &str) {
    let engine = yard.read_on(disk);
    let mut bytes = Vec::new();
    for (id, wanted) in &yard.objects {
        match engine.object(id, &mut bytes) {
            Ok(()) => assert_eq!(bytes, *wanted, "{context}"),
            Err(error) => assert!(lost.contains(id), "{context}: {error}"),
        }
    }
}

/// A repair that is not interrupted, and the next backup: everything is there.
fn finish(yard: &Yard, disk: &SimulatedDisk, context: &str) {
    let engine = yard.open_on(disk, 9).expect("opened");
    engine.heal(&Patients::All, WHO).expect("healed");
    let session = engine.begin();
    let put = |id: &ObjectId, bytes: &[u8]| engine.put(&session, id, bytes).expect("put") == Put::New;
    let stored = yard.objects.iter().filter(|(id, bytes)| put(id, bytes)).count();
    assert_eq!(stored, 3, "{context}");
    engine.flush().expect("flushed");
    expect_readable(&engine, &yard.objects);
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, [], "{context}");
}

#[test]
fn a_power_cut_at_every_operation_of_a_repair_and_of_its_recovery() {
    let (yard, lost) = damaged();
    let operations = {
        let disk = yard.disk.crash(&Crash::KeepAll);
        let before = disk.operations();
        let engine = repair(&yard, &disk, 3).expect("nothing stops it");
        drop(engine);
        let operations = disk.operations() - before;
        finish(&yard, &disk, "without a power cut");
        operations
    };
    assert!(operations > 20, "{operations}");
    let mut states = 0;
    for stop in 0..operations {
        for crash in [Crash::KeepAll, Crash::LoseAll].into_iter().chain((0..2).map(Crash::Seeded)) {
            let disk = yard.disk.crash(&Crash::KeepAll);
            disk.stop_after(stop);
            drop(repair(&yard, &disk, 3));
            let first = disk.crash(&crash);
            let context = format!("stopped after {stop}, {crash:?}");
            expect_promises(&yard, &lost, &first, &context);

            // The recovery is cut off, too, at an operation that differs from state to state.
            states += 1;
            let again = (states * 7) % operations;
            first.stop_after(again);
            drop(repair(&yard, &first, 4));
            let second = first.crash(&crash);
            let context = format!("{context}, and then after {again}");
            expect_promises(&yard, &lost, &second, &context);
            finish(&yard, &second, &context);
        }
    }
    assert!(states > 100, "{states}");
}
