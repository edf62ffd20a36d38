use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;

use super::*;
use crate::agent::config::Config;

/// Longer than any test takes.
const LONG: &str = "10m";

/// Jobs of a group on this host, each of which writes down what is done to it.
fn jobs(folder: &Path, members: u32, limit: &str) -> Vec<Job> {
    let path = folder.join("agent.toml");
    let told = folder.join("told").display().to_string();
    let text = format!(
        "servers = [\"farkeep://one/main\"]\nstate = \"/nowhere\"\n\
         [[group]]\nname = \"shop\"\nmembers = {members}\nschedule = \"0 3 * * *\"\nlimit = \"{limit}\"\n\
         [[job]]\nname = \"one\"\ngroup = \"shop\"\npaths = [\"/etc\"]\nthaw = \"echo $FARKEEP_JOB $FARKEEP_GROUP >> {told}\"\n"
    );
    fs::write(&path, text).expect("there is room");
    Config::read(&path, &TimeZone::UTC).expect("it can be used").jobs
}

fn place() -> Place {
    Place {
        enrolments: "/nowhere".into(),
        caches: "/nowhere".into(),
        host: "host".to_owned(),
        user: "user".to_owned(),
        cancel: Arc::default(),
    }
}

fn standstill(folder: &Path, limit: &str, place: &Place) -> Standstill {
    let jobs = jobs(folder, 1, limit);
    let job = jobs.first().expect("one");
    Standstill::begin(job, job.member.as_ref().expect("a group"), place).expect("there are threads")
}

fn told(folder: &Path) -> String {
    fs::read_to_string(folder.join("told")).unwrap_or_default()
}

#[test]
fn what_was_frozen_is_thawed_once() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let still = standstill(folder.path(), LONG, &place());
    assert_eq!(told(folder.path()), "");
    still.thaw().expect("it is in time");
    still.thaw().expect("once more is nothing");
    still.end().expect("it is in time");
    drop(still);
    assert_eq!(told(folder.path()), "one shop\n");
    drop(standstill(folder.path(), LONG, &place()));
    assert_eq!(told(folder.path()), "one shop\none shop\n", "a run that fails thaws too");
}

#[test]
fn whoever_wakes_up_too_late_for_the_others_freezes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let jobs = jobs(folder.path(), 2, LONG);
    let job = jobs.first().expect("one");
    let member = job.member.as_ref().expect("a group");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let is_in_vain = |now, members_here| is_in_vain(member, job.schedule.last(now), members_here, now);
    assert!(!is_in_vain(at("2026-03-01T03:09:59Z"), 1));
    assert!(is_in_vain(at("2026-03-01T03:10:01Z"), 1));
    assert!(!is_in_vain(at("2026-03-01T05:00:00Z"), 2), "nobody else waits");
    assert!(!is_in_vain(at("2026-03-02T03:00:05Z"), 1), "of the times that were missed the last one counts");
}

#[test]
fn nothing_stands_still_for_longer_than_the_limit() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let still = standstill(folder.path(), "1s", &place());
    let watch = still.watch.lock().expect("nobody panicked").take().expect("somebody watches");
    watch.join().expect("it ends when the time is over");
    assert_eq!(told(folder.path()), "one shop\n");
    assert!(still.shared.cancel.load(Ordering::Relaxed), "what is read meanwhile is of no use");
    assert!(matches!(still.thaw(), Err(JobError::Late { limit }) if limit == Duration::from_secs(1)));
}

#[test]
fn an_agent_that_is_told_to_end_ends_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let place = place();
    let still = standstill(folder.path(), LONG, &place);
    place.cancel.store(true, Ordering::Relaxed);
    while !still.shared.cancel.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    still.end().expect("it is in time");
}

#[test]
fn all_hosts_call_one_time_of_a_schedule_by_one_id() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let jobs = jobs(folder.path(), 3, LONG);
    let job = jobs.first().expect("one");
    let member = job.member.as_ref().expect("a group");
    let at = |text: &str| job.schedule.last(text.parse().expect("a time"));
    let of = |text: &str| id(member, at(text), 1);
    assert_eq!(of("2026-11-22T03:00:00.2Z"), of("2026-11-22T03:09:59Z"));
    assert_ne!(of("2026-11-22T03:00:00.2Z"), of("2026-11-23T03:00:00.2Z"));
    assert_ne!(id(member, None, 3), id(member, None, 3), "alone on a host, each run is another");
    assert!(tag(member, of("2026-11-22T03:00:00Z")).starts_with("group=shop/"));
}
