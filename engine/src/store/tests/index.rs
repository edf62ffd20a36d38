//! The index is a function of packs and journal: deleted, rolled back, damaged or foreign, the answers are the same.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;
use farkeep_codec::time::Time;
use tempfile::TempDir;

use super::SLOT;
use super::SLOT_BYTES;
use super::append;
use super::data;
use super::node;
use super::parameters;
use crate::Access;
use crate::Engine;
use crate::IndexKind;
use crate::ManualClock;
use crate::ObjectError;
use crate::Options;
use crate::Presence;
use crate::Put;
use crate::Share;
use crate::disk::Backend;
use crate::disk::RealDisk;
use crate::index::Spot;
use crate::journal::Event;
use crate::journal::Struck;

/// A repository on the real disk, whose index is written at every flush.
struct Real {
    folder: TempDir,
    objects: BTreeMap<ObjectId, Vec<u8>>,
    openings: u8,
}

impl Real {
    fn create() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let real = Self { folder, objects: BTreeMap::new(), openings: 1 };
        drop(Engine::create(real.disk(), &parameters(), (SLOT, SLOT_BYTES), real.options(0)).expect("made"));
        real
    }

    fn disk(&self) -> Arc<RealDisk> {
        Arc::new(RealDisk::open(self.folder.path(), Backend::Sync).expect("it is there"))
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// Objects and extents that the index may lag behind.
    fn options(&self, lag: u64) -> Options {
        let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(1)));
        let seed = [self.openings; 32];
        Options {
            pack_bytes: 64 << 10,
            reserve_bytes: 0,
            index_lag_objects: lag,
            index_lag_extents: lag,
            ..Options::seeded(IndexKind::Rocks(self.index()), clock, seed)
        }
    }

    fn open(&mut self, lag: u64) -> Engine {
        self.openings += 1;
        let access = Access::Write { holder: "a test".to_owned() };
        Engine::open(self.disk(), access, self.options(lag)).expect("opened")
    }

    fn read(&self, lag: u64) -> Engine {
        Engine::open(self.disk(), Access::Read, self.options(lag)).expect("opened")
    }

    /// Adds a few objects, in two events.
    fn grow(&mut self, engine: &Engine, numbers: std::ops::Range<u64>) {
        let mut ids = Vec::new();
        for number in numbers.clone() {
            let (id, bytes) = data(number, 4_000);
            engine.put(&engine.begin(), &id, &bytes).expect("put");
            ids.push(id);
            self.objects.insert(id, bytes);
        }
        engine.flush().expect("flushed");
        let (id, bytes) = node(numbers.start, &ids);
        engine.put(&engine.begin(), &id, &bytes).expect("put");
        self.objects.insert(id, bytes);
        engine.flush().expect("flushed");
    }

    fn expect_answers(&self, engine: &Engine) {
        super::expect_readable(engine, &self.objects);
        let unknown: Vec<_> = (5_000..5_020).map(|number| data(number, 50).0).collect();
        assert!(
            engine
                .probe(&engine.begin(), &unknown)
                .expect("answered")
                .iter()
                .all(|presence| *presence == Presence::Unknown)
        );
        let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
        assert_eq!(report.damage, []);
        assert_eq!(report.objects, self.objects.len() as u64);
    }
}

fn contents(engine: &Engine) -> BTreeMap<ObjectId, Spot> {
    let mut contents = BTreeMap::new();
    engine
        .store
        .scan_index_by(7, &mut |id, spot| {
            assert!(contents.insert(*id, spot).is_none(), "{id} is shown twice");
        })
        .expect("scanned");
    contents
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("there");
        if entry.file_type().expect("there").is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

#[test]
fn a_small_repository_does_without_rocksdb() {
    let mut real = Real::create();
    let engine = real.open(1_000);
    real.grow(&engine, 0..20);
    real.expect_answers(&engine);
    drop(engine);
    real.expect_answers(&real.read(1_000));
    let engine = real.open(1_000);
    real.expect_answers(&engine);
    assert!(!real.index().exists());
}

#[test]
fn the_index_that_was_built_equals_the_one_that_grew() {
    let mut real = Real::create();
    for round in 0..3 {
        let engine = real.open(0);
        real.grow(&engine, round * 100..round * 100 + 30);
        assert!(real.index().join("CURRENT").exists());
        real.expect_answers(&engine);
    }
    let grown = contents(&real.read(0));
    assert_eq!(grown.len(), real.objects.len());
    let engine = real.open(0);
    engine.rebuild_index().expect("built");
    assert_eq!(contents(&engine), grown);
    drop(engine);
    let engine = real.open(0);
    assert_eq!(contents(&engine), grown);
    real.expect_answers(&engine);
}

#[test]
fn an_index_that_is_deleted_or_rolled_back_costs_time_only() {
    let mut real = Real::create();
    let engine = real.open(0);
    real.grow(&engine, 0..30);
    drop(engine);
    let old = real.folder.path().join("old");
    copy(&real.index(), &old);
    let engine = real.open(0);
    real.grow(&engine, 100..130);
    drop(engine);
    for lag in [0, 3, 1_000] {
        // A reader and a writer, an old index and none.
        std::fs::remove_dir_all(real.index()).expect("removed");
        copy(&old, &real.index());
        real.expect_answers(&real.read(lag));
        let engine = real.open(lag);
        real.expect_answers(&engine);
        drop(engine);
        std::fs::remove_dir_all(real.index()).expect("removed");
        real.expect_answers(&real.read(lag));
        assert!(!real.index().exists(), "a reader changes nothing");
        let engine = real.open(lag);
        real.expect_answers(&engine);
        real.grow(&engine, 200 + lag..210 + lag);
        real.expect_answers(&engine);
        drop(engine);
        let engine = real.open(0);
        real.expect_answers(&engine);
    }
}

#[test]
fn an_index_of_another_history_is_not_believed() {
    let mut real = Real::create();
    let engine = real.open(0);
    real.grow(&engine, 0..10);
    drop(engine);
    let foreign = {
        let mut other = Real::create();
        other.openings = 50;
        let engine = other.open(0);
        other.grow(&engine, 500..540);
        drop(engine);
        other
    };
    for lag in [0, 1_000] {
        std::fs::remove_dir_all(real.index()).expect("removed");
        copy(&foreign.index(), &real.index());
        real.expect_answers(&real.read(lag));
        let engine = real.open(lag);
        real.expect_answers(&engine);
        real.grow(&engine, 20 + lag..25 + lag);
        assert_eq!(contents(&engine).len(), real.objects.len());
        drop(engine);
        let engine = real.open(0);
        real.expect_answers(&engine);
    }
}

#[test]
fn a_damaged_index_is_built_anew() {
    let mut real = Real::create();
    let engine = real.open(0);
    real.grow(&engine, 0..40);
    drop(engine);
    let intact = real.folder.path().join("intact");
    copy(&real.index(), &intact);
    let files: Vec<_> =
        std::fs::read_dir(&intact).expect("there").flatten().map(|file| file.file_name()).collect();
    for name in files {
        let bytes = std::fs::read(intact.join(&name)).expect("read");
        for part in 0..6 {
            std::fs::remove_dir_all(real.index()).expect("removed");
            copy(&intact, &real.index());
            let mut damaged = bytes.clone();
            match (part, damaged.len()) {
                (_, 0) => damaged.push(7),
                (5, length) => damaged.truncate(length / 2),
                (part, length) => damaged[(length - 1) * part / 4] ^= 0x10,
            }
            std::fs::write(real.index().join(&name), damaged).expect("written");
            let reader = real.read(0);
            super::expect_readable(&reader, &real.objects);
            drop(reader);
            let engine = real.open(0);
            super::expect_readable(&engine, &real.objects);
            engine.rebuild_index().expect("built");
            real.expect_answers(&engine);
        }
    }
}

#[test]
fn a_wrong_index_is_reported() {
    let mut real = Real::create();
    let engine = real.open(0);
    real.grow(&engine, 0..10);
    drop(engine);
    let (lost, wrong) = {
        let mut ids = real.objects.keys();
        (*ids.next().expect("many"), *ids.next().expect("many"))
    };
    {
        let options = rocksdb::Options::default();
        let db = rocksdb::DB::open(&options, real.index()).expect("opened");
        db.delete(lost.as_bytes()).expect("deleted");
        db.put(wrong.as_bytes(), [0, 0, 0, 0, 0, 16, 0, 0, 1, 0, 0, 0]).expect("put");
    }
    let reader = real.read(1_000);
    let report = reader.verify(Share::Summaries, &|_| {}).expect("checked");
    let mut named: Vec<_> = report.damage.iter().flat_map(|damage| damage.objects.clone()).collect();
    named.sort_unstable();
    assert_eq!(named, [lost, wrong]);
    assert!(report.damage.iter().all(|damage| damage.path == Path::new("index")));
    drop(reader);
    let engine = real.open(1_000);
    engine.rebuild_index().expect("built");
    real.expect_answers(&engine);
}

#[test]
fn a_reader_beside_a_writer_sees_the_moment_of_its_opening() {
    let mut real = Real::create();
    let engine = real.open(0);
    real.grow(&engine, 0..10);
    let reader = real.read(1_000);
    let before = real.objects.clone();
    // The writer moves its index on before the reader has opened it.
    real.grow(&engine, 100..150);
    super::expect_readable(&reader, &before);
    let later = real.read(0);
    real.expect_answers(&later);
    real.grow(&engine, 200..250);
    super::expect_readable(&later, &before);
}

#[test]
fn objects_survive_a_damaged_summary_when_the_index_is_built_anew() {
    let mut real = Real::create();
    let engine = real.open(1_000);
    real.grow(&engine, 0..5);
    let spot = contents(&engine)[&data(0, 4_000).0];
    drop(engine);
    let packs = std::fs::read_dir(real.folder.path().join("packs")).expect("there").flatten();
    let files: Vec<_> =
        packs.flat_map(|folder| std::fs::read_dir(folder.path()).expect("there").flatten()).collect();
    let data_pack =
        files.iter().max_by_key(|file| file.metadata().expect("there").len()).expect("there").path();
    let mut bytes = std::fs::read(&data_pack).expect("read");
    let summary = bytes.windows(4).rposition(|magic| magic == b"FKex").expect("there");
    bytes[summary + 60] ^= 1;
    std::fs::write(&data_pack, bytes).expect("written");
    let engine = real.open(1_000);
    assert_eq!(contents(&engine)[&data(0, 4_000).0], spot);
    super::expect_readable(&engine, &real.objects);
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    let named: Vec<_> = report.damage.iter().flat_map(|damage| damage.objects.clone()).collect();
    assert_eq!(named.len(), 5, "a damaged summary names the objects that it listed");
}

/// The last place of an object counts, in the index that grows and in the one that is built.
#[test]
fn what_was_stored_again_after_a_loss_stays_there() {
    for lag in [0, 1_000] {
        let mut real = Real::create();
        let engine = real.open(lag);
        real.grow(&engine, 0..30);
        let before = contents(&engine);
        drop(engine);
        let packs = std::fs::read_dir(real.folder.path().join("packs")).expect("there").flatten();
        let files: Vec<_> =
            packs.flat_map(|folder| std::fs::read_dir(folder.path()).expect("there").flatten()).collect();
        let (elsewhere, pack) =
            (real.folder.path().join("index-of-old"), files.first().expect("there").path());
        std::fs::rename(&pack, &elsewhere).expect("moved");

        let engine = real.open(lag);
        let lost: Vec<ObjectId> = real.objects.keys().copied().filter(|id| !knows(&engine, id)).collect();
        assert!(!lost.is_empty());
        let mut order: Vec<_> = real.objects.iter().collect();
        order.sort_by_key(|(_, bytes)| bytes[6..8] != Kind::Data.number().to_le_bytes());
        for (id, bytes) in order {
            engine.put(&engine.begin(), id, bytes).expect("put");
        }
        engine.flush().expect("flushed");
        let after = contents(&engine);
        lost.iter().for_each(|id| assert_ne!(after[id], before[id]));
        drop(engine);

        let engine = real.open(0);
        assert_eq!(contents(&engine), after);
        engine.rebuild_index().expect("built");
        assert_eq!(contents(&engine), after);
        drop(engine);
        std::fs::remove_dir_all(real.index()).expect("removed");
        super::expect_readable(&real.read(lag), &real.objects);
        std::fs::rename(&elsewhere, &pack).expect("moved");
        let engine = real.open(lag);
        assert_eq!(contents(&engine), after, "a pack that comes back is not needed any more");
        super::expect_readable(&engine, &real.objects);
        assert_eq!(engine.verify(Share::Everything, &|_| {}).expect("checked").damage, []);
    }
}

fn knows(engine: &Engine, id: &ObjectId) -> bool {
    engine.probe(&engine.begin(), &[*id]).expect("answered") == [Presence::Known]
}

#[test]
fn an_index_that_cannot_be_written_keeps_nobody_from_writing() {
    let mut real = Real::create();
    std::fs::write(real.index(), "a file where a folder should be").expect("written");
    let engine = real.open(0);
    real.grow(&engine, 0..10);
    real.grow(&engine, 100..110);
    super::expect_readable(&engine, &real.objects);
    std::fs::remove_file(real.index()).expect("removed");
    real.grow(&engine, 200..210);
    assert!(real.index().join("CURRENT").exists(), "it is written as soon as that is possible");
    real.expect_answers(&engine);
    drop(engine);
    real.expect_answers(&real.read(0));
}

/// Removes those packs of a repository that nobody has open, in the journal alone.
fn remove_packs(real: &Real, mut packs: Vec<PackId>, dead: Vec<Struck>) {
    packs.sort_unstable_by_key(|pack| *pack.as_bytes());
    let (number, young) = (1, 0);
    let events = [
        Event::CollectionBegun { number, young, purged: Vec::new() },
        Event::Condemned { number, packs: 1, objects: 1, bytes: 1 },
        Event::Removed { number, packs, dead },
    ];
    append(real.disk(), &events, Time::from_nanoseconds(1)).expect("it is sound");
}

/// Nothing is taken out of the index when packs are removed: in it, and in the one that is built anew, what lay there is
/// unknown, and known again where it is put again.
#[test]
fn stale_entries_of_the_index_are_not_there() {
    for lag in [0, 1_000] {
        let mut real = Real::create();
        let engine = real.open(lag);
        real.grow(&engine, 0..10);
        drop(engine);
        let gone = real.objects.clone();
        let engine = real.open(lag);
        real.grow(&engine, 100..110);
        let before = contents(&engine);
        let packs = gone.keys().map(|id| engine.locate(id).expect("answered").expect("there").pack);
        let packs: BTreeSet<[u8; 32]> = packs.map(|pack| *pack.as_bytes()).collect();
        drop(engine);
        let removed = packs.iter().copied().map(PackId::from_bytes).collect();
        remove_packs(&real, removed, Vec::new());

        let engine = real.open(lag);
        let mut bytes = Vec::new();
        for id in gone.keys() {
            assert!(!knows(&engine, id) && engine.locate(id).expect("answered").is_none());
            assert!(matches!(engine.object(id, &mut bytes), Err(ObjectError::Missing { .. })));
        }
        let kept: BTreeMap<_, _> = before.into_iter().filter(|(id, _)| !gone.contains_key(id)).collect();
        assert_eq!(contents(&engine), kept);
        engine.rebuild_index().expect("built");
        assert_eq!(contents(&engine), kept);
        let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
        assert_eq!((report.damage, report.objects), (Vec::new(), kept.len() as u64));

        // What is put again lies in another place, and the files of the old one go.
        real.grow(&engine, 0..10);
        real.expect_answers(&engine);
        let files = std::fs::read_dir(real.folder.path().join("packs")).expect("there").flatten();
        let files = files.flat_map(|folder| std::fs::read_dir(folder.path()).expect("there").flatten());
        let names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert!(packs.iter().all(|pack| !names.contains(&PackId::from_bytes(*pack).to_string())));
        drop(engine);
        real.expect_answers(&real.read(lag));
        let engine = real.open(0);
        real.expect_answers(&engine);
    }
}

#[test]
fn a_struck_node_is_not_there_and_its_pack_is() {
    for lag in [0, 1_000] {
        let mut real = Real::create();
        let engine = real.open(lag);
        real.grow(&engine, 0..10);
        real.grow(&engine, 100..110);
        let leaves: Vec<ObjectId> = (0..10).map(|number| data(number, 4_000).0).collect();
        let (id, bytes) = node(0, &leaves);
        let place = engine.locate(&id).expect("answered").expect("it is there");
        drop(engine);
        remove_packs(&real, Vec::new(), vec![Struck { pack: place.pack, offsets: vec![place.offset] }]);
        real.objects.remove(&id);
        let engine = real.open(lag);
        assert!(!knows(&engine, &id));
        real.expect_answers(&engine);
        engine.rebuild_index().expect("built");
        assert!(!knows(&engine, &id));
        assert_eq!(engine.put(&engine.begin(), &id, &bytes).expect("put"), Put::New);
        engine.flush().expect("flushed");
        real.objects.insert(id, bytes);
        real.expect_answers(&engine);
        assert_ne!(engine.locate(&id).expect("answered"), Some(place));
        drop(engine);
        real.expect_answers(&real.read(lag));
    }
}
