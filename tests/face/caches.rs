//! What a run remembers for the next one, and what becomes of it when it cannot be had.

use std::fs;
use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::fs::flock;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;
use crate::world::settle;

/// A repository with two snapshots, the second of which differs, and a copy of it as it was after the first.
fn with_older_copy() -> Program {
    let program = Program::new();
    let source = program.path("source");
    make(&Item::folder([("file", Item::text("text")), ("other", Item::text("text too"))]).into(), &source);
    settle();
    program.backup();
    copy(&program.path("repository"), &program.path("older"));
    fs::write(source.join("file"), "new text").expect("there is room");
    program.backup();
    program
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("it is new");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has one").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("there is room");
        }
    }
}

/// The only folder in the cache: that of the repository.
fn cache(program: &Program) -> std::path::PathBuf {
    let mut entries = fs::read_dir(program.path("cache")).expect("it is there");
    entries.next().expect("there is one").expect("it can be read").path()
}

#[test]
fn a_repository_that_was_put_back_is_noticed_and_made_good() {
    let program = with_older_copy();
    fs::remove_dir_all(program.path("repository")).expect("it is ours");
    fs::rename(program.path("older"), program.path("repository")).expect("it is ours");
    let ran = program.run("backup", [program.path("source")]);
    ran.expect(0).says(&["put back to an earlier state", "acknowledged are missing"]);
    program.run("check", ["--read-data"]).expect(0);
    let again = program.run("backup", [program.path("source")]).expect(0);
    assert_eq!(again.messages, "", "it was said, and is so now");
}

#[test]
fn a_cache_that_another_run_uses_is_left_alone() {
    let program = with_older_copy();
    let lock = File::open(cache(&program).join("lock")).expect("it is there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody holds it");
    let before = fs::read(cache(&program).join("seen")).expect("it is there");
    for more in [&["--dry-run"][..], &[]] {
        let mut command = program.command("backup");
        let ran = Ran::of(command.arg(program.path("source")).args(more).output());
        ran.expect(0).says(&["another run uses the cache", "every file is read"]);
    }
    assert_eq!(fs::read(cache(&program).join("seen")).expect("it is there"), before);
    drop(lock);
    assert_eq!(program.backup()["files_unchanged"], 1, "the file at rest is still remembered");
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_only() {
    let program = with_older_copy();
    let first = program.backup();
    fs::remove_dir_all(program.path("cache")).expect("it is ours");
    fs::write(program.path("cache"), "no folder").expect("there is room");
    let ran = Ran::of(program.command("backup").arg("--json").arg(program.path("source")).output());
    let ran = ran.expect(0).says(&["cannot use the cache"]);
    assert_eq!(ran.lines().last().expect("a summary")["content"], first["content"]);
}

#[test]
fn a_dry_run_leaves_the_work_of_a_killed_run_where_it_is() {
    let program = with_older_copy();
    let series = fs::read_dir(cache(&program)).expect("it is there").filter_map(Result::ok);
    let series = series.map(|entry| entry.path()).find(|path| path.is_dir()).expect("there is one");
    fs::copy(series.join("catalogue"), series.join("catalogue.new")).expect("there is room");
    let names = || {
        let entries = fs::read_dir(&series).expect("it is there").filter_map(Result::ok);
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        names
    };
    let before = names();
    program.run("backup", [program.path("source").as_os_str(), "--dry-run".as_ref()]).expect(0);
    assert_eq!(names(), before);
}
