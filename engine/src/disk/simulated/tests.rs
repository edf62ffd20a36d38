//! Laws of the simulated disk itself: whoever finds a fault with its help must be able to trust it.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;
use proptest::test_runner::Config;

use super::*;
use crate::disk::is_temporary;
use crate::limits::APPEND_BUFFERS;
use crate::limits::BLOCK_BYTES;
use crate::limits::SECTOR_BYTES;

const FILE: &str = "file";

/// A disk with one file whose name is durable.
fn disk_with_file() -> (SimulatedDisk, Box<dyn File>) {
    let disk = SimulatedDisk::new(1);
    let file = disk.open(Path::new(FILE), Mode::CreateNew).expect("new");
    disk.sync_folder(Path::new("")).expect("durable");
    (disk, file)
}

fn contents(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), Mode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().expect("running")).expect("small")];
    file.read_exact_at(0, &mut bytes).expect("as long as it says");
    Some(bytes)
}

/// All that a crash may leave of a disk with few uncertain changes.
fn all_crashes(disk: &SimulatedDisk) -> Vec<SimulatedDisk> {
    let fates =
        [Fate::Lost, Fate::Kept, Fate::Hollow, Fate::Torn { sectors: 0b01 }, Fate::Torn { sectors: 0b10 }];
    let mut choices = vec![Vec::new()];
    for _ in 0..disk.uncertain() {
        let longer = |choice: &Vec<Fate>| {
            let choice = choice.clone();
            fates.iter().map(move |fate| [choice.as_slice(), &[*fate]].concat())
        };
        choices = choices.iter().flat_map(longer).collect();
    }
    choices.into_iter().map(|choice| disk.crash(&Crash::Chosen(choice))).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Write { offset: usize, count: usize },
    Truncate { bytes: usize },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5000_usize, 1..3000_usize).prop_map(|(offset, count)| Step::Write { offset, count }),
        1 => (0..6000_usize).prop_map(|bytes| Step::Truncate { bytes }),
        2 => Just(Step::Sync),
    ]
}

/// What may stand at each place after a crash, and how long the file may be.
#[derive(Default)]
struct Possible {
    bytes: Vec<BTreeSet<u8>>,
    lengths: BTreeSet<usize>,
}

impl Possible {
    fn synced(file: &[u8]) -> Self {
        let bytes = file.iter().map(|byte| BTreeSet::from([*byte])).collect();
        Self { bytes, lengths: BTreeSet::from([file.len()]) }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let longer = self.bytes.len().max(end);
        // What lies between may be there without having been written.
        self.bytes.resize(longer, BTreeSet::from([0]));
        for (possible, byte) in self.bytes[offset..end].iter_mut().zip(bytes) {
            possible.insert(*byte);
        }
        let borders = (offset..=end).filter(|at| at.is_multiple_of(SECTOR_BYTES) || *at == end);
        let lengths = self.lengths.clone();
        self.lengths.extend(borders.flat_map(|at| lengths.iter().map(move |length| at.max(*length))));
    }

    fn truncate(&mut self, bytes: usize) {
        self.bytes.resize(self.bytes.len().max(bytes), BTreeSet::from([0]));
        // Cut off and made longer again, a place holds zero.
        for possible in self.bytes.iter_mut().skip(bytes) {
            possible.insert(0);
        }
        self.lengths.insert(bytes);
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]

    #[test]
    fn a_crash_keeps_what_was_synced_and_nothing_that_was_never_written(
        steps in vec(step(), 0..12),
        seeds in vec(0..u64::MAX, 8),
    ) {
        let (disk, file) = disk_with_file();
        let (mut model, mut possible) = (Vec::<u8>::new(), Possible::synced(&[]));
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Write { offset, count } => {
                    let bytes = vec![u8::try_from(number + 1).expect("few steps"); count];
                    file.write_at(offset as u64, &bytes).expect("room");
                    model.resize(model.len().max(offset + count), 0);
                    model[offset..offset + count].copy_from_slice(&bytes);
                    possible.write(offset, &bytes);
                }
                Step::Truncate { bytes } => {
                    file.truncate(bytes as u64).expect("room");
                    model.resize(bytes, 0);
                    possible.truncate(bytes);
                }
                Step::Sync => {
                    file.sync().expect("durable");
                    possible = Possible::synced(&model);
                }
            }
        }
        let crashes = seeds.into_iter().map(Crash::Seeded).chain([Crash::LoseAll, Crash::KeepAll]);
        for crash in crashes {
            let bytes = contents(&disk.crash(&crash), FILE).expect("its name is durable");
            assert!(possible.lengths.contains(&bytes.len()), "{crash:?}: {} bytes", bytes.len());
            for (place, byte) in bytes.iter().enumerate() {
                assert!(possible.bytes[place].contains(byte), "{crash:?}: {byte} at {place}");
            }
            if crash == Crash::KeepAll {
                assert_eq!(bytes, model);
            }
        }
    }
}

#[test]
fn writes_are_lost_kept_hollow_or_torn_at_sectors() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 2 * SECTOR_BYTES]).expect("room");
    file.sync().expect("durable");
    file.write_at(100, &[2; 2 * SECTOR_BYTES]).expect("room");
    assert_eq!(disk.uncertain(), 1);
    let after = |fate| contents(&disk.crash(&Crash::Chosen(vec![fate])), FILE).expect("durable");
    assert_eq!(after(Fate::Lost), [1; 2 * SECTOR_BYTES]);
    assert_eq!(after(Fate::Kept), [vec![1; 100], vec![2; 2 * SECTOR_BYTES]].concat());
    assert_eq!(after(Fate::Hollow), [vec![1; 2 * SECTOR_BYTES], vec![0; 100]].concat());
    let second = [vec![1; SECTOR_BYTES], vec![2; SECTOR_BYTES]].concat();
    assert_eq!(after(Fate::Torn { sectors: 0b010 }), second);
    let outer = [vec![1; 100], vec![2; SECTOR_BYTES - 100], vec![1; SECTOR_BYTES], vec![2; 100]].concat();
    assert_eq!(after(Fate::Torn { sectors: 0b101 }), outer);
}

#[test]
fn seeds_lead_to_every_state_and_always_to_the_same() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 2 * SECTOR_BYTES]).expect("room");
    file.write_at(0, &[2; SECTOR_BYTES]).expect("room");
    let chosen = all_crashes(&disk).iter().map(|disk| contents(disk, FILE)).collect::<BTreeSet<_>>();
    let seeded = |seed| contents(&disk.crash(&Crash::Seeded(seed)), FILE);
    let drawn = (0..2000).map(seeded).collect::<BTreeSet<_>>();
    assert_eq!(drawn, chosen);
    assert!((0..100).all(|seed| seeded(seed) == seeded(seed)));
}

#[test]
fn a_name_is_durable_when_its_folder_was_synced() {
    let disk = SimulatedDisk::new(1);
    let root = Path::new("");
    disk.open(Path::new("a"), Mode::CreateNew).expect("new").sync().expect("durable");
    let names = |disk: &SimulatedDisk| disk.list(root).expect("the root");
    let every = |disk: &SimulatedDisk| all_crashes(disk).iter().map(names).collect::<BTreeSet<_>>();
    assert_eq!(every(&disk), BTreeSet::from([vec![], vec!["a".into()]]), "the file's sync does not count");
    disk.sync_folder(root).expect("durable");
    assert_eq!(every(&disk), BTreeSet::from([vec!["a".into()]]));
    disk.rename(Path::new("a"), Path::new("b")).expect("there");
    assert_eq!(every(&disk), BTreeSet::from([vec!["a".into()], vec!["b".into()]]), "never both, never none");
    disk.sync_folder(root).expect("durable");
    disk.remove(Path::new("b")).expect("there");
    assert_eq!(every(&disk), BTreeSet::from([vec![], vec!["b".into()]]));
    disk.sync_folder(root).expect("durable");
    assert_eq!(every(&disk), BTreeSet::from([vec![]]));
    disk.open(Path::new("new"), Mode::CreateNew).expect("new");
    disk.rename(Path::new("new"), Path::new("renamed")).expect("there");
    let both = BTreeSet::from([vec![], vec!["new".into()], vec!["renamed".into()]]);
    assert_eq!(every(&disk), both, "what was never created is not renamed");
    assert_eq!(names(&disk.crash(&Crash::Chosen(vec![Fate::Lost, Fate::Kept]))), Vec::<OsString>::new());
    disk.remove(Path::new("renamed")).expect("there");
    disk.sync_folder(root).expect("durable");
    disk.create_folder(Path::new("folder")).expect("new");
    disk.open(Path::new("folder/c"), Mode::CreateNew).expect("new");
    disk.sync_folder(Path::new("folder")).expect("durable");
    assert!(
        !disk.crash(&Crash::LoseAll).exists(Path::new("folder")).expect("running"),
        "what is in it does not help"
    );
    disk.sync_folder(root).expect("durable");
    assert!(disk.crash(&Crash::LoseAll).exists(Path::new("folder/c")).expect("running"));
}

#[test]
fn replacing_leaves_the_old_or_the_new_at_every_operation() {
    let before = || {
        let disk = SimulatedDisk::new(1);
        disk.replace(Path::new("config"), b"old contents").expect("room");
        assert_eq!(disk.uncertain(), 0, "what was replaced is durable");
        disk
    };
    let disk = before();
    let start = disk.operations();
    disk.replace(Path::new("config"), b"new").expect("room");
    let operations = disk.operations() - start;
    assert!(operations >= 5, "create, write, sync, rename, sync of the folder");
    for stop in 0..operations {
        let disk = before();
        disk.stop_after(stop);
        assert!(disk.replace(Path::new("config"), b"new").is_err());
        assert!(disk.has_stopped());
        for after in all_crashes(&disk) {
            let found = contents(&after, "config").expect("the name is durable");
            assert!(found == b"old contents" || found == b"new", "{found:?}");
            let others = after.files().into_iter().filter(|(path, _)| path != Path::new("config"));
            assert!(others.into_iter().all(|(path, _)| is_temporary(path.as_os_str())));
            after.replace(Path::new("config"), b"third").expect("what is left does not disturb");
        }
    }
}

#[test]
fn a_disk_that_has_stopped_does_nothing_more() {
    let (disk, file) = disk_with_file();
    file.write_at(0, b"one").expect("room");
    disk.stop_after(1);
    file.write_at(0, b"two").expect("the last one");
    let before = contents(&disk.crash(&Crash::KeepAll), FILE);
    assert!(file.write_at(0, b"three").is_err());
    assert!(file.sync().is_err());
    assert!(file.read_at(0, &mut [0]).is_err());
    assert!(file.len().is_err());
    assert!(disk.open(Path::new(FILE), Mode::Read).is_err());
    assert!(disk.list(Path::new("")).is_err());
    assert!(disk.lock(Path::new("lock"), "me").is_err());
    assert_eq!(contents(&disk.crash(&Crash::KeepAll), FILE), before);
    assert_eq!(contents(&disk.crash(&Crash::LoseAll), FILE).as_deref(), Some(&b""[..]));
}

#[test]
fn a_failed_sync_is_reported_once_and_its_bytes_are_lost() {
    let (disk, file) = disk_with_file();
    file.write_at(0, b"old").expect("room");
    file.sync().expect("durable");
    file.write_at(0, b"new!").expect("room");
    disk.fail(Faulty::Sync, 0, Failure::Broken);
    assert!(matches!(file.sync(), Err(DiskError::Io { act: Act::Sync, .. })));
    assert!(matches!(file.sync(), Err(DiskError::Io { act: Act::Sync, .. })), "poisoned");
    assert!(matches!(file.write_at(0, b"x"), Err(DiskError::Io { act: Act::Sync, .. })), "poisoned");
    let again = disk.open(Path::new(FILE), Mode::Write).expect("there");
    again.sync().expect("the system has forgotten the error");
    assert_eq!(contents(&disk, FILE).as_deref(), Some(&b"new!"[..]), "still in the page cache");
    for after in all_crashes(&disk) {
        assert_eq!(contents(&after, FILE).as_deref(), Some(&b"old\0"[..]), "only the length became durable");
    }
}

#[test]
fn chosen_calls_fail_with_the_chosen_error() {
    let (disk, file) = disk_with_file();
    disk.fail(Faulty::Write, 1, Failure::Full);
    disk.fail(Faulty::Read, 0, Failure::Broken);
    disk.fail(Faulty::SyncFolder, 0, Failure::Broken);
    file.write_at(0, b"one").expect("not this one");
    assert!(matches!(file.write_at(0, b"two"), Err(DiskError::Full { act: Act::Write, .. })));
    file.write_at(0, b"three").expect("only one");
    assert!(matches!(file.read_at(0, &mut [0]), Err(DiskError::Io { act: Act::Read, .. })));
    file.read_at(0, &mut [0]).expect("only one");
    assert!(matches!(disk.sync_folder(Path::new("")), Err(DiskError::Io { act: Act::Sync, .. })));
    disk.sync_folder(Path::new("")).expect("only one");
}

#[test]
fn a_full_disk_takes_what_fits_and_works_again_when_there_is_room() {
    let (disk, file) = disk_with_file();
    disk.limit_bytes(Some(1000));
    assert_eq!(disk.free_bytes(Path::new("")).expect("running"), 1000);
    file.write_at(0, &[1; 900]).expect("room");
    assert!(matches!(file.write_at(800, &[2; 300]), Err(DiskError::Full { act: Act::Write, .. })));
    assert_eq!(contents(&disk, FILE).expect("there"), [vec![1; 800], vec![2; 200]].concat());
    file.write_at(0, &[3; 1000]).expect("takes no new room");
    assert!(matches!(disk.append(Path::new("pack"), 1), Err(DiskError::Full { act: Act::Allocate, .. })));
    assert!(!disk.exists(Path::new("pack")).expect("running"), "nothing is left behind");
    disk.limit_bytes(Some(1000 + BLOCK_BYTES));
    let mut append = disk.append(Path::new("pack"), BLOCK_BYTES as u64).expect("room");
    append.write(&[1; 10 * BLOCK_BYTES]).expect_err("noticed when all buffers are under way");
    assert!(matches!(append.sync(), Err(DiskError::Full { act: Act::Write, .. })), "poisoned");
    drop(append);
    disk.remove(Path::new("pack")).expect("there");
    assert_eq!(disk.free_bytes(Path::new("")).expect("running"), BLOCK_BYTES as u64);
}

#[test]
fn a_file_under_construction_completes_late_and_in_any_order() {
    let mut orders = BTreeSet::new();
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        let path = Path::new("pack");
        let mut append = disk.append(path, 0).expect("new");
        append.write(&[1; 6 * BLOCK_BYTES]).expect("room");
        let seen = contents(&disk, "pack").expect("there");
        let seen = seen.chunks(2 * BLOCK_BYTES).map(|write| write[0]).collect::<Vec<_>>();
        orders.insert(seen);
        let mut back = vec![0; 6 * BLOCK_BYTES];
        append.read_back(0, &mut back).expect("written before");
        assert_eq!(back, [1; 6 * BLOCK_BYTES], "the writer itself sees it all");
        append.sync().expect("durable");
        assert_eq!(contents(&disk, "pack").expect("there"), [1; 6 * BLOCK_BYTES]);
    }
    assert!(orders.contains(&vec![]), "nothing completed: {orders:?}");
    assert!(orders.contains(&vec![0, 1]), "the second before the first: {orders:?}");
}

#[test]
fn writes_under_way_may_or_may_not_survive_and_synced_blocks_do() {
    let disk = SimulatedDisk::new(3);
    let mut append = disk.append(Path::new("pack"), 12 * BLOCK_BYTES as u64).expect("new");
    disk.sync_folder(Path::new("")).expect("durable");
    append.write(&[1; 100]).expect("room");
    append.sync().expect("durable");
    append.write(&[2; (2 * APPEND_BUFFERS + 1) * BLOCK_BYTES]).expect("room");
    let mut ends = BTreeSet::new();
    for seed in 0..300 {
        let bytes = contents(&disk.crash(&Crash::Seeded(seed)), "pack").expect("durable");
        assert_eq!(bytes[..100], [1; 100]);
        assert_eq!(bytes[100..BLOCK_BYTES], [0; BLOCK_BYTES - 100]);
        assert!(bytes[BLOCK_BYTES..].iter().all(|byte| *byte == 0 || *byte == 2));
        ends.insert(bytes.len());
    }
    assert!(ends.contains(&BLOCK_BYTES) && ends.len() > 10, "{ends:?}");
}

#[test]
fn the_sync_of_another_handle_does_not_wait_for_writes_under_way() {
    let disk = SimulatedDisk::new(3);
    let path = Path::new("pack");
    let mut append = disk.append(path, 0).expect("new");
    disk.sync_folder(Path::new("")).expect("durable");
    append.write(&[1; 2 * BLOCK_BYTES]).expect("room");
    disk.open(path, Mode::Write).expect("there").sync().expect("durable");
    assert_eq!(disk.uncertain(), 1, "the write that nobody saw completed");
    assert_eq!(contents(&disk.crash(&Crash::LoseAll), "pack").as_deref(), Some(&b""[..]));
    append.finish().expect("durable");
    assert_eq!(contents(&disk.crash(&Crash::LoseAll), "pack"), Some(vec![1; 2 * BLOCK_BYTES]));
}

#[test]
fn an_append_with_a_failing_write_or_sync_is_poisoned() {
    for faulty in [Faulty::Write, Faulty::Sync] {
        let disk = SimulatedDisk::new(3);
        let mut append = disk.append(Path::new("pack"), 0).expect("new");
        disk.fail(faulty, 0, Failure::Broken);
        append.write(&[1; 100]).expect("gathered");
        assert!(matches!(append.sync(), Err(DiskError::Io { .. })));
        let uncertain = disk.uncertain();
        assert!(matches!(append.sync(), Err(DiskError::Io { .. })));
        assert!(matches!(append.write(&[1]), Err(DiskError::Io { .. })));
        assert!(matches!(append.read_back(0, &mut [0]), Err(DiskError::Io { .. })));
        assert!(matches!(append.finish(), Err(DiskError::Io { .. })));
        assert_eq!(disk.uncertain(), uncertain, "nothing became durable by trying again");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed| {
        let disk = SimulatedDisk::new(seed);
        let mut append = disk.append(Path::new("pack"), 100_000).expect("new");
        for number in 0..40_u8 {
            append.write(&[number; 1234]).expect("room");
        }
        let live = contents(&disk, "pack");
        (live, contents(&disk.crash(&Crash::Seeded(seed)), "pack"), disk.operations())
    };
    assert_eq!(run(5), run(5));
    assert!((0..20).any(|seed| run(seed).0 != run(5).0), "seeds differ");
}

#[test]
fn a_crashed_disk_is_unlocked_and_complete() {
    let disk = SimulatedDisk::new(1);
    let _lock = disk.lock(Path::new("lock"), "me").expect("free");
    let after = disk.crash(&Crash::KeepAll);
    assert_eq!(after.uncertain(), 0);
    assert_eq!(contents(&after, "lock").as_deref(), Some(&b"me"[..]));
    after.lock(Path::new("lock"), "another").expect("its holder is gone");
    assert!(disk.lock(Path::new("lock"), "another").is_err(), "the disk itself goes on");
}

#[test]
fn damage_is_there_at_once_and_stays() {
    let (disk, file) = disk_with_file();
    file.write_at(0, b"bytes").expect("room");
    disk.mutate(Path::new(FILE), |bytes| bytes[1] ^= 1).expect("there");
    assert_eq!(contents(&disk, FILE).as_deref(), Some(&b"bxtes"[..]));
    assert_eq!(contents(&disk.crash(&Crash::LoseAll), FILE).as_deref(), Some(&b"bxtes"[..]));
    disk.mutate(Path::new(FILE), |bytes| bytes.truncate(2)).expect("there");
    assert_eq!(disk.files(), [(PathBuf::from(FILE), 2)]);
    assert!(disk.mutate(Path::new("none"), |_| ()).is_err());
}
