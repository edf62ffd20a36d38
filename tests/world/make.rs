//! Making a tree on disk.
//!
//! Everything is reached through the open folder that it lies in, by way of `/proc/self/fd`, so that paths may be as long as
//! they like. What makes a folder younger is done before its own metadata is set.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Gid;
use rustix::fs::Mode;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use rustix::fs::Uid;
use rustix::fs::XattrFlags;

use super::Body;
use super::Contents;
use super::Item;
use super::Tree;
use super::is_root;
use super::skip;

/// Makes the tree; its root is the folder `at`, which is not there yet.
pub(crate) fn make(tree: &Tree, at: &Path) {
    let Body::Folder(_) = tree.root.body else { panic!("a tree begins with a folder") };
    create(&tree.root, at);
    link(tree, at);
    finish(&tree.root, at);
}

/// The path of `name` in an open folder.
pub(super) fn inside(folder: &File, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}

fn create(item: &Item, path: &Path) {
    let node = |kind, device| rustix::fs::mknodat(CWD, path, kind, Mode::RWXU, device);
    match &item.body {
        Body::Folder(items) => {
            fs::create_dir(path).expect("it is new");
            let folder = File::open(path).expect("it was just made");
            for (name, item) in items {
                create(item, &inside(&folder, OsStr::from_bytes(name)));
            }
        }
        Body::File(contents) => write(contents, path),
        Body::Symlink(target) => symlink(OsStr::from_bytes(target), path).expect("it is new"),
        Body::Fifo => node(FileType::Fifo, 0).expect("it is new"),
        Body::Socket => node(FileType::Socket, 0).expect("it is new"),
        Body::CharDevice(major, minor) => {
            node(FileType::CharacterDevice, rustix::fs::makedev(*major, *minor)).expect("root may make it");
        }
        Body::BlockDevice(major, minor) => {
            node(FileType::BlockDevice, rustix::fs::makedev(*major, *minor)).expect("root may make it");
        }
    }
}

fn write(contents: &Contents, path: &Path) {
    let (pieces, bytes) = contents.pieces();
    let file = File::create_new(path).expect("it is new");
    file.set_len(bytes).expect("there is room");
    for (offset, piece) in pieces {
        file.write_all_at(&piece, offset).expect("there is room");
    }
}

fn link(tree: &Tree, at: &Path) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    collect(&tree.root, PathBuf::new(), &mut files, &mut folders);
    for link in tree.links.iter().filter(|_| !files.is_empty()) {
        let from = at.join(&files[link.file % files.len()]);
        let to = at.join(&folders[link.folder % folders.len()]).join(OsStr::from_bytes(&link.name));
        // Two names that are the same: the first has it.
        if to.symlink_metadata().is_err() {
            fs::hard_link(from, to).expect("it is new");
        }
    }
}

fn collect(item: &Item, path: PathBuf, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) {
    match &item.body {
        Body::Folder(items) => {
            folders.push(path.clone());
            for (name, item) in items {
                collect(item, path.join(OsStr::from_bytes(name)), files, folders);
            }
        }
        _ => files.push(path),
    }
}

/// Sets metadata, from the leaves to the root.
fn finish(item: &Item, path: &Path) {
    let mut names: Vec<OsString> = Vec::new();
    if let Body::Folder(items) = &item.body {
        names.extend(items.keys().map(|name| OsStr::from_bytes(name).to_owned()));
        let folder = File::open(path).expect("its mode is not set yet");
        for (name, item) in names.iter().zip(items.values()) {
            finish(item, &inside(&folder, name));
        }
    }
    if is_root() {
        let (uid, gid) = (Uid::from_raw(item.owner.0), Gid::from_raw(item.owner.1));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).expect("root may");
    }
    for (name, value) in &item.attributes {
        if let Err(error) = rustix::fs::lsetxattr(path, name.as_str(), value, XattrFlags::empty()) {
            skip(name, &error);
        }
    }
    if !matches!(item.body, Body::Symlink(_)) {
        rustix::fs::chmod(path, Mode::from_raw_mode(item.mode)).expect("it is ours");
    }
    let time = Timespec {
        tv_sec: item.modified_ns.div_euclid(1_000_000_000),
        tv_nsec: item.modified_ns.rem_euclid(1_000_000_000),
    };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("it is ours");
}
