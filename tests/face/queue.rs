//! Several who want to write to one folder.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::process::Child;

use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::process::Pid;
use rustix::process::Signal;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;

/// Bytes per second at which a collection takes far longer than any test.
const CRAWL: &str = "--limit-io=16KiB";

/// A repository of which half is dead, in packs that have to be emptied.
fn half_dead() -> Program {
    let program = Program::new();
    let names: Vec<String> = (0..20).map(|at| format!("file {at}")).collect();
    let files = names.iter().zip(0..).map(|(name, seed)| (name.as_str(), Item::noise(seed, 60_000)));
    make(&Item::folder(files).into(), &program.path("source"));
    program.backup();
    for name in names.iter().step_by(2) {
        fs::write(program.path(&format!("source/{name}")), format!("now {name}")).expect("it can be written");
    }
    let first = program.json("snapshots", [""; 0])[0]["snapshot"].as_str().expect("a name").to_owned();
    program.backup();
    program.run("forget", [&first]).expect(0);
    program
}

/// A backup that waits for nobody says who writes. Whoever is asked for comes to that in the end.
fn until_it_writes(program: &Program, child: &mut Child) {
    loop {
        let ran = program.run("backup", ["source", "--retry-lock", "0"]);
        if ran.code == 11 && ran.messages.contains(&format!("process {} ", child.id())) {
            return;
        }
        assert!(ran.code == 0 || ran.code == 11, "{ran:?}");
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended");
    }
}

#[test]
fn a_collection_lets_others_in() {
    let program = half_dead();
    let mut command = program.command("collect");
    let mut collection = Program::start(command.args(["--now", "--json", CRAWL]));
    for _ in 0..2 {
        until_it_writes(&program, &mut collection);
        let ran = program.run("backup", ["source"]).expect(0);
        ran.says(&[&format!("waiting for process {} ", collection.id())]);
    }
    // It goes on behind them, until it is told otherwise.
    until_it_writes(&program, &mut collection);
    rustix::process::kill_process(Pid::from_child(&collection), Signal::INT).expect("it was not waited for");
    let ended = Ran::of(collection.wait_with_output()).expect(1).lines();
    assert_eq!(ended[ended.len() - 1]["outcome"], "stopped", "{ended:?}");
    let collected = program.json("collect", ["--now"]);
    assert_eq!(collected[collected.len() - 1]["outcome"], "complete", "{collected:?}");
    program.run("check", ["--read-data"]).expect(0);
}

#[test]
fn whoever_waits_for_a_writer_writes_behind_it() {
    let program = half_dead();
    let pipe = program.path("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("it is new");
    let mut first = program.command("backup");
    let mut first =
        Program::start(first.args(["--command", &format!("cat {}", pipe.display()), "--name", "n"]));
    // This waits for the reader, which is there as long as the test wants: so long the first writer writes.
    let mut input = File::options().write(true).open(&pipe).expect("the command reads it");
    until_it_writes(&program, &mut first);
    let second = Program::start(program.command("backup").arg(program.path("source")));
    // A collection that is not begun gives way, too.
    let third = Program::start(program.command("collect").arg("--now"));
    program.run("forget", ["latest", "--retry-lock", "0"]).expect(11);
    input.write_all(b"end").expect("it is read");
    drop(input);
    for child in [first, second, third] {
        Ran::of(child.wait_with_output()).expect(0);
    }
    program.run("check", ["--read-data"]).expect(0);
}
