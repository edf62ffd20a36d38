//! Collections of repositories with damage: what nobody needs does not keep them from going on, what somebody needs is
//! never dropped silently.

use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;

use super::Objects;
use super::collect;
use super::commit;
use super::expect_sound;
use super::now;
use super::put;
use super::tree;
use super::wide;
use crate::CollectError;
use crate::Engine;
use crate::ObjectError;
use crate::Options;
use crate::disk::SimulatedDisk;
use crate::limits::BLOCK_BYTES;
use crate::store::tests::Recorder;
use crate::store::tests::SLOT;
use crate::store::tests::SLOT_BYTES;
use crate::store::tests::create_with;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::open_with;
use crate::store::tests::parameters;

/// Two snapshots, each in packs of its own.
struct World {
    disk: SimulatedDisk,
    engine: Engine,
    going: SnapshotId,
    going_root: ObjectId,
    old: Objects,
    staying: SnapshotId,
    kept_root: ObjectId,
    kept: Objects,
}

impl World {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let (going_root, old) = tree(0..6, 3_000);
        let (kept_root, kept) = tree(100..106, 3_000);
        let mut recorder = Recorder::new("host:/a");
        let engine =
            Engine::create(Arc::new(disk.clone()), &parameters(), (SLOT, SLOT_BYTES), wide(1)).expect("made");
        put(&engine, &old);
        let going = commit(&engine, &mut recorder, going_root);
        drop(engine);
        let engine = open_with(Arc::new(disk.clone()), wide(2)).expect("opened");
        put(&engine, &kept);
        let staying = commit(&engine, &mut recorder, kept_root);
        drop(engine);
        let engine = open_with(Arc::new(disk.clone()), wide(3)).expect("opened");
        Self { disk, engine, going, going_root, old, staying, kept_root, kept }
    }

    fn reopened(self) -> Self {
        drop(self.engine);
        let engine = open_with(Arc::new(self.disk.clone()), wide(4)).expect("opened");
        Self { engine, ..self }
    }

    /// The pack in which an object lies.
    fn pack(&self, id: &ObjectId) -> PathBuf {
        crate::pack::path(&self.engine.locate(id).expect("answered").expect("there").pack)
    }

    /// Damages a pack in one of several ways, the first of which is that nothing is left of it.
    fn damage(&self, path: &PathBuf, way: usize) {
        let done = match way {
            0 => self.disk.mutate(path, |bytes| bytes.truncate(0)),
            // The summary alone.
            1 => self.disk.mutate(path, |bytes| {
                let last = bytes.len() / BLOCK_BYTES - 1;
                bytes[last * BLOCK_BYTES..].fill(0x55);
            }),
            // The summary, as media say it.
            2 => {
                let blocks = self.disk.files().into_iter().find(|(file, _)| file == path).expect("there").1
                    / BLOCK_BYTES;
                self.disk.break_block(path, blocks - 1)
            }
            _ => self.disk.mutate(path, |bytes| bytes[BLOCK_BYTES..].fill(0x55)),
        };
        done.expect("there");
    }
}

fn tried(engine: &Engine) -> Result<crate::Collected, CollectError> {
    engine.collect(&now(), &|_| std::ops::ControlFlow::Continue(()))
}

#[test]
fn damaged_nodes_that_nobody_needs_block_nothing() {
    for way in 0..4 {
        for reopens in [false, true] {
            let world = World::new();
            let path = world.pack(&world.going_root);
            assert_ne!(path, world.pack(&world.kept_root), "packs of their own");
            world.damage(&path, way);
            let world = if reopens { world.reopened() } else { world };
            world.engine.forget(&world.going, "a test").expect("forgotten");
            let collected =
                tried(&world.engine).unwrap_or_else(|error| panic!("damaged in way {way}: {error}"));
            assert!(collected.packs_removed >= 2, "{way} {collected:?}");
            let session = world.engine.begin();
            for id in world.old.keys() {
                assert!(!super::knows(&world.engine, &session, id), "{way}: {id} is there still");
            }
            expect_readable(&world.engine, &world.kept);
            expect_sound(&world.engine);
        }
    }
}

#[test]
fn damaged_nodes_that_are_needed_stop_it_and_name_what_they_touch() {
    for way in 0..4 {
        for is_rebuilt in [false, true] {
            let world = World::new();
            world.damage(&world.pack(&world.going_root), way);
            if is_rebuilt {
                world.engine.rebuild_index().expect("built");
            }
            let error = tried(&world.engine).expect_err("what is needed is damaged");
            let CollectError::Damaged { objects, snapshots } = &error else { panic!("{error}") };
            assert!(objects.contains(&world.going_root) && objects.len() <= 2, "{objects:?}");
            assert_eq!(snapshots.as_slice(), [world.going]);
            assert!(error.to_string().contains(&world.going.to_string()), "{error}");
            assert_ne!(world.going, world.staying);
            expect_readable(&world.engine, &world.kept);
        }
    }
}

/// The root can be read, and what is below it cannot: somebody else needs another tree.
#[test]
fn what_is_hidden_below_a_root_stops_it_too() {
    for way in 0..4 {
        let world = World::new();
        let branch = super::references(&world.old[&world.going_root])[0];
        let hidden = world.pack(&branch);
        let root = node(950, &[branch]);
        let between = node(951, &[root.0]);
        put(&world.engine, &[root.clone()].into());
        put(&world.engine, &[between.clone()].into());
        let touched = commit(&world.engine, &mut Recorder::new("host:/b"), between.0);
        world.engine.forget(&world.going, "a test").expect("forgotten");
        assert_ne!(world.pack(&root.0), hidden);
        world.damage(&hidden, way);
        let error = tried(&world.engine).expect_err("what is needed is damaged");
        let CollectError::Damaged { objects, snapshots } = &error else { panic!("{way}: {error}") };
        assert_eq!((objects.as_slice(), snapshots.as_slice()), (&[branch][..], &[touched][..]));
        expect_readable(&world.engine, &world.kept);
    }
}

/// A summary that parity makes good is as good as any.
#[test]
fn a_summary_is_read_through_parity() {
    for way in [1, 2] {
        let disk = SimulatedDisk::new(1);
        let options = |seed| Options { parity_thousandths: 100, ..wide(seed) };
        drop(create_with(&disk, options(1)).expect("made"));
        let engine = open_with(Arc::new(disk.clone()), options(2)).expect("opened");
        let (root, kept) = tree(0..6, 3_000);
        put(&engine, &kept);
        let staying = commit(&engine, &mut Recorder::new("host:/a"), root);
        let world = World {
            disk,
            engine,
            going: staying,
            going_root: root,
            old: kept.clone(),
            staying,
            kept_root: root,
            kept,
        };
        let pack = world.engine.locate(&root).expect("answered").expect("there").pack;
        let number = world.engine.store.catalogue().pack_number(&pack).expect("known");
        let summary = world.engine.store.extents_in(number)[0].summary as usize / BLOCK_BYTES;
        let path = world.pack(&root);
        match way {
            1 => world.disk.mutate(&path, |bytes| bytes[summary * BLOCK_BYTES..][..BLOCK_BYTES].fill(0x55)),
            _ => world.disk.break_block(&path, summary),
        }
        .expect("there");
        let collected = tried(&world.engine).expect("parity is there for that");
        assert!(collected.nodes_read == 2 && collected.packs_removed == 0, "{collected:?}");
        expect_readable(&world.engine, &world.kept);
    }
}

/// A pack of which most is dead, with a rotten sector in what survives of it.
fn rotten(parity_thousandths: u16, is_broken: bool) -> (Engine, Objects, ObjectId) {
    let disk = SimulatedDisk::new(1);
    let options = |seed| Options { parity_thousandths, ..wide(seed) };
    drop(create_with(&disk, options(1)).expect("made"));
    let engine = open_with(Arc::new(disk.clone()), options(2)).expect("opened");
    let (going_root, old) = tree(0..8, 4_500);
    put(&engine, &old);
    let going = commit(&engine, &mut Recorder::new("host:/a"), going_root);
    let (survivor, bytes) = data(3, 4_500);
    let root = node(900, &[survivor, data(5, 4_500).0]);
    put(&engine, &[root.clone()].into());
    commit(&engine, &mut Recorder::new("host:/b"), root.0);
    drop(engine);
    let engine = open_with(Arc::new(disk.clone()), options(3)).expect("opened");
    let place = engine.locate(&survivor).expect("answered").expect("there");
    let path = crate::pack::path(&place.pack);
    let block = place.offset as usize / BLOCK_BYTES + 1;
    match is_broken {
        true => disk.break_block(&path, block),
        false => disk.mutate(&path, |bytes| bytes[block * BLOCK_BYTES..][..BLOCK_BYTES].fill(0x77)),
    }
    .expect("there");
    engine.forget(&going, "a test").expect("forgotten");
    let kept = [(survivor, bytes), data(5, 4_500), root].into();
    (engine, kept, survivor)
}

#[test]
fn a_rotten_sector_is_healed_by_the_copy() {
    for is_broken in [false, true] {
        let (engine, kept, survivor) = rotten(100, is_broken);
        let before = engine.locate(&survivor).expect("answered");
        let collected = collect(&engine);
        assert_eq!(collected.quarantined, 0);
        assert!(collected.objects_moved >= 2 && collected.packs_removed > 0, "{collected:?}");
        assert_ne!(engine.locate(&survivor).expect("answered"), before);
        expect_readable(&engine, &kept);
        expect_sound(&engine);
    }
}

#[test]
fn what_cannot_be_healed_is_quarantined_and_what_lies_beside_it_stays() {
    let (engine, mut kept, survivor) = rotten(0, false);
    let collected = collect(&engine);
    assert_eq!(collected.quarantined, 1, "{collected:?}");
    let bytes = kept.remove(&survivor).expect("it is one of them");
    expect_readable(&engine, &kept);
    let session = engine.begin();
    assert!(!super::knows(&engine, &session, &survivor), "the next backup stores it again");
    let read = engine.object(&survivor, &mut Vec::new());
    assert!(matches!(read, Err(ObjectError::Missing { .. } | ObjectError::Tampered { .. })), "{read:?}");
    put(&engine, &[(survivor, bytes.clone())].into());
    engine.flush().expect("durable");
    kept.insert(survivor, bytes);
    expect_readable(&engine, &kept);
    collect(&engine);
    expect_readable(&engine, &kept);
}

/// A disk that cannot say is no reason to give something up.
#[test]
fn what_the_disk_does_not_read_stays_where_it_is() {
    let (engine, mut kept, survivor) = rotten(0, true);
    let collected = collect(&engine);
    assert_eq!(collected.quarantined, 0, "{collected:?}");
    kept.remove(&survivor);
    expect_readable(&engine, &kept);
    let session = engine.begin();
    assert!(super::knows(&engine, &session, &survivor), "it was not given up");
}
