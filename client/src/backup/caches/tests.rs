use std::path::Path;

use tempfile::TempDir;

use super::ASIDE;
use super::hold;
use crate::backup::Intent;

fn asides(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("it is there").filter_map(Result::ok);
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE)).count()
}

#[test]
fn one_run_has_the_caches_and_others_have_folders_of_their_own() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let caches = folder.path().join("repository");
    let first = hold(&caches, Intent::Store).expect("there is room");
    assert!(first.lock.is_some() && first.aside.is_none());
    let second = hold(&caches, Intent::Store).expect("there is room");
    assert!(second.lock.is_none() && second.aside.is_some(), "the first has not ended");
    drop(first);
    let third = hold(&caches, Intent::DryRun).expect("there is room");
    assert!(third.lock.is_some() && third.aside.is_some());
    assert_eq!(asides(&caches), 2, "the second goes on, and nobody takes its folder away");
    drop((second, third));
    assert_eq!(asides(&caches), 0);
}

#[test]
fn folders_of_runs_that_were_killed_are_removed() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let abandoned = folder.path().join(format!("{ASIDE}left"));
    std::fs::create_dir(&abandoned).expect("there is room");
    std::fs::write(abandoned.join("catalogue.new"), "rows").expect("there is room");
    drop(hold(folder.path(), Intent::Store).expect("there is room"));
    assert_eq!(asides(folder.path()), 0);
}

#[test]
fn caches_that_cannot_be_written_are_done_without() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").expect("there is room");
    let held = hold(&file.join("caches"), Intent::Store).expect("the system's temporary folder takes it");
    assert!(held.lock.is_none() && held.aside.is_some());
}
