//! What takes data away, as a script does it: on a folder, and by the same stories behind a server.

use std::fs;

use serde_json::Value;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;

/// Runs a command that no passphrase is given to, and that prints JSON.
#[track_caller]
fn keyless(program: &Program, name: &str, arguments: &[&str]) -> Ran {
    let mut command = program.command(name);
    command.env_remove("FARKEEP_PASSWORD_FILE").args(arguments).arg("--json");
    Ran::of(command.output())
}

#[track_caller]
fn of_type(lines: &[Value], kind: &str) -> Value {
    let found: Vec<&Value> = lines.iter().filter(|line| line["type"] == kind).collect();
    assert_eq!(found.len(), 1, "{lines:?}");
    found[0].clone()
}

fn snapshot(summary: &Value) -> String {
    summary["snapshot"].as_str().expect("it was stored").to_owned()
}

fn stored_bytes(program: &Program) -> u64 {
    of_type(&program.json("stats", [""; 0]), "stats")["pack_bytes"].as_u64().expect("it is counted")
}

pub(crate) fn what_no_snapshot_needs_is_collected(program: &Program) {
    make(&Item::folder([("file", Item::noise(1, 300_000))]).into(), &program.path("source"));
    program.backup();
    fs::write(program.path("source/file"), "small now").expect("it can be written");
    let first = snapshot(&program.json("snapshots", [""; 0])[0]);
    program.backup();
    let before = stored_bytes(program);
    keyless(program, "forget", &[&first]).expect(0);
    // Its grace is not over.
    let collected = of_type(&keyless(program, "collect", &[]).expect(0).lines(), "collection");
    assert_eq!((&collected["outcome"], &collected["purged"]), (&"complete".into(), &0.into()));
    let planned = keyless(program, "collect", &["--now", "--dry-run"]).expect(0).lines();
    let planned = of_type(&planned, "collection_plan");
    assert!(planned["freed_bytes"].as_u64() > Some(250_000), "{planned:?}");
    assert!(stored_bytes(program) > 250_000, "a plan changes nothing");
    let collected = of_type(&keyless(program, "collect", &["--now"]).expect(0).lines(), "collection");
    assert_eq!((&collected["outcome"], &collected["purged"]), (&"complete".into(), &1.into()));
    assert!(stored_bytes(program) + 250_000 < before, "{collected:?}");
    let again = of_type(&keyless(program, "collect", &["--now"]).expect(0).lines(), "collection");
    assert_eq!((&again["packs_removed"], &again["purged"]), (&0.into(), &0.into()));
    program.run("recover", [&first]).expect(1);
    // The journal says how it came to this.
    let grown = keyless(program, "stats", &["--history", "--by", "month"]).expect(0).lines();
    let sum = |what: &str| grown.iter().map(|line| line[what].as_u64().expect("a number")).sum::<u64>();
    assert_eq!((sum("snapshots"), sum("forgotten"), sum("purged")), (2, 1, 1), "{grown:?}");
    assert_eq!(sum("stored_bytes") - sum("removed_bytes"), stored_bytes(program));
    program.run("stats", ["--by", "week"]).expect(2);
    program.run("check", ["--read-data"]).expect(0);
    program.run("restore", ["latest", "--target", "target"]).expect(0);
}

pub(crate) fn a_path_is_erased_from_all_snapshots(program: &Program) {
    let secret = "a secret that nobody may ever read";
    make(
        &Item::folder([("keep", Item::text("kept")), ("secret", Item::text(secret))]).into(),
        &program.path("source"),
    );
    let first = snapshot(&program.backup());
    fs::write(program.path("source/keep"), "kept, and changed").expect("it can be written");
    let second = snapshot(&program.backup());
    let path = program.path("source/secret").to_string_lossy().into_owned();

    program
        .run("erase", ["secret", "--yes"])
        .expect(2)
        .says(&["none of the snapshots has /secret", "`farkeep ls`"]);
    program.run("erase", [&path, "/no/such/path", "--yes"]).expect(2).says(&["has /no/such/path"]);
    program.run("erase", [&path]).expect(2);
    let plan = program.json("erase", [&path, "--dry-run"]);
    assert_eq!(plan.iter().filter(|line| line["type"] == "erased").count(), 2, "{plan:?}");
    let has_it = |id: &str| program.run("ls", [id, "--recursive"]).results.contains("secret");
    assert!(has_it(&first) && has_it(&second), "a plan changes nothing");

    let done = program.json("erase", [&path, "--yes"]);
    let replaced: Vec<&Value> = done.iter().filter(|line| line["type"] == "replaced").collect();
    assert_eq!(replaced.len(), 2, "{done:?}");
    assert_eq!((&replaced[0]["old"], &replaced[1]["old"]), (&first.as_str().into(), &second.as_str().into()));
    let listed = program.json("snapshots", [""; 0]);
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|line| !has_it(&snapshot(line))));
    let keep = program.path("source/keep").to_string_lossy().into_owned();
    let dumped = |name: &str| program.run("dump", [format!("{name}:{keep}")]).expect(0).results;
    assert_eq!((dumped("latest~1").as_str(), dumped("latest").as_str()), ("kept", "kept, and changed"));
    keyless(program, "collect", &["--now"]).expect(0);
    program.run("check", ["--read-data"]).expect(0);
    program.run("erase", [&path, "--yes"]).expect(2).says(&["none of the snapshots has"]);
    // The series goes on behind the record that took the place of its newest.
    program.backup();
    program.run("check", ["--read-data"]).expect(0);
}

pub(crate) fn what_is_held_keeps_what_is_erased(program: &Program) {
    make(&Item::folder([("secret", Item::text("held"))]).into(), &program.path("source"));
    let first = snapshot(&program.backup());
    keyless(program, "hold", &[&first, "--for", "30d"]).expect(0);
    fs::write(program.path("source/other"), "more").expect("it can be written");
    program.backup();
    let path = program.path("source/secret").to_string_lossy().into_owned();
    let ran = program.run("erase", [path.as_str(), "--yes", "--json"]).expect(1);
    let held = of_type(&ran.lines(), "still_held");
    assert_eq!(held["snapshot"], first.as_str());
    let dumped = program.run("dump", [format!("{first}:{path}")]).expect(0).results;
    assert_eq!(dumped, "held");
    assert_ne!(program.run("dump", [format!("latest:{path}")]).code, 0);
}

pub(crate) fn files_are_laid_closer_together(program: &Program) {
    let files = (0..96_u64).map(|at| (format!("file {at:02}"), Item::noise(100 + at, 4_000)));
    make(&Item::folder(files).into(), &program.path("source"));
    let first = snapshot(&program.backup());
    for at in (0..96_u64).filter(|at| at % 3 == 0) {
        fs::remove_file(program.path(&format!("source/file {at:02}"))).expect("it is there");
    }
    let second = program.backup();
    let content = second["content"].clone();
    keyless(program, "forget", &[&first]).expect(0);
    keyless(program, "collect", &["--now"]).expect(0);
    let before = stored_bytes(program);
    let plan = of_type(&program.json("repack", ["--dry-run"]), "rewriting");
    assert!(plan["dead_bytes"].as_u64() > Some(80_000), "{plan:?}");
    let done = program.json("repack", [""; 0]);
    assert_eq!(of_type(&done, "replaced")["old"], second["snapshot"]);
    keyless(program, "collect", &["--now"]).expect(0);
    let after = stored_bytes(program);
    assert!(after + 50_000 < before, "{before} {after} {plan:?}");
    assert_eq!(program.json("snapshots", [""; 0])[0]["content"], content);
    program.run("check", ["--read-data"]).expect(0);
}

#[test]
fn a_folder_loses_what_it_is_told_to() {
    for story in STORIES {
        story(&Program::new());
    }
}

#[test]
fn an_index_is_built_anew_without_a_passphrase() {
    let program = Program::new();
    make(&Item::folder([("file", Item::noise(1, 100_000))]).into(), &program.path("source"));
    program.backup();
    let rebuilt = of_type(&keyless(&program, "rebuild-index", &[]).expect(0).lines(), "index_rebuilt");
    assert!(rebuilt["objects"].as_u64() > Some(1), "{rebuilt:?}");
    program.run("check", ["--read-data"]).expect(0);
}

/// All of them, for a repository that nothing is in yet.
pub(crate) const STORIES: [fn(&Program); 4] = [
    what_no_snapshot_needs_is_collected,
    a_path_is_erased_from_all_snapshots,
    what_is_held_keeps_what_is_erased,
    files_are_laid_closer_together,
];
