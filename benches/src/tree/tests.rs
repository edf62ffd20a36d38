//! A comparison that overlooks something would let a tool win by failing.

use std::fs;
use std::fs::File;
use std::fs::FileTimes;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::time::SystemTime;

use super::*;

fn plant(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("folder/empty"))?;
    fs::write(root.join("folder/file"), "contents")?;
    fs::write(root.join("twin"), "twin")?;
    symlink("folder/file", root.join("link"))?;
    for name in ["folder/file", "twin", "folder/empty", "folder"] {
        touch(&root.join(name), 1_000)?;
    }
    Ok(())
}

fn touch(path: &Path, seconds: u64) -> io::Result<()> {
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    File::open(path)?.set_times(times)
}

/// What is found after something was done to one of two equal trees: contents and metadata.
fn found(change: impl Fn(&Path) -> io::Result<()>) -> Result<(u64, u64)> {
    let folder = tempfile::tempdir()?;
    let (source, restored) = (folder.path().join("source"), folder.path().join("restored"));
    plant(&source)?;
    assert!(Command::new("cp").arg("-a").arg(&source).arg(&restored).status()?.success());
    change(&restored)?;
    let found = compare(&source, &restored)?;
    Ok((found.contents, found.metadata))
}

#[test]
fn equal_trees_are_equal() -> Result<()> {
    assert_eq!(found(|_| Ok(()))?, (0, 0));
    Ok(())
}

#[test]
fn every_difference_of_contents_is_found() -> Result<()> {
    let rewritten = |text: &'static str| {
        found(|root| {
            fs::write(root.join("folder/file"), text)?;
            touch(&root.join("folder/file"), 1_000)
        })
    };
    assert_eq!(rewritten("contenTs")?, (1, 0));
    assert_eq!(rewritten("content")?, (1, 0));
    assert_eq!(found(|root| fs::remove_file(root.join("link")))?.0, 1);
    assert_eq!(found(|root| fs::remove_dir(root.join("folder/empty")))?.0, 1);
    assert_eq!(found(|root| fs::write(root.join("extra"), ""))?.0, 1);
    assert_eq!(found(|root| fs::hard_link(root.join("twin"), root.join("folder/second")))?.0, 1);
    Ok(())
}

#[test]
fn every_difference_of_metadata_is_found() -> Result<()> {
    let private = Permissions::from_mode(0o600);
    assert_eq!(found(|root| fs::set_permissions(root.join("twin"), private.clone()))?, (0, 1));
    assert_eq!(found(|root| touch(&root.join("twin"), 1_001))?, (0, 1));
    assert_eq!(found(|root| touch(&root.join("folder/empty"), 1_001))?, (0, 1));
    Ok(())
}

#[test]
fn the_large_file_goes_there_and_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let contents = || fs::read(folder.path().join("large"));
    let bytes = PART_BYTES / 2 + 3 * BLOCK_BYTES / 2;
    make_large(folder.path(), bytes)?;
    let first = contents()?;
    assert_eq!(first.len() as u64, bytes);
    edit_large(folder.path(), State::Second)?;
    let differing = first.iter().zip(contents()?).filter(|(one, other)| *one != other).count();
    assert!(differing > BUFFER_BYTES / 2 && differing <= BUFFER_BYTES, "{differing} bytes differ");
    edit_large(folder.path(), State::First)?;
    assert!(contents()? == first, "it did not come back");
    Ok(())
}
