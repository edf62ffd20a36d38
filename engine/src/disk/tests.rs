//! Laws that every disk keeps: with io_uring, with plain calls, and in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::test_runner::Config;
use tempfile::TempDir;

use super::*;
use crate::limits::APPEND_BUFFER_BYTES;
use crate::limits::APPEND_BUFFERS;
use crate::limits::BLOCK_BYTES;

/// A disk to be tested, and the folder that it is in.
struct Bench {
    name: &'static str,
    disk: Arc<dyn Disk>,
    _folder: Option<TempDir>,
}

/// One of each. A kernel that does not allow io_uring leaves out the first.
fn benches() -> Vec<Bench> {
    let real = |name, backend| {
        let folder = TempDir::new().expect("a temporary folder");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder.path(), backend).ok()?);
        Some(Bench { name, disk, _folder: Some(folder) })
    };
    let simulated = Bench { name: "simulated", disk: Arc::new(SimulatedDisk::new(7)), _folder: None };
    let mut benches = vec![real("plain", Backend::Sync).expect("plain calls always work"), simulated];
    benches.extend(real("ring", Backend::IoUring));
    benches
}

/// Bytes that differ from place to place and from call to call.
fn pattern(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn read_all(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Mode::Read).expect("the file is there");
    let mut bytes = vec![0; usize::try_from(file.len().expect("a length")).expect("a small file")];
    file.read_exact_at(0, &mut bytes).expect("as long as it says");
    bytes
}

#[derive(Debug, Clone)]
enum Step {
    Write { offset: usize, count: usize },
    Truncate { bytes: usize },
    Read { offset: usize, count: usize },
    Sync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..20_000_usize, 0..6_000_usize);
    prop_oneof![
        4 => place().prop_map(|(offset, count)| Step::Write { offset, count }),
        1 => (0..20_000_usize).prop_map(|bytes| Step::Truncate { bytes }),
        4 => place().prop_map(|(offset, count)| Step::Read { offset, count }),
        1 => proptest::strategy::Just(Step::Sync),
        1 => proptest::strategy::Just(Step::Reopen),
    ]
}

fn file_follows_model(bench: &Bench, steps: &[Step]) {
    let path = Path::new("file");
    let mut file = bench.disk.open(path, Mode::CreateNew).expect("a new file");
    let mut model = Vec::<u8>::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Write { offset, count } => {
                let bytes = pattern(number as u64, count);
                file.write_at(offset as u64, &bytes).expect("there is room");
                if count > 0 {
                    model.resize(model.len().max(offset + count), 0);
                    model[offset..offset + count].copy_from_slice(&bytes);
                }
            }
            Step::Truncate { bytes } => {
                file.truncate(bytes as u64).expect("there is room");
                model.resize(bytes, 0);
            }
            Step::Read { offset, count } => {
                let mut bytes = vec![0xee; count];
                let expected = &model[offset.min(model.len())..(offset + count).min(model.len())];
                let read = file.read_at(offset as u64, &mut bytes).expect("readable");
                assert_eq!((&bytes[..read], bench.name), (expected, bench.name));
                let exact = file.read_exact_at(offset as u64, &mut bytes);
                let ended = matches!(exact, Err(DiskError::Ended { .. }));
                assert_eq!(ended, expected.len() < count, "{}", bench.name);
            }
            Step::Sync => file.sync().expect("durable"),
            Step::Reopen => file = bench.disk.open(path, Mode::Write).expect("still there"),
        }
        assert_eq!(file.len().expect("a length"), model.len() as u64, "{}", bench.name);
    }
    assert_eq!(read_all(&*bench.disk, path), model, "{}", bench.name);
    bench.disk.remove(path).expect("there");
}

#[derive(Debug, Clone)]
enum Growth {
    Write { count: usize },
    Pad,
    Sync,
    ReadBack { part_of_1000: usize, count: usize },
}

fn growth() -> impl Strategy<Value = Growth> {
    let largest = 2 * APPEND_BUFFER_BYTES;
    prop_oneof![
        3 => (0..30_000_usize).prop_map(|count| Growth::Write { count }),
        2 => (0..largest).prop_map(|count| Growth::Write { count }),
        1 => proptest::strategy::Just(Growth::Pad),
        1 => proptest::strategy::Just(Growth::Sync),
        4 => (0..1000_usize, 0..largest).prop_map(|(part_of_1000, count)| Growth::ReadBack { part_of_1000, count }),
    ]
}

fn append_follows_model(bench: &Bench, allocate_bytes: u64, growths: &[Growth]) {
    let path = Path::new("pack");
    let mut append = bench.disk.append(path, allocate_bytes).expect("a new file");
    let mut model = Vec::<u8>::new();
    for (number, growth) in growths.iter().enumerate() {
        match *growth {
            Growth::Write { count } => {
                let bytes = pattern(number as u64, count);
                append.write(&bytes).expect("there is room");
                model.extend_from_slice(&bytes);
            }
            Growth::Pad => {
                append.pad_to_block().expect("there is room");
                model.resize(model.len().next_multiple_of(BLOCK_BYTES), 0);
            }
            Growth::Sync => {
                append.sync().expect("durable");
                model.resize(model.len().next_multiple_of(BLOCK_BYTES), 0);
                assert!(
                    read_all(&*bench.disk, path) == model,
                    "{}: what others see after a sync",
                    bench.name
                );
            }
            Growth::ReadBack { part_of_1000, count } => {
                let offset = model.len() * part_of_1000 / 1000;
                let count = count.min(model.len() - offset);
                let mut bytes = vec![0xee; count];
                append.read_back(offset as u64, &mut bytes).expect("written before");
                assert!(bytes == model[offset..offset + count], "{}: what is read back", bench.name);
            }
        }
        assert_eq!(append.len(), model.len() as u64, "{}", bench.name);
        let beyond = append.read_back(append.len(), &mut [0]);
        assert!(matches!(beyond, Err(DiskError::Ended { .. })), "{}", bench.name);
    }
    model.resize(model.len().next_multiple_of(BLOCK_BYTES), 0);
    assert_eq!(append.finish().expect("durable"), model.len() as u64, "{}", bench.name);
    assert!(read_all(&*bench.disk, path) == model, "{}: the finished file", bench.name);
    bench.disk.remove(path).expect("there");
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn a_file_holds_what_was_written(steps in vec(step(), 0..30)) {
        for bench in benches() {
            file_follows_model(&bench, &steps);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 16, ..Config::default() })]

    #[test]
    fn a_file_under_construction_holds_what_was_written(
        allocate_bytes in prop_oneof![0..1_u64, 1..100_000_u64, 3_000_000..9_000_000_u64],
        growths in vec(growth(), 0..12),
    ) {
        for bench in benches() {
            append_follows_model(&bench, allocate_bytes, &growths);
        }
    }
}

#[test]
fn names_are_given_changed_and_taken() {
    for Bench { name, disk, .. } in benches() {
        let (folder, file, other) = (Path::new("b"), Path::new("b/file"), Path::new("b/other"));
        disk.create_folder(folder).expect("new");
        assert!(matches!(disk.create_folder(folder), Err(DiskError::Exists { .. })), "{name}");
        disk.create_folder(Path::new("a")).expect("new");
        assert_eq!(disk.list(Path::new("")).expect("the root"), ["a", "b"], "{name}");
        assert!(matches!(disk.open(file, Mode::Read), Err(DiskError::NotFound { .. })), "{name}");
        assert!(matches!(disk.open(file, Mode::Write), Err(DiskError::NotFound { .. })), "{name}");
        disk.open(file, Mode::CreateNew).expect("new").write_at(0, b"one").expect("room");
        assert!(matches!(disk.open(file, Mode::CreateNew), Err(DiskError::Exists { .. })), "{name}");
        assert!(matches!(disk.append(file, 0), Err(DiskError::Exists { .. })), "{name}");
        assert!(disk.open(folder, Mode::Read).is_err(), "{name}: a folder is no file");
        assert_eq!(disk.length(file).expect("there"), 3, "{name}");
        assert!(disk.length(folder).is_err(), "{name}: a folder is no file");
        assert!(matches!(disk.length(other), Err(DiskError::NotFound { .. })), "{name}");
        disk.open(other, Mode::CreateNew).expect("new").write_at(0, b"two").expect("room");
        disk.rename(file, other).expect("both there");
        assert_eq!(read_all(&*disk, other), b"one", "{name}");
        assert!(!disk.exists(file).expect("known"), "{name}");
        assert!(disk.exists(other).expect("known"), "{name}");
        assert_eq!(disk.list(folder).expect("there"), ["other"], "{name}");
        disk.sync_folder(folder).expect("durable");
        disk.remove(other).expect("there");
        assert!(matches!(disk.remove(other), Err(DiskError::NotFound { .. })), "{name}");
        assert!(matches!(disk.rename(file, other), Err(DiskError::NotFound { .. })), "{name}");
        assert!(matches!(disk.list(other), Err(DiskError::NotFound { .. })), "{name}");
        assert!(matches!(disk.sync_folder(other), Err(DiskError::NotFound { .. })), "{name}");
        assert!(disk.free_bytes(folder).expect("known") > 0, "{name}");
    }
}

#[test]
fn nothing_written_behind_the_end_leaves_a_file_as_long_as_it_was() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("file");
        disk.open(path, Mode::CreateNew).expect("new").write_at(7, b"").expect("nothing to do");
        assert_eq!(read_all(&*disk, path), b"", "{name}");
    }
}

#[test]
fn no_path_leads_out_of_the_root() {
    for Bench { name, disk, .. } in benches() {
        for path in ["/etc", "..", "../x", "a/../../x"] {
            assert!(disk.list(Path::new(path)).is_err(), "{name}: {path}");
            assert!(disk.open(Path::new(path), Mode::Read).is_err(), "{name}: {path}");
        }
    }
}

#[test]
fn a_file_opened_for_reading_is_not_written() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("file");
        disk.open(path, Mode::CreateNew).expect("new").write_at(0, b"one").expect("room");
        let file = disk.open(path, Mode::Read).expect("there");
        assert!(file.write_at(0, b"two").is_err(), "{name}");
        assert!(file.truncate(0).is_err(), "{name}");
        assert_eq!(read_all(&*disk, path), b"one", "{name}");
    }
}

#[test]
fn replacing_gives_new_contents_and_overwrites_what_a_crash_left() {
    for Bench { name, disk, .. } in benches() {
        disk.create_folder(Path::new("keys")).expect("new");
        let path = Path::new("keys/first");
        let leftover = disk.open(&temporary_path(path), Mode::CreateNew).expect("new");
        leftover.write_at(0, b"longer than what comes").expect("room");
        for bytes in [&b"one"[..], b"", b"three"] {
            disk.replace(path, bytes).expect("room");
            assert_eq!(read_all(&*disk, path), bytes, "{name}");
        }
        assert_eq!(disk.list(Path::new("keys")).expect("there"), ["first"], "{name}");
        assert!(is_temporary(temporary_path(path).as_os_str()));
        assert!(!is_temporary(path.as_os_str()));
    }
}

#[test]
fn the_second_taker_of_a_lock_learns_who_holds_it() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("lock");
        let first = disk.lock(path, "process 1 with a long name").expect("free");
        let Err(DiskError::Held { by, .. }) = disk.lock(path, "process 2") else {
            panic!("{name}: not held")
        };
        assert_eq!(by, "process 1 with a long name", "{name}");
        drop(first);
        let second = disk.lock(path, "process 2").expect("free again");
        let Err(DiskError::Held { by, .. }) = disk.lock(path, "process 3") else {
            panic!("{name}: not held")
        };
        assert_eq!(by, "process 2", "{name}");
        drop(second);
    }
}

#[test]
fn a_lock_is_shared_by_many_or_taken_by_one() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("lock");
        assert!(matches!(disk.lock_shared(path), Err(DiskError::NotFound { .. })), "{name}");
        drop(disk.lock(path, "it makes the file").expect("free"));
        let (first, second) = (disk.lock_shared(path), disk.lock_shared(path));
        let (first, second) = (first.expect("free"), second.expect("shared"));
        assert!(matches!(disk.lock(path, "alone"), Err(DiskError::Held { .. })), "{name}");
        drop(first);
        assert!(matches!(disk.lock(path, "alone"), Err(DiskError::Held { .. })), "{name}");
        drop(second);
        disk.lock(path, "alone").expect("free again");
    }
}

#[test]
fn threads_that_come_and_go_append_whole_records() {
    const RECORD_BYTES: usize = 40_000;
    const RECORDS: u64 = 40;
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("pack");
        let append = Mutex::new(disk.append(path, 8 << 20).expect("new"));
        let places = Mutex::new(Vec::new());
        for round in 0..3 {
            thread::scope(|scope| {
                for number in 0..4 {
                    let (append, places) = (&append, &places);
                    scope.spawn(move || {
                        for record in 0..RECORDS {
                            let seed = round * 1000 + number * 100 + record;
                            let bytes = pattern(seed, RECORD_BYTES);
                            let mut append = append.lock().expect("no panic");
                            places.lock().expect("no panic").push((append.len(), seed));
                            append.write(&bytes).expect("room");
                        }
                    });
                }
            });
        }
        append.into_inner().expect("no panic").finish().expect("durable");
        let bytes = read_all(&*disk, path);
        for (offset, seed) in places.into_inner().expect("no panic") {
            let first = usize::try_from(offset).expect("a small file");
            assert!(
                bytes[first..first + RECORD_BYTES] == pattern(seed, RECORD_BYTES),
                "{name}: record {seed}"
            );
        }
    }
}

#[test]
fn what_was_synced_is_never_written_again() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("pack");
        let mut append = disk.append(path, 1 << 20).expect("new");
        append.write(&pattern(1, 5000)).expect("room");
        append.sync().expect("durable");
        let intruder = disk.open(path, Mode::Write).expect("there");
        intruder.write_at(0, &[0xaa; 2 * BLOCK_BYTES]).expect("room");
        intruder.sync().expect("durable");
        append.write(&pattern(2, APPEND_BUFFERS * APPEND_BUFFER_BYTES)).expect("room");
        append.finish().expect("durable");
        assert!(read_all(&*disk, path)[..2 * BLOCK_BYTES].iter().all(|byte| *byte == 0xaa), "{name}");
    }
}

#[test]
fn a_file_dropped_unfinished_keeps_what_was_synced_and_no_reserved_room() {
    for Bench { name, disk, .. } in benches() {
        let path = Path::new("pack");
        let mut append = disk.append(path, 4 << 20).expect("new");
        append.write(&pattern(1, 5000)).expect("room");
        append.sync().expect("durable");
        append.write(&pattern(2, APPEND_BUFFER_BYTES + 100_000)).expect("room");
        drop(append);
        let bytes = read_all(&*disk, path);
        assert!(bytes[..5000] == pattern(1, 5000), "{name}");
        if name != "simulated" {
            assert_eq!(bytes.len(), 2 * BLOCK_BYTES + APPEND_BUFFER_BYTES, "{name}: what was handed over");
        }
    }
}
