//! A repository and caches that lie inside of what is backed up: they are left out, by whatever path they are met.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;
use crate::world::settle;

/// A folder with a file, and in it the repository and the caches.
fn within() -> (Program, PathBuf) {
    let program = Program::bare();
    let source = program.path("source");
    make(&Item::folder([("file", Item::noise(1, 100_000))]).into(), &source);
    program.init(&source.join("repository"));
    // A link at the end of a path is backed up as one; those above it are followed.
    symlink(program.path("."), program.path("link")).expect("it is new");
    (program, source)
}

/// Backs up `paths` from the folder `from` into the repository of that name.
fn backup(program: &Program, from: &Path, repository: &str, paths: &[&str]) -> Ran {
    let mut command = program.command("backup");
    command.current_dir(from).args(["--repo", repository, "--json"]).args(paths);
    Ran::of(command.env("FARKEEP_CACHE", program.path("source/cache")).output())
}

#[test]
fn the_repository_and_the_caches_are_left_out_however_they_are_named() {
    let (program, source) = within();
    let top = source.parent().expect("it is in a folder");
    let cases: [(&Path, &str, &[&str]); 7] = [
        (&source, "repository", &["."]),
        (&source, "./repository/../repository", &["../source"]),
        (top, "source/repository", &["source"]),
        (top, "link/source/repository", &["source"]),
        (top, "source/repository", &["link/source/"]),
        (top, "link/source/repository", &["link/link/./source"]),
        (&source.join("repository"), ".", &[".."]),
    ];
    for (from, repository, paths) in cases {
        let ran = backup(&program, from, repository, paths).expect(0);
        let line = ran.lines().pop().expect("a summary");
        assert!(line["source_bytes"] == 100_000, "{paths:?}: {}", ran.results);
        let files = ["files_new", "files_changed", "files_unchanged"].map(|name| line[name].as_u64());
        let files: u64 = files.into_iter().flatten().sum();
        assert!(files == 1, "{paths:?}: {}", ran.results);
    }
    settle();
    backup(&program, &source, "repository", &["."]).expect(0);
    let again = backup(&program, &source, "repository", &["."]).expect(0).lines().pop().expect("a summary");
    assert_eq!((&again["files_unchanged"], &again["stored_bytes"]), (&1.into(), &0.into()));
}

#[test]
fn the_repository_itself_is_refused_and_left_out_of_lists() {
    let (program, source) = within();
    for path in ["repository", "repository/packs", "../link/source/repository"] {
        let ran = backup(&program, &source, "repository", &["file", path]).expect(2);
        ran.says(&[path, "is the repository that the backup goes to"]);
    }
    fs::write(program.path("list"), "file\nrepository/packs\nrepository\nrepository/parameters\n")
        .expect("it can be written");
    let list = program.path("list").to_string_lossy().into_owned();
    let ran = backup(&program, &source, "repository", &["--files-from", &list]).expect(0);
    assert_eq!(ran.lines().pop().expect("a summary")["source_bytes"], 100_000);
}
