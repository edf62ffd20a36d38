//! Scrub and repair, as an administrator sees them, without a passphrase: what heals, what is quarantined, what the next backup
//! makes good, and what a plan says before anything is done.

use std::fs;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::Tree;
use crate::world::make;
use crate::world::settle;

const BLOCK: u64 = 4096;

/// A repository in a folder with snapshots.
fn backed_up() -> Program {
    let program = Program::new();
    back_up(&program);
    program
}

/// Makes two snapshots of two files, of which each fills many blocks.
fn back_up(program: &Program) {
    let root = Item::folder([("one", Item::noise(1, 300_000)), ("other", Item::noise(2, 300_000))]);
    make(&Tree { root, links: Vec::new() }, &program.path("source"));
    program.backup();
    settle();
    program.backup();
}

/// Runs a command that no passphrase is given to, and that prints JSON.
#[track_caller]
fn keyless(program: &Program, name: &str, arguments: &[&str]) -> Ran {
    let mut command = program.command(name);
    command.env_remove("FARKEEP_PASSWORD_FILE").args(arguments).arg("--json");
    Ran::of(command.output())
}

/// The last line of a run.
fn last(ran: &Ran) -> Value {
    ran.lines().pop().expect("a summary")
}

/// The pack with the data of both files.
fn largest_pack(repository: &Path) -> PathBuf {
    let packs = repository.join("packs");
    let files = Manifest::of(&packs);
    let paths = files.files().into_keys().map(|path| packs.join(path));
    paths.max_by_key(|path| fs::metadata(path).expect("it is there").len()).expect("there are packs")
}

fn rot(pack: &PathBuf, blocks: &[u64]) {
    let file = OpenOptions::new().read(true).write(true).open(pack).expect("it is ours");
    for block in blocks {
        let mut byte = [0];
        file.read_exact_at(&mut byte, block * BLOCK + 1000).expect("there");
        file.write_all_at(&[byte[0] ^ 0x40], block * BLOCK + 1000).expect("there");
    }
}

/// Runs a command that prints for people, and expects it to say all of this.
#[track_caller]
fn expect_said(program: &Program, name: &str, arguments: &[&str], code: i32, said: &[&str]) {
    let results = program.run(name, arguments).expect(code).results;
    said.iter().for_each(|said| assert!(results.contains(said), "{said:?} is not said: {results}"));
}

fn status(program: &Program) -> Value {
    last(&keyless(program, "scrub", &["--status"]).expect(0))
}

#[test]
fn stats_tell_how_old_the_oldest_verification_is() {
    let program = backed_up();
    let told = || program.json("stats", [""; 0]).pop().expect("a line");
    let before = told();
    assert_eq!(before["oldest_verification"], Value::Null);
    assert_eq!(before["unverified_bytes"], before["pack_bytes"]);
    keyless(&program, "scrub", &[]).expect(0);
    let after = told();
    assert_eq!(after["unverified_bytes"], 0);
    let status = last(&keyless(&program, "scrub", &["--status"]).expect(0));
    assert!(after["oldest_verification"].is_string() && status["oldest"] == after["oldest_verification"]);
}

#[test]
fn a_scrub_verifies_everything_and_notes_it() {
    let program = backed_up();
    let before = status(&program);
    assert_eq!(before["packs_unverified"], before["packs"]);
    assert_eq!((&before["oldest"], &before["late"]), (&Value::Null, &false.into()));
    assert_eq!(before["within_seconds"], 30 * 86_400);
    assert!(before["bytes_per_second"].as_u64() < before["bytes"].as_u64());

    let done = last(&keyless(&program, "scrub", &["--for", "1h"]).expect(0));
    assert_eq!((&done["result"], &done["outcome"]), (&"good".into(), &"complete".into()));
    assert_eq!((&done["packs"], &done["bytes"]), (&before["packs"], &before["bytes"]));
    let after = status(&program);
    assert_eq!(after["packs_unverified"], 0);
    assert!(after["oldest"].is_string());
    expect_said(&program, "scrub", &["--status"], 0, &["0 (0 B) were never verified", "every 30 days"]);

    let stopped = last(&keyless(&program, "scrub", &["--for", "0s"]).expect(0));
    assert_eq!((&stopped["outcome"], &stopped["packs"]), (&"stopped".into(), &0.into()));
    program.run("check", ["--read-data"]).expect(0);
}

pub(crate) fn what_parity_heals_is_healed(program: &Program, repository: &Path) {
    back_up(program);
    let pack = largest_pack(repository);
    let sound = fs::read(&pack).expect("readable");
    rot(&pack, &[20]);
    let healed = last(&keyless(program, "scrub", &[]).expect(0));
    assert_eq!((&healed["result"], &healed["blocks_healed"]), (&"healed".into(), &1.into()));
    assert_eq!(fs::read(&pack).expect("readable"), sound);
    assert_eq!(status(program)["packs_unverified"], 1, "what was healed is verified by the next one");
    program.run("check", ["--read-data"]).expect(0);
    rot(&pack, &[30]);
    expect_said(program, "scrub", &[], 0, &["1 pack with damage; 1 block healed"]);
}

/// Rot beyond parity is said before it is given up, and the next backup makes it good.
pub(crate) fn what_is_beyond_parity_is_given_up(program: &Program, repository: &Path) {
    back_up(program);
    let nothing = keyless(program, "repair", &["--yes"]).expect(0).lines();
    assert_eq!((nothing.len(), &nothing[0]["steps"], &nothing[0]["left"]), (1, &0.into(), &0.into()));
    let pack = largest_pack(repository);
    rot(&pack, &[20, 21, 22]);
    let before = fs::read(&pack).expect("readable");
    let plan = keyless(program, "repair", &[]).expect(13).lines();
    assert_eq!((plan.len(), &plan[0]["act"]), (2, &"quarantine".into()), "{plan:?}");
    assert!(pack.to_string_lossy().ends_with(plan[0]["name"].as_str().expect("a pack")));
    assert_eq!(fs::read(&pack).expect("readable"), before, "a plan changes nothing");
    let done = last(&keyless(program, "repair", &["--yes"]).expect(0));
    assert_eq!((&done["carried_out"], &done["objects_lost"]), (&true.into(), &plan[0]["count"]));
    assert!(done["objects_lost"].as_u64() > Some(0), "{done}");
    program.run("backup", [program.path("source")]).expect(0);
    program.run("check", ["--read-data"]).expect(0);
    let again = last(&keyless(program, "scrub", &[]).expect(0));
    assert_eq!((&again["result"], &again["outcome"]), (&"good".into(), &"complete".into()));
}

/// All of them, for a repository that nothing is in yet, and the folder in which it lies.
pub(crate) const STORIES: [fn(&Program, &Path); 2] =
    [what_parity_heals_is_healed, what_is_beyond_parity_is_given_up];

#[test]
fn a_folder_is_cared_for() {
    for story in STORIES {
        let program = Program::new();
        story(&program, &program.path("repository"));
    }
}

/// Rot beyond parity: the scrub says so, `check` names what it touches, and the next backup makes it good.
#[test]
fn the_next_backup_makes_rot_good() {
    let program = backed_up();
    let snapshots: Vec<Value> =
        program.json("snapshots", [""; 0]).into_iter().map(|line| line["snapshot"].clone()).collect();
    let pack = largest_pack(&program.path("repository"));
    rot(&pack, &[20, 21, 22]);
    let lost = last(&keyless(&program, "scrub", &[]).expect(13));
    assert_eq!((&lost["result"], &lost["blocks_healed"]), (&"damaged".into(), &0.into()));
    let objects = lost["objects_lost"].as_u64().expect("a count");
    assert!((1..=3).contains(&objects), "{lost}");

    let lines = keyless_check(&program);
    let touched: Vec<&Value> = lines.iter().filter(|line| line["type"] == "damaged_path").collect();
    let named = |name: &Value| touched.iter().any(|line| line["snapshot"] == *name);
    assert!(!snapshots.is_empty() && snapshots.iter().all(named), "{touched:?}");
    let source = program.path("source").to_string_lossy().into_owned();
    for line in &touched {
        let path = line["path"].as_str().expect("a name");
        assert!(path.strip_prefix(&source).is_some_and(|rest| ["/one", "/other"].contains(&rest)), "{path}");
    }

    let ran = program.run("backup", [program.path("source")]).expect(0);
    assert!(ran.results.contains("complete"), "{}", ran.results);
    program.run("check", ["--read-data"]).expect(0);
    for snapshot in ["latest", "latest~1"] {
        let subject = format!("{snapshot}:{source}");
        program.run("restore", [&subject, "--target", "target"]).expect(0);
        let target = program.path("target");
        Manifest::of(&target).expect(&Manifest::of(&program.path("source")), &snapshot);
        fs::remove_dir_all(target).expect("it was made");
    }
    let again = last(&keyless(&program, "scrub", &[]).expect(0));
    assert_eq!(again["result"], "good", "what was given up is given up once");
}

fn keyless_check(program: &Program) -> Vec<Value> {
    program.run("check", ["--json"]).expect(13).lines()
}

#[test]
fn a_repair_says_what_it_does_before_it_does_it() {
    let program = backed_up();
    let plan = |arguments: &[&str]| keyless(&program, "repair", arguments);
    let nothing = plan(&["--yes"]).expect(0).lines();
    assert_eq!((nothing.len(), &nothing[0]["steps"], &nothing[0]["left"]), (1, &0.into(), &0.into()));

    let pack = largest_pack(&program.path("repository"));
    let sound = fs::read(&pack).expect("readable");
    rot(&pack, &[20]);
    fs::write(program.path("repository/checkpoint.new~"), "half").expect("it is ours");
    let before = fs::read(&pack).expect("readable");
    for arguments in [&["--dry-run"][..], &[]] {
        let lines = plan(arguments).expect(13).lines();
        let acts: Vec<&Value> = lines.iter().map(|line| &line["act"]).collect();
        assert_eq!(acts, [&"heal".into(), &"remove".into(), &Value::Null]);
        assert_eq!((&lines[0]["count"], &lines[1]["name"]), (&1.into(), &"checkpoint.new~".into()));
        assert!(pack.to_string_lossy().ends_with(lines[0]["name"].as_str().expect("a pack")));
        assert_eq!((&lines[2]["steps"], &lines[2]["carried_out"]), (&2.into(), &false.into()));
        assert_eq!(fs::read(&pack).expect("readable"), before, "nothing is changed");
        assert!(program.path("repository/checkpoint.new~").exists());
    }
    let said = ["heal  ", "1 block from parity", "2 steps to do, with --yes"];
    expect_said(&program, "repair", &[], 13, &said);
    let done = last(&plan(&["--yes"]).expect(0));
    assert_eq!((&done["carried_out"], &done["blocks_healed"]), (&true.into(), &1.into()));
    assert_eq!(fs::read(&pack).expect("readable"), sound);
    assert!(!program.path("repository/checkpoint.new~").exists());

    rot(&pack, &[20, 21, 22]);
    let done = plan(&["--yes"]).expect(0).lines();
    assert_eq!((&done[0]["act"], &done[0]["count"]), (&"quarantine".into(), &done[1]["objects_lost"]));
    program.run("backup", [program.path("source")]).expect(0);
    plan(&[]).expect(0);
}
