//! Jobs of an agent that back up what a command prints.

use std::fs::File;
use std::io::Read;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::OFlags;
use rustix::process::Pid;
use rustix::process::Signal;

use super::agent::agent_of;
use super::agent::configure;
use super::agent::run;
use super::site::Site;
use crate::world::Program;

/// Longer than anything here takes.
const LONG: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A job whose command never ends, starts something that does not want to end either, and has both hold a pipe open.
fn endless(agent: &Program, more: &str) -> (String, File) {
    let path = agent.path("held");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).expect("it is new");
    let held = rustix::fs::open(&path, OFlags::RDONLY | OFlags::NONBLOCK, 0.into()).expect("it is there");
    rustix::fs::fcntl_setfl(&held, OFlags::empty()).expect("it may wait");
    // Nobody who waits for the agent to say no more is to wait for them.
    let command =
        "exec 3>HELD 2>/dev/null; (trap '' TERM; exec sleep 100000) & echo begun >&3; exec sleep 100000";
    let command = command.replace("HELD", &path.display().to_string());
    let job = format!("[[job]]\nname = \"dump\"\ncommand = \"{command}\"\nschedule = \"every 1d\"\n{more}\n");
    (job, held.into())
}

/// Fails if anybody still holds the pipe.
#[track_caller]
fn assert_let_go(held: &File) {
    let mut fds = [PollFd::new(held, PollFlags::empty())];
    let ready = rustix::event::poll(&mut fds, Some(&LONG)).expect("it can be waited for");
    assert_eq!(ready, 1, "what the command started goes on");
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_all_that_it_started() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    let (job, held) = endless(&agent, "time-limit = \"1s\"");
    configure(&agent, &site, &job);
    let ran = run(&agent, &["run", "--once"]).expect(14).lines();
    assert_eq!(ran[0]["outcome"], "failed");
    let message = ran[0]["message"].as_str().expect("it says why");
    assert!(message.contains("exec sleep") && message.contains("took longer than 1 s"), "{message}");
    assert_let_go(&held);
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 0);
}

#[test]
fn a_command_ends_with_the_agent_and_all_that_it_started_too() {
    let site = Site::new();
    let (keeper, agent) = agent_of(&site);
    let (job, mut held) = endless(&agent, "");
    configure(&agent, &site, &job);
    let mut command = agent.command("agent");
    command.env_remove("FARKEEP_PASSWORD_FILE").args(["run", "--once", "--config"]);
    let mut child = command.arg(agent.path("agent.toml")).spawn().expect("the program was built");
    let mut fds = [PollFd::new(&held, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&LONG)).expect("it can be waited for");
    held.read_exact(&mut [0; 6]).expect("the command runs");
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    child.wait().expect("it ends");
    assert_let_go(&held);
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 0);
}
