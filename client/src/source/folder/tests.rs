use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::Mode;

use super::Descriptors;
use super::Folder;
use super::Links;
use crate::source::Stat;

fn folder_at(path: &Path, descriptors: &Arc<Descriptors>) -> Arc<Folder> {
    let names = path.as_os_str().as_bytes().split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    names.fold(Folder::top(descriptors), |folder, name| {
        folder.child(&CString::new(name).expect("paths have no zero bytes"), Links::Follow)
    })
}

#[test]
fn a_chain_longer_than_the_cache_and_than_any_path_can_be_opened() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let descriptors = Descriptors::new(3);
    let mut folder = folder_at(place.path(), &descriptors);
    let name = CString::new("d".repeat(200)).expect("no zero byte");
    let mut chain = vec![Arc::clone(&folder)];
    for _ in 0..40 {
        rustix::fs::mkdirat(&*folder.descriptor().expect("it opens"), &name, Mode::RWXU).expect("it is new");
        folder = folder.child(&name, Links::Refuse);
        chain.push(Arc::clone(&folder));
    }
    // 40 folders of 200 bytes are twice what a path may have, and only three of them are kept open.
    let kept = chain.iter().filter(|folder| folder.cached().is_some()).count();
    assert!(kept <= 3, "{kept} are open");
    let inodes = |chain: &[Arc<Folder>]| -> Vec<u64> {
        let ino =
            |folder: &Arc<Folder>| Stat::of(&*folder.descriptor().expect("it opens")).expect("a stat").ino;
        chain.iter().map(ino).collect()
    };
    let mut downwards = inodes(&chain);
    chain.reverse();
    let upwards = inodes(&chain);
    downwards.reverse();
    assert_eq!(downwards, upwards);
    remove_deep(place.path());
}

/// What the standard library does with a deep tree is its own affair; the tests clean up by relative steps.
fn remove_deep(top: &Path) {
    let status = std::process::Command::new("rm").arg("-rf").arg(top).status();
    assert!(status.expect("rm runs").success());
}

#[test]
fn a_descriptor_in_use_outlives_the_cache() {
    let place = tempfile::tempdir().expect("a temporary folder");
    for name in ["a", "b"] {
        fs::create_dir(place.path().join(name)).expect("it is new");
    }
    let descriptors = Descriptors::new(1);
    let top = folder_at(place.path(), &descriptors);
    let held = top.child(c"a", Links::Refuse).descriptor().expect("it opens");
    top.child(c"b", Links::Refuse).descriptor().expect("it opens");
    assert!(Stat::of(&*held).is_ok());
}

#[test]
fn links_are_followed_above_roots_only() {
    let place = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(place.path().join("real")).expect("it is new");
    std::os::unix::fs::symlink("real", place.path().join("link")).expect("it is new");
    let top = folder_at(place.path(), &Descriptors::new(8));
    assert!(top.child(c"link", Links::Follow).descriptor().is_ok());
    assert!(top.child(c"link", Links::Refuse).descriptor().is_err());
}

#[test]
fn a_very_long_chain_is_dropped_without_deep_recursion() {
    let mut folder = Folder::top(&Descriptors::new(1));
    for _ in 0..300_000 {
        folder = folder.child(c"d", Links::Refuse);
    }
    drop(folder);
}
