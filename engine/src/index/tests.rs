use std::collections::BTreeMap;

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
    let mut contents = BTreeMap::new();
    index.scan(&mut |id, spot| assert_eq!(contents.insert(*id, spot), None)).expect("scanned");
    contents
}

proptest! {
    #![proptest_config(Config { cases: 12, ..Config::default() })]

    #[test]
    fn grown_built_and_remembered_indexes_are_the_same_map(runs in vec(entries(), 1..4)) {
        let folder = tempfile::tempdir().expect("there is room");
        let (grown_path, built_path) = (folder.path().join("grown"), folder.path().join("built"));
        let memory = MemoryIndex::default();
        let mut model = BTreeMap::new();
        let grown = RocksIndex::open_to_write(&grown_path).expect("made");
        let built = RocksBuilder::begin(&built_path, Files::Stay).expect("begun");
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
    let builder = RocksBuilder::begin(&path, Files::Stay).expect("begun");
    builder.add(&mut vec![(object_id(b"x"), Spot { ordinal: 1, offset: 2, bytes: 3 })]).expect("added");
    drop(builder);
    assert_eq!(RocksIndex::open_to_read(&path).expect("opened").mark().expect("read"), None);
}

#[test]
fn opening_to_read_changes_no_file() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("index");
    let entry = (object_id(b"x"), Spot { ordinal: 1, offset: 2, bytes: 3 });
    RocksIndex::open_to_write(&path)
        .expect("made")
        .apply(&[entry], Some(Mark([1; Mark::BYTES])))
        .expect("applied");
    let files = || {
        let files = std::fs::read_dir(&path).expect("there").flatten();
        let file = |file: std::fs::DirEntry| {
            let metadata = file.metadata().expect("there");
            (file.file_name(), metadata.len(), metadata.modified().expect("known"))
        };
        files.map(file).collect::<std::collections::BTreeSet<_>>()
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
    let index =
        RocksBuilder::begin(&path, Files::GoWithTheIndex).expect("begun").finish(None).expect("finished");
    assert!(RocksIndex::exists(&path) && RocksIndex::disk_bytes(&path) > 0);
    drop(index);
    assert!(!path.exists());

    std::fs::create_dir(&path).expect("made");
    std::fs::write(path.join("letter.txt"), "dear").expect("written");
    drop(RocksBuilder::begin(&path, Files::Stay).expect("begun"));
    drop(RocksBuilder::begin(&path, Files::Stay).expect("begun"));
    assert_eq!(std::fs::read(path.join("letter.txt")).expect("there"), b"dear");
}
