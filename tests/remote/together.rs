//! Consistency groups of agents on several hosts.

use std::fs;
use std::path::Path;

use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;

use super::site::Site;
use crate::world::Program;
use crate::world::Ran;

/// A host whose jobs write down in one file what is done to them.
struct Host {
    program: Program,
}

impl Host {
    fn new(site: &Site, keeper: &Program, name: &str) -> Self {
        Self { program: site.agent(keeper, name) }
    }

    /// Jobs of a group that has so many members; `hooks` stand in every job.
    fn configure(&self, site: &Site, members: u32, limit: &str, jobs: &[&str], hooks: &str) {
        let program = &self.program;
        let told = program.path("told").display().to_string();
        let mut text = format!(
            "servers = [\"{}\"]\nstate = \"{}\"\n\
             [[group]]\nname = \"shop\"\nmembers = {members}\nschedule = \"0 0 1 1 *\"\nlimit = \"{limit}\"\n",
            site.location(),
            program.path("state").display(),
        );
        for job in jobs {
            let source = program.path(job);
            fs::create_dir_all(&source).expect("there is room");
            fs::write(source.join("file"), job).expect("there is room");
            text += &format!(
                "[[job]]\nname = \"{job}\"\ngroup = \"shop\"\npaths = [\"{}\"]\n\
                 thaw = \"echo thaw $FARKEEP_JOB >> {told}\"\n{}\n",
                source.display(),
                hooks.replace("TOLD", &told),
            );
        }
        fs::write(program.path("agent.toml"), text).expect("there is room");
    }

    fn run(&self) -> Vec<Value> {
        let mut command = self.program.command("agent");
        command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--once", "--json", "--config"]);
        let lines = Ran::of(command.arg(self.program.path("agent.toml")).output()).lines();
        lines.into_iter().filter(|line| line["type"] == "job").collect()
    }

    /// What was done to the jobs, sorted.
    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.program.path("told")).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// Runs both at the same time.
fn both(one: &Host, other: &Host) -> Vec<Value> {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| other.run());
        let mut lines = one.run();
        lines.extend(running.join().expect("it does not panic"));
        lines
    })
}

const FREEZE: &str = "freeze = \"echo freeze $FARKEEP_JOB $FARKEEP_GROUP >> TOLD\"";

#[test]
fn jobs_of_two_hosts_are_committed_as_one() {
    let site = Site::new();
    let keeper = site.keeper();
    let (one, other) = (Host::new(&site, &keeper, "one"), Host::new(&site, &keeper, "other"));
    one.configure(&site, 3, "10m", &["cart", "stock"], FREEZE);
    let picture = format!("{FREEZE}\ncapture = \"echo capture $FARKEEP_JOB >> TOLD\"");
    other.configure(&site, 3, "10m", &["bank"], &picture);
    let lines = both(&one, &other);
    assert!(lines.len() == 3 && lines.iter().all(|line| line["outcome"] == "complete"), "{lines:?}");
    let snapshots = keeper.json("snapshots", [""; 0]);
    assert_eq!(snapshots.len(), 3);
    let tags: Vec<&Value> = snapshots.iter().map(|snapshot| &snapshot["tags"]).collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]), "one id: {tags:?}");
    assert!(tags[0][0].as_str().is_some_and(|tag| tag.starts_with("group=shop/")), "{tags:?}");
    let told = ["freeze cart shop", "freeze stock shop", "thaw cart", "thaw stock"];
    assert_eq!(one.told(), told);
    assert_eq!(other.told(), ["capture bank", "freeze bank shop", "thaw bank"]);
}

#[test]
fn when_one_fails_none_is_committed_and_all_thaw() {
    let site = Site::new();
    let keeper = site.keeper();
    let (one, other) = (Host::new(&site, &keeper, "one"), Host::new(&site, &keeper, "other"));
    one.configure(&site, 3, "10m", &["cart", "stock"], FREEZE);
    other.configure(&site, 3, "10m", &["bank"], "freeze = \"exit 3\"");
    let lines = both(&one, &other);
    assert!(lines.len() == 3 && lines.iter().all(|line| line["outcome"] == "failed"), "{lines:?}");
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 0);
    assert_eq!(one.told(), ["freeze cart shop", "freeze stock shop", "thaw cart", "thaw stock"]);
    assert_eq!(other.told(), ["thaw bank"], "half of it may be frozen");
}

#[test]
fn a_member_that_fails_before_it_begins_keeps_nobody_frozen() {
    let site = Site::new();
    let keeper = site.keeper();
    let (one, other) = (Host::new(&site, &keeper, "one"), Host::new(&site, &keeper, "other"));
    for stands_against in ["before = \"exit 3\"", "exclude = [\"[\"]"] {
        one.configure(&site, 2, "10m", &["cart"], FREEZE);
        other.configure(&site, 2, "10m", &["bank"], stands_against);
        let lines = both(&one, &other);
        assert!(lines.len() == 2 && lines.iter().all(|line| line["outcome"] == "failed"), "{lines:?}");
        assert_eq!(other.told(), [""; 0], "nothing was frozen");
    }
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 0);
}

#[test]
fn a_member_that_does_not_come_keeps_nobody_frozen() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    one.configure(&site, 2, "1s", &["cart"], FREEZE);
    let lines = one.run();
    assert_eq!(lines[0]["outcome"], "failed", "{lines:?}");
    assert_eq!(one.told(), ["freeze cart shop", "thaw cart"]);
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 0);
}

#[test]
fn what_a_killed_agent_left_frozen_is_thawed_by_the_next_one() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    one.configure(&site, 1, "10m", &["cart"], FREEZE);
    fs::create_dir(one.program.path("state")).expect("it is new");
    let cut = r#"{"version":1,"jobs":{"cart":{"begun":"2026-01-01T00:00:00Z"}}}"#;
    fs::write(one.program.path("state/runs.json"), cut).expect("there is room");
    assert_eq!(one.run()[0]["outcome"], "complete");
    assert_eq!(one.told(), ["freeze cart shop", "thaw cart", "thaw cart"]);
}

#[test]
fn a_thaw_that_fails_takes_no_point_away() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    one.configure(&site, 1, "10m", &["cart"], FREEZE);
    let path = one.program.path("agent.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(&path, text.replace("thaw = \"echo", "thaw = \"false; exit 7; echo")).expect("there is room");
    let line = one.run().remove(0);
    assert_eq!(line["outcome"], "complete", "{line}");
    assert!(line["message"].as_str().is_some_and(|said| said.contains("exit status: 7")), "{line}");
    assert_eq!(keeper.json("snapshots", [""; 0])[0]["snapshot"], line["snapshot"]);
}

#[test]
fn a_freeze_that_takes_effect_too_late_is_thawed_again() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    let hook = "freeze = \"trap '' TERM; echo > TOLD.begun; until grep -q thaw TOLD; do :; done; echo late freeze >> TOLD\"";
    one.configure(&site, 2, "1s", &["cart"], hook);
    assert_eq!(one.run()[0]["outcome"], "failed");
    let told = fs::read_to_string(one.program.path("told")).expect("it was thawed");
    assert!(told.trim_end().ends_with("thaw cart"), "what came last: {told}");
}

#[test]
fn a_member_that_waits_for_others_ends_when_it_is_told_to() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    let frozen = one.program.path("frozen");
    mkfifo(&frozen);
    one.configure(&site, 2, "10m", &["cart"], &format!("freeze = \"echo now > {}\"", frozen.display()));
    let mut command = one.program.command("agent");
    command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--once", "--json", "--config"]);
    let mut child = command.arg(one.program.path("agent.toml")).spawn().expect("the program was built");
    assert_eq!(fs::read_to_string(&frozen).expect("the hook runs"), "now\n");
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    child.wait().expect("it ends, though the other member never comes");
    assert_eq!(one.told(), ["thaw cart"]);
}

#[test]
fn a_job_that_takes_long_keeps_no_group_waiting() {
    let site = Site::new();
    let keeper = site.keeper();
    let one = Host::new(&site, &keeper, "one");
    let thawed = one.program.path("thawed");
    mkfifo(&thawed);
    one.configure(&site, 1, "10m", &["cart"], &format!("after = \"echo thawed > {}\"", thawed.display()));
    let text = fs::read_to_string(one.program.path("agent.toml")).expect("it is there");
    let (front, jobs) = text.split_once("[[job]]").expect("it has jobs");
    let long = format!(
        "[[job]]\nname = \"long\"\nschedule = \"every 1d\"\npaths = [\"{}\"]\nbefore = \"cat {}\"\n",
        one.program.path("cart").display(),
        thawed.display(),
    );
    fs::write(one.program.path("agent.toml"), format!("{front}{long}[[job]]{jobs}")).expect("there is room");
    let lines = one.run();
    assert!(lines.len() == 2 && lines.iter().all(|line| line["outcome"] == "complete"), "{lines:?}");
}

fn mkfifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("it is new");
}
