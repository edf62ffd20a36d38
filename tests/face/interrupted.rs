//! Ctrl-C, and power to go on.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Child;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;
use crate::world::settle;

/// Bytes of packs at which the signal comes: some of the source is stored then, and most is not.
const STORED_BYTES: u64 = 2 << 20;

/// Whether a pack has bytes at that offset: its length tells nothing, since room is reserved before it is written.
fn is_written(repository: &Path) -> bool {
    let Ok(folders) = fs::read_dir(repository.join("packs")) else { return false };
    let folders = folders.map(|folder| folder.expect("it is listed").path());
    let mut packs = folders.flat_map(|folder| fs::read_dir(folder).expect("it is there"));
    packs.any(|pack| {
        let mut bytes = [0; 512];
        let pack = File::open(pack.expect("it is listed").path());
        // One that is gone or shorter has none.
        let read = pack.and_then(|pack| pack.read_exact_at(&mut bytes, STORED_BYTES));
        read.is_ok() && bytes != [0; 512]
    })
}

fn signal(child: &Child) {
    let id = i32::try_from(child.id()).expect("it is an id");
    rustix::process::kill_process(Pid::from_raw(id).expect("not zero"), Signal::INT).expect("it runs");
}

#[test]
fn what_is_stored_stays_and_the_next_run_goes_on() {
    let program = Program::new();
    let files =
        |from: u64| Item::folder((from..from + 150).map(|at| (format!("{at}"), Item::noise(at, 60_000))));
    let tree = Item::folder((0..12).map(|at: u64| (format!("{at:02}"), files(at * 1_000))));
    make(&tree.into(), &program.path("source"));
    settle();
    let mut child = Program::start(program.command("backup").arg(program.path("source")));
    while !is_written(&program.path("repository")) {
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended before it was interrupted");
        std::thread::yield_now();
    }
    signal(&child);
    Ran::of(child.wait_with_output()).expect(1).says(&[
        "interrupted",
        "goes on",
        "Run the same command again",
    ]);
    assert_eq!(program.json("snapshots", [""; 0]).len(), 0);
    program.run("check", ["--read-data"]).expect(0);

    let next = program.backup();
    assert!(next["resumed_bytes"].as_u64() > Some(500_000), "{next}");
    let (resumed, read) = (next["resumed_bytes"].as_u64(), next["read_bytes"].as_u64());
    assert_eq!(
        resumed.zip(read).map(|(resumed, read)| resumed + read),
        next["source_bytes"].as_u64(),
        "{next}"
    );
    let subject = format!("latest:{}", program.path("source").display());
    program.run("restore", [&subject, "--target", "target"]).expect(0);
    Manifest::of(&program.path("target")).expect(&Manifest::of(&program.path("source")), &"restored");
    program.run("check", ["--read-data"]).expect(0);
}
