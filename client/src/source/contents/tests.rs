use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use farkeep_codec::limits::HOLES_MAX;
use farkeep_codec::tree::Hole;
use rustix::fs::Advice;
use rustix::fs::Mode;
use tempfile::TempDir;

use super::Cache;
use super::Contents;
use super::Piece;
use super::ReadError;
use super::Steadiness;
use crate::source::Stat;

fn room() -> (TempDir, File) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = File::open(place.path()).expect("it opens");
    (place, folder)
}

fn open(folder: &File) -> Contents {
    let listed = Stat::at(folder, c"file").expect("it is there");
    Contents::open(folder, c"file", &listed).expect("it opens")
}

/// Everything that is left: the data, and the holes.
fn read_all(contents: &mut Contents, buffer_bytes: usize) -> (Vec<u8>, Vec<Hole>) {
    let mut buffer = vec![0; buffer_bytes];
    let (mut data, mut holes) = (Vec::new(), Vec::new());
    loop {
        match contents.read(&mut buffer).expect("it reads") {
            Piece::Data { bytes } => data.extend_from_slice(&buffer[..bytes]),
            Piece::Hole(hole) => holes.push(hole),
            Piece::End => return (data, holes),
        }
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 7 % 251).expect("less than 251")).collect()
}

#[test]
fn what_is_read_is_what_was_written_whatever_the_buffer() {
    let (place, folder) = room();
    for bytes in [0, 1, 999, 4096, 3_000_000] {
        let written = pattern(bytes);
        fs::write(place.path().join("file"), &written).expect("it writes");
        for buffer_bytes in [1000, 4096, 1 << 20] {
            let mut contents = open(&folder);
            let (data, holes) = read_all(&mut contents, buffer_bytes);
            assert!(data == written, "{bytes} bytes through {buffer_bytes}");
            assert!(holes.is_empty());
            assert_eq!(contents.finish().expect("a stat"), Steadiness::Steady);
        }
    }
}

#[test]
fn holes_are_told_from_data() {
    let (place, folder) = room();
    let file = File::create(place.path().join("file")).expect("it is made");
    file.set_len(10 << 20).expect("it grows");
    file.write_all_at(&pattern(4096), 1 << 20).expect("it writes");
    file.write_all_at(&pattern(8192), 3 << 20).expect("it writes");
    let mut contents = open(&folder);
    assert!(contents.may_have_holes());
    let (data, holes) = read_all(&mut contents, 1 << 20);
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Steady);
    let hole = |offset: u64, end: u64| Hole { offset, bytes: end - offset };
    let (a, b) = (1 << 20, 3 << 20);
    assert_eq!(holes, [hole(0, a), hole(a + 4096, b), hole(b + 8192, 10 << 20)]);
    assert_eq!(data, [pattern(4096), pattern(8192)].concat());
}

#[test]
fn too_many_holes_become_data() {
    let (place, folder) = room();
    let file = File::create(place.path().join("file")).expect("it is made");
    let stride = 8192;
    let count = HOLES_MAX as u64 + 10;
    file.set_len(count * stride).expect("it grows");
    for at in 0..count {
        file.write_all_at(b"x", at * stride + 4096).expect("it writes");
    }
    let (data, holes) = read_all(&mut open(&folder), 1 << 20);
    assert!(holes.len() == HOLES_MAX, "{} holes", holes.len());
    let total = data.len() as u64 + holes.iter().map(|hole| hole.bytes).sum::<u64>();
    assert_eq!(total, count * stride);
    assert_eq!(data.iter().filter(|&&byte| byte == b'x').count() as u64, count);
}

#[test]
fn growing_and_shrinking_is_noticed_and_the_second_reading_has_it() {
    let (place, folder) = room();
    let path = place.path().join("file");
    fs::write(&path, pattern(100_000)).expect("it writes");
    let mut contents = open(&folder);
    let mut buffer = [0; 1000];
    contents.read(&mut buffer).expect("it reads");
    append(&path, b"more");
    let (data, _) = read_all(&mut contents, 4096);
    assert_eq!(data.len(), 99_000, "what came later is not read");
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Changed);

    contents.begin_again().expect("a stat");
    assert_eq!(contents.stat().size, 100_004);
    OpenOptions::new().write(true).open(&path).expect("it opens").set_len(50_000).expect("it shrinks");
    let (data, _) = read_all(&mut contents, 4096);
    assert_eq!(data, &pattern(100_000)[..50_000]);
    assert_eq!(contents.offset(), 50_000);
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Changed);

    contents.begin_again().expect("a stat");
    assert_eq!(read_all(&mut contents, 4096).0.len(), 50_000);
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Steady);
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).expect("it opens").write_all(bytes).expect("it writes");
}

#[test]
fn another_file_under_the_name_is_refused_and_a_pipe_does_not_block() {
    let (place, folder) = room();
    let path = place.path().join("file");
    fs::write(&path, b"one").expect("it writes");
    let listed = Stat::at(&folder, c"file").expect("it is there");

    fs::remove_file(&path).expect("it goes");
    let gone = Contents::open(&folder, c"file", &listed);
    assert!(matches!(gone, Err(ReadError::Vanished)), "{gone:?}");

    // Kept, so that the inode cannot be given to the next file.
    fs::write(place.path().join("other"), b"two").expect("it writes");
    fs::rename(place.path().join("other"), &path).expect("it is renamed");
    fs::write(place.path().join("other"), b"three").expect("it writes");
    let listed = Stat::at(&folder, c"other").expect("it is there");
    let replaced = Contents::open(&folder, c"file", &listed);
    assert!(matches!(replaced, Err(ReadError::Replaced)), "{replaced:?}");

    rustix::fs::mkfifoat(&folder, "pipe", Mode::RUSR).expect("it is made");
    let pipe = Contents::open(&folder, c"pipe", &listed);
    assert!(matches!(pipe, Err(ReadError::Replaced)), "{pipe:?}");

    std::os::unix::fs::symlink("file", place.path().join("link")).expect("it is made");
    let link = Contents::open(&folder, c"link", &listed);
    assert!(matches!(link, Err(ReadError::Replaced)), "{link:?}");
}

#[test]
fn reading_leaves_the_access_time_alone() {
    let (place, folder) = room();
    let path = place.path().join("file");
    fs::write(&path, pattern(5000)).expect("it writes");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    let times = fs::FileTimes::new().set_accessed(old);
    File::open(&path).expect("it opens").set_times(times).expect("it is ours");
    read_all(&mut open(&folder), 1000);
    let accessed = fs::metadata(&path).expect("it is there").accessed().expect("it has one");
    assert_eq!(accessed, old);
}

#[test]
fn pages_that_were_not_cached_are_not_left_behind_and_others_stay() {
    let (place, folder) = room();
    let path = place.path().join("file");
    fs::write(&path, pattern(12 << 20)).expect("it writes");
    let file = File::open(&path).expect("it opens");
    file.sync_all().expect("it syncs");
    assert!(open(&folder).is_cached(), "it was written a moment ago");
    read_all(&mut open(&folder), 1 << 20);
    assert!(open(&folder).is_cached(), "somebody else had it there");

    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("a hint");
    let mut contents = open(&folder);
    if contents.cache == Cache::Keep {
        let why = "this file system keeps its files in memory";
        writeln!(std::io::stderr(), "skipped: dropping pages: {why}").expect("standard error is open");
        return;
    }
    assert_eq!(read_all(&mut contents, 1 << 20).0.len(), 12 << 20);
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Steady);
    assert!(!contents.is_cached(), "what was read is gone again");
}

#[test]
fn an_image_is_opened_through_links_and_other_things_are_refused() {
    let (place, _folder) = room();
    let path = place.path().join("disk");
    fs::write(&path, pattern(70_000)).expect("it writes");
    std::os::unix::fs::symlink("disk", place.path().join("by-id")).expect("it is made");
    let mut image = Contents::open_image(&place.path().join("by-id")).expect("it opens");
    assert_eq!(image.stat().size, 70_000);
    assert_eq!(read_all(&mut image, 4096).0, pattern(70_000));
    let refused = Contents::open_image(place.path()).expect_err("a folder is no image");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}
