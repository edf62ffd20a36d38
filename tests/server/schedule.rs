//! What a server does by itself: policies on their schedules, by a clock that is watched.

use std::sync::Arc;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use farkeep_engine::ManualClock;
use farkeep_engine::Settings;
use farkeep_engine::SystemClock;
use farkeep_engine::policy::Policy;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message;
use farkeep_server::Machine;
use tokio::time::timeout;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::config;
use super::make;
use super::peer::HUNG;
use super::peer::Session;
use super::watching::events;
use super::watching::of;
use super::watching::page;
use super::watching::sample;
use super::watching::written;

const MINUTE: i64 = 60_000_000_000;

/// Commits so many snapshots of one series, which have nothing in common.
async fn commit(host: &Host, count: u64) -> Vec<SnapshotId> {
    let mut agent = host.session(AGENT).await;
    let mut before: Option<(Draft, SnapshotId)> = None;
    let mut ids = Vec::new();
    for number in 0..count {
        let (objects, root) = make::tree(number, 3, 500);
        agent.store(&objects).await.expect("it goes on");
        let draft = match &before {
            None => make::draft("web-1:/", root),
            Some((draft, id)) => make::next(draft, *id, root),
        };
        let record = make::record(draft.clone(), AGENT);
        let commit = agent.commit(&record).await;
        assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
        let id = make::snapshot_id(&record);
        before = Some((draft, id));
        ids.push(id);
    }
    agent.leave().await;
    ids
}

/// What the answer to a request says.
async fn ask<'a, B: Body<'a>>(session: &mut Session, ask: impl FnOnce(Sequence) -> B) -> Result<usize, Code> {
    let sequence = session.number();
    session.peer.send(&ask(sequence)).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let listed = answered.all.iter().filter(|came| came.kind == Kind::Listed).count();
    answered.code(sequence).map_or(Ok(listed), Err)
}

async fn listed(keeper: &mut Session) -> usize {
    let prefix = Text::new("").expect("short");
    ask(keeper, |sequence| message::List { sequence, newest: 0, prefix }).await.expect("it may")
}

async fn retain(keeper: &mut Session) -> Result<usize, Code> {
    let policies = List::new(Vec::new()).expect("none");
    ask(keeper, |sequence| message::Retain { sequence, act: message::Act::Execute, policies }).await
}

/// A server whose repository forgets all but the newest snapshot every five minutes, and its clock.
async fn site() -> (Host, Arc<ManualClock>, i64) {
    let start = SystemClock.now().nanoseconds() / (5 * MINUTE) * (5 * MINUTE);
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(start + MINUTE)));
    let host = Host::on(Machine { clock: clock.clone(), ..Machine::default() }, config()).await;
    let mut keeper = host.session(KEEPER).await;
    let policy = Policy { last: 1, ..Policy::new("*".parse().expect("a pattern")) };
    let policies = vec![policy.encode().expect("no tags")];
    let schedule = "*/5 * * * *".to_owned();
    let settings = Settings { policies, retention_schedule: schedule, ..Settings::default() }.encode();
    let settings = Counted::new(&settings).expect("short");
    ask(&mut keeper, |sequence| message::SetSettings { sequence, settings }).await.expect("they are good");
    keeper.leave().await;
    (host, clock, start)
}

/// Waits until the server has read from its repository what holds there, so that its clock may go on.
async fn looked(host: &Host) {
    let looks = || async { sample(host, "farkeep_schedule_looks_total").await.expect("it is shown") };
    let before = looks().await;
    while looks().await < before + 2.0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_applied_when_they_are_due() {
    let (host, clock, start) = site().await;
    commit(&host, 3).await;
    looked(&host).await;
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(listed(&mut keeper).await, 3, "it is not due yet");
    clock.set(Time::from_nanoseconds(start + 5 * MINUTE));
    written(&host, "retained", 1).await;
    assert_eq!(listed(&mut keeper).await, 1);
    assert_eq!(sample(&host, "farkeep_forgotten_total").await, Some(2.0));
    keeper.leave().await;
    let folder = host.stop().await;
    let events = events(folder.path());
    let [event] = of(&events, "retained")[..] else { panic!("not one in {events:?}") };
    assert_eq!(
        (&event["repository"], &event["kept"], &event["forgotten"]),
        (&"main".into(), &1.into(), &2.into())
    );
    assert_eq!(of(&events, "deletions-frozen").len(), 0, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumped_freezes() {
    let (host, clock, start) = site().await;
    commit(&host, 3).await;
    looked(&host).await;
    // Two hours: what is due by it is not done.
    clock.set(Time::from_nanoseconds(start + 120 * MINUTE));
    written(&host, "deletions-frozen", 1).await;
    looked(&host).await;
    assert_eq!(sample(&host, "farkeep_repositories_frozen").await, Some(1.0));
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(retain(&mut keeper).await, Err(Code::TIME));
    assert_eq!(listed(&mut keeper).await, 3);
    // All but deletions by a clock goes on.
    let until = Time::from_nanoseconds(start + 600 * MINUTE);
    let draft = make::draft("web-2:/", make::tree(1, 3, 500).1);
    let mut agent = host.session(AGENT).await;
    let commit = agent.commit(&make::record(draft, AGENT)).await;
    let committed = agent.until(commit).await.expect("it goes on").committed().expect("committed");
    agent.leave().await;
    let snapshot = committed.snapshot;
    ask(&mut keeper, |sequence| message::Hold { sequence, snapshot, until }).await.expect("it may");
    let reason = Text::new("by hand").expect("short");
    ask(&mut keeper, |sequence| message::Forget { sequence, snapshot, reason }).await.expect("it may");

    // The clock is right again, and shows less than what was written: nothing is believed until it has caught up.
    clock.set(Time::from_nanoseconds(start + 2 * MINUTE));
    looked(&host).await;
    let reason = Text::new("it is right").expect("short");
    ask(&mut keeper, |sequence| message::Thaw { sequence, reason }).await.expect("it may");
    assert_eq!(retain(&mut keeper).await, Err(Code::TIME));
    assert_eq!(listed(&mut keeper).await, 3);
    keeper.leave().await;
    host.stop().await;
}

/// A server whose repository is collected every five minutes, and the time at which that is due.
async fn collected_site() -> (Host, Arc<ManualClock>, i64) {
    let start = SystemClock.now().nanoseconds() / (5 * MINUTE) * (5 * MINUTE);
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(start + MINUTE)));
    let host = Host::on(Machine { clock: clock.clone(), ..Machine::default() }, config()).await;
    let mut keeper = host.session(KEEPER).await;
    let collection_schedule = "*/5 * * * *".to_owned();
    let settings = Settings { collection_schedule, grace_seconds: 0, ..Settings::default() }.encode();
    let settings = Counted::new(&settings).expect("short");
    ask(&mut keeper, |sequence| message::SetSettings { sequence, settings }).await.expect("they are good");
    keeper.leave().await;
    let ids = commit(&host, 2).await;
    let mut keeper = host.session(KEEPER).await;
    let (snapshot, reason) = (ids[1], Text::new("a test").expect("short"));
    ask(&mut keeper, |sequence| message::Forget { sequence, snapshot, reason }).await.expect("it may");
    keeper.leave().await;
    looked(&host).await;
    (host, clock, start)
}

/// The server at the same place, after a time in which it was down.
async fn again(host: Host, minutes: i64, start: i64) -> Host {
    let folder = host.stop().await;
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(start + minutes * MINUTE)));
    Host::over_on(Machine { clock, ..Machine::default() }, folder, config()).await
}

/// Waits until one collection has ended.
async fn collected(host: &Host) {
    let ended = async { while sample(host, "farkeep_collections_total").await != Some(1.0) {} };
    timeout(HUNG, ended).await.expect("a collection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_collected_when_it_is_due() {
    let (host, clock, start) = collected_site().await;
    assert_eq!(sample(&host, "farkeep_collections_total").await, Some(0.0), "it is not due yet");
    clock.set(Time::from_nanoseconds(start + 5 * MINUTE));
    written(&host, "collected", 1).await;
    assert_eq!(sample(&host, "farkeep_collections_total").await, Some(1.0));
    let folder = host.stop().await;
    let events = events(folder.path());
    let [event] = of(&events, "collected")[..] else { panic!("not one in {events:?}") };
    assert_eq!((&event["repository"], &event["purged"]), (&"main".into(), &1.into()));
    assert_eq!(of(&events, "collection-failed").len(), 0, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_the_server_was_down_is_caught_up_once() {
    let (host, _, start) = collected_site().await;
    let host = again(host, 17, start).await;
    written(&host, "collected", 1).await;
    collected(&host).await;
    // Three times were missed, and it is written down that it was done.
    looked(&host).await;
    looked(&host).await;
    assert_eq!(sample(&host, "farkeep_collections_total").await, Some(1.0));
    let host = again(host, 18, start).await;
    looked(&host).await;
    looked(&host).await;
    assert_eq!(sample(&host, "farkeep_collections_total").await, Some(0.0));
    host.stop().await;
}

/// What a server that is being stopped gives up is due when it runs again.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_was_given_up_is_caught_up() {
    let (host, clock, start) = collected_site().await;
    // Whoever counts on what was there keeps it from going.
    let agent = host.session(AGENT).await;
    clock.set(Time::from_nanoseconds(start + 5 * MINUTE));
    looked(&host).await;
    let observe = host.observe();
    let stopping = tokio::spawn(again(host, 6, start));
    while !page(observe, "/health").await.contains("\"status\":\"stopping\"") {}
    agent.leave_quietly().await;
    let host = stopping.await.expect("it starts");
    collected(&host).await;
    let folder = host.stop().await;
    assert_eq!(of(&events(folder.path()), "collection-failed").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_were_due_while_the_server_was_down_are_applied() {
    let (host, _, start) = site().await;
    commit(&host, 3).await;
    looked(&host).await;
    let host = again(host, 7, start).await;
    written(&host, "retained", 1).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_are_verified_by_themselves_and_what_is_late_is_told() {
    let start = SystemClock.now().nanoseconds();
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(start)));
    let mut config = config();
    // It is asked for whenever the clock moves.
    config.scrub.every = std::time::Duration::from_secs(60);
    let host = Host::on(Machine { clock: clock.clone(), ..Machine::default() }, config).await;
    commit(&host, 1).await;
    const OLDEST: &str = "farkeep_verification_oldest_seconds{repository=\"main\"}";
    // One small pack has its turn when little is left of the time in which it must.
    let mut days = 0;
    while sample(&host, OLDEST).await.is_none() {
        assert!(days < 40, "nothing is verified");
        days += 1;
        clock.set(Time::from_nanoseconds(start + days * 1_440 * MINUTE));
        looked(&host).await;
    }
    assert_eq!(sample(&host, "farkeep_unverified_bytes{repository=\"main\"}").await, Some(0.0));
    let folder = host.stop().await;
    assert_eq!(of(&events(folder.path()), "verification-late").len(), 0);
}
