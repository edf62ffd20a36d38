use std::fs::File;
use std::io::Read;

use super::*;

/// A command that stands apart and has said that it started, and what it prints.
fn started(line: &str) -> (Running, File) {
    let mut running = Running::start(line, Standing::Apart, |command| {
        command.stdout(Stdio::piped());
    })
    .expect("there is a shell");
    let mut output = File::from(OwnedFd::from(running.take_output().expect("it was asked for a pipe")));
    let mut said = [0; 8];
    output.read_exact(&mut said).expect("it says that it started");
    (running, output)
}

#[test]
fn what_a_command_started_is_killed_with_it_though_its_shell_is_gone() {
    let (mut running, mut output) = started("sleep 1000 & echo started");
    assert!(running.ends_within(Duration::from_secs(600)).expect("it can be watched"));
    running.end();
    // The pipe has its end when nobody has it open any more.
    assert_eq!(output.read(&mut [0; 8]).expect("it can be read"), 0);
    assert!(running.finish().expect("it can be waited for").success());
}

#[test]
fn what_a_command_started_has_time_to_end_though_its_shell_is_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tidied = folder.path().join("tidied");
    let tidy = format!("sleep 0.3; touch {}; exit", tidied.display());
    let line = format!("(trap '{tidy}' TERM; echo started; while :; do sleep 0.01; done) | cat");
    let (mut running, mut output) = started(&line);
    running.end();
    assert!(tidied.exists(), "it was killed before it had tidied up");
    assert_eq!(output.read(&mut [0; 8]).expect("it can be read"), 0);
    running.finish().expect("it can be waited for");
}

#[test]
fn what_does_not_want_to_end_is_killed() {
    let (mut running, mut output) = started("trap '' TERM; echo started; while :; do sleep 0.01; done");
    running.end();
    assert_eq!(output.read(&mut [0; 8]).expect("it can be read"), 0);
    assert!(!running.finish().expect("it can be waited for").success());
}

#[test]
fn a_command_that_nobody_waits_for_is_killed() {
    let (running, mut output) = started("sleep 1000 & echo started; wait");
    drop(running);
    assert_eq!(output.read(&mut [0; 8]).expect("it can be read"), 0);
}

#[test]
fn a_command_that_stands_beside_is_in_the_group_of_the_program() {
    for (standing, is_own) in [(Standing::Beside, false), (Standing::Apart, true)] {
        let mut running = Running::start("exec sleep 1000", standing, |_| {}).expect("there is a shell");
        let pid = running.process.id();
        let group = rustix::process::getpgid(Some(pid)).expect("it runs");
        assert_eq!(group == pid, is_own, "{standing:?}");
        running.end();
        assert!(!running.finish().expect("it can be waited for").success());
    }
}
