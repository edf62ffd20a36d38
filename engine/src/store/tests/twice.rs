//! Damage in the small files, each of which is kept twice: read from the other place, and written again.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::damage::Small;
use super::damage::files;
use super::damage::is_noticed;
use super::damage::small_of;
use super::damage::small_with_everything;
use super::expect_readable;
use super::open_with;
use super::options;
use super::read;
use crate::Engine;
use crate::Options;
use crate::Patients;
use crate::Recovery;
use crate::RepairStep;
use crate::Share;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::Mode;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::journal::copy_of;
use crate::limits::BLOCK_BYTES;

const WHO: &str = "a test";

fn open(disk: &SimulatedDisk, seed: u8) -> Result<Engine, StoreError> {
    let small = Options { pack_bytes: 64 << 10, journal_segment_bytes: 2 << 10, ..options(seed) };
    open_with(Arc::new(disk.clone()), small)
}

/// Everything that is kept, as it lies on the medium.
fn contents(disk: &SimulatedDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = disk.files().into_iter().map(|(path, _)| path);
    paths.filter(|path| !path.starts_with("lock")).map(|path| (path.clone(), bytes_of(disk, &path))).collect()
}

fn bytes_of(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    disk.mutate(path, |file| bytes.clone_from(file)).expect("there");
    bytes
}

/// Everything there is to know of a repository can be read.
fn expect_whole(engine: &Engine, small: &Small, slots: usize) {
    expect_readable(engine, &small.objects);
    assert_eq!(engine.slots().expect("listed").len(), slots);
    for listed in engine.snapshots().expect("listed") {
        assert!(small.objects.contains_key(&listed.record.root), "a record of another tree");
    }
    assert_eq!(engine.snapshots().expect("listed").len(), 2);
}

/// A lost sector of any file, in either way in which media lose them: everything is read, by whoever opens the repository,
/// the file is named, and a healing leaves every file as it was, bit for bit.
#[test]
fn every_sector_of_every_file_is_lost() {
    let small = small_with_everything(2);
    let sound = contents(&small.disk);
    let mut lost = 0;
    for (path, bytes) in files(&small) {
        for number in 0..bytes.div_ceil(BLOCK_BYTES) {
            for is_broken in [false, true] {
                let context = format!("block {number} of {}, {is_broken}", path.display());
                let block = number * BLOCK_BYTES..((number + 1) * BLOCK_BYTES).min(bytes);
                match is_broken {
                    true => small.disk.break_block(&path, number).expect("there"),
                    false => small.disk.mutate(&path, |file| file[block.clone()].fill(0)).expect("there"),
                }
                let is_changed = is_broken || sound[&path][block].iter().any(|byte| *byte != 0);
                let reader = read(&small.disk).expect("opened");
                expect_whole(&reader, &small, 2);
                let report = reader.verify(Share::Everything, &|_| {}).expect("checked");
                let named = report.damage.iter().any(|damage| damage.path == path);
                assert_eq!(named || is_noticed(&report, &path), is_changed, "{context}: {report:?}");
                assert!(report.damage.iter().all(|damage| damage.path == path), "{context}: {report:?}");

                let engine = open(&small.disk, 2).expect("opened");
                expect_whole(&engine, &small, 2);
                let healing = engine.heal(&Patients::All, WHO).expect("healed");
                assert_eq!((healing.object_count, healing.unhealed), (0, Vec::new()), "{context}");
                drop(engine);
                if path == Path::new("verified") {
                    // The next patrol writes it.
                    small.disk.remove(&path).expect("there");
                    put(&small.disk, &path, &sound[&path]);
                }
                // A simulated block is found again only where a file was overwritten or replaced.
                assert!(contents(&small.disk) == sound, "{context}");
                let report = read(&small.disk).expect("opened").verify(Share::Everything, &|_| {});
                let report = report.expect("checked");
                assert_eq!((report.damage, report.notices), (Vec::new(), Vec::new()), "{context}");
                lost += 1;
            }
        }
    }
    assert!(lost > 60, "{lost}");
}

fn put(disk: &SimulatedDisk, path: &Path, bytes: &[u8]) {
    disk.open(path, Mode::CreateNew).expect("made").write_at(0, bytes).expect("written");
}

/// What lies in both places, and is damaged in both, is damage, and nothing is written.
#[test]
fn what_is_damaged_in_both_places_is_damage() {
    for (path, at) in [("journal/0000000000000000", 300), ("parameters", 20)] {
        let small = small_of(2, 10);
        for path in [Path::new(path), &copy_of(Path::new(path))] {
            small.disk.mutate(path, |file| file[at] ^= 1).expect("there");
        }
        let before = contents(&small.disk);
        assert!(matches!(open(&small.disk, 2), Err(StoreError::Damaged { .. })), "{path}");
        assert!(matches!(read(&small.disk), Err(StoreError::Damaged { .. })), "{path}");
        assert!(contents(&small.disk) == before);
    }
}

/// Other records of one sector are damaged on either side: each is read from the other, and both sides are whole again.
#[test]
fn sides_that_are_damaged_at_different_records_mend_each_other() {
    let small = small_of(2, 10);
    drop(open(&small.disk, 2).expect("opened"));
    let sound = contents(&small.disk);
    let path = Path::new("journal/0000000000000000");
    small.disk.mutate(path, |file| file[130] ^= 1).expect("there");
    small.disk.mutate(&copy_of(path), |file| *file.last_mut().expect("not empty") ^= 1).expect("there");
    expect_whole(&read(&small.disk).expect("opened"), &small, 1);
    let engine = open(&small.disk, 3).expect("opened");
    assert_eq!(
        engine.recovery(),
        Recovery { files_mended: 1, ..Recovery::default() },
        "the one that was read"
    );
    assert_eq!(engine.heal(&Patients::All, WHO).expect("healed").files, 1, "the other one");
    drop(engine);
    assert!(contents(&small.disk) == sound);
}

/// A plan names what is damaged in one place as what is written again, and in both as what stays.
#[test]
fn a_repair_writes_small_files_again() {
    let small = small_with_everything(2);
    let sound = contents(&small.disk);
    let slot = sound.keys().find(|path| path.starts_with("slots")).expect("there").clone();
    let other = copy_of(sound.keys().rfind(|path| path.starts_with("slots")).expect("there"));
    let oldest = PathBuf::from("journal/0000000000000000");
    let newest = sound.keys().rfind(|path| path.starts_with("journal")).expect("there").clone();
    assert_ne!(oldest, newest);
    let paths = [slot.clone(), other, copy_of(Path::new("parameters")), oldest, newest];
    for path in &paths {
        small.disk.mutate(path, |file| file[8] ^= 1).expect("there");
    }
    // Open already, so that it is the repair that does it.
    let engine = open(&small.disk, 2).expect("opened");
    for path in &paths {
        small.disk.mutate(path, |file| file[8] = !sound[path][8]).expect("there");
    }
    let plan = engine.plan_repair(&|_| {}).expect("planned");
    let mends = plan.steps.iter().map(|step| match step {
        RepairStep::Mend { path, .. } => path.clone(),
        step => panic!("{step:?}"),
    });
    let mut mends: Vec<_> = mends.collect();
    mends.sort_unstable();
    let mut expected = paths.to_vec();
    expected.sort_unstable();
    assert_eq!(mends, expected);
    assert_eq!(engine.repair(&plan, WHO).expect("repaired").healing.files, 5);
    assert!(engine.plan_repair(&|_| {}).expect("planned").is_empty());

    // The journal goes on in the files that were written.
    let (id, bytes) = super::data(77, 400);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    engine.flush().expect("flushed");
    drop(engine);
    expect_readable(&read(&small.disk).expect("opened"), &[(id, bytes)].into());

    for path in [&slot, &copy_of(&slot)] {
        small.disk.mutate(path, |file| file[8] ^= 1).expect("there");
    }
    let plan = read(&small.disk).expect("opened").plan_repair(&|_| {}).expect("planned");
    assert!(plan.is_empty(), "nobody can: {plan:?}");
    assert_eq!(plan.steps.len(), 2);
}

/// The same repository, as a program made it that kept nothing twice.
fn without_mirror(disk: &SimulatedDisk) -> SimulatedDisk {
    let old = SimulatedDisk::new(9);
    for (path, bytes) in contents(disk).into_iter().filter(|(path, _)| !path.starts_with("mirror")) {
        for folder in path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if !old.exists(folder).expect("answered") {
                old.create_folder(folder).expect("made");
            }
        }
        put(&old, &path, &bytes);
    }
    put(&old, Path::new("lock"), b"a test");
    old.crash(&Crash::KeepAll)
}

#[test]
fn a_repository_without_a_mirror_gets_one() {
    let small = small_with_everything(2);
    let sound = contents(&small.disk);
    let old = without_mirror(&small.disk);
    let reader = read(&old).expect("opened");
    expect_whole(&reader, &small, 2);
    let report = reader.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage, report.notices), (Vec::new(), Vec::new()), "it is not missed");

    // There is no room for it.
    let used: usize = old.files().iter().map(|(_, bytes)| bytes).sum();
    for extra in [0, 100, 3_000] {
        old.limit_bytes(Some(used + extra));
        let engine = open(&old, 2).expect("opened");
        expect_whole(&engine, &small, 2);
        engine
            .put(&engine.begin(), &super::data(7, 10).0, &super::data(7, 10).1)
            .expect_err("there is no room");
    }
    old.limit_bytes(None);
    let engine = open(&old, 3).expect("opened");
    assert!(engine.recovery().files_mended > 0);
    drop(engine);
    assert!(contents(&old) == sound);
}

/// A repository with damage in small files of every kind, of which nothing is lost.
fn damaged() -> (Small, BTreeMap<PathBuf, Vec<u8>>) {
    let small = small_with_everything(2);
    let mut sound = contents(&small.disk);
    sound.remove(Path::new("verified"));
    let slot = sound.keys().find(|path| path.starts_with("slots")).expect("there").clone();
    let lost = ["journal/0000000000000000", "mirror/journal/0000000000000001", "parameters", "checkpoint"];
    for path in lost.map(PathBuf::from).into_iter().chain([copy_of(&slot)]) {
        small.disk.mutate(&path, |file| file.iter_mut().take(40).for_each(|byte| *byte = 0)).expect("there");
    }
    (small, sound)
}

fn heal(disk: &SimulatedDisk, seed: u8) -> bool {
    open(disk, seed).is_ok_and(|engine| engine.heal(&Patients::All, WHO).is_ok())
}

/// A power cut at every operation of a healing of small files, and of the making of a mirror, and at every operation of the
/// one that takes it up: everything can be read at any time, and in the end everything is as it was.
#[test]
fn a_power_cut_at_every_operation_of_mending() {
    let (small, sound) = damaged();
    let old = without_mirror(&small_with_everything(2).disk);
    for from in [&small.disk, &old] {
        let operations = {
            let disk = from.crash(&Crash::KeepAll);
            assert!(heal(&disk, 2));
            disk.operations()
        };
        assert!(operations > 20, "{operations}");
        for stop in 0..operations {
            for crash in [Crash::KeepAll, Crash::LoseAll, Crash::Seeded(stop)] {
                let disk = from.crash(&Crash::KeepAll);
                disk.stop_after(stop);
                heal(&disk, 2);
                let first = disk.crash(&crash);
                expect_whole(&read(&first).expect("opened"), &small, 2);
                let again = (stop * 7) % operations;
                first.stop_after(again);
                heal(&first, 3);
                let second = first.crash(&crash);
                expect_whole(&read(&second).expect("opened"), &small, 2);
                assert!(heal(&second, 4));
                let mut healed = contents(&second);
                healed.remove(Path::new("verified"));
                assert!(healed == sound, "stopped after {stop}, then {again}, {crash:?}");
            }
        }
    }
}
