//! What the source room reads, the target room writes, and the source room reads again: the same.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use farkeep_codec::time::Time;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::PathKey;
use rustix::fs::FileType;
use rustix::fs::Gid;
use rustix::fs::Mode;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use rustix::fs::Uid;
use rustix::fs::XattrFlags;

use super::is_root;
use super::room;
use super::skip;
use crate::source::Accounts;
use crate::source::Effort;
use crate::source::FileId;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Missing;
use crate::source::Piece;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Steadiness;
use crate::source::Walker;
use crate::source::key_of;
use crate::target::Owners;
use crate::target::Target;

/// An entry with its data, holes left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Whole {
    entry: Entry,
    data: Vec<u8>,
}

/// All below a root, with paths relative to it.
fn read(root: &Path) -> Vec<Whole> {
    let accounts = Accounts::read().expect("the files can be read");
    let roots = Roots::new(&[root.to_owned()], Missing::Refuse).expect("it is there");
    let depth = key_of(root).expect("it is a path").components().count();
    let mut first_names = HashMap::new();
    let walk =
        Walker::new(&roots, Rules::default(), Effort::default()).map(|item| item.expect("it can be read"));
    let members = walk.filter(|found| found.role == Role::Member);
    members.map(|found| read_one(&found, depth, &accounts, &mut first_names)).collect()
}

fn read_one(
    found: &Found,
    depth: usize,
    accounts: &Accounts,
    first_names: &mut HashMap<FileId, PathKey>,
) -> Whole {
    let path =
        PathKey::from_components(found.path.components().skip(depth)).expect("it is the end of a path");
    let stat = &found.stat;
    let (major, minor) = (stat.rdev.major, stat.rdev.minor);
    let mut data = Vec::new();
    let body = match stat.kind {
        Kind::Folder => Body::Folder,
        Kind::Symlink => Body::Symlink { target: found.link_target().expect("it is a link") },
        Kind::Fifo => Body::Fifo,
        Kind::Socket => Body::Socket,
        Kind::CharDevice => Body::CharDevice { major, minor },
        Kind::BlockDevice => Body::BlockDevice { major, minor },
        Kind::File => match first_names.get(&stat.id()) {
            Some(first) => Body::HardLink { first: first.clone() },
            None => {
                first_names.insert(stat.id(), path.clone());
                let (bytes, holes) = read_contents(found, &mut data);
                Body::File { bytes, content: Content::Chunks { pointers: Vec::new(), holes } }
            }
        },
    };
    let attributes = match body {
        Body::HardLink { .. } => Vec::new(),
        _ => found.attributes().expect("they can be read"),
    };
    let entry = Entry {
        path,
        mode: u32::from(stat.mode),
        owner: accounts.owner(stat.uid, stat.gid),
        modified: Time::from_nanoseconds(stat.mtime_ns),
        attributes,
        flags: Flags::default(),
        body,
    };
    Whole { entry, data }
}

fn read_contents(found: &Found, data: &mut Vec<u8>) -> (u64, Vec<Hole>) {
    let mut contents = found.open().expect("it opens");
    let mut buffer = vec![0; 100_000];
    let mut holes = Vec::new();
    loop {
        match contents.read(&mut buffer).expect("it reads") {
            Piece::Data { bytes } => data.extend_from_slice(&buffer[..bytes]),
            Piece::Hole(hole) => holes.push(hole),
            Piece::End => break,
        }
    }
    assert_eq!(contents.finish().expect("a stat"), Steadiness::Steady);
    (contents.offset(), holes)
}

fn write(all: &[Whole], target: &Target) {
    for Whole { entry, data } in all {
        match &entry.body {
            Body::Folder => {
                target.make_folder(&entry.path).expect("it can be made");
            }
            Body::File { .. } => write_file(entry, data, target),
            Body::HardLink { .. } => {}
            _ => {
                target.remove(&entry.path).expect("it is ours");
                target.make_node(&entry.path, entry).expect("it is new");
            }
        }
    }
    for Whole { entry, .. } in all.iter().rev() {
        match &entry.body {
            Body::Folder => target.finish_folder(&entry.path, entry).expect("it is ours"),
            Body::HardLink { first } => {
                target.remove(&entry.path).expect("it is ours");
                target.link(&entry.path, first).expect("it is new");
            }
            _ => {}
        }
    }
}

fn write_file(entry: &Entry, mut data: &[u8], target: &Target) {
    let file = target.update(&entry.path, entry).expect("it can be made");
    let mut offset = 0;
    let holes = entry.content().map(Content::holes).unwrap_or_default();
    let end = Hole { offset: entry.content_bytes(), bytes: 0 };
    for hole in holes.iter().chain([&end]) {
        let (piece, rest) = data.split_at(usize::try_from(hole.offset - offset).expect("it is small"));
        for (index, piece) in piece.chunks(70_000).enumerate() {
            file.put(offset + index as u64 * 70_000, piece).expect("it writes");
        }
        file.dig(*hole).expect("it digs");
        data = rest;
        offset = hole.offset + hole.bytes;
    }
    target.finish_file(file, entry).expect("it is ours");
}

/// One of everything that this user can make.
fn populate(root: &Path) {
    let at = |name: &[u8]| root.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
    for folder in ["a", "a/b", "a/b/c", "empty", "a-b"] {
        fs::create_dir(root.join(folder)).expect("it is new");
    }
    fs::write(at(b"a/\xff\xfe\n name"), b"bytes").expect("it writes");
    fs::write(at(b"a/large"), vec![3; 2_500_000]).expect("it writes");
    fs::write(at(b"a/b/none"), b"").expect("it writes");
    let sparse = File::create(at(b"a/sparse")).expect("it is new");
    sparse.set_len(40 << 20).expect("it grows");
    sparse.write_all_at(&[1; 5000], 7 << 20).expect("it writes");
    fs::hard_link(at(b"a/large"), at(b"a/b/second")).expect("it links");
    fs::hard_link(at(b"a/large"), at(b"z third")).expect("it links");
    symlink("../nowhere/\u{fc}", at(b"a/b/link")).expect("it links");
    let folder = File::open(root).expect("it opens");
    rustix::fs::mknodat(&folder, "pipe", FileType::Fifo, Mode::RUSR, 0).expect("it is new");
    rustix::fs::mknodat(&folder, "socket", FileType::Socket, Mode::RWXU, 0).expect("it is new");
    for (kind, name) in [(FileType::CharacterDevice, "null"), (FileType::BlockDevice, "block")] {
        let device = rustix::fs::makedev(1, 3);
        if let Err(error) = rustix::fs::mknodat(&folder, name, kind, Mode::RUSR, device) {
            skip(name, &error);
        }
    }
    for (name, value) in [("user.one", &b"1"[..]), ("user.two", b"\0\xff")] {
        for path in ["a", "a/large"] {
            if let Err(error) = rustix::fs::setxattr(root.join(path), name, value, XattrFlags::empty()) {
                skip(name, &error);
            }
        }
    }
    if is_root() {
        give_away(&folder);
    }
    for (path, mode) in
        [("a/large", 0o6755), ("empty", 0o1777), ("a/b/c", 0o550), ("pipe", 0o622), ("socket", 0o777)]
    {
        rustix::fs::chmod(root.join(path), Mode::from_raw_mode(mode)).expect("it is ours");
    }
    for (seconds, path) in ["a/large", "a/b/link", "pipe", "a/b/c", "a/b", "a", "empty"].iter().enumerate() {
        let time = Timespec { tv_sec: i64::try_from(seconds).expect("small") * 1000, tv_nsec: 123_456_789 };
        let times = Timestamps { last_access: time, last_modification: time };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(&folder, *path, &times, flags).expect("it is ours");
    }
}

fn give_away(folder: &File) {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    for (path, uid, gid) in [("a/large", 1, 2), ("a/b/link", 3, 4), ("pipe", 5, 6), ("a/b", 4711, 4712)] {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(folder, path, uid, gid, flags).expect("root may");
    }
}

#[test]
fn everything_comes_back_as_it_was() {
    let (source, place) = (room(), room());
    populate(source.path());
    let all = read(source.path());
    let target = Target::open(place.path(), Owners::ByName).expect("it is there");
    write(&all, &target);
    assert_eq!(target.notices().count(), 0, "{:?}", target.notices());
    assert_same(&read(place.path()), &all);
}

#[test]
fn a_target_with_other_things_in_it_becomes_the_same() {
    let (source, place) = (room(), room());
    populate(source.path());
    let all = read(source.path());
    let target = Target::open(place.path(), Owners::ByName).expect("it is there");
    for folder in ["a", "a/b", "a/b/link", "pipe"] {
        target.make_folder(&PathKey::from_slashes(folder.as_bytes()).expect("a path")).expect("it is new");
    }
    fs::write(place.path().join("a/large"), vec![3; 3_000_000]).expect("it writes");
    fs::write(place.path().join("a/sparse"), vec![1; 50 << 20]).expect("it writes");
    symlink("/", place.path().join("z third")).expect("it links");
    write(&all, &target);
    assert_same(&read(place.path()), &all);
    // And once more, over itself.
    write(&all, &Target::open(place.path(), Owners::ByName).expect("it is there"));
    assert_same(&read(place.path()), &all);
}

/// The same, with a message that can be read.
fn assert_same(found: &[Whole], wanted: &[Whole]) {
    let paths = |all: &[Whole]| all.iter().map(|whole| whole.entry.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(found), paths(wanted));
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found.entry, wanted.entry);
        assert!(found.data == wanted.data, "contents of {}", wanted.entry.path);
    }
}

/// Attributes are part of the comparison above only if there are any.
#[test]
fn attributes_are_compared() {
    let place = room();
    populate(place.path());
    let with: Vec<Attribute> =
        read(place.path()).into_iter().flat_map(|whole| whole.entry.attributes).collect();
    if with.is_empty() {
        skip("attributes", &"this file system has none");
    } else {
        assert_eq!(with.len(), 4);
    }
}
