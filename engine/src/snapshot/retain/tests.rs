use std::sync::Arc;

use super::*;
use crate::Engine;
use crate::ManualClock;
use crate::Marked;
use crate::Options;
use crate::Settings;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::create;
use crate::store::tests::open;
use crate::store::tests::open_with;
use crate::store::tests::options;
use crate::store::tests::put_tree;
use crate::store::tests::read;

/// Commits so many snapshots of a series.
fn commit(engine: &Engine, recorder: &mut Recorder, count: u64) -> Vec<SnapshotId> {
    let one = |_| {
        let record = recorder.record(put_tree(engine, 0..2));
        let committed = engine.commit(&engine.begin(), &record).expect("committed");
        recorder.taken(&record);
        committed.id
    };
    (0..count).map(one).collect()
}

fn last(pattern: &str, count: u32) -> Policy {
    Policy { last: count, ..Policy::new(pattern.parse().expect("a good pattern")) }
}

fn settings(policies: &[Policy]) -> Settings {
    let policies = policies.iter().map(|policy| policy.encode().expect("no tags")).collect();
    Settings { policies, ..Settings::default() }
}

fn listed(engine: &Engine) -> Vec<SnapshotId> {
    engine.snapshots().expect("listed").iter().map(|listed| listed.id).collect()
}

fn going(retained: &Retained) -> Vec<SnapshotId> {
    let goes = retained.judged.iter().filter(|one| matches!(one.fate, Fate::Forgotten(_)));
    goes.map(|one| one.id).collect()
}

#[test]
fn stored_policies_forget_what_no_rule_keeps() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let ours = commit(&engine, &mut Recorder::new("host:/a"), 4);
    let others = commit(&engine, &mut Recorder::new("other:/b"), 2);
    engine.hold(&ours[0], Time::from_nanoseconds(9_000), "a test").expect("held");
    engine.change_settings(&settings(&[last("host:*", 2)]), "a test").expect("they are good");
    let head = engine.head();
    let plan = engine.retain(&Rules::Stored, Act::Plan, "").expect("planned");
    assert_eq!((engine.head(), listed(&engine).len()), (head, 6), "a plan changes nothing");
    assert_eq!(read(&disk).expect("opened").retain(&Rules::Stored, Act::Plan, "").expect("planned"), plan);

    let done = engine.retain(&Rules::Stored, Act::Execute, "nightly").expect("carried out");
    assert_eq!(done, plan);
    assert_eq!(going(&done), [ours[1]]);
    let fate = |id| &done.judged.iter().find(|one| one.id == id).expect("judged").fate;
    assert_eq!(fate(others[0]), &Fate::Kept(vec![Reason::NoPolicy]));
    assert_eq!(fate(ours[0]), &Fate::Kept(vec![Reason::Held(Time::from_nanoseconds(9_000))]));
    assert_eq!(fate(ours[3]), &Fate::Kept(vec![Reason::Least(1), Reason::Last(2)]));
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(listed(&engine), [&[ours[0], ours[2], ours[3]], others.as_slice()].concat());
    assert_eq!(engine.forgotten().expect("listed").len(), 1);
    let head = engine.head();
    assert_eq!(going(&engine.retain(&Rules::Stored, Act::Execute, "").expect("carried out")), []);
    assert_eq!(engine.head(), head, "once more changes nothing");
    let given = Rules::Given(vec![last("*", 1)]);
    let done = engine.retain(&given, Act::Execute, "").expect("carried out");
    assert_eq!(going(&done), [ours[2], others[0]]);
}

#[test]
fn what_goes_is_written_down_in_as_many_steps_as_it_takes() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let ids = commit(&engine, &mut Recorder::new("host:/a"), 8);
    let plan = engine.retain(&Rules::Given(vec![last("*", 1)]), Act::Plan, "").expect("planned");
    let head = engine.head().sequence;
    let done = execute(&engine.store, &Rules::Given(vec![last("*", 1)]), "", 3).expect("carried out");
    assert_eq!(done, plan);
    assert_eq!((listed(&engine), engine.head().sequence), (ids[7..].to_vec(), head + 7));
}

#[test]
fn nothing_is_forgotten_by_a_clock_that_is_not_believed_and_the_rest_goes_on() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let ids = commit(&engine, &mut recorder, 3);
    let rules = Rules::Given(vec![last("*", 1)]);
    let (shown, expected) = (Time::from_nanoseconds(1_000), Some(Time::from_nanoseconds(77)));
    assert!(engine.freeze(Frozen { shown, expected }, "a test").expect("written"));
    assert!(!engine.freeze(Frozen { shown, expected }, "a test").expect("known"));
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    let frozen = Frozen { shown, expected: None };
    assert_eq!(engine.frozen(), Some(frozen));
    let refused = |engine: &Engine, why| match engine.retain(&rules, Act::Execute, "") {
        Err(RetainError::Frozen(frozen)) => assert_eq!(frozen, why),
        other => panic!("{other:?}"),
    };
    refused(&engine, frozen);
    let plan = engine.retain(&rules, Act::Plan, "").expect("planned");
    assert_eq!((going(&plan).len(), plan.frozen), (2, Some(frozen)));
    engine.forget(&ids[0], "a test").expect("a keeper may");
    engine.recover(&ids[0], "a test").expect("a keeper may");
    engine.hold(&ids[0], Time::from_nanoseconds(2_000), "a test").expect("a keeper may");
    commit(&engine, &mut recorder, 1);
    assert!(engine.thaw("a test").expect("written") && !engine.thaw("a test").expect("known"));
    assert_eq!(going(&engine.retain(&rules, Act::Execute, "").expect("carried out")), ids[1..]);
    drop(engine);

    // The default limit is ten minutes.
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(1_000 - 600 * 1_000_000_000 - 1)));
    let engine = open_with(Arc::new(disk), Options { clock: clock.clone(), ..options(3) }).expect("opened");
    let shown = Time::from_nanoseconds(1_000 - 600 * 1_000_000_000 - 1);
    refused(&engine, Frozen { shown, expected: Some(Time::from_nanoseconds(1_000)) });
    clock.set(Time::from_nanoseconds(1_000 - 600 * 1_000_000_000));
    engine.retain(&rules, Act::Execute, "").expect("up to the limit");
}

#[test]
fn settings_that_could_not_be_carried_out_are_refused() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let good = settings(&[last("host:*", 2)]);
    let good = Settings { zone: "CET-1CEST,M3.5.0,M10.5.0/3".to_owned(), parity_thousandths: 10, ..good };
    engine.change_settings(&good, "a test").expect("they are good");
    let head = engine.head();
    engine.change_settings(&good, "a test").expect("they are the same");
    let refused = |settings| engine.change_settings(&settings, "a test").expect_err("refused").to_string();
    let bad = refused(Settings { policies: vec![good.policies[0].clone(), vec![1]], ..good.clone() });
    assert_eq!(bad, "policy 2 of the settings cannot be read");
    let bad = refused(Settings { zone: "Nowhere/At all".to_owned(), ..good.clone() });
    assert_eq!(bad, "no time zone is named Nowhere/At all");
    let bad = refused(Settings { parity_thousandths: 201, ..good.clone() });
    assert_eq!(bad, "parity in thousandths: 201 of the settings is more than 200");
    let bad = refused(Settings { policies: vec![good.policies[0].clone(); 65], ..good.clone() });
    assert_eq!(bad, "policies: 65 of the settings is more than 64");
    assert_eq!(engine.head(), head);
    drop(engine);
    assert_eq!(read(&disk).expect("opened").settings(), good);
}

#[test]
fn what_is_told_of_tags_stays_with_the_snapshot() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let many: Vec<TagToken> = (0..33).map(|byte| TagToken([byte; 8])).collect();
    let (one, two) = (TagToken([1; 8]), TagToken([2; 8]));
    let told: [Option<&[TagToken]>; 5] =
        [Some(&[two, one, two]), None, Some(&[]), Some(&many), Some(&many[..32])];
    for tags in told {
        let record = recorder.record(put_tree(&engine, 0..2));
        let session = engine.begin();
        let marked = Marked { session: &session, record: &record, tags };
        let committed = engine.commit_marked(&[marked]).expect("committed");
        let head = engine.head();
        let other = Marked { tags: Some(&[one]), ..marked };
        assert_eq!(engine.commit_marked(&[other]).expect("it is there"), committed);
        assert_eq!(engine.head(), head, "it stays as it was marked");
        recorder.taken(&record);
    }
    drop(engine);
    let engine = read(&disk).expect("opened");
    let known: Vec<_> = engine.known("").expect("listed").into_iter().map(|known| known.tags).collect();
    assert_eq!(known, [Some(vec![one, two]), None, Some(vec![]), None, Some(many[..32].to_vec())]);
    assert_eq!(engine.known("host:/b").expect("listed"), []);
}
