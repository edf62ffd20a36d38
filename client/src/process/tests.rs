use std::fs::File;
use std::io::Read;

use super::*;

#[test]
fn what_a_command_started_is_killed_with_it_though_its_shell_is_gone() {
    let mut running = Running::start("sleep 1000 & echo started", Standing::Apart, |command| {
        command.stdout(Stdio::piped());
    })
    .expect("there is a shell");
    let mut output = File::from(OwnedFd::from(running.take_output().expect("it was asked for a pipe")));
    let mut said = [0; 8];
    output.read_exact(&mut said).expect("it says that it started");
    assert!(running.ends_within(Duration::from_secs(600)).expect("it can be watched"));
    running.end();
    // The pipe has its end when nobody has it open any more.
    assert_eq!(output.read(&mut said).expect("it can be read"), 0);
    assert!(running.finish().expect("it can be waited for").success());
}

#[test]
fn a_command_that_stands_beside_is_in_the_group_of_the_program() {
    for (standing, is_own) in [(Standing::Beside, false), (Standing::Apart, true)] {
        let running = Running::start("exec sleep 1000", standing, |_| {}).expect("there is a shell");
        let pid = Pid::from_child(&running.child);
        let group = rustix::process::getpgid(Some(pid)).expect("it runs");
        assert_eq!(group == pid, is_own, "{standing:?}");
        running.end();
        assert!(!running.finish().expect("it can be waited for").success());
    }
}
