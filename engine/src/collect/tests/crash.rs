//! A power cut at every operation of a story with two collections and a merge, and at every operation of the recovery.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::object_id;

use super::Objects;
use super::closure;
use super::create;
use super::expect_closed;
use super::now;
use super::open;
use super::put;
use super::tree;
use crate::CollectError;
use crate::Collected;
use crate::Engine;
use crate::Share;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::store::tests::Recorder;
use crate::store::tests::expect_readable;
use crate::store::tests::read;

struct Chapter {
    root: ObjectId,
    record: Vec<u8>,
    id: SnapshotId,
}

struct Story {
    universe: Objects,
    chapters: Vec<Chapter>,
}

const CHAPTERS: u64 = 26;

/// Neighbours share half of their data.
fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let mut recorder = Recorder::new("host:/a");
        let (mut universe, mut chapters) = (Objects::new(), Vec::new());
        for chapter in 0..CHAPTERS {
            let (root, objects) = tree(chapter * 2..chapter * 2 + 4, 700);
            universe.extend(objects);
            let record = recorder.record(root);
            recorder.taken(&record);
            let id = SnapshotId::from_bytes(*object_id(&record).as_bytes());
            chapters.push(Chapter { root, record, id });
        }
        Story { universe, chapters }
    })
}

/// What was acknowledged.
#[derive(Default, Clone)]
struct Acknowledged {
    snapshots: BTreeSet<SnapshotId>,
    /// Somebody began to purge them.
    doubtful: BTreeSet<SnapshotId>,
}

fn write(engine: &Engine, chapter: &Chapter) -> Option<()> {
    let session = engine.begin();
    let objects = closure(&story().universe, chapter.root);
    let mut waiting: Vec<_> = objects.iter().collect();
    for _ in 0..3 {
        waiting.retain(|(id, bytes)| engine.put(&session, id, bytes).is_err());
    }
    if !waiting.is_empty() {
        return None;
    }
    engine.commit(&session, &chapter.record).ok().map(|_| ())
}

fn collect(engine: &Engine) -> Result<Collected, CollectError> {
    engine.collect(&now(), &|_| ControlFlow::Continue(()))
}

/// A run for each chapter, so that there are many small packs, and one for the last ones together.
fn fill(disk: &SimulatedDisk, acknowledge: &mut dyn FnMut(SnapshotId)) -> Option<Engine> {
    let (single, together) = story().chapters.split_at(18);
    for (number, chapter) in (10_u8..).zip(single) {
        write(&open(disk, number).ok()?, chapter)?;
        acknowledge(chapter.id);
    }
    let engine = open(disk, 50).ok()?;
    for chapter in together {
        write(&engine, chapter)?;
        acknowledge(chapter.id);
    }
    Some(engine)
}

/// Writes many small packs, forgets some of the snapshots, collects, which merges, forgets more, and collects again.
fn live(disk: &SimulatedDisk, acknowledged: &mut Acknowledged) -> Option<[Collected; 2]> {
    let story = story();
    drop(create(disk).ok()?);
    let engine = fill(disk, &mut |id| acknowledged.snapshots.extend([id]))?;
    let mut forget = |chapters: &mut dyn Iterator<Item = &Chapter>| {
        for chapter in chapters {
            acknowledged.doubtful.insert(chapter.id);
            engine.forget(&chapter.id, "a test").ok()?;
        }
        Some(())
    };
    forget(&mut story.chapters.iter().step_by(3))?;
    let first = collect(&engine).ok()?;
    forget(&mut story.chapters.iter().skip(1).step_by(3))?;
    let second = collect(&engine).ok()?;
    Some([first, second])
}

fn expect_promises(engine: &Engine, acknowledged: &Acknowledged) {
    let story = story();
    let listed = engine.snapshots().expect("listed").into_iter().map(|at| at.id);
    let forgotten = engine.forgotten().expect("listed").into_iter().map(|at| at.listed.id);
    let there: BTreeSet<_> = listed.chain(forgotten).collect();
    let certain: BTreeSet<_> = acknowledged.snapshots.difference(&acknowledged.doubtful).copied().collect();
    assert!(there.is_superset(&certain), "an acknowledged snapshot is lost");
    for chapter in story.chapters.iter().filter(|chapter| there.contains(&chapter.id)) {
        expect_readable(engine, &closure(&story.universe, chapter.root));
    }
    expect_closed(engine, &story.universe);
    assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
}

/// A repository goes on after whatever happened to it, and nothing is left that nobody needs.
fn expect_future(disk: &SimulatedDisk, acknowledged: &Acknowledged) {
    let engine = open(disk, 60).expect("opened");
    expect_promises(&engine, acknowledged);
    let collected = collect(&engine).expect("collected");
    assert_eq!(collected.outcome, crate::CollectOutcome::Complete);
    expect_promises(&engine, acknowledged);
    let (root, more) = tree(900..903, 700);
    put(&engine, &more);
    let record = Recorder::new("host:/epilogue").record(root);
    engine.commit(&engine.begin(), &record).expect("committed");
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage, report.notices), (Vec::new(), Vec::new()), "traces of the crash are left");
    drop(engine);
    let disk = disk.crash(&Crash::LoseAll);
    let engine = read(&disk).expect("opened");
    expect_promises(&engine, acknowledged);
    expect_readable(&engine, &more);
}

/// Where in the story the collections begin.
fn operations() -> (u64, u64) {
    let disk = SimulatedDisk::new(7);
    let [first, second] = live(&disk, &mut Acknowledged::default()).expect("nothing fails");
    assert!(first.objects_moved > 0 && first.packs_removed > 16, "it merges: {first:?}");
    assert!(second.packs_removed > 0, "{second:?}");
    assert!(first.nodes_struck + second.nodes_struck > 0, "{first:?} {second:?}");
    let all = disk.operations();
    let disk = SimulatedDisk::new(7);
    drop(create(&disk).expect("made"));
    drop(fill(&disk, &mut |_| {}).expect("written"));
    (disk.operations(), all)
}

#[test]
fn a_power_cut_at_any_step_of_a_collection_loses_nothing() {
    let (begin, end) = operations();
    assert!(end - begin > 60, "the story is long enough to be cut: {begin} to {end}");
    for stop in begin..=end {
        let disk = SimulatedDisk::new(7);
        disk.stop_after(stop);
        let mut acknowledged = Acknowledged::default();
        let _ = live(&disk, &mut acknowledged);
        for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Seeded(stop)] {
            let left = disk.crash(&crash);
            expect_promises(&read(&left).expect("opened"), &acknowledged);
            expect_future(&left, &acknowledged);
        }
    }
}

#[test]
fn a_power_cut_while_a_collection_is_recovered_from_is_just_another_one() {
    let (begin, end) = operations();
    for stop in (begin..=end).step_by(7) {
        let disk = SimulatedDisk::new(7);
        disk.stop_after(stop);
        let mut acknowledged = Acknowledged::default();
        let _ = live(&disk, &mut acknowledged);
        let left = disk.crash(&Crash::Seeded(stop));
        for stop_again in (0..).step_by(5) {
            let again = left.crash(&Crash::KeepAll);
            again.stop_after(stop_again);
            let recovered = open(&again, 70).is_ok_and(|engine| collect(&engine).is_ok());
            let last = again.crash(&Crash::Seeded(stop ^ stop_again));
            match read(&last) {
                Ok(engine) => expect_promises(&engine, &acknowledged),
                Err(error) => panic!("{error}"),
            }
            if recovered {
                expect_future(&last, &acknowledged);
                break;
            }
        }
    }
}
