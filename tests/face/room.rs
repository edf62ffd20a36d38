//! A disk that is full: the backup fails and says what it needs, nothing is lost, and with room the next run succeeds.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::is_root;
use crate::world::make;
use crate::world::skip;

/// A file system of limited size, there as long as the value.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(at: &'a Path, size: &str) -> Result<Self, String> {
        fs::create_dir(at).expect("it is new");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at))?;
        Ok(Self(at))
    }

    fn resize(&self, size: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(self.0))
            .expect("it grows");
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.0)).expect("nothing is open there");
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn a_full_disk_loses_nothing_and_says_what_is_needed() {
    if !is_root() {
        return skip("a full disk", &"only root may mount one");
    }
    let program = Program::bare();
    let repository = program.path("repository");
    let disk = match Mounted::new(&repository, "64m") {
        Ok(disk) => disk,
        Err(why) => return skip("a full disk", &why),
    };
    program.init(&repository);
    make(&Item::folder([("file", Item::text("small"))]).into(), &program.path("source"));
    program.backup();
    make(
        &Item::folder((0..40).map(|at| (format!("{at}"), Item::noise(at, 2 << 20)))).into(),
        &program.path("source/more"),
    );
    for _ in 0..2 {
        let full = program.run("backup", [program.path("source")]).expect(1);
        full.says(&["the disk is full", "bytes are needed", "Make room and run the same command again"]);
        assert_eq!(program.json("snapshots", [""; 0]).len(), 1);
        program.run("check", ["--read-data"]).expect(0);
    }
    disk.resize("512m");
    program.backup();
    let subject = format!("latest:{}", program.path("source").display());
    program.run("restore", [&subject, "--target", "target"]).expect(0);
    Manifest::of(&program.path("target")).expect(&Manifest::of(&program.path("source")), &"restored");
}
