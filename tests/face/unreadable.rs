//! What the format has no room for is named and left out, and the rest is backed up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::XattrFlags;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::Manifest;
use crate::world::Program;
use crate::world::settle;
use crate::world::skip;

/// A file system in memory, which unlike one on disk takes any number of attributes.
const IN_MEMORY: &str = "/dev/shm";

/// Gives a file so many attributes, of so many bytes each.
fn burden(path: &Path, count: usize, bytes: usize) -> Result<(), String> {
    let value = vec![1; bytes];
    let set = |space: &str| -> rustix::io::Result<()> {
        (0..count).try_for_each(|at| {
            rustix::fs::lsetxattr(path, format!("{space}.{at:05}"), &value, XattrFlags::empty())
        })
    };
    set("user").or_else(|_| set("trusted")).map_err(|error| error.to_string())
}

fn place() -> Result<TempDir, String> {
    let place = TempDir::new_in(IN_MEMORY).map_err(|error| error.to_string())?;
    burden(place.path(), 70, 64_000)?;
    TempDir::new_in(IN_MEMORY).map_err(|error| error.to_string())
}

#[test]
fn what_has_too_many_attributes_is_left_out_with_all_its_names() {
    let source = match place() {
        Ok(source) => source,
        Err(why) => return skip("files with very many attributes", &why),
    };
    let program = Program::new();
    let path = |name: &str| source.path().join(name);
    for name in ["a", "b", "c", "d"] {
        fs::write(path(name), name).expect("there is room");
    }
    fs::write(path("large"), [7; 200_000]).expect("there is room");
    fs::create_dir(path("folder")).expect("there is room");
    symlink("a", path("link")).expect("there is room");
    fs::hard_link(path("b"), path("z")).expect("it is new");
    let backup = |more: &[&str], code: i32| -> Vec<Value> {
        let arguments = [source.path().to_str().expect("a plain name"), "--json"];
        program.run("backup", arguments.iter().chain(more)).expect(code).lines()
    };
    backup(&[], 0);
    settle();
    // The rows of this run are trusted by the next one.
    backup(&[], 0);
    burden(&path("b"), 70, 64_000).expect("it was tried");
    burden(&path("d"), 5_000, 1).expect("it was tried");
    burden(&path("large"), 70, 64_000).expect("it was tried");
    burden(&path("folder"), 70, 64_000).expect("it was tried");
    let mut contents = Vec::new();
    for more in [&[][..], &[], &["--no-cache"]] {
        let lines = backup(more, 3);
        let named: Vec<_> = lines.iter().filter(|line| line["type"] == "unreadable").collect();
        let wanted = ["b", "d", "folder", "large", "z"].map(|name| path(name).display().to_string());
        let mut paths: Vec<_> = named.iter().map(|line| line["path"].as_str().expect("a path")).collect();
        paths.sort_unstable();
        assert_eq!(paths, wanted, "{named:?}");
        let summary = lines.last().expect("a summary");
        assert_eq!((&summary["status"], &summary["unreadable_count"]), (&"partial".into(), &5.into()));
        contents.push(summary["content"].clone());
    }
    assert_eq!(contents[0], contents[1], "the same again");
    assert_eq!(contents[0], contents[2], "the same without the cache");
    program.run("check", ["--read-data"]).expect(0);
    let subject = format!("latest:{}", source.path().display());
    program.run("restore", [&subject, "--target", "target"]).expect(0);
    for name in ["b", "d", "large", "z"] {
        fs::remove_file(path(name)).expect("it is there");
    }
    fs::remove_dir(path("folder")).expect("it is empty");
    let (mut wanted, mut had) = (Manifest::of(source.path()), Manifest::of(&program.path("target")));
    // What was just removed made the folder around it younger.
    wanted.0.remove(Path::new(""));
    had.0.remove(Path::new(""));
    had.expect(&wanted, &"what is left");
}
