use std::time::Duration;

use super::Hook;
use super::HookError;

fn hook(line: &str, limit: Duration) -> Hook {
    Hook { line: line.to_owned(), limit }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_hook_sees_what_it_is_told_and_its_failure_is_told() {
    hook("test \"$FARKEEP_JOB\" = etc", LONG).run(&[("FARKEEP_JOB", "etc")]).expect("it is so");
    let failed = hook("exit 3", LONG).run(&[]).expect_err("it fails");
    assert!(matches!(&failed, HookError::Failed { status, .. } if status.code() == Some(3)), "{failed}");
}

#[test]
fn a_hook_that_takes_too_long_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (started, ended) = (folder.path().join("started"), folder.path().join("ended"));
    let line = format!("(sleep 1000; touch {}) & touch {}; wait", ended.display(), started.display());
    let failed = hook(&line, Duration::from_millis(300)).run(&[]).expect_err("it is too slow");
    assert!(matches!(failed, HookError::TooSlow { .. }), "{failed}");
    assert!(!ended.exists());
}
