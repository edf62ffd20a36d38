use tempfile::TempDir;

use super::*;

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("it is there")
}

fn seen(follower: &mut Follower) -> String {
    let mut out = Vec::new();
    follower.next(&mut out).expect("read");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_full_file_is_put_aside_once() {
    let folder = folder();
    let mut journal = Journal::with_bytes(folder.path(), 8).expect("opened");
    for line in ["one\n", "two\n", "three\n", "four\n"] {
        journal.append(line).expect("written");
    }
    assert_eq!(read(&folder, FILE_BEFORE), "three\n");
    assert_eq!(read(&folder, FILE), "four\n");
    let mut journal = Journal::with_bytes(folder.path(), 12).expect("opened");
    journal.append("five\n").expect("written");
    assert_eq!(read(&folder, FILE), "four\nfive\n", "what is there counts, and stays");
}

#[test]
fn a_line_that_was_cut_spoils_no_other() {
    let folder = folder();
    fs::write(folder.path().join(FILE), "whole\nhal").expect("written");
    let mut journal = Journal::open(folder.path()).expect("opened");
    journal.append("next\n").expect("written");
    assert_eq!(read(&folder, FILE), "whole\nhal\nnext\n");
}

#[test]
fn whoever_follows_sees_every_line_once() {
    let folder = folder();
    let mut out = Vec::new();
    let mut follower = Follower::begin(folder.path(), &mut out).expect("read");
    assert_eq!((out.len(), seen(&mut follower).as_str()), (0, ""));
    let mut journal = Journal::with_bytes(folder.path(), 8).expect("opened");
    journal.append("one\n").expect("written");
    assert_eq!(seen(&mut follower), "one\n");
    assert_eq!(seen(&mut follower), "");
    // The second line is the last one of its file, and the third the first of the next.
    journal.append("two\n").expect("written");
    journal.append("three\n").expect("written");
    assert_eq!(seen(&mut follower), "two\nthree\n");
    journal.file.write_all(b"ha").expect("written");
    assert_eq!(seen(&mut follower), "");
    journal.file.write_all(b"lf\n").expect("written");
    assert_eq!(seen(&mut follower), "half\n");
    let mut out = Vec::new();
    Follower::begin(folder.path(), &mut out).expect("read");
    assert_eq!(out, b"one\ntwo\nthree\nhalf\n");
}

#[tokio::test]
async fn what_is_raised_is_a_line_of_json() {
    let folder = folder();
    let (recorder, notes) = Recorder::new();
    Journal::open(folder.path()).expect("opened").record(&recorder, notes, Vec::new()).expect("a thread");
    let whose = "client \"a\"\n".to_owned();
    recorder.raise(Event::QuotaSoft { whose: whose.clone(), used_bytes: 2, limit_bytes: 1 });
    recorder.finish().await;
    let text = read(&folder, FILE);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((&lines[0]["version"], &lines[0]["event"]), (&1.into(), &"quota-soft".into()));
    assert_eq!((&lines[0]["whose"], &lines[0]["used_bytes"]), (&whose.into(), &2.into()));
    assert!(lines[0]["time"].as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()));
    assert_eq!(lines[1]["event"], "stopped");
}

#[test]
fn events_that_nobody_takes_are_counted() {
    let (recorder, notes) = Recorder::new();
    for _ in 0..WAITING_MAX + 3 {
        recorder.raise(Event::Stopped);
    }
    drop(notes);
    let mut text = Text::default();
    recorder.write(&mut text);
    assert!(text.finish().contains("\nfarkeep_events_lost_total 3\n"));
}
