//! One story through all commands, as a script would tell it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::world::Item;
use crate::world::Link;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::Tree;
use crate::world::is_root;
use crate::world::make;
use crate::world::settle;
use crate::world::skip;

fn sample() -> Tree {
    let root = Item::folder([
        ("notes.txt", Item::text("first")),
        ("large", Item::noise(1, 300_000)),
        ("folder", Item::folder([("a.conf", Item::text("a = 1")), ("b.conf", Item::text("b = 2"))])),
    ]);
    Tree { root, links: vec![Link { file: 2, folder: 1, name: b"large too".to_vec() }] }
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn a_story_through_all_commands() {
    let program = Program::new();
    make(&sample(), &program.path("source"));
    let source = program.path("source");
    let named = |path: &str| source.join(path).to_string_lossy().into_owned();
    let first = program.backup();
    let before = Manifest::of(&source);
    fs::write(source.join("notes.txt"), "second").expect("it can be written");
    let second = program.backup();
    assert_ne!(first["content"], second["content"]);
    assert_eq!(
        program.json("backup", [source.as_os_str(), "--no-cache".as_ref()])[0]["content"],
        second["content"]
    );
    assert_eq!(program.json("backup", [source.as_os_str(), "-n".as_ref()])[0]["snapshot"], Value::Null);

    let snapshots = program.json("snapshots", [""; 0]);
    let contents: Vec<&Value> = of_type(&snapshots, "snapshot").iter().map(|line| &line["content"]).collect();
    assert_eq!(contents, [&first["content"], &second["content"], &second["content"]]);
    let listed = program.json("ls", ["-R", &format!("latest:{}", named("folder"))]);
    assert_eq!(of_type(&listed, "entry").len(), 3, "{listed:?}");
    assert!(!of_type(&program.json("find", ["*.conf"]), "match").is_empty());
    let diff = program.json("diff", ["latest~2", "latest"]);
    assert!(of_type(&diff, "difference").iter().any(|line| line["path"] == named("notes.txt")), "{diff:?}");
    let dump = program.run("dump", [format!("latest~2:{}", named("notes.txt"))]).expect(0);
    assert_eq!(dump.results, "first");

    let target = program.path("target");
    let subject = format!("latest~2:{}", source.display());
    let restore = [subject.as_ref(), "--target".as_ref(), target.as_os_str(), "--verify".as_ref()];
    assert_eq!(program.json("restore", restore)[0]["problem_count"], 0);
    Manifest::of(&target).expect(&before, &"restored");
    let again = ["latest:".to_owned() + &source.to_string_lossy(), "--target".to_owned()];
    let always = again.iter().map(String::as_ref).chain([
        target.as_os_str(),
        "--overwrite".as_ref(),
        "always".as_ref(),
    ]);
    program.json("restore", always);
    Manifest::of(&target).expect(&Manifest::of(&source), &"restored over an older state");

    assert_eq!(program.json("check", [""; 0]).last().expect("a summary")["result"], "good");
    assert_eq!(program.json("check", ["--read-data"]).last().expect("a summary")["content_ids"], 3);
    program.json("check", ["--read-data=50%"]);
    assert_eq!(program.json("stats", [""; 0])[0]["snapshots"], 3);
    assert_eq!(of_type(&program.json("key", ["list"]), "key").len(), 1);
    let code = program.json("key", ["recovery"])[0]["code"].as_str().expect("a code").to_owned();
    let recovered = program
        .command("snapshots")
        .env_remove("FARKEEP_PASSWORD_FILE")
        .env("FARKEEP_PASSWORD", code)
        .output();
    Ran::of(recovered).expect(0);
    assert!(program.run("completions", ["bash"]).expect(0).results.contains("farkeep"));
    assert!(program.run("backup", ["--help"]).expect(0).results.contains("Examples"));
}

/// A further name is one of the others, whether its file is new, read again or taken over.
#[test]
fn an_unchanged_run_counts_as_the_first_did() {
    let program = Program::new();
    make(&sample(), &program.path("source"));
    settle();
    let first = program.backup();
    let again = program.backup();
    assert_eq!((&first["files_new"], &first["others"]), (&4.into(), &1.into()));
    assert_eq!((&again["files_unchanged"], &again["files_new"]), (&4.into(), &0.into()));
    for same in ["folders", "others", "entries", "source_bytes", "content"] {
        assert_eq!(first[same], again[same], "{same}");
    }
}

#[test]
fn streams_and_commands_are_files() {
    let program = Program::new();
    fs::write(program.path("input"), "from a pipe").expect("it can be written");
    let mut stdin = program.command("backup");
    stdin.args(["--stdin", "pipe.txt"]).stdin(fs::File::open(program.path("input")).expect("just written"));
    Ran::of(stdin.output()).expect(0);
    assert_eq!(program.run("dump", ["latest:/pipe.txt"]).expect(0).results, "from a pipe");
    program.run("backup", ["--command", "printf 'from a command'", "--name", "dump.sql"]).expect(0);
    assert_eq!(program.run("dump", ["latest:/dump.sql"]).expect(0).results, "from a command");
}

#[test]
fn a_command_is_not_told_how_to_open_the_repository() {
    let program = Program::new();
    let mut backup = program.command("backup");
    backup.args(["--command", "env", "--name", "env"]).env("FARKEEP_NEW_PASSWORD", "next");
    Ran::of(backup.output()).expect(0);
    let told = program.run("dump", ["latest:/env"]).expect(0).results;
    assert!(told.contains("FARKEEP_REPOSITORY=") && !told.contains("PASSWORD"), "{told}");
}

#[test]
fn a_command_that_fails_leaves_no_snapshot() {
    let program = Program::new();
    let line = "printf half; exit 7";
    program.run("backup", ["--command", line, "--name", "dump.sql"]).expect(1).says(&[
        line,
        "7",
        "no snapshot",
    ]);
    assert_eq!(program.json("snapshots", [""; 0]).len(), 0);
    program.run("check", ["--read-data"]).expect(0);
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_rest_is_kept() {
    if is_root() {
        return vanished();
    }
    let program = Program::new();
    make(&sample(), &program.path("source"));
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(program.path("source/notes.txt"), closed).expect("it is ours");
    program.run("backup", [program.path("source")]).expect(3).says(&["source/notes.txt"]);
    is_partial(&program);
}

/// Root may read everything, so that it has to be a path that is not there when its turn comes.
fn vanished() {
    skip("a file without permission to read", &"root may read every file; one that is gone is tried instead");
    let program = Program::new();
    make(&sample(), &program.path("source"));
    let list = [program.path("source"), program.path("gone")].map(|path| path.to_string_lossy().into_owned());
    fs::write(program.path("list"), list.join("\n")).expect("it can be written");
    let ran = program.run("backup", ["--files-from", "list"]).expect(3).says(&["gone"]);
    assert!(ran.results.contains("partial"), "{}", ran.results);
    is_partial(&program);
}

/// What a partial snapshot lacks is no extra file.
fn is_partial(program: &Program) {
    assert_eq!(program.json("snapshots", [""; 0])[0]["status"], "partial");
    let subject = format!("latest:{}", program.path("source").display());
    let restore = ["--target", "source", "--overwrite", "always", "--delete"];
    let arguments = [subject.as_str()].into_iter().chain(restore);
    program.run("restore", arguments).expect(1).says(&["partial", "1 entries", "--delete"]);
}
