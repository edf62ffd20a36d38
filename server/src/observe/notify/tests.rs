use std::fs;

use tempfile::TempDir;

use super::*;

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// What came of these lines: how many were not told.
async fn failed(script: &str, limit: Duration, lines: &[&str]) -> u64 {
    let failed = Arc::default();
    let (notifier, running) = Notifier::start(Listener::Command(shell(script)), limit, Arc::clone(&failed));
    for line in lines {
        notifier.tell((*line).to_owned()).expect("there is room");
    }
    drop(notifier);
    running.await.expect("it ends");
    failed.load(Ordering::Relaxed)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_line_is_one_run() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("told");
    let script = format!("echo run >> {0}; cat >> {0}", path.display());
    assert_eq!(failed(&script, LONG, &["one\n", "two\n"]).await, 0);
    assert_eq!(fs::read_to_string(path).expect("it is there"), "run\none\nrun\ntwo\n");
}

#[tokio::test]
async fn a_command_that_fails_or_hangs_is_counted_and_holds_nobody_up() {
    assert_eq!(failed("exit 3", LONG, &["one\n"]).await, 1);
    assert_eq!(failed("exec sleep 1000", Duration::from_millis(20), &["one\n", "two\n"]).await, 2);
    let long = "x".repeat(1 << 20);
    assert_eq!(failed("exec true", LONG, &[&long]).await, 0, "nobody has to read");
}
