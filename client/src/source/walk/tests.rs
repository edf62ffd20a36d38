use std::ffi::CString;
use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::tree::PathKey;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use tempfile::TempDir;

use super::Effort;
use super::Walker;
use super::lister::BATCH_ENTRIES;
use crate::source::Caches;
use crate::source::Doing;
use crate::source::Found;
use crate::source::IGNORE_FILE;
use crate::source::Kind;
use crate::source::Missing;
use crate::source::Mounts;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Unreadable;
use crate::source::key_of;

const ALONE: Effort = Effort { threads: 0, ahead_entries_max: 1, open_folders_max: 1 };

fn room() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn key(path: &Path) -> PathKey {
    key_of(path).expect("it is a path")
}

fn walk(roots: &[PathBuf], rules: &Rules, effort: Effort) -> Walker {
    let roots = Roots::new(roots, Missing::Refuse).expect("the roots are there");
    Walker::new(&roots, rules.clone(), effort)
}

fn found(item: Result<Found, Unreadable>) -> Found {
    item.expect("it can be read")
}

/// What a walk without rules finds below the root, root included.
fn members(root: &Path, rules: &Rules, effort: Effort) -> Vec<Found> {
    let all = walk(&[root.to_owned()], rules, effort).map(found);
    all.filter(|found| found.role == Role::Member).collect()
}

/// Paths relative to the root, with slashes; the root itself is left out.
fn below(root: &Path, found: &[Found]) -> Vec<String> {
    let above = key(root).components().count();
    let relative = |found: &Found| {
        let names: Vec<_> = found.path.components().skip(above).map(String::from_utf8_lossy).collect();
        names.join("/")
    };
    found.iter().map(relative).filter(|path| !path.is_empty()).collect()
}

fn relative_paths(root: &Path, rules: &Rules) -> Vec<String> {
    let with_threads = below(root, &members(root, rules, Effort::default()));
    assert_eq!(with_threads, below(root, &members(root, rules, ALONE)));
    with_threads
}

fn make(root: &Path, paths: &[&str]) {
    for path in paths {
        let at = root.join(path);
        fs::create_dir_all(at.parent().expect("it is inside the root")).expect("folders can be made");
        if path.ends_with('/') {
            fs::create_dir_all(&at).expect("folders can be made");
        } else {
            fs::write(&at, path).expect("files can be written");
        }
    }
}

fn everything_by_the_standard_library(path: &Path, into: &mut Vec<PathKey>) {
    into.push(key(path));
    if fs::symlink_metadata(path).expect("it is there").is_dir() {
        for entry in fs::read_dir(path).expect("it can be listed") {
            everything_by_the_standard_library(&entry.expect("it can be listed").path(), into);
        }
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd = proptest::collection::vec(any::<u8>(), 1..12).prop_map(|mut name| {
        name.iter_mut().filter(|byte| **byte == 0 || **byte == b'/').for_each(|byte| *byte = 1);
        name
    });
    let alike = proptest::collection::vec(proptest::sample::select(&b"ab\x01 !-"[..]), 1..4);
    proptest::prop_oneof![odd, alike].prop_filter("no name", |name| name != b"." && name != b"..")
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// The law of order: whatever the names, threads and limits, the walk is the sorted list of all paths.
    #[test]
    fn a_walk_is_the_sorted_list_of_paths(
        paths in proptest::collection::vec(proptest::collection::vec(name(), 1..5), 0..40),
        threads in 0_usize..4,
        ahead_entries_max in 1_usize..64,
        open_folders_max in 1_usize..8,
    ) {
        let place = room();
        for path in &paths {
            let path = path.iter().fold(place.path().to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
            // A file may stand where a folder is wanted; then the path is left out of the tree.
            if fs::create_dir_all(path.parent().expect("it has one")).is_ok() && !path.exists() {
                fs::write(&path, b"x")?;
            }
        }
        let mut expected = Vec::new();
        everything_by_the_standard_library(place.path(), &mut expected);
        expected.sort();
        let effort = Effort { threads, ahead_entries_max, open_folders_max };
        let walked: Vec<_> = members(place.path(), &Rules::default(), effort).into_iter().map(|f| f.path).collect();
        prop_assert_eq!(walked, expected);
    }
}

#[test]
fn every_kind_of_file_is_found_as_it_is() {
    let place = room();
    let folder = File::open(place.path()).expect("it opens");
    make(place.path(), &["file", "folder/"]);
    fs::hard_link(place.path().join("file"), place.path().join("second name")).expect("it links");
    symlink("\u{1}nowhere", place.path().join("link")).expect("it links");
    let node = |name: &str, kind| rustix::fs::mknodat(&folder, name, kind, Mode::RUSR, 0);
    node("fifo", FileType::Fifo).expect("it is made");
    node("socket", FileType::Socket).expect("it is made");
    let mut kinds = vec![
        ("fifo", Kind::Fifo),
        ("file", Kind::File),
        ("folder", Kind::Folder),
        ("link", Kind::Symlink),
        ("second name", Kind::File),
        ("socket", Kind::Socket),
    ];
    let device = rustix::fs::makedev(1, 3);
    match rustix::fs::mknodat(&folder, "device", FileType::CharacterDevice, Mode::RUSR, device) {
        Ok(()) => kinds.insert(0, ("device", Kind::CharDevice)),
        Err(error) => skip("devices", &error),
    }
    let walked = members(place.path(), &Rules::default(), Effort::default());
    let seen: Vec<_> = walked.iter().skip(1).map(|found| found.stat.kind).collect();
    assert_eq!(below(place.path(), &walked), kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(seen, kinds.iter().map(|(_, kind)| *kind).collect::<Vec<_>>());
    for found in &walked {
        agrees_with_the_standard_library(found);
    }
    let link = walked.iter().find(|found| found.stat.kind == Kind::Symlink).expect("it was made");
    assert_eq!(link.link_target().expect("it is a link"), b"\x01nowhere");
}

fn agrees_with_the_standard_library(found: &Found) {
    let path =
        found.path.components().fold(PathBuf::from("/"), |path, name| path.join(OsStr::from_bytes(name)));
    let known = fs::symlink_metadata(path).expect("it is there");
    let stat = &found.stat;
    assert_eq!((stat.ino, stat.dev, u64::from(stat.nlink)), (known.ino(), known.dev(), known.nlink()));
    assert_eq!((u32::from(stat.mode), stat.uid, stat.gid), (known.mode() & 0o7777, known.uid(), known.gid()));
    assert_eq!((stat.size, stat.blocks), (known.size(), known.blocks()));
    assert_eq!(stat.mtime_ns, known.mtime() * 1_000_000_000 + known.mtime_nsec());
    assert_eq!(stat.ctime_ns, known.ctime() * 1_000_000_000 + known.ctime_nsec());
    let device = rustix::fs::makedev(stat.rdev.major, stat.rdev.minor);
    assert_eq!(device, known.rdev());
}

fn skip(what: &str, why: &dyn std::fmt::Display) {
    writeln!(std::io::stderr(), "skipped: {what}: {why}").expect("standard error is open");
}

#[test]
fn folders_above_the_roots_come_once_and_in_order() {
    let place = room();
    make(place.path(), &["a/x/file", "a/y/file", "b/file", "c"]);
    let at = |path: &str| place.path().join(path);
    let all: Vec<_> =
        walk(&[at("b"), at("a/y"), at("a/x/file"), at("c")], &Rules::default(), ALONE).map(found).collect();
    let mut sorted: Vec<_> = all.iter().map(|found| found.path.clone()).collect();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, all.iter().map(|found| found.path.clone()).collect::<Vec<_>>());
    let above: Vec<_> = all.iter().filter(|found| found.role == Role::Ancestor).collect();
    let outer = key(place.path()).components().count() + 1;
    assert_eq!(above.len(), outer + 2, "those of the place, a, and a/x");
    assert_eq!(above[0].path, PathKey::root());
    let member =
        |path: &str| all.iter().any(|found| found.path == key(&at(path)) && found.role == Role::Member);
    for path in ["a/x/file", "a/y", "a/y/file", "b", "b/file", "c"] {
        assert!(member(path), "{path}");
    }
}

#[test]
fn a_link_is_a_root_itself_and_is_followed_above_one() {
    let place = room();
    make(place.path(), &["real/file"]);
    symlink("real", place.path().join("link")).expect("it links");
    let as_root = members(&place.path().join("link"), &Rules::default(), ALONE);
    assert_eq!(as_root.len(), 1);
    assert_eq!(as_root[0].stat.kind, Kind::Symlink);
    let through = place.path().join("link/file");
    let all: Vec<_> = walk(std::slice::from_ref(&through), &Rules::default(), ALONE).map(found).collect();
    let [.., link, file] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((link.role, link.stat.kind), (Role::Ancestor, Kind::Folder));
    assert_eq!((file.role, &file.path), (Role::Member, &key(&through)));
    assert!(file.open().is_ok());
}

#[test]
fn a_reported_root_that_is_missing_is_an_item() {
    let place = room();
    make(place.path(), &["file", "there"]);
    let at = |path: &str| place.path().join(path);
    let given = [at("gone"), at("file/below"), at("there")];
    let roots = Roots::new(&given, Missing::Report).expect("nothing is refused");
    let mut missing = Vec::new();
    let mut members = Vec::new();
    for item in Walker::new(&roots, Rules::default(), ALONE) {
        match item {
            Ok(found) if found.role == Role::Member => members.push(found.path),
            Ok(_) => {}
            Err(Unreadable { path, doing, .. }) => {
                assert_eq!(doing, Doing::Stat);
                missing.push(path);
            }
        }
    }
    assert_eq!(members, [key(&at("there"))]);
    assert!(missing.contains(&key(&at("gone"))) && missing.contains(&key(&at("file/below"))), "{missing:?}");
}

#[test]
fn a_large_folder_is_shared_and_stays_in_order() {
    let place = room();
    let count = BATCH_ENTRIES * 3 + 17;
    for at in 0..count {
        fs::write(place.path().join(format!("{at:05}")), b"").expect("it writes");
    }
    make(place.path(), &["03000d/inside/file", "06000d/file"]);
    let effort = Effort { threads: 3, ahead_entries_max: 100, open_folders_max: 4 };
    let walked = members(place.path(), &Rules::default(), effort);
    assert_eq!(walked.len(), 1 + count + 5);
    assert!(walked.is_sorted_by(|a, b| a.path < b.path));
}

#[test]
fn what_vanishes_is_an_item_and_the_walk_goes_on() {
    let place = room();
    for at in 0..BATCH_ENTRIES + 10 {
        fs::write(place.path().join(format!("f{at:05}")), b"").expect("it writes");
    }
    make(place.path(), &["d1/file", "d2/file"]);
    // With no worker the contents of a folder are listed after it was yielded, and a stretch of names is looked at
    // after the one before it was taken.
    let mut walk = walk(&[place.path().to_owned()], &Rules::default(), ALONE);
    let first = key(&place.path().join("d1"));
    let found = walk.by_ref().map(found).find(|found| found.path == first);
    assert!(found.is_some());
    let late = place.path().join(format!("f{:05}", BATCH_ENTRIES + 5));
    fs::remove_dir_all(place.path().join("d1")).expect("it goes");
    fs::remove_file(&late).expect("it goes");
    let rest: Vec<_> = walk.collect();
    let failed: Vec<_> = rest.iter().filter_map(|item| item.as_ref().err()).collect();
    let [listed, looked] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&listed.path, listed.doing), (&first, Doing::List));
    assert_eq!((&looked.path, looked.doing), (&key(&late), Doing::Stat));
    assert!([listed, looked].iter().all(|failed| failed.error.kind() == std::io::ErrorKind::NotFound));
    assert_eq!(
        rest.len(),
        BATCH_ENTRIES + 10 + 2 + 1,
        "an error for d1, d2 and its file, all files or an error"
    );
    assert!(listed.to_string().starts_with("cannot list /"), "{listed}");
}

#[test]
fn folders_that_may_not_be_read_are_items() {
    let place = room();
    make(place.path(), &["closed/file", "open/file"]);
    let closed = place.path().join("closed");
    rustix::fs::chmod(&closed, Mode::empty()).expect("it is ours");
    if fs::read_dir(&closed).is_ok() {
        skip("unreadable folders", &"this user may read everything");
        return;
    }
    let items: Vec<_> = walk(&[place.path().to_owned()], &Rules::default(), Effort::default()).collect();
    rustix::fs::chmod(&closed, Mode::RWXU).expect("it is ours");
    let failed: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&failed.path, failed.doing), (&key(&closed), Doing::List));
}

#[test]
fn ignore_files_and_options_leave_out() {
    let place = room();
    make(
        place.path(),
        &[
            "a.log",
            "b.txt",
            "build/out",
            "sub/a.log",
            "sub/build",
            "sub/deep/keep.log",
            "sub/deep/x",
            "target/debug/x",
        ],
    );
    fs::write(place.path().join(IGNORE_FILE), "*.log\nbuild/\n").expect("it writes");
    fs::write(place.path().join("sub").join(IGNORE_FILE), "!keep.log\n/deep/x\n").expect("it writes");
    let rules = Rules::new(&["target/debug".to_owned()], &[]).expect("a good glob");
    assert_eq!(
        relative_paths(place.path(), &rules),
        [
            IGNORE_FILE,
            "b.txt",
            "sub",
            "sub/.farkeepignore",
            "sub/build",
            "sub/deep",
            "sub/deep/keep.log",
            "target"
        ]
    );
}

#[test]
fn a_bad_line_in_an_ignore_file_is_an_item_and_the_others_hold() {
    let place = room();
    make(place.path(), &["a.log", "b"]);
    fs::write(place.path().join(IGNORE_FILE), "{x\n*.log\n").expect("it writes");
    let items: Vec<_> = walk(&[place.path().to_owned()], &Rules::default(), ALONE).collect();
    let failed: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&failed.path, failed.doing), (&key(place.path()), Doing::Rules));
    let names: Vec<_> = items.iter().flatten().filter_map(|found| found.path.name()).collect();
    assert!(names.contains(&&b"b"[..]) && !names.contains(&&b"a.log"[..]));
}

#[test]
fn of_a_marked_cache_only_the_mark_is_taken() {
    let place = room();
    make(place.path(), &["cache/a", "cache/z/z", "false/a", "false/CACHEDIR.TAG"]);
    let mark = "Signature: 8a477f597d28d172789f06886806bc55\n# more\n";
    fs::write(place.path().join("cache/CACHEDIR.TAG"), mark).expect("it writes");
    let mut rules = Rules::new(&[], &[]).expect("no globs");
    rules.caches = Caches::Leave;
    let without = relative_paths(place.path(), &rules);
    assert_eq!(without, ["cache", "cache/CACHEDIR.TAG", "false", "false/CACHEDIR.TAG", "false/a"]);
    assert!(relative_paths(place.path(), &Rules::default()).contains(&"cache/z/z".to_owned()));
}

#[test]
fn the_repository_is_left_out() {
    let place = room();
    make(place.path(), &["home/repository/pack", "home/file"]);
    let metadata = fs::metadata(place.path().join("home/repository")).expect("it is there");
    let mut rules = Rules::default();
    rules.avoid(crate::source::FileId { dev: metadata.dev(), ino: metadata.ino() });
    assert_eq!(relative_paths(place.path(), &rules), ["home", "home/file"]);
}

#[test]
fn other_file_systems_are_empty_folders_if_wanted() {
    let mount = ["/dev/shm", "/dev/pts", "/dev/mqueue"].map(Path::new).into_iter().find(|path| {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(path).is_some() && device(path) != device(Path::new("/dev"))
    });
    let Some(mount) = mount else {
        skip("one file system", &"/dev has no other one inside");
        return;
    };
    let walked = |mounts| {
        let mut rules = Rules::new(&[], &[]).expect("no globs");
        rules.mounts = mounts;
        let all = walk(&[PathBuf::from("/dev")], &rules, Effort::default());
        all.flatten().map(|found| found.path).collect::<Vec<_>>()
    };
    let stayed = walked(Mounts::Stay);
    let inside = |path: &&PathKey| path.starts_with(&key(mount)) && **path != key(mount);
    assert!(stayed.contains(&key(mount)));
    assert_eq!(stayed.iter().find(inside), None);
    assert!(walked(Mounts::Enter).len() >= stayed.len());
}

#[test]
fn paths_may_be_longer_than_the_system_takes() {
    let place = room();
    let name = CString::new("n".repeat(250)).expect("no zero byte");
    let mut folder: OwnedFd = File::open(place.path()).expect("it opens").into();
    let depth = 30;
    for _ in 0..depth {
        rustix::fs::mkdirat(&folder, &name, Mode::RWXU).expect("it is new");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        folder = rustix::fs::openat(&folder, &name, flags, Mode::empty()).expect("it opens");
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, c"file", flags, Mode::RWXU).expect("it is made");
    File::from(file).write_all(b"deep").expect("it writes");
    for effort in [ALONE, Effort::default()] {
        let walked = members(place.path(), &Rules::default(), effort);
        assert_eq!(walked.len(), 1 + depth + 1);
        let file = walked.last().expect("there are some");
        assert!(file.path.as_bytes().len() > 4096 + 2048);
        let mut contents = file.open().expect("it opens");
        let mut buffer = [0; 10];
        contents.read(&mut buffer).expect("it reads");
        assert_eq!(&buffer[..4], b"deep");
        assert!(file.attributes().is_ok());
    }
    let status = std::process::Command::new("rm").arg("-rf").arg(place.path()).status();
    assert!(status.expect("rm runs").success());
}

#[test]
fn a_walk_may_be_given_up_at_any_item() {
    let place = room();
    for folder in 0..30 {
        make(place.path(), &[&format!("{folder}/a/b"), &format!("{folder}/c")]);
    }
    for taken in [0, 1, 5, 40, 90] {
        let effort = Effort { threads: 3, ahead_entries_max: 8, open_folders_max: 2 };
        let some = walk(&[place.path().to_owned()], &Rules::default(), effort).take(taken).count();
        assert_eq!(some, taken);
    }
}

#[test]
fn attributes_come_sorted_also_those_of_links_and_folders() {
    let place = room();
    make(place.path(), &["file", "folder/"]);
    symlink("file", place.path().join("link")).expect("it links");
    let set = |path: &str, name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(place.path().join(path), name, value, rustix::fs::XattrFlags::CREATE)
    };
    let long = vec![7; 3000];
    if let Err(error) = set("file", "user.b", b"2").and_then(|()| set("file", "user.a", &long)) {
        skip("extended attributes", &error);
        return;
    }
    set("folder", "user.c", b"").expect("it is like a file's");
    let on_link =
        set("link", "trusted.l", b"link").map_err(|error| skip("attributes of links", &error)).is_ok();
    let walked = members(place.path(), &Rules::default(), ALONE);
    let of = |name: &[u8]| {
        let found = walked.iter().find(|found| found.path.name() == Some(name)).expect("it was made");
        let all = found.attributes().expect("they can be read");
        all.into_iter().map(|attribute| (attribute.name, attribute.value)).collect::<Vec<_>>()
    };
    assert_eq!(of(b"file"), [(b"user.a".to_vec(), long), (b"user.b".to_vec(), b"2".to_vec())]);
    assert_eq!(of(b"folder"), [(b"user.c".to_vec(), Vec::new())]);
    if on_link {
        assert_eq!(of(b"link"), [(b"trusted.l".to_vec(), b"link".to_vec())]);
    }
}

/// What is announced of a walk: never less than it has yielded, and in the end just what is there, a file of several names
/// once.
#[test]
fn a_walk_knows_how_much_it_has_found() {
    let room = room();
    make(room.path(), &["a/one", "a/two", "b/c/three", "empty/"]);
    fs::write(room.path().join("large"), vec![7; 3_000]).expect("it can be written");
    fs::hard_link(room.path().join("large"), room.path().join("large too")).expect("it is new");
    let bytes = "a/onea/twob/c/three".len() as u64 + 3_000;
    let alone = room.path().join("large");
    for effort in [Effort::default(), ALONE] {
        let mut walk = walk(&[room.path().to_owned()], &Rules::default(), effort);
        let mut yielded = 0;
        while let Some(item) = walk.next() {
            yielded += u64::from(found(item).role == Role::Member);
            assert!(walk.found().entries >= yielded);
        }
        assert_eq!((walk.found().entries, walk.found().bytes), (yielded, bytes));
        assert_eq!(yielded, 10);
    }
    let mut walk = walk(&[alone], &Rules::default(), ALONE);
    walk.by_ref().for_each(|item| drop(found(item)));
    assert_eq!((walk.found().entries, walk.found().bytes), (1, 1_500));
}
