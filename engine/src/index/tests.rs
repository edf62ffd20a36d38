use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::RwLock;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::object_id;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::test_runner::Config;

use super::Files;
use super::Index;
use super::Live;
use super::LivePacks;
use super::Mark;
use super::MemoryIndex;
use super::RocksBuilder;
use super::RocksIndex;
use super::Spot;

/// Entries of which some have the same id.
fn entries() -> impl Strategy<Value = Vec<(ObjectId, Spot)>> {
    let entry = (0_u8..60, any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(id, ordinal, offset, bytes)| (object_id(&[id]), Spot { ordinal, offset, bytes }));
    vec(entry, 0..80)
}

fn contents(index: &dyn Index) -> BTreeMap<ObjectId, Spot> {
    const MOST: usize = 7;
    let mut contents = BTreeMap::new();
    loop {
        let behind = contents.keys().next_back().copied();
        let mut show = |id: &ObjectId, spot| {
            assert!(behind.is_none_or(|behind| behind < *id));
            assert_eq!(contents.insert(*id, spot), None);
        };
        if index.scan(behind.as_ref(), MOST, &mut show).expect("scanned") < MOST {
            return contents;
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 12, ..Config::default() })]

    #[test]
    fn grown_built_and_remembered_indexes_are_the_same_map(runs in vec(entries(), 1..4)) {
        let folder = tempfile::tempdir().expect("there is room");
        let (grown_path, built_path) = (folder.path().join("grown"), folder.path().join("built"));
        let memory = MemoryIndex::default();
        let mut model = BTreeMap::new();
        let grown = RocksIndex::open_to_write(&grown_path, &LivePacks::default()).expect("made");
        let built = RocksBuilder::begin(&built_path, Files::Stay, &LivePacks::default()).expect("begun");
        for (number, run) in (0_u8..).zip(&runs) {
            let mark = Mark([number; Mark::BYTES]);
            model.extend(run.iter().copied());
            memory.apply(run, Some(mark)).expect("applied");
            grown.apply(run, Some(mark)).expect("applied");
            built.add(&mut run.clone()).expect("added");
        }
        let mark = Mark([u8::try_from(runs.len()).expect("few runs") - 1; Mark::BYTES]);
        drop(grown);
        drop(built.finish(Some(mark)).expect("finished"));
        let opened = [&grown_path, &built_path].map(|path| RocksIndex::open_to_read(path).expect("opened"));
        for index in [&memory as &dyn Index, &opened[0], &opened[1]] {
            prop_assert_eq!(&contents(index), &model);
            prop_assert_eq!(index.mark().expect("read"), Some(mark));
            for id in (0..=u8::MAX).map(|id| object_id(&[id])) {
                prop_assert_eq!(index.find(&id).expect("read"), model.get(&id).copied());
            }
        }
    }
}

#[test]
fn an_index_that_was_not_finished_has_no_mark() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("index");
    let builder = RocksBuilder::begin(&path, Files::Stay, &LivePacks::default()).expect("begun");
    builder.add(&mut vec![(object_id(b"x"), Spot { ordinal: 1, offset: 2, bytes: 3 })]).expect("added");
    drop(builder);
    assert_eq!(RocksIndex::open_to_read(&path).expect("opened").mark().expect("read"), None);
}

#[test]
fn opening_to_read_changes_no_file() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("index");
    let entry = (object_id(b"x"), Spot { ordinal: 1, offset: 2, bytes: 3 });
    RocksIndex::open_to_write(&path, &LivePacks::default())
        .expect("made")
        .apply(&[entry], Some(Mark([1; Mark::BYTES])))
        .expect("applied");
    let files = || {
        let files = std::fs::read_dir(&path).expect("there").flatten();
        let file = |file: std::fs::DirEntry| {
            let metadata = file.metadata().expect("there");
            (file.file_name(), metadata.len(), metadata.modified().expect("known"))
        };
        files.map(file).collect::<BTreeSet<_>>()
    };
    let before = files();
    assert!(!before.iter().any(|(name, ..)| name.to_string_lossy().contains("LOG.")), "{before:?}");
    let index = RocksIndex::open_to_read(&path).expect("opened");
    assert_eq!(index.find(&entry.0).expect("read"), Some(entry.1));
    drop(index);
    assert_eq!(files(), before);
    let mut permissions = std::fs::metadata(&path).expect("there").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("set");
    assert_eq!(RocksIndex::open_to_read(&path).expect("opened").find(&entry.0).expect("read"), Some(entry.1));
}

#[test]
fn the_files_of_a_private_index_go_with_it_and_others_stay() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("index");
    let index = RocksBuilder::begin(&path, Files::GoWithTheIndex, &LivePacks::default())
        .expect("begun")
        .finish(None)
        .expect("finished");
    assert!(RocksIndex::exists(&path) && RocksIndex::disk_bytes(&path) > 0);
    drop(index);
    assert!(!path.exists());

    std::fs::create_dir(&path).expect("made");
    std::fs::write(path.join("letter.txt"), "dear").expect("written");
    drop(RocksBuilder::begin(&path, Files::Stay, &LivePacks::default()).expect("begun"));
    drop(RocksBuilder::begin(&path, Files::Stay, &LivePacks::default()).expect("begun"));
    assert_eq!(std::fs::read(path.join("letter.txt")).expect("there"), b"dear");
}

/// Entries of removed packs go when tables are merged; those of packs that came later, and the mark, do not.
#[test]
fn stale_entries_fall_out_when_tables_are_merged() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("index");
    let live = LivePacks::new(RwLock::new(Live::new([0, 1, 2].into_iter(), 4)));
    let entry = |ordinal: u32| (object_id(&ordinal.to_le_bytes()), Spot { ordinal, offset: 4096, bytes: 1 });
    let built = RocksBuilder::begin(&path, Files::Stay, &live).expect("begun");
    built.add(&mut (0..6).map(entry).collect()).expect("added");
    let index = built.finish(Some(Mark([7; Mark::BYTES]))).expect("finished");
    let numbers =
        |index: &RocksIndex| contents(index).values().map(|spot| spot.ordinal).collect::<BTreeSet<_>>();
    index.apply(&[entry(6)], None).expect("applied");
    index.merge();
    assert_eq!(numbers(&index), [0, 1, 2, 4, 5, 6].into());
    live.write().expect("no panic").retain(|number| number != 1);
    index.apply(&[entry(7)], None).expect("applied");
    index.merge();
    assert_eq!(numbers(&index), [0, 2, 4, 5, 6, 7].into());
    assert_eq!(index.mark().expect("read"), Some(Mark([7; Mark::BYTES])));
    // Without a table nothing is dropped.
    drop(live);
    index.apply(&[entry(3)], None).expect("applied");
    index.merge();
    assert_eq!(numbers(&index), [0, 2, 3, 4, 5, 6, 7].into());
}
