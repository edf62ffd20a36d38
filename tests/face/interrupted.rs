//! Ctrl-C, and power to go on.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::process::ExitStatus;

use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::Random;
use crate::world::make;
use crate::world::settle;

/// Bytes of packs at which the signal comes: some of the source is stored then, and most is not.
const STORED_BYTES: u64 = 2 << 20;
/// Files of the first source that is tried, and bytes of each.
const FILES: u64 = 1_000;
const FILE_BYTES: usize = 60_000;
/// Sources that are tried, each three times as large as the one before, until one is not backed up before the signal.
const ATTEMPTS: u32 = 4;

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

fn signal(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).expect("it was not waited for");
}

/// Halts the program where it stands, and says whether it had not ended before.
fn halt(child: &Child) -> bool {
    signal(child, Signal::STOP);
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), options).expect("it is ours");
    status.is_some_and(|status| status.stopped())
}

/// Starts a backup of the source, and interrupts it when some of the source is stored. Nothing when the backup came to its
/// end before that.
fn interrupt(program: &Program) -> Option<Ran> {
    let mut child = Program::start(program.command("backup").arg(program.path("source")));
    while !is_written(&program.path("repository")) {
        if child.try_wait().expect("it is ours").is_some() {
            break;
        }
        std::thread::yield_now();
    }
    let is_running = child.try_wait().expect("it is ours").is_none() && halt(&child);
    if is_running {
        // It is there before the program takes another step.
        signal(&child, Signal::INT);
        signal(&child, Signal::CONT);
    }
    let ran = Ran::of(child.wait_with_output());
    (is_running && ran.code != 0).then_some(ran)
}

fn interrupted() -> (Program, Ran) {
    for attempt in 0..ATTEMPTS {
        let program = Program::new();
        let files = FILES * 3_u64.pow(attempt);
        let folder = |from: u64| {
            Item::folder((from..from + 100).map(|at| (format!("{at}"), Item::noise(at, FILE_BYTES))))
        };
        let tree = Item::folder((0..files / 100).map(|at| (format!("{at:04}"), folder(at * 100))));
        make(&tree.into(), &program.path("source"));
        settle();
        if let Some(ran) = interrupt(&program) {
            return (program, ran);
        }
    }
    panic!("every backup ended before it could be interrupted")
}

#[test]
fn what_is_stored_stays_and_the_next_run_goes_on() {
    let (program, ran) = interrupted();
    ran.expect(1).says(&["interrupted; ", " MB are stored", "goes on", "Run the same command again"]);
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

/// A pipe in the folder of a program.
fn pipe(program: &Program, name: &str) -> String {
    let path = program.path(name);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("it is new");
    path.to_string_lossy().into_owned()
}

/// The command writes something and then waits for what never comes: it cannot end by itself.
#[test]
fn a_command_ends_with_the_backup_of_it() {
    let program = Program::new();
    let (begun, held) = (pipe(&program, "begun"), pipe(&program, "held"));
    let line = format!("printf half; echo $$ > '{begun}'; exec cat '{held}'");
    let mut child =
        Program::start(program.command("backup").args(["--command", &line, "--name", "dump.sql"]));
    let id = fs::read_to_string(&begun).expect("the command writes its id");
    let id = Pid::from_raw(id.trim().parse().expect("a number")).expect("not zero");
    // As long as this is open the command waits; it opens when the command has come there.
    let input = File::options().write(true).open(&held).expect("the command reads it");
    signal(&child, Signal::INT);
    let status: ExitStatus = child.wait().expect("it ends");
    assert_eq!((status.code(), status.signal()), (Some(1), None));
    let gone = rustix::process::test_kill_process(id);
    assert_eq!(gone, Err(rustix::io::Errno::SRCH), "the command outlives the backup");
    Ran::of(child.wait_with_output()).expect(1).says(&["interrupted", "Run the same command again"]);
    drop(input);
    assert_eq!(program.json("snapshots", [""; 0]).len(), 0);
    program.run("check", ["--read-data"]).expect(0);
}

/// Standard input that gives nothing does not keep a backup from ending.
#[test]
fn a_backup_of_a_silent_stream_can_be_interrupted() {
    let program = Program::new();
    let held = pipe(&program, "held");
    // Opened for both, since a pipe with one end only lets nobody open it.
    let both = File::options().read(true).write(true).open(&held).expect("it is there");
    let mut command = program.command("backup");
    command.args(["--stdin", "silent"]).stdin(both.try_clone().expect("a descriptor is free"));
    let child = Program::start(&mut command);
    // The lock names the process as soon as the repository is open; what comes next is reading.
    let lock = program.path("repository/lock");
    while !fs::read_to_string(&lock).is_ok_and(|text| text.contains(&child.id().to_string())) {
        std::thread::yield_now();
    }
    signal(&child, Signal::INT);
    Ran::of(child.wait_with_output()).expect(1).says(&["interrupted"]);
    drop(both);
    assert_eq!(program.json("snapshots", [""; 0]).len(), 0);
}

/// Bytes of the log of stored bundles at which the program is killed: a few records.
const LOGGED_BYTES: u64 = 300;

/// Whether a file of this name below the folder has so many bytes.
fn has_grown(folder: &Path, name: &str, bytes: u64) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        let is_it = path.file_name().is_some_and(|found| found == name);
        if is_it {
            path.metadata().is_ok_and(|meta| meta.len() >= bytes)
        } else {
            has_grown(&path, name, bytes)
        }
    })
}

/// What a killed run had begun and not finished must not be taken for what the next run stores.
#[test]
fn a_run_that_was_killed_among_small_files_leaves_nothing_that_is_mistaken() {
    let program = Program::new();
    let files =
        |from: u64| Item::folder((from..from + 400).map(|at| (format!("{at}"), Item::noise(at, 300))));
    make(
        &Item::folder((0..30).map(|at: u64| (format!("{at:02}"), files(at * 1_000)))).into(),
        &program.path("source"),
    );
    settle();
    for round in 0..6_u64 {
        let mut child = Program::start(program.command("backup").arg(program.path("source")));
        while !has_grown(&program.path("cache"), "bundles.new", LOGGED_BYTES * (1 + round))
            && child.try_wait().expect("it is ours").is_none()
        {
            std::thread::yield_now();
        }
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        // Early files change, so that new bundles are begun before the walk comes to what the killed run left.
        for at in 0..200 {
            let path = program.path("source").join("00").join(format!("{at}"));
            fs::write(path, Random::new(1_000_000 * (round + 1) + at).bytes(300)).expect("there is room");
        }
        program.backup();
        program.run("check", ["--read-data"]).expect(0);
        let subject = format!("latest:{}", program.path("source").display());
        program.run("restore", [&subject, "--target", &format!("target {round}")]).expect(0);
        let restored = Manifest::of(&program.path(&format!("target {round}")));
        restored.expect(&Manifest::of(&program.path("source")), &format!("round {round}"));
        // The next round begins without what this one remembered.
        fs::remove_dir_all(program.path("cache")).expect("it is there");
    }
}
