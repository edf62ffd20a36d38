//! What is typed: help, wrong command lines, lists of very many paths, and what can be seen of a run.

use std::fs;

use serde_json::Value;

use crate::world::Item;
use crate::world::Program;
use crate::world::make;

#[test]
fn help_is_a_command_too() {
    let program = Program::bare();
    let asked = program.run("help", ["backup"]).expect(0).results;
    assert_eq!(asked, program.run("backup", ["--help"]).expect(0).results);
    assert!(asked.contains("--one-file-system"), "{asked}");
}

#[test]
fn a_wrong_command_line_is_json_where_that_was_asked_for() {
    let program = Program::bare();
    let ran = program.run("restore", ["latest", "--json"]).expect(2).says(&["--target", "--help"]);
    let [line] = <[Value; 1]>::try_from(ran.lines()).expect("one line");
    assert_eq!((&line["type"], &line["exit_code"]), (&"error".into(), &2.into()));
    let message = line["message"].as_str().expect("it is text");
    assert!(message.contains("--target <DIR>") && !message.contains('\n'), "{message}");
    assert!(!message.contains("Usage:") && !message.starts_with("error"), "{message}");
    let plain = program.run("restore", ["latest"]).expect(2).says(&["--target", "Usage:"]);
    assert_eq!(plain.results, "");
    assert_eq!(program.run("dump", ["--json", "--frobnicate"]).expect(2).results, "");
    assert_eq!(program.run("ls", ["--frobnicate", "--", "--json"]).expect(2).results, "");
}

#[test]
fn very_many_paths_are_backed_up_and_their_folders_are_recorded() {
    let program = Program::new();
    let names: Vec<String> = (0..20_000).map(|at| format!("{at:05}")).collect();
    make(
        &Item::folder([("many", Item::folder(names.iter().map(|name| (name.as_str(), Item::text("")))))])
            .into(),
        &program.path("source"),
    );
    let list: String = names.iter().map(|name| format!("source/many/{name}\n")).collect();
    fs::write(program.path("list"), list).expect("it can be written");
    let line = program.json("backup", ["--files-from", "list"]).pop().expect("a summary");
    assert_eq!((&line["files_new"], &line["status"]), (&20_000.into(), &"complete".into()));
    let snapshots = program.json("snapshots", [""; 0]);
    assert_eq!(snapshots[0]["paths"], serde_json::json!([program.path("source/many")]));
}

#[test]
fn what_does_not_fit_the_record_is_found_before_anything_is_stored() {
    let program = Program::new();
    make(&Item::folder([("file", Item::noise(1, 300_000))]).into(), &program.path("source"));
    let tag = "t".repeat(300);
    program.run("backup", ["source", "--tag", &tag]).expect(1).says(&["bytes of one tag"]);
    assert_eq!(program.json("stats", [""; 0])[0]["objects"], 0);
}

#[test]
fn a_path_is_named_once() {
    let program = Program::new();
    fs::write(program.path("file"), "").expect("it can be written");
    let ran = program.run("ls", ["latest", "--repo", "/etc/passwd"]).expect(1);
    assert_eq!(ran.messages.matches("/etc/passwd").count(), 1, "{}", ran.messages);
    fs::write(program.path("list"), "gone\n").expect("it can be written");
    let ran = program.run("backup", ["--files-from", "list"]).expect(3);
    let told = ran.messages.lines().find(|line| line.contains("/gone")).expect("it is named");
    assert_eq!(told.matches("/gone").count(), 1, "{told}");
    assert!(told.contains("cannot look at it: No such file"), "{told}");
}

#[test]
fn the_steps_of_a_backup_are_logged_where_that_is_asked_for() {
    let program = Program::new();
    make(&Item::folder([("file", Item::text("text"))]).into(), &program.path("source"));
    let steps = ["opened repository", "no catalogue in the cache", "the walk ended", "committed snapshot"];
    program.run("backup", ["source", "--log", "debug"]).expect(0).says(&steps);
    let again = program.run("backup", ["source", "--log", "farkeep=debug"]).expect(0);
    again.says(&["there is a catalogue in the cache"]);
    let ignored = program.run("backup", ["source", "--log", "debug", "--no-cache"]).expect(0);
    ignored.says(&["the cache is not used"]);
    let plain = program.run("backup", ["source"]).expect(0);
    assert!(!plain.messages.contains("committed"), "{}", plain.messages);
}
