//! Every byte of a small repository flipped, every file cut at every length: always detected, and never a wrong byte
//! returned.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;

use super::Recorder;
use super::create;
use super::create_with;
use super::data;
use super::node;
use super::open;
use super::open_with;
use super::options;
use super::read;
use crate::Care;
use crate::ObjectError;
use crate::Options;
use crate::PatrolOptions;
use crate::Report;
use crate::Share;
use crate::SlotId;
use crate::StoreError;
use crate::Turn;
use crate::collect::pace::Limits;
use crate::disk::SimulatedDisk;
use crate::journal::copy_of;

pub(super) struct Small {
    pub(super) disk: SimulatedDisk,
    pub(super) objects: BTreeMap<ObjectId, Vec<u8>>,
    snapshots: usize,
}

fn small() -> Small {
    small_with(0)
}

/// With that much parity.
pub(super) fn small_with(parity_thousandths: u16) -> Small {
    small_of(2, parity_thousandths)
}

/// With that many snapshots.
pub(super) fn small_of(rounds: usize, parity_thousandths: u16) -> Small {
    small_with_options(rounds, Options { parity_thousandths, pack_bytes: 64 << 10, ..options(1) })
}

/// With every kind of file, several segments of the journal among them, and parity. Opened again, so that both slots of
/// the head say the same, and another opening changes nothing.
pub(super) fn small_with_everything(rounds: usize) -> Small {
    let all = |seed| Options {
        parity_thousandths: 10,
        pack_bytes: 64 << 10,
        checkpoint_records: 0,
        journal_segment_bytes: 2 << 10,
        ..options(seed)
    };
    let small = small_with_options(rounds, all(1));
    let engine = open_with(Arc::new(small.disk.clone()), all(2)).expect("opened");
    engine.add_slot(SlotId::from_bytes([0x52; 16]), b"another key slot").expect("added");
    let by = "a test".to_owned();
    let care = PatrolOptions { turn: Turn::All, care: Care::Heal, time_max: None, limits: Limits::NONE, by };
    engine.patrol(&care, &|_| ControlFlow::Continue(())).expect("patrolled");
    drop(engine);
    drop(open_with(Arc::new(small.disk.clone()), all(3)).expect("opened"));
    let paths: Vec<_> = small.disk.files().into_iter().map(|(path, _)| path).collect();
    for path in
        ["checkpoint", "verified", "head", "parameters", "mirror/parameters", "journal/0000000000000001"]
    {
        assert!(paths.iter().any(|there| there == Path::new(path)), "{path}: {paths:?}");
    }
    small
}

fn small_with_options(rounds: usize, options: Options) -> Small {
    let disk = SimulatedDisk::new(1);
    let engine = create_with(&disk, options).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let mut objects = BTreeMap::new();
    for round in 0..rounds as u64 {
        let leaves: Vec<_> = (0..3).map(|number| data(round * 10 + number, 300)).collect();
        let ids: Vec<_> = leaves.iter().map(|(id, _)| *id).collect();
        let root = node(round, &ids);
        for (id, bytes) in leaves.into_iter().chain([root.clone()]) {
            engine.put(&engine.begin(), &id, &bytes).expect("put");
            objects.insert(id, bytes);
        }
        let record = recorder.record(root.0);
        engine.commit(&engine.begin(), &record).expect("committed");
        recorder.taken(&record);
    }
    drop(engine);
    Small { disk, objects, snapshots: rounds }
}

/// What is found in the repository: by opening it, or by checking it. `None` if all is well.
enum Found {
    AtOpening(StoreError),
    ByCheck {
        report: Report,
        /// Objects that were not read.
        lost: usize,
    },
}

/// Opens and checks; proves that no wrong byte is returned, and that the objects which cannot be read are named.
fn find(small: &Small) -> Option<Found> {
    let engine = match read(&small.disk) {
        Ok(engine) => engine,
        Err(error) => return Some(Found::AtOpening(error)),
    };
    let mut lost = BTreeSet::new();
    let mut bytes = Vec::new();
    for (id, wanted) in &small.objects {
        match engine.object(id, &mut bytes) {
            Ok(()) => assert_eq!(bytes, *wanted, "wrong bytes were returned"),
            Err(ObjectError::Io { source, .. }) => panic!("{source}"),
            Err(_) => {
                lost.insert(*id);
            }
        }
    }
    assert_eq!(engine.snapshots().expect("listed").len(), small.snapshots, "a snapshot is lost silently");
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    let named: BTreeSet<_> = report.damage.iter().flat_map(|damage| damage.objects.clone()).collect();
    let located: BTreeSet<_> =
        lost.iter().filter(|id| engine.locate(id).expect("answered").is_some()).copied().collect();
    assert!(named.is_superset(&located), "objects are lost and not named");
    let is_found = !report.damage.is_empty() || !report.notices.is_empty();
    is_found.then_some(Found::ByCheck { report, lost: lost.len() })
}

fn expect_same_file(found: &Found, path: &Path) {
    match found {
        Found::AtOpening(StoreError::Damaged { path: named, .. }) => assert!(
            named == path || (path.starts_with("head") && named.starts_with("journal")),
            "{} is said to be damaged, it is {}",
            named.display(),
            path.display()
        ),
        Found::AtOpening(error) => {
            assert!(path.starts_with("parameters") || path.starts_with("journal"), "{error}");
        }
        Found::ByCheck { report, .. } => assert!(
            report.damage.iter().any(|damage| damage.path == path) || is_noticed(report, path),
            "{:?} instead of {}",
            report.damage,
            path.display()
        ),
    }
}

/// What is derived is no truth, so a part of it that is not as it was is no damage.
pub(super) fn is_noticed(report: &Report, path: &Path) -> bool {
    let is_derived = path == Path::new("checkpoint") || path == Path::new("verified");
    is_derived && report.damage.is_empty() && report.notices.iter().any(|notice| notice.path == path)
}

pub(super) fn files(small: &Small) -> Vec<(PathBuf, usize)> {
    let mut files = small.disk.files();
    files.retain(|(path, _)| !path.starts_with("lock") && !path.starts_with("pins"));
    assert!(files.len() >= 6, "{files:?}");
    files
}

#[test]
fn every_flipped_byte_is_found() {
    flip_every_byte(&small());
}

/// Whatever the file, nothing is lost meanwhile: packs are read through parity, and the small files from where they are kept
/// once more.
#[test]
fn every_byte_is_flipped_with_parity() {
    let small = small_with_everything(1);
    let all = files(&small).iter().map(|(_, bytes)| bytes).sum();
    assert!(all < 1 << 20);
    assert_eq!(flip_every_byte(&small).mended, all);
}

/// What came of it.
struct Flips {
    /// Flips after which every object was read.
    mended: usize,
}

fn flip_every_byte(small: &Small) -> Flips {
    assert!(find(small).is_none());
    let mut mended = 0;
    let mut flips = 0;
    for (path, bytes) in files(small) {
        for at in 0..bytes {
            let bit = 1 << ((at * 7) % 8);
            small.disk.mutate(&path, |file| file[at] ^= bit).expect("there");
            let found = find(small);
            let found = found.unwrap_or_else(|| panic!("byte {at} of {} changed unnoticed", path.display()));
            expect_same_file(&found, &path);
            let lost = if let Found::ByCheck { lost, .. } = found { lost } else { usize::MAX };
            mended += usize::from(lost == 0);
            small.disk.mutate(&path, |file| file[at] ^= bit).expect("there");
            flips += 1;
        }
    }
    assert!(flips > 30_000, "{flips}");
    assert!(find(small).is_none());
    Flips { mended }
}

#[test]
fn every_truncation_is_found() {
    let small = small();
    for (path, bytes) in files(&small) {
        for length in 0..bytes {
            let mut rest = Vec::new();
            small.disk.mutate(&path, |file| rest = file.split_off(length)).expect("there");
            let found = find(&small);
            let found = found.unwrap_or_else(|| panic!("{} cut to {length} unnoticed", path.display()));
            expect_same_file(&found, &path);
            small.disk.mutate(&path, |file| file.append(&mut rest)).expect("there");
        }
    }
    assert!(find(&small).is_none());
}

#[test]
fn every_missing_or_swapped_file_is_found() {
    let small = small();
    for (path, _) in files(&small) {
        let elsewhere = PathBuf::from("elsewhere");
        crate::disk::Disk::rename(&small.disk, &path, &elsewhere).expect("there");
        let found = find(&small).unwrap_or_else(|| panic!("{} is gone unnoticed", path.display()));
        match found {
            Found::AtOpening(StoreError::NotThere) => assert_eq!(path, Path::new("parameters")),
            found => expect_same_file(&found, &path),
        }
        crate::disk::Disk::rename(&small.disk, &elsewhere, &path).expect("there");
    }
    let packs: Vec<_> = files(&small).into_iter().filter(|(path, _)| path.starts_with("packs")).collect();
    let [(first, _), (second, _)] = packs.as_slice() else { panic!("{packs:?}") };
    let mut bytes = Vec::new();
    small.disk.mutate(first, |file| bytes = file.clone()).expect("there");
    small.disk.mutate(second, |file| std::mem::swap(file, &mut bytes)).expect("there");
    small.disk.mutate(first, |file| std::mem::swap(file, &mut bytes)).expect("there");
    let Some(Found::ByCheck { report, .. }) = find(&small) else { panic!("two packs are swapped unnoticed") };
    // No index outlives the process here, so nobody knows their names.
    let lost: u64 = report.damage.iter().map(|damage| damage.object_count).sum();
    assert_eq!(lost, small.objects.len() as u64, "all objects of both packs are lost");
}

#[test]
fn a_writer_mends_a_slot_of_the_head_and_says_so_and_loses_nothing() {
    for slot in [0, 1] {
        let small = small();
        small.disk.mutate(Path::new("head"), |file| file[slot * 4096 + 20] ^= 1).expect("there");
        let engine = open(&small.disk, 2).expect("the other slot tells enough");
        assert!(engine.recovery().head_slot_mended.is_some());
        assert_eq!(engine.recovery().journal_bytes_cut, 0);
        assert_eq!(engine.snapshots().expect("listed").len(), small.snapshots);
        drop(engine);
        assert!(find(&small).is_none());
        assert_eq!(open(&small.disk, 3).expect("opened").recovery(), crate::Recovery::default());
    }
    let small = small();
    small.disk.mutate(Path::new("head"), |file| file.iter_mut().for_each(|byte| *byte ^= 1)).expect("there");
    assert!(matches!(open(&small.disk, 2), Err(StoreError::Damaged { .. })));
}

#[test]
fn an_acknowledged_record_is_not_taken_for_a_torn_tail() {
    // The newest slot of the head and the record that it names are both damaged: nothing intact says that the
    // record was acknowledged, except that the other slot cannot be the newest.
    let small = small();
    let newest = {
        let engine = read(&small.disk).expect("opened");
        engine.head().sequence
    };
    let journal = files(&small).into_iter().rfind(|(path, _)| path.starts_with("journal")).expect("there").0;
    for slot in [0, 1] {
        let other = super::super::tests::damage::small();
        other.disk.mutate(Path::new("head"), |file| file[slot * 4096 + 20] ^= 1).expect("there");
        for path in [&journal, &copy_of(&journal)] {
            other.disk.mutate(path, |file| *file.last_mut().expect("not empty") ^= 1).expect("there");
        }
        match open(&other.disk, 2) {
            Err(StoreError::Damaged { .. }) => {}
            Ok(engine) => panic!("record {newest} was cut: {:?}", engine.recovery()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_sample_reads_whole_packs_and_another_seed_reads_others() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    for number in 0..60 {
        let (id, bytes) = data(number, 9_000);
        engine.put(&engine.begin(), &id, &bytes).expect("put");
    }
    engine.flush().expect("flushed");
    let packs = engine.usage().expect("counted").packs;
    assert!(packs >= 20, "{packs}");
    let check = |share| engine.verify(share, &|_| {}).expect("checked");
    assert_eq!(check(Share::Everything).packs, packs);
    assert_eq!(check(Share::Summaries).packs, 0);
    assert_eq!(check(Share::Sample { part: 0.1, seed: 1 }).packs, packs.div_ceil(10));
    let path = disk.files().into_iter().find(|(path, _)| path.starts_with("packs")).expect("there").0;
    disk.mutate(&path, |pack| pack[5_000] ^= 1).expect("there");
    let found =
        (0..40).filter(|seed| check(Share::Sample { part: 0.5, seed: *seed }).damage_count > 0).count();
    assert!((5..35).contains(&found), "half of the samples should meet the damaged pack: {found} of 40");
    assert_eq!(check(Share::Everything).damage.len(), 1);
    assert_eq!(check(Share::Summaries).damage, []);
}

#[test]
fn foreign_files_are_noticed() {
    let small = small();
    for path in ["notes.txt", "packs/00", "packs/zz", "slots/x", "journal/y", "slots/1.new~"] {
        let disk: &dyn crate::disk::Disk = &small.disk;
        match path.starts_with("packs") {
            true => {
                let _ = disk.create_folder(Path::new(path));
                disk.open(&Path::new(path).join("stray"), crate::disk::Mode::CreateNew).map(|_| ())
            }
            false => disk.open(Path::new(path), crate::disk::Mode::CreateNew).map(|_| ()),
        }
        .expect("made");
    }
    let engine = read(&small.disk).expect("opened");
    let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage.as_slice(), report.notice_count), (&[][..], 6));
}
