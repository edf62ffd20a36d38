//! Damage in packs with parity: read through, healed where it lies; and what cannot be healed, stored again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;

use super::Recorder;
use super::create;
use super::create_with;
use super::damage::Small;
use super::damage::files;
use super::damage::small_with;
use super::data;
use super::expect_readable;
use super::node;
use super::open;
use super::options;
use super::read;
use crate::CommitError;
use crate::Engine;
use crate::Healing;
use crate::Lost;
use crate::ObjectError;
use crate::Options;
use crate::Patients;
use crate::Presence;
use crate::Put;
use crate::Share;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::limits::BLOCK_BYTES;

const WHO: &str = "a test";

/// All packs, as they lie on the medium.
fn packs(disk: &SimulatedDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = disk.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with("packs"));
    paths
        .map(|path| {
            let mut bytes = Vec::new();
            disk.mutate(&path, |pack| bytes.clone_from(pack)).expect("there");
            (path, bytes)
        })
        .collect()
}

fn expect_sound(engine: &Engine) {
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!(report.damage, []);
    assert_eq!(engine.lost(), Lost::default());
}

/// A lost sector of any pack, in either way in which media lose them: everything is read bit for bit, by whoever opens the
/// repository, and the pack is afterwards what it was.
#[test]
fn every_sector_is_lost() {
    let small = small_with(10);
    let sound = packs(&small.disk);
    let mut lost = 0;
    for (path, bytes) in files(&small).into_iter().filter(|(path, _)| path.starts_with("packs")) {
        for number in 0..bytes / BLOCK_BYTES {
            for is_broken in [false, true] {
                let block = number * BLOCK_BYTES..(number + 1) * BLOCK_BYTES;
                match is_broken {
                    true => small.disk.break_block(&path, number).expect("there"),
                    false => small.disk.mutate(&path, |pack| pack[block].fill(0)).expect("there"),
                }
                expect_readable(&read(&small.disk).expect("opened"), &small.objects);
                let engine = open(&small.disk, 2).expect("opened");
                expect_readable(&engine, &small.objects);
                let healing = engine.heal(&Patients::All, WHO).expect("healed");
                let blocks = u64::from(is_broken || packs_differ(&sound, &path, number));
                assert_eq!(healing, Healing { packs: 2, blocks, ..Healing::default() }, "block {number}");
                expect_sound(&engine);
                assert_eq!(packs(&small.disk), sound, "block {number} of {}", path.display());
                lost += 1;
            }
        }
    }
    assert!(lost >= 32, "{lost}");
}

/// Whether a block is not zeros anyway.
fn packs_differ(sound: &BTreeMap<PathBuf, Vec<u8>>, path: &PathBuf, number: usize) -> bool {
    sound[path][number * BLOCK_BYTES..][..BLOCK_BYTES].iter().any(|byte| *byte != 0)
}

/// A restore succeeds over a rotten sector and counts it, and what it came across is healed when somebody asks for it.
#[test]
fn what_was_read_through_parity_is_healed() {
    let small = small_with(10);
    let sound = packs(&small.disk);
    let engine = open(&small.disk, 2).expect("opened");
    let wanted: Vec<_> =
        small.objects.keys().map(|id| (*id, engine.locate(id).expect("answered").expect("there"))).collect();
    for path in sound.keys() {
        small.disk.mutate(path, |pack| pack[BLOCK_BYTES..2 * BLOCK_BYTES].fill(0xaa)).expect("there");
    }
    let (mut buffer, mut shown) = (Vec::new(), 0);
    engine.objects(&wanted, &mut buffer, &mut |at, read| {
        assert_eq!(read.expect("read through parity"), small.objects[&wanted[at].0]);
        shown += 1;
    });
    assert_eq!(shown, wanted.len());
    assert_eq!(engine.mended(), 4, "as many as lie in the first extents");
    assert_ne!(packs(&small.disk), sound, "a read writes nothing");
    let healing = engine.heal(&Patients::Noticed, WHO).expect("healed");
    assert_eq!((healing.packs, healing.blocks), (2, 2));
    assert_eq!(packs(&small.disk), sound);
    expect_sound(&engine);
    assert_eq!(engine.heal(&Patients::Noticed, WHO).expect("healed"), Healing::default(), "nothing is left");
}

/// Damage beyond parity in the first extents of both packs.
fn rot(small: &Small) {
    for path in packs(&small.disk).into_keys() {
        small
            .disk
            .mutate(&path, |pack| {
                pack[BLOCK_BYTES + 100] ^= 1;
                pack[0] ^= 1;
            })
            .expect("there");
    }
}

fn damaged(engine: &Engine, small: &Small) -> Vec<ObjectId> {
    let mut bytes = Vec::new();
    let mut is_bad = |id: &&ObjectId| match engine.object(id, &mut bytes) {
        Ok(()) => false,
        Err(ObjectError::Tampered { .. } | ObjectError::Missing { .. }) => true,
        Err(error) => panic!("{error}"),
    };
    small.objects.keys().filter(&mut is_bad).copied().collect()
}

#[test]
fn the_next_backup_heals_rot() {
    let small = small_with(10);
    rot(&small);
    let engine = open(&small.disk, 2).expect("opened");
    let bad = damaged(&engine, &small);
    assert_eq!(bad.len(), 2, "one object of each pack");
    let session = engine.begin();
    let known = |engine: &Engine| engine.probe(&session, &bad).expect("answered");
    assert_eq!(known(&engine), [Presence::Known; 2], "nobody has looked");
    assert_eq!(engine.lost(), Lost::default());

    let healing = engine.heal(&Patients::Noticed, WHO).expect("healed");
    let mut named = healing.objects.clone();
    named.sort_unstable();
    assert_eq!((named, healing.object_count, healing.unhealed.len()), (bad.clone(), 2, 2));
    assert_eq!(known(&engine), [Presence::Unknown; 2]);
    let lost = engine.lost();
    assert_eq!((lost.packs, lost.objects, lost.bytes), (2, 2, 0));
    assert_ne!(lost.which, [0; 32]);
    for id in &bad {
        assert!(matches!(engine.object(id, &mut Vec::new()), Err(ObjectError::Missing { .. })));
    }

    // The next backup has the data, children first.
    for wanted in [Put::New, Put::Known] {
        let mut puts: Vec<_> = bad.iter().map(|id| (engine_kind(&small, id), id)).collect();
        puts.sort_unstable();
        for (_, id) in puts {
            assert_eq!(engine.put(&session, id, &small.objects[id]).expect("put"), wanted);
        }
    }
    engine.flush().expect("flushed");
    assert_eq!(known(&engine), [Presence::Known; 2]);
    expect_readable(&engine, &small.objects);
    drop(session);
    drop(engine);

    let engine = open(&small.disk, 3).expect("opened");
    expect_readable(&engine, &small.objects);
    assert_eq!(engine.lost(), lost, "the journal still names them");
    engine.rebuild_index().expect("built");
    expect_readable(&engine, &small.objects);
    let again = engine.heal(&Patients::All, WHO).expect("healed");
    assert_eq!((again.object_count, again.objects.len()), (0, 0), "they are given up once");
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert!(report.damage.iter().all(|damage| damage.object_count == 0), "{:?}", report.damage);
    assert_eq!(report.notices.iter().filter(|notice| notice.what.contains("quarantined")).count(), 2);
}

/// The kind of an object, as its first bytes say it: data before nodes.
fn engine_kind(small: &Small, id: &ObjectId) -> u16 {
    u16::from_le_bytes([small.objects[id][6], small.objects[id][7]])
}

/// A summary that is lost with a record header in front of it: the index names what it can, and the rest is known to be
/// missing all the same.
#[test]
fn what_nobody_can_name_is_missing_all_the_same() {
    let small = small_with(0);
    let path = packs(&small.disk).into_keys().next().expect("there");
    let engine = open(&small.disk, 2).expect("opened");
    let all: Vec<_> = small.objects.keys().copied().collect();
    assert!(
        engine.probe(&engine.begin(), &all).expect("answered").iter().all(|known| *known == Presence::Known)
    );
    small.disk.mutate(&path, |pack| pack[BLOCK_BYTES..2 * BLOCK_BYTES].fill(0)).expect("there");
    let bad = damaged(&engine, &small);
    let healing = engine.heal(&Patients::All, WHO).expect("healed");
    assert_eq!((healing.object_count, healing.objects.len()), (bad.len() as u64, bad.len()));
    drop(engine);

    // Here nobody has an index: the header that nobody reads is what is known to be gone.
    let small = small_with(0);
    small.disk.mutate(&path, |pack| pack[BLOCK_BYTES..2 * BLOCK_BYTES].fill(0)).expect("there");
    let engine = open(&small.disk, 2).expect("opened");
    let healing = engine.heal(&Patients::All, WHO).expect("healed");
    assert_eq!((healing.object_count, healing.objects.len()), (1, 0));
    assert_eq!((engine.lost().packs, engine.lost().objects), (1, 1));
}

#[test]
fn old_packs_without_parity_stay_readable_beside_new_ones() {
    let disk = SimulatedDisk::new(1);
    let mut objects = BTreeMap::new();
    let mut put = |engine: &Engine, numbers: std::ops::Range<u64>| {
        for (id, bytes) in numbers.map(|number| data(number, 900)) {
            engine.put(&engine.begin(), &id, &bytes).expect("put");
            objects.insert(id, bytes);
        }
        engine.flush().expect("flushed");
        objects.clone()
    };
    let engine = create(&disk).expect("made");
    assert_eq!(engine.settings().parity_thousandths, 0);
    put(&engine, 0..5);
    let before: usize = packs(&disk).values().map(Vec::len).sum();
    drop(engine);
    let settings = crate::Settings { parity_thousandths: 200, ..crate::Settings::default() };
    let changed = crate::journal::Event::SettingsChanged { settings, by: WHO.to_owned() };
    let now = farkeep_codec::time::Time::from_nanoseconds(2_000);
    super::append(std::sync::Arc::new(disk.clone()), &[changed], now).expect("it is sound");

    let engine = open(&disk, 2).expect("opened");
    let objects = put(&engine, 5..10);
    assert_eq!(packs(&disk).len(), 2);
    let after: usize = packs(&disk).values().map(Vec::len).sum();
    assert_eq!(after - before, before + 3 * BLOCK_BYTES);
    expect_readable(&engine, &objects);
    expect_sound(&engine);
    drop(engine);
    expect_readable(&read(&disk).expect("opened"), &objects);
}

#[test]
fn a_new_repository_has_parity_and_a_pack_counts_it() {
    let disk = SimulatedDisk::new(1);
    let usual = Options { pack_bytes: 64 << 10, parity_thousandths: 10, ..options(1) };
    let engine = create_with(&disk, usual).expect("made");
    assert_eq!(engine.settings().parity_thousandths, 10);
    for (id, bytes) in (0..100).map(|number| data(number, 3_000)) {
        engine.put(&engine.begin(), &id, &bytes).expect("put");
    }
    engine.flush().expect("flushed");
    let packs = packs(&disk);
    assert!(packs.len() >= 5, "{}", packs.len());
    assert!(packs.values().all(|pack| pack.len() <= 64 << 10));
    assert!(packs.values().filter(|pack| pack.len() > 60 << 10).count() >= packs.len() - 1, "and fills up");
    expect_sound(&engine);
}

/// After a loss each commit proves that its tree is whole, and reads a node once for all commits.
#[test]
fn a_walk_remembers_what_it_found_sound() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let leaves: Vec<_> = (0..4).map(|number| data(number, 2_000)).collect();
    let ids: Vec<_> = leaves.iter().map(|(id, _)| *id).collect();
    let (inner, top) = (node(1, &ids[..2]), node(2, &ids[2..]));
    let root = node(3, &[inner.0, top.0]);
    for (id, bytes) in leaves.iter().chain([&inner, &top, &root]) {
        engine.put(&engine.begin(), id, bytes).expect("put");
    }
    let (stray, stray_bytes) = data(9, 500);
    engine.put(&engine.begin(), &stray, &stray_bytes).expect("put");
    let mut commit = |engine: &Engine| {
        let record = recorder.record(root.0);
        let committed = engine.commit(&engine.begin(), &record);
        if committed.is_ok() {
            recorder.taken(&record);
        }
        committed
    };
    commit(&engine).expect("nothing is lost");

    let lose = |number: u64| {
        let id = if number == 9 { stray } else { ids[0] };
        let place = engine.locate(&id).expect("answered").expect("there");
        let path = crate::pack::path(&place.pack);
        disk.mutate(&path, |pack| pack[place.offset as usize + 60] ^= 1).expect("there");
        assert_eq!(engine.heal(&Patients::All, WHO).expect("healed").object_count, 1);
    };
    lose(9);
    commit(&engine).expect("the tree is whole, and the walk says so");
    disk.fail(Faulty::Read, 0, Failure::Broken);
    commit(&engine).expect("no node is read again");
    lose(0);
    // What cannot be read once is read again.
    [0, 0].into_iter().for_each(|calls| disk.fail(Faulty::Read, calls, Failure::Broken));
    let refused = commit(&engine);
    assert!(matches!(refused, Err(CommitError::Store(_))), "the walk begins anew: {refused:?}");
    let refused = commit(&engine);
    assert!(
        matches!(refused, Err(CommitError::Incomplete { missing, .. }) if missing == ids[0]),
        "{refused:?}"
    );
    engine.put(&engine.begin(), &leaves[0].0, &leaves[0].1).expect("put");
    commit(&engine).expect("it is there again");
}
