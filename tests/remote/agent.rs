//! An agent that backs up by itself.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Stdio;

use jiff::Timestamp;
use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;

use super::site::Site;
use crate::world::Program;
use crate::world::Ran;

/// Writes a configuration with these jobs.
pub(super) fn configure(agent: &Program, site: &Site, jobs: &str) {
    let absent = "farkeep://127.0.0.1:1/main";
    let text = format!(
        "servers = [\"{absent}\", \"{}\"]\nstate = \"{}\"\nreach = \"0s\"\nalarm-age = \"1h\"\n{jobs}",
        site.location(),
        agent.path("state").display()
    );
    fs::write(agent.path("agent.toml"), text).expect("there is room");
}

fn job(agent: &Program, name: &str, schedule: &str, more: &str) -> String {
    let source = agent.path("source");
    format!(
        "[[job]]\nname = \"{name}\"\npaths = [\"{}\"]\nschedule = \"{schedule}\"\n{more}\n",
        source.display()
    )
}

pub(super) fn agent_of(site: &Site) -> (Program, Program) {
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    fs::create_dir(agent.path("source")).expect("it is new");
    fs::write(agent.path("source/file"), "text").expect("there is room");
    (keeper, agent)
}

pub(super) fn run(agent: &Program, arguments: &[&str]) -> Ran {
    let mut command = agent.command("agent");
    command.env_remove("FARKEEP_PASSWORD_FILE").args(arguments).arg("--json");
    Ran::of(command.arg("--config").arg(agent.path("agent.toml")).output())
}

#[test]
fn jobs_run_with_their_hooks_and_status_tells_how_they_went() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    let told = agent.path("told");
    let hooks = format!(
        "before = \"cp {0}/file {0}/before\"\nafter = \"echo after $FARKEEP_JOB >> {1}\"\nfinally = \"echo $FARKEEP_OUTCOME >> {1}\"",
        agent.path("source").display(),
        told.display()
    );
    let refused = format!("before = \"exit 1\"\non-failure = \"echo sorry >> {}\"", told.display());
    let jobs = job(&agent, "etc", "every 1d", &hooks) + &job(&agent, "refused", "30 3 * * *", &refused);
    configure(&agent, &site, &jobs);
    run(&agent, &["check"]).expect(0);
    assert_eq!(run(&agent, &["status"]).expect(14).lines()[0]["outcome"], "never ran");

    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    let outcomes: Vec<&Value> = ran.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["complete", "failed"]);
    assert_eq!(fs::read_to_string(&told).expect("hooks ran"), "after etc\ndone\nsorry\n");
    let snapshots = keeper.json("snapshots", [""; 0]);
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    assert_eq!(snapshots[0]["snapshot"], ran[0]["snapshot"]);
    let listed = keeper.json("ls", ["-R", "latest"]);
    assert!(listed.iter().any(|line| line["path"].as_str().is_some_and(|path| path.ends_with("before"))));

    let status = run(&agent, &["status"]).expect(14).lines();
    assert_eq!((&status[0]["is_well"], &status[1]["is_well"]), (&true.into(), &false.into()));
    assert!(status[1]["message"].as_str().is_some_and(|why| why.contains("exit 1")), "{status:?}");
}

#[test]
fn points_that_no_server_took_are_brought_there_in_order_with_their_times() {
    let mut site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 1d", ""));
    let first = run(&agent, &["run", "--once"]).expect(0).lines();
    site.stop();
    let mut lines = vec![first[0].clone()];
    for round in 1..3_u64 {
        fs::write(agent.path("source/file"), format!("text {round}")).expect("there is room");
        let ran = run(&agent, &["run", "--once"]).expect(14).lines();
        assert_eq!((&ran[0]["outcome"], &ran[0]["snapshot"]), (&"spooled".into(), &first[0]["snapshot"]));
        assert!(
            ran[0]["message"].as_str().is_some_and(|why| why.contains("no server was reached")),
            "{ran:?}"
        );
        lines.push(ran[0].clone());
        let status = run(&agent, &["status"]).expect(0).lines();
        assert_eq!((&status[1]["type"], &status[1]["points"]), (&"spool".into(), &round.into()));
    }
    site.start();
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 1);

    fs::write(agent.path("source/file"), "text 3").expect("there is room");
    let ran = run(&agent, &["run", "--once"]).expect(0).lines();
    assert_eq!(
        (&ran[0]["type"], &ran[0]["points"], &ran[0]["waiting"]),
        (&"brought".into(), &2.into(), &0.into())
    );
    lines.push(ran[1].clone());
    assert_eq!(run(&agent, &["status"]).expect(0).lines().len(), 1, "nothing waits");
    let points = keeper.json("snapshots", [""; 0]);
    assert_eq!(points.len(), lines.len());
    let time =
        |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).expect("a time");
    for (point, line) in points.iter().zip(&lines) {
        assert!(
            (time(&line["begun"])..=time(&line["ended"])).contains(&time(&point["captured"])),
            "{point} {line}"
        );
    }
    for (round, point) in points.iter().enumerate() {
        let snapshot = point["snapshot"].as_str().expect("an id");
        let path = format!("{snapshot}:{}", agent.path("source/file").display());
        let text = if round == 0 { "text".to_owned() } else { format!("text {round}") };
        assert_eq!(keeper.run("dump", [path]).expect(0).results, text);
    }
}

#[test]
fn a_point_that_comes_behind_a_newer_one_is_not_the_latest() {
    let mut site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 1d", "series = \"own\""));
    let write = |text: &str| fs::write(agent.path("source/file"), text).expect("there is room");
    run(&agent, &["run", "--once"]).expect(0);
    site.stop();
    write("spooled");
    run(&agent, &["run", "--once"]).expect(14);
    site.start();
    write("newer");
    agent.json("backup", ["--series=own".as_ref(), agent.path("source").as_os_str()]);
    write("last");
    run(&agent, &["run", "--once"]).expect(0);
    let (path, points) = (agent.path("source/file"), keeper.json("snapshots", [""; 0]));
    for (back, text) in ["last", "newer", "spooled", "text"].into_iter().enumerate() {
        let subject = format!("latest~{back}:{}", path.display());
        assert_eq!(keeper.run("dump", [subject.as_str(), "--series=own"]).expect(0).results, text);
        assert_eq!(keeper.run("dump", [subject]).expect(0).results, text);
    }
    let sequences: Vec<&Value> = points.iter().map(|point| &point["sequence"]).collect();
    assert!(sequences[1].as_u64() > sequences[2].as_u64(), "listed as captured, not as arrived: {points:?}");
}

#[test]
fn a_job_that_is_due_while_points_wait_is_captured_behind_them() {
    let mut site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 1d", ""));
    run(&agent, &["run", "--once"]).expect(0);
    site.stop();
    fs::write(agent.path("source/file"), "text 1").expect("there is room");
    run(&agent, &["run", "--once"]).expect(14);
    site.start();
    fs::write(agent.path("source/file"), "text 2").expect("there is room");
    let mut runs = remembered(&agent);
    runs["jobs"]["etc"]["due"] = "2020-01-01T00:00:00Z".into();
    fs::write(agent.path("state/runs.json"), runs.to_string()).expect("there is room");
    let mut command = agent.command("agent");
    command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--json", "--config"]);
    let mut child =
        command.arg(agent.path("agent.toml")).stdout(Stdio::piped()).spawn().expect("the program was built");
    let output = BufReader::new(child.stdout.take().expect("it was asked for a pipe"));
    let mut lines = output.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("a line"));
    let line: Value = lines.next().expect("the job is due");
    assert_eq!((&line["type"], &line["outcome"]), (&"job".into(), &"spooled".into()));
    let line: Value = lines.next().expect("what waits is brought");
    assert_eq!((&line["type"], &line["points"], &line["waiting"]), (&"brought".into(), &2.into(), &0.into()));
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(remembered(&agent)["jobs"]["etc"]["outcome"], "complete");
    let path = format!("latest:{}", agent.path("source/file").display());
    assert_eq!(keeper.run("dump", [path]).expect(0).results, "text 2");
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 3);
}

#[test]
fn a_spool_that_was_removed_is_counted_on_by_nobody() {
    let mut site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 1d", ""));
    run(&agent, &["run", "--once"]).expect(0);
    site.stop();
    let noise: Vec<u8> = (0..100_000_u32).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    fs::write(agent.path("source/large"), noise).expect("there is room");
    run(&agent, &["run", "--once"]).expect(14);
    fs::remove_dir_all(agent.path("state/spool")).expect("it is there");
    run(&agent, &["run", "--once"]).expect(14);
    site.start();
    run(&agent, &["run", "--once"]).expect(0);
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 3, "the second of the spooled ones was whole");
    keeper.run("check", ["--read-data"]).expect(0);
}

#[test]
fn an_agent_that_is_not_at_work_is_noticed_and_a_clock_that_was_ahead_too() {
    let site = Site::new();
    let (_, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 10s", ""));
    fs::create_dir(agent.path("state")).expect("it is new");
    let remembered = |fields: &str| {
        let text = format!(r#"{{"version":1,"jobs":{{"etc":{{"outcome":"complete",{fields}}}}}}}"#);
        fs::write(agent.path("state/runs.json"), text).expect("there is room");
    };
    let now = Timestamp::now();
    remembered(&format!(r#""acknowledged":"{now}","next":"2020-01-01T00:00:00Z""#));
    let status = run(&agent, &["status"]).expect(14).lines();
    assert!(
        status[0]["message"].as_str().is_some_and(|said| said.contains("no agent is at work")),
        "{status:?}"
    );
    remembered(r#""acknowledged":"2099-01-01T00:00:00Z","due":"2099-01-01T00:00:00Z""#);
    assert_eq!(run(&agent, &["status"]).expect(14).lines()[0]["is_well"], false);
    // By that memory nothing would be due for many years.
    let mut command = agent.command("agent");
    command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--json", "--config"]);
    let mut child =
        command.arg(agent.path("agent.toml")).stdout(Stdio::piped()).spawn().expect("it was built");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("the job comes due");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(line.contains("complete"), "{line}");
}

#[test]
fn the_example_of_a_configuration_can_be_used_as_it_is_shown() {
    let site = Site::new();
    let agent = Program::at(site.location());
    let help = Ran::of(agent.command("agent").arg("--help").output()).expect(0).results;
    let config: Vec<&str> = help.lines().filter(|line| line.starts_with("  ")).collect();
    let from =
        config.iter().position(|line| line.contains("# Copies of one repository")).expect("it is shown");
    fs::write(agent.path("agent.toml"), config[from..].join("\n")).expect("there is room");
    run(&agent, &["check"]).expect(0).says(&["jobs: 3"]);
}

#[test]
fn a_spool_that_is_full_refuses_loudly_and_keeps_what_it_has() {
    let mut site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "etc", "every 1d", ""));
    let path = agent.path("agent.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(&path, format!("spool = \"64K\"\n{text}")).expect("there is room");
    run(&agent, &["run", "--once"]).expect(0);
    site.stop();
    fs::write(agent.path("source/small"), "small").expect("there is room");
    run(&agent, &["run", "--once"]).expect(14);
    let noise: Vec<u8> = (0..40_000_u32).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    fs::write(agent.path("source/large"), noise).expect("there is room");
    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    assert_eq!(ran[0]["outcome"], "failed");
    assert!(ran[0]["message"].as_str().is_some_and(|why| why.contains("the spool is full")), "{ran:?}");
    let status = run(&agent, &["status"]).expect(14).lines();
    assert_eq!((&status[0]["is_well"], &status[1]["points"]), (&false.into(), &1.into()));

    // An agent that runs finds the server by itself.
    let mut running = agent.command("agent");
    running.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--quiet", "--config"]);
    let mut running = running.arg(&path).spawn().expect("the program was built");
    site.start();
    while run(&agent, &["status"]).lines().len() > 1 {
        assert!(running.try_wait().expect("it is ours").is_none(), "it runs until it is told to end");
    }
    running.kill().expect("it runs");
    running.wait().expect("it ends");
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 2);
}

#[test]
fn an_agent_keeps_its_schedule_until_it_is_told_to_end() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    configure(&agent, &site, &job(&agent, "often", "every 10s", ""));
    let mut command = agent.command("agent");
    command
        .env_remove("FARKEEP_PASSWORD_FILE")
        .args(["run", "--json", "--config"])
        .arg(agent.path("agent.toml"));
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program was built");
    let mut line = String::new();
    let output = child.stdout.take().expect("it was asked for a pipe");
    BufReader::new(output).read_line(&mut line).expect("the job comes due");
    let second = run(&agent, &["run", "--once"]).expect(1);
    let state = agent.path("state").display().to_string();
    second.says(&[&state, "another agent is at work in it", "one agent at a time"]);
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it ends").success());
    let said: Value = serde_json::from_str(&line).expect("a line");
    assert_eq!((&said["job"], &said["outcome"]), (&"often".into(), &"complete".into()));
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 1);
}

#[test]
fn a_path_that_never_was_there_is_named_by_a_check_and_by_the_status() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    let (source, typo) = (agent.path("source"), agent.path("sauce"));
    let jobs = format!(
        "[[job]]\nname = \"both\"\npaths = [{source:?}, {typo:?}]\nschedule = \"every 1d\"\n\
         [[job]]\nname = \"good\"\npaths = [{source:?}]\nschedule = \"every 1d\"\n"
    );
    configure(&agent, &site, &jobs);
    let missing = typo.display().to_string();
    let checked = run(&agent, &["check"]).expect(0);
    let here = format!("127.0.0.1:{}", site.port());
    assert!(!checked.messages.contains("job good") && !checked.messages.contains(&here), "{checked:?}");
    checked.says(&[
        "warning: job both",
        &missing,
        "not enrolled at 127.0.0.1:1",
        "the configuration can be used; jobs: 2",
    ]);
    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    assert_eq!((&ran[0]["outcome"], &ran[1]["outcome"]), (&"partial".into(), &"complete".into()));
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 2, "the rest is there");
    let status = run(&agent, &["status"]).expect(14).lines();
    assert_eq!((&status[0]["is_well"], &status[1]["is_well"]), (&false.into(), &true.into()));
    for said in [&ran[0], &status[0]] {
        let names_it = |why: &str| why.contains(&missing) && why.contains("in no run");
        assert!(said["message"].as_str().is_some_and(names_it), "{said:?}");
    }

    // What was there once and is away is missing from the points, which go on.
    fs::write(&typo, "text").expect("there is room");
    run(&agent, &["run", "--once"]).expect(0);
    fs::remove_file(&typo).expect("it is there");
    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    assert_eq!(ran[0]["outcome"], "partial");
    run(&agent, &["status"]).expect(0);
    // An agent that has lost its memory makes the same points, and says that it knows nothing of that path.
    fs::remove_file(agent.path("state/runs.json")).expect("it is there");
    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    assert_eq!(ran[0]["outcome"], "partial");
    run(&agent, &["status"]).expect(14);
}

/// What the agent remembers of its one job.
fn remembered(agent: &Program) -> Value {
    let text = fs::read_to_string(agent.path("state/runs.json")).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn a_run_that_was_killed_is_made_up_for() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    let begun = agent.path("begun");
    // The first run waits for somebody who never comes; the test ends it.
    let hook = format!("before = \"echo $$ > {0}; test -e {0}.go || exec cat {0}\"", begun.display());
    configure(&agent, &site, &job(&agent, "daily", "every 1d", &hook));
    fs::create_dir(agent.path("state")).expect("it is new");
    let before = r#"{"version":1,"jobs":{"daily":{"due":"2020-01-01T00:00:00Z"}}}"#;
    fs::write(agent.path("state/runs.json"), before).expect("there is room");
    rustix::fs::mknodat(rustix::fs::CWD, &begun, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("it is new");
    let start = || {
        let mut command = agent.command("agent");
        command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--json", "--config"]);
        command.arg(agent.path("agent.toml")).stdout(Stdio::piped()).spawn().expect("the program was built")
    };
    let mut killed = start();
    let hook = fs::read_to_string(&begun).expect("the hook says who it is");
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    // The hook outlives the agent, as what a crash leaves behind does.
    let hook = hook.trim().parse().ok().and_then(Pid::from_raw).expect("a process");
    rustix::process::kill_process(hook, Signal::KILL).expect("it runs");
    assert_eq!(remembered(&agent)["jobs"]["daily"]["due"], "2020-01-01T00:00:00Z");

    fs::write(agent.path("begun.go"), "").expect("there is room");
    let mut again = start();
    fs::read(&begun).expect("the hook says that it runs");
    let mut line = String::new();
    BufReader::new(again.stdout.take().expect("a pipe")).read_line(&mut line).expect("the job ends");
    again.kill().expect("it runs");
    again.wait().expect("it ends");
    assert!(line.contains("complete"), "{line}");
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 1);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let site = Site::new();
    let agent = Program::at(site.location());
    run(&agent, &["run"]).expect(1).says(&["agent.toml"]);
    configure(&agent, &site, "[[job]]\nname = \"etc\"\npaths = [\"/etc\"]\n");
    run(&agent, &["check"]).expect(2).says(&["agent.toml", "schedule"]);
}
