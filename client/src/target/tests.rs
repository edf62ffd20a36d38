use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::time::Time;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::Owner;
use farkeep_codec::tree::PathKey;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use tempfile::TempDir;

use super::Made;
use super::Owners;
use super::Target;
use super::TargetError;
use super::matches;
use crate::source::Kind;

mod metadata;
mod round_trip;

const MODIFIED_NS: i64 = -1_500_000_001;

fn room() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(place: &TempDir) -> Target {
    Target::open(place.path(), Owners::ByName).expect("it is there")
}

fn key(path: &str) -> PathKey {
    PathKey::from_slashes(path.as_bytes()).expect("it is a path")
}

fn me() -> Arc<Owner> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Arc::new(Owner { uid, gid, ..Owner::default() })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn entry(mode: u32, body: Body) -> Entry {
    Entry {
        path: PathKey::root(),
        mode,
        owner: me(),
        modified: Time::from_nanoseconds(MODIFIED_NS),
        attributes: Vec::new(),
        flags: Flags::default(),
        body,
    }
}

fn file_entry(mode: u32, bytes: usize) -> Entry {
    entry(mode, Body::File { bytes: bytes as u64, content: Content::Empty })
}

fn create(target: &Target, path: &str, mode: u32, contents: &[u8]) -> Result<(), TargetError> {
    let entry = file_entry(mode, contents.len());
    let file = target.create(&key(path), &entry)?;
    file.put(0, contents)?;
    target.finish_file(file, &entry)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn skip(what: &str, why: &dyn std::fmt::Display) {
    writeln!(std::io::stderr(), "skipped: {what}: {why}").expect("standard error is open");
}

fn is_in_the_way<T>(result: &Result<T, TargetError>, expected: Kind) -> bool {
    matches!(result, Err(TargetError::InTheWay { kind, .. }) if *kind == expected)
}

#[test]
fn a_new_file_has_contents_mode_and_time() {
    let place = room();
    let target = open(&place);
    for wanted in [0o644, 0o600, 0o777, 0o000, 0o444, 0o4755, 0o2711, 0o1666] {
        let name = format!("{wanted:o}");
        create(&target, &name, wanted, b"contents").expect("it is new");
        let path = place.path().join(&name);
        assert_eq!(mode(&path), wanted);
        let metadata = fs::metadata(&path).expect("it is there");
        assert_eq!(metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(), MODIFIED_NS);
        if is_root() || wanted & 0o400 != 0 {
            assert_eq!(fs::read(&path).expect("it reads"), b"contents");
        }
    }
    assert_eq!(target.notices().count(), 0);
}

#[test]
fn a_file_that_is_there_is_not_created_again() {
    let place = room();
    let target = open(&place);
    create(&target, "file", 0o644, b"one").expect("it is new");
    assert!(is_in_the_way(&create(&target, "file", 0o644, b"two"), Kind::File));
    assert_eq!(fs::read(place.path().join("file")).expect("it reads"), b"one");
}

#[test]
fn folders_are_private_until_they_are_finished() {
    let place = room();
    let target = open(&place);
    assert_eq!(target.make_folder(&key("a")).expect("it is new"), Made::New);
    assert_eq!(mode(&place.path().join("a")), 0o700);
    assert_eq!(target.make_folder(&key("a")).expect("it is there"), Made::Existing);
    create(&target, "a/file", 0o644, b"").expect("it is new");
    target.finish_folder(&key("a"), &entry(0o2751, Body::Folder)).expect("it is ours");
    let metadata = fs::metadata(place.path().join("a")).expect("it is there");
    assert_eq!(mode(&place.path().join("a")), 0o2751);
    assert_eq!(metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(), MODIFIED_NS);
    // Of an ancestor neither time nor attributes are known.
    target.make_folder(&key("b")).expect("it is new");
    target.finish_folder(&key("b"), &entry(0o711, Body::Ancestor)).expect("it is ours");
    let metadata = fs::metadata(place.path().join("b")).expect("it is there");
    assert!(metadata.mtime() > 0);
    assert_eq!(mode(&place.path().join("b")), 0o711);
}

#[test]
fn the_target_is_made_and_may_be_reached_through_links() {
    let place = room();
    fs::create_dir(place.path().join("real")).expect("it is new");
    symlink("real", place.path().join("link")).expect("it is new");
    let target = Target::open(&place.path().join("link/new/inner"), Owners::ByName).expect("it can be made");
    create(&target, "file", 0o644, b"x").expect("it is new");
    assert!(place.path().join("real/new/inner/file").exists());
    fs::write(place.path().join("file"), b"").expect("it writes");
    let unusable = Target::open(&place.path().join("file"), Owners::ByName);
    assert!(matches!(unusable, Err(TargetError::Unusable { .. })), "{unusable:?}");
}

/// Whoever can write in the target puts a link there that leads out of it. Nothing may come out by it.
#[test]
fn links_in_the_target_lead_nowhere() {
    let outside = room();
    fs::write(outside.path().join("victim"), b"precious").expect("it writes");
    fs::create_dir(outside.path().join("inner")).expect("it is new");
    let place = room();
    symlink(outside.path(), place.path().join("out")).expect("it is new");
    symlink(outside.path().join("victim"), place.path().join("file")).expect("it is new");
    let before = snapshot(outside.path());
    let target = open(&place);

    assert!(is_in_the_way(&target.make_folder(&key("out")), Kind::Symlink));
    assert!(target.make_folder(&key("out/new")).is_err());
    assert!(create(&target, "out/new", 0o644, b"evil").is_err());
    assert!(is_in_the_way(&create(&target, "file", 0o777, b"evil"), Kind::Symlink));
    assert!(is_in_the_way(&target.update(&key("file"), &file_entry(0o777, 4)), Kind::Symlink));
    assert!(target.update(&key("out/victim"), &file_entry(0o777, 4)).is_err());
    assert!(target.finish_folder(&key("out"), &entry(0o777, Body::Folder)).is_err());
    assert!(target.finish_folder(&key("out/inner"), &entry(0o777, Body::Folder)).is_err());
    assert!(target.make_node(&key("out/pipe"), &entry(0o777, Body::Fifo)).is_err());
    assert!(target.link(&key("stolen"), &key("out/victim")).is_err());
    assert!(target.link(&key("out/link"), &key("file")).is_err());
    assert!(target.contents(&key("file")).is_err());
    assert!(target.names(&key("out")).expect("none").is_empty());
    assert_eq!(target.look(&key("out/victim")).expect("nothing is there"), None);
    let link = target.look(&key("out")).expect("it is there").expect("it is there");
    assert_eq!(link.kind, Kind::Symlink);
    assert_eq!(target.remove(&key("out/victim")).expect("nothing is there"), 0);
    // A link may get a link's metadata, and may be removed.
    let as_link = entry(0o777, Body::Symlink { target: b"x".to_vec() });
    target.refresh(&key("file"), &as_link).expect("it is ours");
    assert_eq!(target.remove(&key("out")).expect("it is ours"), 1);
    assert_eq!(snapshot(outside.path()), before);
}

/// Names, modes, times and contents in a folder.
fn snapshot(folder: &Path) -> Vec<(PathBuf, u32, i64, i64, Vec<u8>)> {
    let mut all = Vec::new();
    for path in [folder.to_owned(), folder.join("victim"), folder.join("inner")] {
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        let contents = fs::read(&path).unwrap_or_default();
        all.push((path.clone(), metadata.mode(), metadata.mtime_nsec(), metadata.ctime_nsec(), contents));
    }
    assert_eq!(fs::read_dir(folder).expect("it lists").count(), 2);
    all
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_is_not_followed() {
    let outside = room();
    let place = room();
    let target = open(&place);
    target.make_folder(&key("a")).expect("it is new");
    create(&target, "a/one", 0o644, b"").expect("it is new");
    fs::rename(place.path().join("a"), place.path().join("b")).expect("it is ours");
    symlink(outside.path(), place.path().join("a")).expect("it is new");
    // The folder is known by its descriptor, and stays the one that was made.
    create(&target, "a/two", 0o644, b"").expect("it is new");
    assert!(place.path().join("b/two").exists());
    assert_eq!(fs::read_dir(outside.path()).expect("it lists").count(), 0);
}

#[test]
fn only_what_differs_is_written() {
    let place = room();
    let target = open(&place);
    let path = place.path().join("file");
    let mut wanted: Vec<u8> =
        (0..1_000_000_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    fs::write(&path, &wanted).expect("it writes");
    wanted[500_000] ^= 1;
    let entry = file_entry(0o640, wanted.len());
    let file = target.update(&key("file"), &entry).expect("it is there");
    assert_eq!(file.put(0, &wanted).expect("it writes"), 64 << 10);
    assert!(file.holds(0, &wanted).expect("it reads"));
    assert!(!file.holds(1, &wanted).expect("it reads"));
    target.finish_file(file, &entry).expect("it is ours");
    assert_eq!(fs::read(&path).expect("it reads"), wanted);
    assert_eq!(mode(&path), 0o640);

    for shorter in [700_000, 10, 0] {
        wanted.truncate(shorter);
        let entry = file_entry(0o600, wanted.len());
        let file = target.update(&key("file"), &entry).expect("it is there");
        assert_eq!(file.put(0, &wanted).expect("it writes"), 0);
        target.finish_file(file, &entry).expect("it is ours");
        assert_eq!(fs::read(&path).expect("it reads"), wanted);
    }
}

/// What others may read is the old contents, until the file has its new mode. Unfinished it leaves nothing.
#[test]
fn a_file_is_replaced_when_it_is_whole_and_nobody_sees_it_before() {
    let place = room();
    let target = open(&place);
    let path = place.path().join("file");
    fs::write(&path, b"public").expect("it writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
    let entry = file_entry(0o600, 6);
    for end in [false, true] {
        let file = target.update(&key("file"), &entry).expect("it is there");
        assert_eq!(file.put(0, b"secret").expect("it writes"), 6);
        assert_eq!((fs::read(&path).expect("it reads"), mode(&path)), (b"public".to_vec(), 0o666));
        let names = target.names(&PathKey::root()).expect("it lists");
        let draft = names.iter().find(|name| *name != b"file").expect("there is a draft");
        assert_eq!(mode(&place.path().join(OsStr::from_bytes(draft))), 0o600);
        if end {
            target.finish_file(file, &entry).expect("it is ours");
        } else {
            drop(file);
        }
        assert_eq!(target.names(&PathKey::root()).expect("it lists"), [b"file"]);
    }
    assert_eq!((fs::read(&path).expect("it reads"), mode(&path)), (b"secret".to_vec(), 0o600));
}

#[test]
fn other_names_of_a_file_keep_what_they_have() {
    let place = room();
    let outside = room();
    fs::write(outside.path().join("victim"), b"precious").expect("it writes");
    if let Err(error) = fs::hard_link(outside.path().join("victim"), place.path().join("file")) {
        skip("hard links between folders", &error);
        return;
    }
    let target = open(&place);
    let entry = file_entry(0o777, 4);
    let file = target.update(&key("file"), &entry).expect("it is replaced");
    file.put(0, b"evil").expect("it writes");
    target.finish_file(file, &entry).expect("it is ours");
    assert_eq!(fs::read(outside.path().join("victim")).expect("it reads"), b"precious");
    assert_ne!(mode(&outside.path().join("victim")), 0o777);
    assert_eq!(fs::read(place.path().join("file")).expect("it reads"), b"evil");
}

proptest! {
    /// Whatever a file was, after an update it holds the pieces that were put, and zeros in its holes.
    #[test]
    fn an_update_makes_a_file_what_it_shall_be(
        before in proptest::collection::vec(0_usize..400_000, 0..3),
        pieces in proptest::collection::vec((proptest::bool::ANY, 1_usize..150_000, 1_u8..), 0..6),
    ) {
        let place = room();
        let target = open(&place);
        let old: Vec<u8> = before.iter().flat_map(|length| std::iter::repeat_n(7, *length)).collect();
        if !before.is_empty() {
            fs::write(place.path().join("file"), &old)?;
        }
        let bytes: usize = pieces.iter().map(|(_, bytes, _)| bytes).sum();
        let entry = file_entry(0o644, bytes);
        let file = target.update(&key("file"), &entry)?;
        let mut wanted = Vec::new();
        for (is_hole, bytes, byte) in pieces {
            let offset = wanted.len() as u64;
            if is_hole {
                file.dig(Hole { offset, bytes: bytes as u64 })?;
                wanted.resize(wanted.len() + bytes, 0);
            } else {
                let piece = vec![byte; bytes];
                let written = file.put(offset, &piece)?;
                prop_assert!(written <= bytes as u64);
                wanted.extend(piece);
            }
        }
        target.finish_file(file, &entry)?;
        prop_assert_eq!(fs::read(place.path().join("file"))?, wanted);
    }
}

#[test]
fn holes_stay_holes_and_are_dug() {
    let place = room();
    let target = open(&place);
    let bytes = 8 << 20;
    let hole = Hole { offset: 1 << 20, bytes: 6 << 20 };
    let content = Content::Chunks { pointers: Vec::new(), holes: vec![hole] };
    let entry = entry(0o644, Body::File { bytes, content });
    let data = vec![5; 1 << 20];
    let write = |file: &super::OpenFile| {
        file.put(0, &data).expect("it writes");
        file.dig(hole).expect("it digs");
        file.put(7 << 20, &data).expect("it writes");
    };
    let path = place.path().join("file");
    let taken = || fs::metadata(&path).expect("it is there").blocks() * 512;
    let file = target.create(&key("file"), &entry).expect("it is new");
    write(&file);
    target.finish_file(file, &entry).expect("it is ours");
    assert!(taken() < 3 << 20, "{}", taken());

    fs::write(&path, vec![9; 9 << 20]).expect("it writes");
    assert!(taken() >= 9 << 20);
    let file = target.update(&key("file"), &entry).expect("it is there");
    write(&file);
    target.finish_file(file, &entry).expect("it is ours");
    assert!(taken() < 3 << 20, "{}", taken());
    let contents = fs::read(&path).expect("it reads");
    assert_eq!(contents.len() as u64, bytes);
    assert!(contents[1 << 20..7 << 20].iter().all(|byte| *byte == 0));
}

#[test]
fn a_file_that_ends_with_a_hole_has_its_length() {
    let place = room();
    let target = open(&place);
    let content = Content::Chunks { pointers: Vec::new(), holes: vec![Hole { offset: 0, bytes: 5 << 20 }] };
    let entry = entry(0o644, Body::File { bytes: 5 << 20, content });
    let file = target.create(&key("file"), &entry).expect("it is new");
    target.finish_file(file, &entry).expect("it is ours");
    let metadata = fs::metadata(place.path().join("file")).expect("it is there");
    assert_eq!((metadata.len(), metadata.blocks()), (5 << 20, 0));
}

#[test]
fn several_threads_write_stretches_of_one_file_and_many_files() {
    let place = room();
    let target = open(&place);
    let bytes = 4 << 20;
    let entry = file_entry(0o644, bytes);
    let file = target.create(&key("large"), &entry).expect("it is new");
    std::thread::scope(|scope| {
        for part in 0..4_u8 {
            let (file, target) = (&file, &target);
            scope.spawn(move || {
                file.put(u64::from(part) << 20, &vec![part + 1; 1 << 20]).expect("it writes");
                for at in 0..50 {
                    let folder = format!("f{}", at % 7);
                    target.make_folder(&key(&folder)).expect("it can be made");
                    create(target, &format!("{folder}/{part}-{at}"), 0o644, &[part]).expect("it is new");
                }
            });
        }
    });
    target.finish_file(file, &entry).expect("it is ours");
    let contents = fs::read(place.path().join("large")).expect("it reads");
    assert!((0..4_u8).all(|part| contents[usize::from(part) << 20] == part + 1));
    let count =
        |folder: usize| fs::read_dir(place.path().join(format!("f{folder}"))).expect("it lists").count();
    assert_eq!((0..7).map(count).sum::<usize>(), 200);
}

#[test]
fn removing_counts_follows_nothing_and_forgets() {
    let outside = room();
    fs::write(outside.path().join("file"), b"").expect("it writes");
    let place = room();
    let target = open(&place);
    for folder in ["a", "a/b", "a/b/c", "a/d"] {
        target.make_folder(&key(folder)).expect("it is new");
        create(&target, &format!("{folder}/\u{e9}"), 0o400, b"").expect("it is new");
    }
    symlink(outside.path(), place.path().join("a/b/out")).expect("it is new");
    assert_eq!(target.names(&key("a")).expect("it lists"), [&b"b"[..], b"d", "\u{e9}".as_bytes()]);
    assert_eq!(target.remove(&key("a/b")).expect("it is ours"), 5);
    assert_eq!(target.names(&key("a/b")).expect("none"), Vec::<Vec<u8>>::new());
    assert_eq!(target.make_folder(&key("a/b")).expect("it is gone"), Made::New);
    create(&target, "a/b/new", 0o644, b"").expect("it is new");
    assert_eq!(target.remove(&key("a")).expect("it is ours"), 6);
    assert_eq!(target.remove(&key("a")).expect("nothing is there"), 0);
    assert!(outside.path().join("file").exists());
}

#[test]
fn what_is_mounted_in_the_target_is_not_removed() {
    let mounts = ["/dev/shm", "/dev/pts", "/dev/mqueue"].map(Path::new);
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Some(mount) =
        mounts.into_iter().find(|path| device(path).is_some_and(|at| Some(at) != device(Path::new("/dev"))))
    else {
        skip("mounts", &"/dev has no other file system inside");
        return;
    };
    let target = Target::open(Path::new("/dev"), Owners::ByName).expect("it is there");
    let name = mount.file_name().and_then(OsStr::to_str).expect("it has one");
    let refused = target.remove(&key(name));
    assert!(matches!(refused, Err(TargetError::OtherFileSystem { .. })), "{refused:?}");
    let refused = target.may_empty(&key(name));
    assert!(matches!(refused, Err(TargetError::OtherFileSystem { .. })), "{refused:?}");
    target.may_empty(&PathKey::root()).expect("the target itself may be mounted");
}

#[test]
fn paths_may_be_longer_than_the_system_takes() {
    let place = room();
    let target = open(&place);
    let mut path = PathKey::root();
    for depth in 0..300 {
        path = path.join(format!("{depth:0>30}").as_bytes()).expect("the format allows it");
        target.make_folder(&path).expect("it is new");
    }
    let file = path.join(b"file").expect("the format allows it");
    let entry = file_entry(0o644, 4);
    let written = target.create(&file, &entry).expect("it is new");
    written.put(0, b"deep").expect("it writes");
    target.finish_file(written, &entry).expect("it is ours");
    let link = path.join(b"link").expect("the format allows it");
    assert_eq!(target.link(&link, &file).expect("it is new"), Made::New);
    let found = target.look(&link).expect("it can be reached").expect("it is there");
    assert_eq!((found.nlink, found.size), (2, 4));
    assert_eq!(target.remove(&key(&format!("{:0>30}", 0))).expect("it is ours"), 302);
}

#[test]
fn equal_length_and_time_is_a_match() {
    let place = room();
    let target = open(&place);
    create(&target, "file", 0o644, b"1234").expect("it is new");
    let stat = target.look(&key("file")).expect("it can be reached").expect("it is there");
    assert!(matches(&file_entry(0o600, 4), &stat));
    assert!(!matches(&file_entry(0o600, 5), &stat));
    assert!(!matches(&Entry { modified: Time::from_nanoseconds(0), ..file_entry(0o600, 4) }, &stat));
    assert!(!matches(&entry(0o600, Body::Fifo), &stat));
}
