//! What a restore removes: that a dry run tells it beforehand, and that nothing goes for what cannot be made.

use std::io::Write;
use std::os::unix::fs::FileTypeExt;

use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::thread::CapabilitySet;

use super::*;

/// Folders in folders, and what is in the way of a file, a link and a folder: the dry run says the same as the real one
/// does after it, and touches nothing.
#[test]
fn a_dry_run_names_everything_that_would_be_removed() {
    let story = Story::of(|source| {
        fs::create_dir_all(source.join("folder")).expect("it is new");
        write(&source.join("folder/kept"), "kept");
        write(&source.join("file"), "file");
        symlink("file", source.join("link")).expect("it is new");
    });
    let target = story.target.path();
    for folder in ["extra/deep/deeper", "folder/extra", "file/in the way", "link/in the way"] {
        fs::create_dir_all(target.join(folder)).expect("it is new");
        write(&target.join(folder).join("mine"), "mine");
    }
    let before = contents(target);
    let request = Request { delete: Delete::Extra, ..story.request() };
    let told = story.restore_well(&Request { intent: Intent::DryRun, ..request.clone() });
    assert_eq!(contents(target), before);
    let done = story.restore_well(&request);
    let after = contents(target);
    let mut gone = [
        "extra",
        "extra/deep",
        "extra/deep/deeper",
        "extra/deep/deeper/mine",
        "file/in the way",
        "file/in the way/mine",
        "folder/extra",
        "folder/extra/mine",
        "link/in the way",
        "link/in the way/mine",
    ];
    gone.sort_unstable();
    assert!(gone.iter().all(|path| before.contains_key(*path) && !after.contains_key(*path)));
    let names = |summary: &Summary| -> Vec<String> {
        let mut names: Vec<String> = summary.gone.iter().map(ToString::to_string).collect();
        names.iter_mut().for_each(|name| *name = name.trim_start_matches('/').to_owned());
        names.sort_unstable();
        names
    };
    assert_eq!((names(&told), told.deleted), (gone.map(str::to_owned).to_vec(), gone.len() as u64));
    assert_eq!((names(&done), done.deleted), (names(&told), told.deleted));
}

/// Where devices may not be made, what has their names stays, and no further name is given to it.
#[test]
fn nothing_is_removed_for_a_device_that_may_not_be_made() {
    let null = rustix::fs::makedev(1, 3);
    let make = |path: &Path| rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, null);
    if let Err(error) = make(&room().path().join("trial")) {
        writeln!(std::io::stderr(), "skipped: devices: {error}").expect("standard error is open");
        return;
    }
    let story = Story::of(|source| {
        for name in ["device", "empty", "new"] {
            make(&source.join(name)).expect("the trial was made");
        }
        fs::hard_link(source.join("device"), source.join("further")).expect("it is new");
    });
    let target = story.target.path();
    write(&target.join("device"), "mine");
    fs::create_dir(target.join("empty")).expect("it is new");
    let before = contents(target);
    let summary = std::thread::scope(|scope| {
        let restore = || {
            // Rights are the thread's, and those of the threads that it starts.
            let mut rights = rustix::thread::capabilities(None).expect("it has some");
            rights.effective.remove(CapabilitySet::MKNOD);
            rustix::thread::set_capabilities(None, rights).expect("rights can be given up");
            story.restore_well(&story.request())
        };
        scope.spawn(restore).join().expect("it restores")
    });
    assert_eq!(contents(target), before);
    assert_eq!(summary.notices, 4);
    let summary = story.restore_well(&story.request());
    assert_eq!((summary.notices, summary.others), (0, 4));
    for name in ["device", "empty", "further", "new"] {
        let made = fs::symlink_metadata(target.join(name)).expect("it is there");
        assert!(made.file_type().is_char_device(), "{name}");
    }
}
