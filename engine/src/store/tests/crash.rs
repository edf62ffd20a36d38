//! A power cut at every operation of a short life of a repository, with what was not synced kept, lost or torn; and
//! another one at every operation of the recovery from it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::OnceLock;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::object_id;

use super::Recorder;
use super::SLOT;
use super::data;
use super::node;
use super::open_with;
use super::options;
use super::parameters;
use super::read;
use crate::Engine;
use crate::Options;
use crate::Share;
use crate::SlotId;
use crate::StoreError;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;

/// Objects by id.
type Objects = BTreeMap<ObjectId, Vec<u8>>;

/// Every record is followed by a checkpoint, and every extent by parity.
fn checkpointing(seed: u8) -> Options {
    Options { checkpoint_records: 0, parity_thousandths: 10, ..options(seed) }
}

fn create(disk: &SimulatedDisk) -> Result<Engine, StoreError> {
    Engine::create(Arc::new(disk.clone()), &parameters(), (SLOT, super::SLOT_BYTES), checkpointing(1))
}

fn open(disk: &SimulatedDisk, seed: u8) -> Result<Engine, StoreError> {
    open_with(Arc::new(disk.clone()), checkpointing(seed))
}

/// What is done to the repository, prepared once.
struct Story {
    chapters: Vec<Chapter>,
    /// A tree and a record that are added after the crash, whatever is left: one per number of records that are there.
    epilogue: Objects,
    epilogue_root: ObjectId,
}

struct Chapter {
    objects: Vec<(ObjectId, Vec<u8>)>,
    record: Vec<u8>,
    id: SnapshotId,
}

const SECOND_SLOT: SlotId = SlotId::from_bytes([0x52; 16]);
const EPILOGUE: u64 = 1000;

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let mut recorder = Recorder::new("host:/a");
        let chapters = (0..4)
            .map(|chapter| {
                // The third chapter fills more than one pack; neighbours share objects.
                let sizes = if chapter == 2 { 9_000 } else { 900 };
                let mut objects: Vec<_> =
                    (chapter * 4..chapter * 4 + 5).map(|number| data(number, sizes)).collect();
                let leaves: Vec<_> = objects.iter().map(|(id, _)| *id).collect();
                let (branch, branch_bytes) = node(chapter, &leaves);
                let root = node(chapter + 100, &[branch, leaves[0]]);
                objects.extend([(branch, branch_bytes), root]);
                let record = recorder.record(objects.last().expect("the root").0);
                recorder.taken(&record);
                Chapter { objects, id: SnapshotId::from_bytes(*object_id(&record).as_bytes()), record }
            })
            .collect();
        let leaf = data(EPILOGUE, 500);
        let root = node(EPILOGUE, &[leaf.0]);
        Story { chapters, epilogue_root: root.0, epilogue: [leaf, root].into() }
    })
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    created: bool,
    objects: Objects,
    snapshots: BTreeSet<SnapshotId>,
    forgotten: BTreeSet<SnapshotId>,
    /// Somebody began to forget, so it may be gone or there.
    doubtful: BTreeSet<SnapshotId>,
    slots: BTreeSet<SlotId>,
    removed_slots: BTreeSet<SlotId>,
}

/// Lives the story until something fails, and notes what was acknowledged.
fn live(disk: &SimulatedDisk, acknowledged: &mut Acknowledged) -> Option<()> {
    let story = story();
    let engine = create(disk).ok()?;
    acknowledged.created = true;
    acknowledged.slots.insert(SLOT);
    for (number, chapter) in story.chapters.iter().enumerate() {
        for (id, bytes) in &chapter.objects {
            engine.put(&engine.begin(), id, bytes).ok()?;
        }
        if number == 1 {
            engine.flush().ok()?;
            acknowledged.objects.extend(chapter.objects.iter().cloned());
            engine.add_slot(SECOND_SLOT, b"second").ok()?;
            acknowledged.slots.insert(SECOND_SLOT);
        }
        engine.commit(&engine.begin(), &chapter.record).ok()?;
        acknowledged.objects.extend(chapter.objects.iter().cloned());
        acknowledged.snapshots.insert(chapter.id);
    }
    let forgotten = story.chapters[1].id;
    acknowledged.doubtful.insert(forgotten);
    engine.forget(&forgotten, "a test").ok()?;
    acknowledged.forgotten.insert(forgotten);
    acknowledged.slots.remove(&SLOT);
    engine.remove_slot(SLOT).ok()?;
    acknowledged.removed_slots.insert(SLOT);
    Some(())
}

/// What must be true of a repository whatever happened to it.
fn expect_promises(engine: &Engine, acknowledged: &Acknowledged) {
    let story = story();
    let listed: BTreeSet<_> = engine.snapshots().expect("listed").into_iter().map(|at| at.id).collect();
    let certain = acknowledged.snapshots.difference(&acknowledged.doubtful).copied().collect::<BTreeSet<_>>();
    assert!(listed.is_superset(&certain), "an acknowledged snapshot is lost");
    assert!(listed.is_disjoint(&acknowledged.forgotten), "a forgotten snapshot is back");
    let mut objects = acknowledged.objects.clone();
    for chapter in story.chapters.iter().filter(|chapter| listed.contains(&chapter.id)) {
        objects.extend(chapter.objects.iter().cloned());
    }
    super::expect_readable(engine, &objects);

    let slots: BTreeSet<_> = engine.slots().expect("listed").into_iter().map(|(slot, _)| slot).collect();
    assert!(slots.is_superset(&acknowledged.slots) && slots.is_disjoint(&acknowledged.removed_slots));
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!(report.damage, []);
}

/// A repository goes on after whatever happened to it.
fn expect_future(disk: &SimulatedDisk, acknowledged: &Acknowledged) {
    let story = story();
    let engine = open(disk, 3).expect("opened");
    expect_promises(&engine, acknowledged);
    for (id, bytes) in story.epilogue.iter().filter(|(_, bytes)| bytes[6] == 1) {
        engine.put(&engine.begin(), id, bytes).expect("put");
    }
    engine.put(&engine.begin(), &story.epilogue_root, &story.epilogue[&story.epilogue_root]).expect("put");
    let record = Recorder::new("host:/epilogue").record(story.epilogue_root);
    engine.commit(&engine.begin(), &record).expect("committed");
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage, report.notices), (Vec::new(), Vec::new()), "traces of the crash are left");
    drop(engine);
    let disk = disk.crash(&Crash::LoseAll);
    let engine = read(&disk).expect("opened");
    expect_promises(&engine, acknowledged);
    super::expect_readable(&engine, &story.epilogue);
}

/// Opens what a crash left, as a reader and as a writer. False if there is no repository yet.
fn expect_recovery(disk: &SimulatedDisk, acknowledged: &Acknowledged) -> bool {
    match read(disk) {
        Ok(engine) => expect_promises(&engine, acknowledged),
        Err(StoreError::NotThere) => {
            assert!(!acknowledged.created, "a repository that was made is gone");
            create(disk).expect("made over what an interrupted creation left");
            return false;
        }
        Err(error) => panic!("{error}"),
    }
    let engine = open(disk, 2).expect("opened");
    expect_promises(&engine, acknowledged);
    true
}

fn operations_of_the_story() -> u64 {
    let disk = SimulatedDisk::new(7);
    live(&disk, &mut Acknowledged::default()).expect("nothing fails");
    disk.operations()
}

fn crashes(stop: u64) -> impl Iterator<Item = Crash> {
    let seeded = (0..3).map(move |seed| Crash::Seeded(stop * 10 + seed));
    [Crash::LoseAll, Crash::KeepAll].into_iter().chain(seeded)
}

#[test]
fn acknowledged_is_kept_and_the_rest_is_whole_or_gone_wherever_the_power_fails() {
    let operations = operations_of_the_story();
    assert!(operations > 60, "the story is long enough to be cut: {operations}");
    for stop in 0..=operations {
        let disk = SimulatedDisk::new(7);
        disk.stop_after(stop);
        let mut acknowledged = Acknowledged::default();
        let _ = live(&disk, &mut acknowledged);
        for crash in crashes(stop) {
            let left = disk.crash(&crash);
            if expect_recovery(&left, &acknowledged) {
                expect_future(&left, &acknowledged);
            }
        }
    }
}

#[test]
fn a_crash_during_recovery_is_just_another_crash() {
    let operations = operations_of_the_story();
    for stop in (0..=operations).step_by(3) {
        let disk = SimulatedDisk::new(7);
        disk.stop_after(stop);
        let mut acknowledged = Acknowledged::default();
        let _ = live(&disk, &mut acknowledged);
        for crash in [Crash::KeepAll, Crash::Seeded(stop), Crash::Seeded(stop + 1000)] {
            let left = disk.crash(&crash);
            if !acknowledged.created && matches!(read(&left), Err(StoreError::NotThere)) {
                continue;
            }
            for stop_again in 0.. {
                let again = left.crash(&Crash::KeepAll);
                again.stop_after(stop_again);
                let recovered = open(&again, 4).is_ok_and(|engine| {
                    let (id, bytes) = data(EPILOGUE + 1, 300);
                    engine.put(&engine.begin(), &id, &bytes).is_ok() && engine.flush().is_ok()
                });
                let last = again.crash(&Crash::Seeded(stop ^ stop_again));
                expect_recovery(&last, &acknowledged);
                if recovered {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_failed_sync_is_never_acknowledged_and_poisons_the_store() {
    for faulty in [Faulty::Sync, Faulty::SyncFolder] {
        for calls_before in 0.. {
            let disk = SimulatedDisk::new(7);
            disk.fail(faulty, calls_before, Failure::Broken);
            let mut acknowledged = Acknowledged::default();
            if live(&disk, &mut acknowledged).is_some() {
                break;
            }
            // The same machine goes on, with whatever its cache pretends; and then the power fails.
            if expect_recovery(&disk, &acknowledged) {
                expect_future(&disk, &acknowledged);
            }
            if acknowledged.created {
                let left = disk.crash(&Crash::LoseAll);
                assert!(expect_recovery(&left, &acknowledged));
            }
        }
    }
}

#[test]
fn a_poisoned_store_says_so_from_then_on() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 100);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    disk.fail(Faulty::Sync, 0, Failure::Broken);
    assert!(matches!(engine.flush(), Err(StoreError::Poisoned { .. })));
    assert!(matches!(engine.flush(), Err(StoreError::Poisoned { .. })));
    assert!(engine.put(&engine.begin(), &id, &bytes).is_err());
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.probe(&engine.begin(), &[id]).expect("answered"), [crate::Presence::Unknown]);
}

#[test]
fn a_folder_that_a_dead_process_made_is_made_durable_by_the_next() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let (id, bytes) = data(1, 100);
    // Both processes draw the same names, so the second finds the folder of its pack there.
    let engine = open(&disk, 9).expect("opened");
    engine.put(&engine.begin(), &id, &bytes).expect("put, and never flushed");
    drop(engine);
    let engine = open(&disk, 9).expect("opened");
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    engine.flush().expect("flushed");
    drop(engine);
    let left = disk.crash(&Crash::LoseAll);
    super::expect_readable(&read(&left).expect("opened"), &[(id, bytes)].into());
}

#[test]
fn what_a_dead_process_left_in_memory_is_durable_before_it_is_acknowledged() {
    let story = story();
    let chapter = &story.chapters[0];
    for calls_before in 0..8 {
        let disk = SimulatedDisk::new(1);
        let engine = create(&disk).expect("made");
        disk.fail(Faulty::Sync, calls_before, Failure::Broken);
        for (id, bytes) in &chapter.objects {
            engine.put(&engine.begin(), id, bytes).expect("put");
        }
        let _ = engine.commit(&engine.begin(), &chapter.record);
        drop(engine);
        // The agent does not know whether its snapshot is there, and asks once more.
        let Ok(engine) = open(&disk, 2) else { continue };
        for (id, bytes) in &chapter.objects {
            engine.put(&engine.begin(), id, bytes).expect("put");
        }
        if engine.commit(&engine.begin(), &chapter.record).is_ok() {
            let left = disk.crash(&Crash::LoseAll);
            let listed = read(&left).expect("opened").snapshots().expect("listed");
            assert_eq!(listed.len(), 1, "an acknowledged snapshot is lost");
        }
    }
}
