//! Bad input gets its exit code and a message that says what to do.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use farkeep_codec::object::object_id;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;

fn with_snapshot() -> Program {
    let program = Program::new();
    make(&Item::folder([("file", Item::text("text"))]).into(), &program.path("source"));
    program.backup();
    program
}

#[test]
fn a_wrong_passphrase() {
    let program = with_snapshot();
    fs::write(program.path("passphrase"), "wrong").expect("it can be written");
    for (command, arguments) in [("snapshots", vec![]), ("check", vec![]), ("backup", vec!["source"])] {
        program.run(command, arguments).expect(12).says(&["wrong passphrase", "repository"]);
    }
    let nobody = program.command("snapshots").env_remove("FARKEEP_PASSWORD_FILE").output();
    // Without a terminal there is nobody to ask; with one a test would wait for ever, so it has none.
    let ran = Ran::of(nobody);
    assert!(ran.code == 2 || ran.code == 12, "{ran:?}");
}

#[test]
fn no_repository() {
    let program = Program::bare();
    program.run("snapshots", [""; 0]).expect(10).says(&["no repository", "farkeep init"]);
    fs::create_dir(program.path("repository")).expect("it is new");
    program.run("snapshots", [""; 0]).expect(10).says(&["no repository"]);
    program.run("backup", ["/dev/null"]).expect(10).says(&["no repository"]);
    let unnamed = program.command("snapshots").env_remove("FARKEEP_REPOSITORY").output();
    Ran::of(unnamed).expect(2).says(&["--repo", "FARKEEP_REPOSITORY"]);
    fs::write(program.path("repository/something"), "else").expect("it can be written");
    program.run("init", [""; 0]).expect(1).says(&["something is here already", "empty"]);
}

/// Gives the parameters another version, with checksums that hold, as a later program would.
fn renew(path: &Path, version: u16) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[6..8].copy_from_slice(&version.to_le_bytes());
    let front = *object_id(&bytes[..12]).as_bytes();
    bytes[12..16].copy_from_slice(&front[..4]);
    let end = bytes.len() - 16;
    let whole = *object_id(&bytes[..end]).as_bytes();
    bytes[end..].copy_from_slice(&whole[..16]);
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_repository_of_a_newer_format() {
    let program = with_snapshot();
    let parameters = program.path("repository/parameters");
    renew(&parameters, 1);
    program.run("snapshots", [""; 0]).expect(0);
    renew(&parameters, 2);
    for command in ["snapshots", "check"] {
        program.run(command, [""; 0]).expect(1).says(&["is 2", "knows 1", "newer version", "update"]);
    }
}

#[test]
fn damaged_parameters() {
    let program = with_snapshot();
    let paths = ["repository/parameters", "repository/mirror/parameters"].map(|path| program.path(path));
    let mut bytes = fs::read(&paths[0]).expect("it is there");
    bytes[40] ^= 1;
    fs::write(&paths[0], &bytes).expect("it can be written");
    program.run("snapshots", [""; 0]).expect(0);
    program.run("check", [""; 0]).expect(13).says(&["parameters"]);
    fs::write(&paths[1], &bytes).expect("it can be written");
    program.run("snapshots", [""; 0]).expect(13).says(&["parameters", "damaged"]);
    paths.iter().for_each(|path| fs::write(path, "").expect("it can be written"));
    program.run("backup", ["source"]).expect(13).says(&["parameters", "damaged"]);
}

#[test]
fn a_key_slot_that_is_gone() {
    let program = with_snapshot();
    let slots = fs::read_dir(program.path("repository/slots")).expect("it is there");
    let slots: Vec<_> = slots.map(|slot| slot.expect("it is listed").path()).collect();
    let [slot] = slots.as_slice() else { panic!("{slots:?}") };
    fs::remove_file(slot).expect("it is there");
    program.run("snapshots", [""; 0]).expect(0);
    let copy = program.path("repository/mirror/slots").join(slot.file_name().expect("it has a name"));
    fs::remove_file(copy).expect("it is there");
    program.run("snapshots", [""; 0]).expect(13).says(&["slots", "missing", "damaged"]);
}

#[test]
fn a_target_that_is_not_empty() {
    let program = with_snapshot();
    fs::create_dir(program.path("target")).expect("it is new");
    fs::write(program.path("target/mine"), "precious").expect("it can be written");
    let arguments = ["latest", "--target", "target"];
    program.run("restore", arguments).expect(1).says(&["target", "not empty", "--overwrite"]);
    assert_eq!(fs::read_dir(program.path("target")).expect("it is there").count(), 1, "nothing was written");
}

#[test]
fn snapshots_that_do_not_exist_or_are_not_one() {
    let program = with_snapshot();
    // With seventeen ids, two begin with the same digit.
    for _ in 0..16 {
        program.backup();
    }
    let ids: Vec<String> = program
        .json("snapshots", [""; 0])
        .iter()
        .map(|line| line["snapshot"].as_str().expect("an id").to_owned())
        .collect();
    let twice = |digit: &&str| ids.iter().filter(|id| id.starts_with(*digit)).count() > 1;
    let digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
    let digit = digits.iter().find(|digit| twice(digit)).expect("seventeen do not fit sixteen");
    let ambiguous = program.run("ls", [digit]);
    // One digit may be too few to be an id at all; then it is refused for that.
    assert!(ambiguous.code == 1 || ambiguous.code == 2, "{ambiguous:?}");
    assert!(ambiguous.messages.contains("beginning of"), "{}", ambiguous.messages);
    let unknown = if ids.iter().any(|id| id.starts_with("0000")) { "ffffffff" } else { "00000000" };
    program.run("ls", [unknown]).expect(1).says(&["no snapshot", unknown, &ids[16][..8]]);
    program.run("ls", ["latest~40"]).expect(1).says(&["latest~40 does not exist"]);
    program.run("ls", ["no such thing"]).expect(2).says(&["names no snapshot", "latest"]);
    program.run("ls", ["latest:/not/there"]).expect(1).says(&["/not/there", "farkeep find"]);
}

#[test]
fn globs_that_do_not_parse() {
    let program = with_snapshot();
    program.run("backup", ["source", "--exclude", "a[b"]).expect(2).says(&["a[b", "does not parse"]);
    program.run("find", ["a[b"]).expect(2).says(&["a[b", "does not parse"]);
    let restore = ["latest", "--target", "target", "--include", "{a"];
    program.run("restore", restore).expect(2).says(&["{a", "does not parse"]);
    assert!(!program.path("target").exists());
}

#[test]
fn a_source_that_does_not_exist() {
    let program = with_snapshot();
    program.run("backup", ["source", "/not/there"]).expect(1).says(&["cannot back up /not/there"]);
    assert_eq!(program.json("snapshots", [""; 0]).len(), 1, "nothing was made of the rest");
}

#[test]
fn two_writers_at_once() {
    let program = with_snapshot();
    let pipe = program.path("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("it is new");
    let mut first = program.command("backup");
    let child = Program::start(first.args(["--command", &format!("cat {}", pipe.display()), "--name", "n"]));
    // This waits for the reader, which is there as long as the test wants: so long the first writer writes.
    let mut input = File::options().write(true).open(&pipe).expect("the command reads it");
    let ran = program.run("backup", ["source", "--retry-lock", "0"]).expect(11);
    ran.says(&["in use by", &format!("process {}", child.id()), "try again"]);
    program.run("snapshots", [""; 0]).expect(0);
    program.run("check", ["--read-data"]).expect(0);
    input.write_all(b"end").expect("it is read");
    drop(input);
    Ran::of(child.wait_with_output()).expect(0);
    program.run("backup", ["source"]).expect(0);
}
