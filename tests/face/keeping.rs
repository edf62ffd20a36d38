//! What is kept and for how long, as a script decides it, without a passphrase: on a folder, and by the same stories behind a
//! server.

use std::fs;

use serde_json::Value;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;

/// A repository with so many snapshots of one source that changes, and their ids.
fn snapshots(program: &Program, count: usize) -> Vec<String> {
    make(&Item::folder([("file", Item::text("first"))]).into(), &program.path("source"));
    let one = |at| {
        fs::write(program.path("source/file"), format!("state {at}")).expect("it can be written");
        program.backup()["snapshot"].as_str().expect("it was stored").to_owned()
    };
    (0..count).map(one).collect()
}

/// Runs a command that no passphrase is given to, and that prints JSON.
#[track_caller]
fn keyless(program: &Program, name: &str, arguments: &[&str]) -> Ran {
    let mut command = program.command(name);
    command.env_remove("FARKEEP_PASSWORD_FILE").args(arguments).arg("--json");
    Ran::of(command.output())
}

fn ids(lines: &[Value], kind: &str) -> Vec<String> {
    let of_kind = lines.iter().filter(|line| line["type"] == kind);
    of_kind.map(|line| line["snapshot"].as_str().expect("it has an id").to_owned()).collect()
}

fn fates(lines: &[Value]) -> Vec<&str> {
    let judged = lines.iter().filter(|line| line["type"] == "judged");
    judged.map(|line| line["fate"].as_str().expect("it has a fate")).collect()
}

pub(crate) fn a_forgotten_snapshot_is_off_the_list_restorable_by_its_id_and_recovered(program: &Program) {
    let all = snapshots(program, 3);
    keyless(program, "forget", &[&all[2][..12], "--reason", "a test", "-n"]).expect(0);
    keyless(program, "forget", &[&all[2][..12], "--reason", "a test"]).expect(0);
    assert_eq!(ids(&program.json("snapshots", [""; 0]), "snapshot"), all[..2]);
    let forgotten = program.json("snapshots", ["--forgotten"]);
    assert_eq!(ids(&forgotten, "snapshot"), all[2..]);
    assert!(forgotten[0]["restorable_until"].as_str() > forgotten[0]["forgotten"].as_str(), "{forgotten:?}");

    // `latest` is one that is there; the forgotten one is restored by its id.
    let listed = program.path("source/file").to_string_lossy().into_owned();
    let dumped = |name: &str| program.run("dump", [format!("{name}:{listed}")]).expect(0).results;
    assert_eq!((dumped("latest").as_str(), dumped(&all[2]).as_str()), ("state 1", "state 2"));
    program.run("restore", [&all[2], "--target", "target"]).expect(0).says(&["was forgotten", "recover"]);
    program.run("ls", ["latest~2"]).expect(1);
    // What is backed up now follows the forgotten one.
    let next = program.backup()["snapshot"].as_str().expect("stored").to_owned();

    keyless(program, "recover", &[&all[2][..12]]).expect(0);
    let listed = ids(&program.json("snapshots", [""; 0]), "snapshot");
    assert_eq!(listed, [&all[..], &[next]].concat());
    program.run("check", ["--read-data"]).expect(0);
    let unknown = keyless(program, "recover", &["ffffffffffff"]).expect(1);
    unknown.says(&["has an id that begins with"]);
}

pub(crate) fn rules_say_why_each_snapshot_is_kept_and_forget_the_rest(program: &Program) {
    let all = snapshots(program, 4);
    let plan = keyless(program, "forget", &["--keep-last", "2", "--dry-run"]).expect(0).lines();
    assert_eq!(fates(&plan), ["forget", "forget", "keep", "keep"]);
    assert_eq!(plan[3]["reasons"], serde_json::json!(["least 1", "last 2"]));
    assert_eq!(plan[0]["policy"], "*");
    assert_eq!((&plan[4]["kept"], &plan[4]["forgotten"]), (&2.into(), &2.into()));
    assert_eq!(ids(&program.json("snapshots", [""; 0]), "snapshot").len(), 4, "a plan changes nothing");

    keyless(program, "forget", &["--keep-last", "1", "--series", "nothing*"]).expect(0);
    assert_eq!(ids(&program.json("snapshots", [""; 0]), "snapshot").len(), 4);
    keyless(program, "hold", &[&all[0][..12], "--for", "30d"]).expect(0);
    let done = keyless(program, "forget", &["--keep-last", "2"]).expect(0).lines();
    assert_eq!(ids(&done, "judged"), [all[1].clone()]);
    let left = [&all[..1], &all[2..]].concat();
    assert_eq!(ids(&program.json("snapshots", [""; 0]), "snapshot"), left);
    keyless(program, "forget", &[&all[0], "--keep-last", "2"]).expect(2);
    keyless(program, "forget", &[]).expect(2).says(&["has no policy", "policy set"]);
}

pub(crate) fn policies_live_with_the_repository(program: &Program) {
    let all = snapshots(program, 3);
    let set = |arguments: &[&str]| keyless(program, "policy", &[&["set"], arguments].concat());
    set(&["--series", "nothing*", "--keep-last", "all"]).expect(0);
    set(&["--keep-last", "2", "--keep-within", "0"]).expect(0);
    set(&["--keep-last", "1", "--grace", "14d", "--zone", "Europe/Berlin", "--schedule", "0 4 * * *"])
        .expect(0);
    let shown = keyless(program, "policy", &["show"]).expect(0).lines();
    let policies: Vec<(&Value, &Value)> =
        shown[..2].iter().map(|line| (&line["series"], &line["last"])).collect();
    assert_eq!(policies, [(&"nothing*".into(), &u32::MAX.into()), (&"*".into(), &1.into())]);
    assert_eq!((&shown[2]["grace_seconds"], &shown[2]["zone"]), (&1_209_600.into(), &"Europe/Berlin".into()));

    set(&["--zone", "Nowhere"]).expect(2).says(&["no time zone is named Nowhere"]);
    set(&["--schedule", "every 15m"]).expect(2).says(&["five fields of cron"]);
    set(&["--parity", "30%"]).expect(2).says(&["more than 200"]);
    set(&["--remove", "other*"]).expect(2).says(&["no policy for other*"]);
    assert_eq!(keyless(program, "policy", &["show"]).expect(0).lines(), shown);

    // What was written to a file is set again from it, wherever that is, and nothing else then.
    let written = program.command("policy").args(["show", "--toml"]).output().expect("the program was built");
    let file = program.path("policy.toml");
    fs::write(&file, &written.stdout).expect("it can be written");
    let file = file.to_str().expect("a name");
    set(&["--series", "more*", "--keep-daily", "3", "--first", "--grace", "1d"]).expect(0);
    assert_ne!(keyless(program, "policy", &["show"]).expect(0).lines(), shown);
    set(&["--from", file]).expect(0);
    assert_eq!(keyless(program, "policy", &["show"]).expect(0).lines(), shown);
    set(&["--from", "/no/such/file"]).expect(2).says(&["cannot read /no/such/file"]);
    fs::write(file, "grace = \"one day\"").expect("it can be written");
    set(&["--from", file]).expect(2).says(&["policy.toml", "is no length of time"]);

    let plan = keyless(program, "policy", &["test"]).expect(0).lines();
    assert_eq!(fates(&plan), ["forget", "forget", "keep"]);
    keyless(program, "forget", &[]).expect(0);
    assert_eq!(ids(&program.json("snapshots", [""; 0]), "snapshot"), all[2..]);
    let until = &program.json("snapshots", ["--forgotten"])[0]["restorable_until"];
    let forgotten = &program.json("snapshots", ["--forgotten"])[0]["forgotten"];
    let time = |value: &Value| value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    assert_eq!(time(until).duration_since(time(forgotten)).as_secs(), 1_209_600);
    // A tag is told to the repository by a token, which takes the keys.
    set(&["--keep-tag", "release"]).expect(2);
    program.run("policy", ["set", "--keep-tag", "release"]).expect(0);
    assert_eq!(keyless(program, "policy", &["show"]).expect(0).lines()[1]["tags_count"], 1);
}

pub(crate) fn a_hold_is_never_made_shorter(program: &Program) {
    let all = snapshots(program, 2);
    keyless(program, "hold", &[&all[0], "--until", "2200-01-01"]).expect(0);
    keyless(program, "hold", &[&all[0], "--until", "2199-12-31"])
        .expect(1)
        .says(&["held for longer already"]);
    keyless(program, "hold", &[&all[0], "--for", "1d"]).expect(1).says(&["held for longer already"]);
    keyless(program, "hold", &[&all[1], "--until", "2020-01-01"]).expect(1).says(&["over already"]);
    keyless(program, "hold", &[&all[1]]).expect(2);
    keyless(program, "hold", &[&all[0], "--until", "2201-01-01"]).expect(0);
    assert_eq!(ids(&program.json("snapshots", ["--held"]), "snapshot"), all[..1]);
    // Forgotten it stays restorable for as long as it is held.
    keyless(program, "forget", &[&all[0]]).expect(0);
    let forgotten = program.json("snapshots", ["--forgotten"]);
    assert_eq!(forgotten[0]["restorable_until"], forgotten[0]["held_until"]);
}

pub(crate) fn what_snapshots_cost_is_known_before_they_go(program: &Program) {
    make(&Item::folder([("file", Item::noise(1, 100_000))]).into(), &program.path("source"));
    program.backup();
    make(&Item::folder([("more", Item::noise(2, 50_000))]).into(), &program.path("source/sub"));
    let second = program.backup()["snapshot"].as_str().expect("stored").to_owned();
    let sized = program.json("snapshots", ["--sizes"]);
    let bytes = |at: usize, what: &str| sized[at][what].as_u64().expect("it is counted");
    let about = |bytes: u64, expected: u64| (expected..expected + 8_000).contains(&bytes);
    assert!(about(bytes(0, "added_bytes"), 100_000) && bytes(0, "unique_bytes") < 8_000, "{sized:?}");
    assert!(about(bytes(1, "added_bytes"), 50_000), "{sized:?}");
    assert_eq!(bytes(1, "added_bytes"), bytes(1, "unique_bytes"));
    let plan = keyless(program, "forget", &[&second, &second, "-n"]).expect(0).lines();
    assert_eq!((&plan[1]["type"], &plan[1]["bytes"]), (&"freed".into(), &bytes(1, "unique_bytes").into()));
    let plan = keyless(program, "forget", &["--keep-last", "1", "-n"]).expect(0).lines();
    assert_eq!(plan.last().expect("it is there")["bytes"], bytes(0, "unique_bytes"));
    let unique = |line: &Value| line["unique_bytes"].clone();
    assert_eq!((unique(&plan[0]), unique(&plan[1])), (bytes(0, "unique_bytes").into(), Value::Null));
    assert_eq!(keyless(program, "policy", &["test", "--keep-last", "1"]).expect(0).lines(), plan);
    // What is shared by all that go is free as well.
    let both = keyless(program, "forget", &[&ids(&sized, "snapshot")[0], &second, "-n"]).expect(0).lines();
    let shared = sized.last().expect("it is there");
    assert_eq!((&shared["type"], &shared["by"]), (&"shared".into(), &"snapshots".into()));
    let whole: u64 =
        [&both[0], &both[1]].iter().map(|line| line["unique_bytes"].as_u64().expect("known")).sum();
    assert_eq!(both[2]["bytes"], whole + shared["bytes"].as_u64().expect("it is counted"));
    let done = keyless(program, "forget", &["--keep-last", "1"]).expect(0);
    assert!(done.lines().iter().all(|line| line["type"] != "freed"), "what is done is not planned");
}

pub(crate) fn what_series_cost_is_known(program: &Program) {
    let file = |seed: u64, bytes: usize| Item::folder([("file", Item::noise(seed, bytes))]).into();
    for (at, (seed, bytes)) in [(1, 100_000), (2, 50_000), (2, 50_000), (3, 20_000)].into_iter().enumerate() {
        make(&file(seed, bytes), &program.path(&format!("source-{at}")));
        let series = if at == 3 { "second" } else { ["first", "first", "second"][at] };
        let source = program.path(&format!("source-{at}"));
        program.run("backup", [source.as_os_str(), "--series".as_ref(), series.as_ref()]).expect(0);
    }
    let sized = keyless(program, "stats", &["--sizes"]).expect(0).lines();
    let about = |value: &Value, expected: u64| {
        let bytes = value.as_u64().expect("it is counted");
        assert!((expected..expected + 8_000).contains(&bytes), "{sized:?}");
    };
    let [first, second, shared] = sized.as_slice() else { panic!("{sized:?}") };
    assert_eq!((&first["type"], &first["series"]), (&"series_size".into(), &"first".into()));
    assert_eq!((&first["snapshots"], &second["snapshots"]), (&2.into(), &2.into()));
    about(&first["unique_bytes"], 100_000);
    about(&second["unique_bytes"], 20_000);
    assert_eq!((&shared["type"], &shared["by"]), (&"shared".into(), &"series".into()));
    about(&shared["bytes"], 50_000);
}

#[test]
fn a_folder_keeps_what_it_is_told_to() {
    for story in STORIES {
        story(&Program::new());
    }
}

/// All of them, for a repository that nothing is in yet.
pub(crate) const STORIES: [fn(&Program); 6] = [
    a_forgotten_snapshot_is_off_the_list_restorable_by_its_id_and_recovered,
    rules_say_why_each_snapshot_is_kept_and_forget_the_rest,
    policies_live_with_the_repository,
    a_hold_is_never_made_shorter,
    what_snapshots_cost_is_known_before_they_go,
    what_series_cost_is_known,
];
