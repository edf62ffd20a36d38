//! The whole story over the wire: what is stored by an agent is what a folder would hold.

use std::fs;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use super::site::Site;
use crate::world::Item;
use crate::world::Link;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::Tree;
use crate::world::make;

fn sample() -> Tree {
    let root = Item::folder([
        ("notes.txt", Item::text("first")),
        ("large", Item::noise(1, 3_000_000)),
        ("folder", Item::folder([("a.conf", Item::text("a = 1")), ("b.conf", Item::text("b = 2"))])),
    ]);
    Tree { root, links: vec![Link { file: 2, folder: 1, name: b"large too".to_vec() }] }
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn a_story_through_all_commands_behind_a_server() {
    let mut site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&sample(), &agent.path("source"));
    let source = agent.path("source");
    let named = |path: &str| source.join(path).to_string_lossy().into_owned();
    let before = Manifest::of(&source);

    let first = agent.backup();
    assert!(first["stored_objects"].as_u64() > Some(3), "{first}");
    let unchanged = agent.backup();
    assert_eq!(unchanged["content"], first["content"]);
    let local = Program::new();
    make(&sample(), &local.path("source"));
    local.backup();
    let same = local.backup();
    for figure in
        ["files_new", "files_changed", "files_unchanged", "entries", "source_bytes", "stored_objects"]
    {
        assert_eq!(unchanged[figure], same[figure], "{figure}: {unchanged} {same}");
    }
    fs::write(source.join("notes.txt"), "second").expect("it can be written");
    let dry = agent.json("backup", [source.as_os_str(), "-n".as_ref()]).remove(0);
    let second = agent.backup();
    assert_ne!(first["content"], second["content"]);
    assert_eq!((&dry["snapshot"], &dry["content"]), (&Value::Null, &second["content"]));
    assert_eq!(dry["stored_objects"], second["stored_objects"]);
    let all = agent.json("backup", [source.as_os_str(), "--no-cache".as_ref()]).remove(0);
    assert_eq!(all["content"], second["content"]);

    let snapshots = keeper.json("snapshots", [""; 0]);
    let contents: Vec<&Value> = of_type(&snapshots, "snapshot").iter().map(|line| &line["content"]).collect();
    let made = [&first["content"], &first["content"], &second["content"], &second["content"]];
    assert_eq!(contents, made);
    let listed = keeper.json("ls", ["-R", &format!("latest:{}", named("folder"))]);
    assert_eq!(of_type(&listed, "entry").len(), 3, "{listed:?}");
    assert!(!of_type(&keeper.json("find", ["*.conf"]), "match").is_empty());
    let diff = keeper.json("diff", ["latest~3", "latest"]);
    assert!(of_type(&diff, "difference").iter().any(|line| line["path"] == named("notes.txt")), "{diff:?}");
    let dump = keeper.run("dump", [format!("latest~3:{}", named("notes.txt"))]).expect(0);
    assert_eq!(dump.results, "first");

    let target = keeper.path("target");
    let subject = format!("latest~3:{}", source.display());
    let restore = [subject.as_ref(), "--target".as_ref(), target.as_os_str(), "--verify".as_ref()];
    assert_eq!(keeper.json("restore", restore)[0]["problem_count"], 0);
    Manifest::of(&target).expect(&before, &"restored");
    assert_eq!(keeper.json("check", [""; 0]).last().expect("a summary")["result"], "good");
    assert_eq!(keeper.json("check", ["--read-data"]).last().expect("a summary")["content_ids"], 4);
    assert_eq!(keeper.json("stats", [""; 0])[0]["snapshots"], 4);
    keys_come_and_go(&keeper);

    // The folder that the server leaves behind is a repository as any other, and a backup into it comes to the same.
    site.stop();
    let folder = Program::at(site.repository().to_string_lossy().into_owned());
    assert_eq!(folder.json("check", ["--read-data"]).last().expect("a summary")["content_ids"], 4);
    let again = folder.json("backup", [source.as_os_str()]).remove(0);
    assert_eq!(again["content"], second["content"]);
}

fn keys_come_and_go(keeper: &Program) {
    assert_eq!(of_type(&keeper.json("key", ["list"]), "key").len(), 1);
    let mut add = keeper.command("key");
    Ran::of(add.args(["add", "--label", "other"]).env("FARKEEP_NEW_PASSWORD", "another").output()).expect(0);
    let code = keeper.json("key", ["recovery"])[0]["code"].as_str().expect("a code").to_owned();
    let mut by_code = keeper.command("snapshots");
    by_code.env_remove("FARKEEP_PASSWORD_FILE").env("FARKEEP_PASSWORD", code);
    Ran::of(by_code.output()).expect(0);
    keeper.run("key", ["remove", "other"]).expect(0);
    assert_eq!(of_type(&keeper.json("key", ["list"]), "key").len(), 2);
}

/// What an agent holds opens nothing, and what it may ask for is little.
#[test]
fn an_agent_writes_and_reads_nothing() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&sample(), &agent.path("source"));
    agent.backup();
    for (command, arguments) in [
        ("snapshots", vec![]),
        ("ls", vec!["latest"]),
        ("restore", vec!["latest", "--target", "elsewhere"]),
        ("check", vec![]),
        ("key", vec!["list"]),
        ("stats", vec![]),
    ] {
        let ran = agent.run(command, arguments);
        assert_eq!(ran.code, 1, "{command}: {}{}", ran.results, ran.messages);
    }
    // Nor with the administrator's passphrase: the server does not let it read.
    let other = site.agent(&keeper, "web-2");
    other.run("key", ["recovery"]).expect(1).says(&["role"]);
}

#[test]
fn refusals_say_what_to_do() {
    let site = Site::new();
    let early = Program::at(site.location());
    early.run("enroll", [site.offer("early", "keeper")]).expect(0);
    early.run("snapshots", [""; 0]).expect(10).says(&["nobody has made the repository main", "farkeep init"]);
    let keeper = site.keeper();
    let stranger = Program::at(site.location());
    stranger.run("snapshots", [""; 0]).expect(1).says(&["not enrolled", "farkeepd enroll"]);
    let used = site.offer("twice", "keeper");
    stranger.run("enroll", [&used]).expect(0);
    stranger.run("enroll", [&used]).expect(1).says(&["token"]);
    stranger.run("enroll", ["fk1:nonsense"]).expect(2).says(&["in one piece"]);
    let absent = site.location().replace("/main", "/absent");
    let unknown = keeper.run("snapshots", ["--repo", &absent]).expect(10).says(&["not enrolled for"]);
    assert!(!unknown.messages.contains("nobody has made the repository absent"), "{unknown:?}");
    keeper.run("init", [""; 0]).expect(1).says(&["exists", "another name"]);
    let mut wrong = keeper.command("snapshots");
    wrong.env_remove("FARKEEP_PASSWORD_FILE").env("FARKEEP_PASSWORD", "wrong");
    Ran::of(wrong.output()).expect(12).says(&["wrong passphrase"]);
}

#[test]
fn an_agent_is_told_its_name_its_code_and_whose_a_series_is() {
    let site = Site::new();
    let keeper = site.keeper();
    let bare = Program::at(site.location());
    let mut enroll = Command::new("setsid");
    let command = bare.command("enroll");
    enroll.arg("--wait").arg(command.get_program()).args(command.get_args());
    enroll.args(["--name=own", "--json"]).arg(site.offer("given", "agent")).env_clear();
    enroll.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let ran = Ran::of(enroll.output()).expect(1).says(&["farkeep key agent", "FARKEEP_AGENT_CODE"]);
    assert!(!ran.messages.contains("passphrase"), "{}", ran.messages);
    assert_eq!(ran.lines()[0]["name"], "given");

    let (one, two) = (site.agent(&keeper, "web-1"), site.agent(&keeper, "web-2"));
    fs::create_dir(one.path("source")).expect("it is new");
    let source = one.path("source");
    let backup = ["--series=of one".as_ref(), source.as_os_str()];
    one.run("backup", backup).expect(0);
    two.run("backup", backup).expect(1).says(&["belongs to another agent", "--series NAME"]);
}

/// A limit is for a line to a server. What is written is the same.
#[test]
fn a_limit_slows_a_line_and_is_none_of_a_folders_business() {
    let site = Site::new();
    let keeper = site.keeper();
    make(&sample(), &keeper.path("source"));
    let before = Manifest::of(&keeper.path("source"));
    keeper.json("backup", ["--limit-upload=8MiB".as_ref(), keeper.path("source").as_os_str()]);
    let subject = format!("latest:{}", keeper.path("source").display());
    let target = keeper.path("target");
    let limit = ["--limit-download=8MiB/s", &subject, "--target"].map(AsRef::as_ref);
    keeper.json("restore", limit.into_iter().chain([target.as_os_str()]));
    Manifest::of(&target).expect(&before, &"restored");
    let local = Program::new();
    for limit in ["--limit-upload=1MiB", "--limit-download=1MiB"] {
        local
            .run("backup", [limit, "/"])
            .expect(2)
            .says(&["is a folder", "for what goes to and from a server"]);
    }
}
