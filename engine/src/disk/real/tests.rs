//! What only the real disk can show: errors of the system, other processes, twins of the carrier.

use std::env;
use std::fs;
use std::io;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::fs::FallocateFlags;
use rustix::fs::fallocate;
use tempfile::TempDir;
use tempfile::tempfile;

use super::buffer::Buffer;
use super::buffer::Load;
use super::*;
use crate::limits::APPEND_BUFFER_BYTES;
use crate::limits::APPEND_BUFFERS;
use crate::limits::APPEND_KITS_IDLE_MAX;
use crate::limits::BLOCK_BYTES;

/// Both carriers; a kernel that does not allow io_uring has only one.
fn carriers() -> Vec<Box<dyn Carrier>> {
    let mut carriers: Vec<Box<dyn Carrier>> = vec![Box::new(PlainCarrier::default())];
    if let Ok(ring) = RingCarrier::new() {
        carriers.push(Box::new(ring));
    }
    carriers
}

/// A file under construction that writes into a device of the system.
fn append_to(device: &str, carrier: Box<dyn Carrier>) -> RealAppend {
    let path = Path::new(device);
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a device of every Linux");
    let target = Target { file, direct: None };
    RealAppend::new(target, path, 0, Kit::new(carrier), IdleKits::default())
}

#[test]
fn a_full_disk_is_told_apart_and_poisons_the_file() {
    for carrier in carriers() {
        let mut append = append_to("/dev/full", carrier);
        append.write(b"fits the buffer").expect("nothing is written yet");
        assert!(matches!(append.sync(), Err(DiskError::Full { act: Act::Write, .. })));
        assert!(matches!(append.write(b"more"), Err(DiskError::Full { .. })));
        assert!(matches!(append.pad_to_block(), Err(DiskError::Full { .. })));
        assert!(matches!(append.read_back(0, &mut [0]), Err(DiskError::Full { .. })));
        assert!(matches!(Box::new(append).finish(), Err(DiskError::Full { .. })));
    }
}

#[test]
fn a_full_disk_is_noticed_while_writing_runs_behind() {
    for carrier in carriers() {
        let mut append = append_to("/dev/full", carrier);
        let buffer = vec![1; APPEND_BUFFER_BYTES];
        let first = (0..2 * APPEND_BUFFERS).find_map(|_| append.write(&buffer).err());
        assert!(matches!(first, Some(DiskError::Full { .. })));
    }
}

#[test]
fn a_failed_sync_poisons_the_file_for_ever() {
    for carrier in carriers() {
        // A device takes every write, and cannot be synced.
        let mut append = append_to("/dev/null", carrier);
        append.write(b"one").expect("room");
        assert!(matches!(append.sync(), Err(DiskError::Io { act: Act::Sync, .. })));
        // Without the poison this would be an error of the write.
        assert!(matches!(append.write(b"two"), Err(DiskError::Io { act: Act::Sync, .. })));
        assert!(matches!(append.sync(), Err(DiskError::Io { act: Act::Sync, .. })));
    }
    let disk = RealDisk::open(Path::new("/dev"), Backend::Sync).expect("a folder of every Linux");
    let file = disk.open(Path::new("null"), Mode::Write).expect("a device of every Linux");
    file.write_at(0, b"one").expect("room");
    assert!(matches!(file.sync(), Err(DiskError::Io { act: Act::Sync, .. })));
    assert!(matches!(file.write_at(0, b"two"), Err(DiskError::Io { act: Act::Sync, .. })));
    assert!(matches!(file.truncate(0), Err(DiskError::Io { act: Act::Sync, .. })));
}

#[test]
fn a_full_disk_is_told_apart_for_plain_files() {
    let disk = RealDisk::open(Path::new("/dev"), Backend::Sync).expect("a folder of every Linux");
    let file = disk.open(Path::new("full"), Mode::Write).expect("a device of every Linux");
    assert!(matches!(file.write_at(0, b"one"), Err(DiskError::Full { act: Act::Write, .. })));
}

#[test]
fn short_interrupted_and_refused_writes_are_made_up_for() {
    let bytes = (0..=250_u8).cycle().take(3 * BLOCK_BYTES).collect::<Vec<_>>();
    let results: [fn() -> io::Result<usize>; 5] = [
        || Ok(5000),
        || Ok(0),
        || Err(Errno::INTR.into()),
        || Err(Errno::CANCELED.into()),
        || Err(Errno::INVAL.into()),
    ];
    for result in results {
        let file = tempfile().expect("a temporary file");
        let direct = Some(file.try_clone().expect("one more handle"));
        let mut target = Target { file, direct };
        let mut load = Load::new(Buffer::new(), 0);
        assert!(load.fill(&bytes).is_empty());
        let refused = matches!(&result(), Err(error) if error.kind() == io::ErrorKind::InvalidInput);
        let before = result().unwrap_or(0);
        target.settle(&load, result()).expect("the rest is written");
        assert_eq!(target.direct.is_none(), refused, "a refusal of O_DIRECT is remembered");
        let written = fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&target.file)));
        assert_eq!(written.expect("readable")[before..], bytes[before..]);
    }
}

#[test]
fn other_errors_of_a_write_are_reported() {
    let file = tempfile().expect("a temporary file");
    let mut target = Target { file, direct: None };
    let load = Load::new(Buffer::new(), 0);
    for errno in [Errno::IO, Errno::NOSPC, Errno::INVAL] {
        assert!(target.settle(&load, Err(errno.into())).is_err());
    }
}

#[test]
fn buffers_lie_at_whole_blocks_and_are_used_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let disk = RealDisk::open(folder.path(), Backend::Auto).expect("a folder");
    for round in 0..3 {
        let names = ["a", "b", "c", "d"].map(|name| format!("{name}{round}"));
        let appends = names.map(|name| disk.append(Path::new(&name), 0).expect("new"));
        for mut append in appends {
            append.write(&vec![1; 3 * APPEND_BUFFER_BYTES]).expect("room");
            append.finish().expect("durable");
        }
        let kits = disk.idle_kits.lock().expect("no panic");
        assert_eq!(kits.len(), APPEND_KITS_IDLE_MAX);
        assert!(kits.iter().all(|kit| kit.buffers.len() == APPEND_BUFFERS));
    }
    let mut load = Load::new(Buffer::new(), 0);
    load.fill(b"x");
    assert!(load.bytes().as_ptr().addr().is_multiple_of(BLOCK_BYTES));
}

#[test]
fn room_is_reserved_for_long_writing_and_given_back_by_a_sync() {
    let folder = TempDir::new().expect("a temporary folder");
    let disk = RealDisk::open(folder.path(), Backend::Auto).expect("a folder");
    let len = || fs::metadata(folder.path().join("pack")).expect("there").len();
    let mut append = disk.append(Path::new("pack"), 16 << 20).expect("new");
    let probe = fs::File::create(folder.path().join("probe")).expect("room");
    let reserves = fallocate(&probe, FallocateFlags::empty(), 0, 1).is_ok();
    let mut end = 0;
    for _ in 0..3 {
        append.write(&[1]).expect("room");
        append.sync().expect("durable");
        end += BLOCK_BYTES as u64;
        assert_eq!(len(), end, "a short one reserves nothing");
        append.write(&[1; APPEND_BUFFER_BYTES]).expect("room");
        assert!(len() == 16 << 20 || !reserves, "as many file systems do");
        append.sync().expect("durable");
        end += APPEND_BUFFER_BYTES as u64;
        assert_eq!(len(), end);
    }
    assert_eq!(Box::new(append).finish().expect("durable"), end);
}

#[test]
fn room_that_is_not_there_is_refused_and_no_file_is_left_behind() {
    let folder = TempDir::new().expect("a temporary folder");
    let disk = RealDisk::open(folder.path(), Backend::Auto).expect("a folder");
    let refused = disk.append(Path::new("pack"), u64::MAX);
    assert!(matches!(refused, Err(DiskError::Full { act: Act::Allocate, .. })));
    assert_eq!(disk.list(Path::new("")).expect("the root"), [""; 0]);
}

#[test]
fn a_disk_is_made_with_the_folders_above_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let root = folder.path().join("a/b/c");
    assert!(matches!(RealDisk::open(&root, Backend::Auto), Err(DiskError::NotFound { .. })));
    RealDisk::create(&root, Backend::Auto).expect("room").replace(Path::new("x"), b"y").expect("room");
    RealDisk::create(&root, Backend::Auto).expect("there already");
    assert_eq!(fs::read(root.join("x")).expect("written"), b"y");
    assert!(RealDisk::open(&root.join("x"), Backend::Auto).is_err(), "a file is no disk");
}

const LOCK_FOLDER: &str = "FARKEEP_TEST_LOCK_FOLDER";

/// The other process of the test below, which runs this one by its name.
#[test]
#[ignore = "started by the_lock_of_a_process_that_dies_is_free"]
fn hold_the_lock_until_killed() {
    let Some(folder) = env::var_os(LOCK_FOLDER) else { return };
    let disk = RealDisk::open(Path::new(&folder), Backend::Sync).expect("a folder");
    let _lock = disk.lock(Path::new("lock"), "the other process").expect("free");
    fs::write(Path::new(&folder).join("ready"), b"").expect("room");
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn the_lock_of_a_process_that_dies_is_free() {
    let folder = TempDir::new().expect("a temporary folder");
    let (_crate, module) = module_path!().split_once("::").expect("a module of a crate");
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--ignored", "--exact", &format!("{module}::hold_the_lock_until_killed")]);
    let mut other = command.env(LOCK_FOLDER, folder.path()).stdout(Stdio::null()).spawn().expect("started");
    let patience = Instant::now() + Duration::from_secs(30);
    while !folder.path().join("ready").exists() {
        assert!(Instant::now() < patience, "the other process takes the lock");
        thread::sleep(Duration::from_millis(5));
    }
    let disk = RealDisk::open(folder.path(), Backend::Sync).expect("a folder");
    let taken = disk.lock(Path::new("lock"), "this process");
    let by = match &taken {
        Err(DiskError::Held { by, .. }) => by.clone(),
        _ => String::new(),
    };
    other.kill().expect("it sleeps");
    other.wait().expect("it was killed");
    assert_eq!(by, "the other process");
    disk.lock(Path::new("lock"), "this process").expect("free again");
}

#[test]
fn a_lock_that_is_dropped_is_free_whoever_has_inherited_its_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("lock");
    let lock = RealLock::take(&path, "this process").expect("free");
    let inherited = lock.file.try_clone().expect("a descriptor");
    assert!(matches!(RealLock::take(&path, "another"), Err(DiskError::Held { .. })));
    drop(lock);
    drop(RealLock::take(&path, "another").expect("free"));
    drop(inherited);
}
