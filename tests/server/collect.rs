//! What a keeper has a server remove, beside all who use it.

use std::sync::Arc;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use farkeep_engine::ManualClock;
use farkeep_engine::SystemClock;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Within;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::Act;
use farkeep_protocol::message::Collect;
use farkeep_protocol::message::Collected;
use farkeep_protocol::message::CollectionIs;
use farkeep_protocol::message::Forget;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Outcome;
use farkeep_protocol::message::Purge;
use farkeep_protocol::message::Step;
use farkeep_protocol::message::Stop;
use farkeep_server::Machine;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::OTHER;
use super::host::READER;
use super::host::config;
use super::make;
use super::peer::Session;

/// Everything that nobody needs, at once.
fn at_once(sequence: Sequence) -> Collect {
    Collect {
        sequence,
        act: Act::Execute,
        purge: Purge::AtOnce,
        seconds_max: 0,
        bytes_per_second: 0,
        work_thousandths: Within::new(1000).expect("a whole"),
        garbage_thousandths: None,
    }
}

/// Commits the first snapshot of a series.
async fn commit(session: &mut Session, series: &str, number: u64) -> SnapshotId {
    let (objects, root) = make::tree(number, 3, 50_000);
    session.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft(series, root), AGENT);
    let commit = session.commit(&record).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    make::snapshot_id(&record)
}

async fn forget(keeper: &mut Session, snapshot: SnapshotId) {
    let (sequence, reason) = (keeper.number(), Text::new("a test").expect("short"));
    keeper.peer.send(&Forget { sequence, snapshot, reason }).await.expect("sent");
    assert_eq!(keeper.until(sequence).await.expect("it goes on").code(sequence), None);
}

async fn collect(session: &mut Session) -> Result<Collected, Code> {
    let sequence = session.number();
    session.peer.send(&at_once(sequence)).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    match answered.last.expect("it is answered").message() {
        FromServer::Collected(collected) => Ok(collected),
        FromServer::Refused(refused) => Err(refused.code),
        other => panic!("no answer: {other:?}"),
    }
}

async fn plan(keeper: &mut Session) -> CollectionIs {
    let sequence = keeper.number();
    keeper.peer.send(&Collect { act: Act::Plan, ..at_once(sequence) }).await.expect("sent");
    let answered = keeper.until(sequence).await.expect("it goes on");
    match answered.last.expect("it is answered").message() {
        FromServer::CollectionIs(plan) => plan,
        other => panic!("no plan: {other:?}"),
    }
}

/// Hears of a collection until it waits for sessions, and says whose.
async fn waits_for(session: &mut Session) -> Vec<String> {
    loop {
        let came = session.peer.hear().await.expect("it is told");
        match came.message() {
            FromServer::Collecting(at) if at.step == Step::Waiting && !at.waits_for.is_empty() => {
                return at.waits_for.iter().map(|name| name.as_str().to_owned()).collect();
            }
            FromServer::Collecting(_) => {}
            other => panic!("it does not wait: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_collects_and_what_nobody_needs_is_gone() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let (first, second) = (commit(&mut agent, "web-1:/", 1).await, commit(&mut agent, "web-1:/etc", 2).await);
    agent.leave().await;
    let mut keeper = host.session(KEEPER).await;
    // What it was told itself keeps nothing from going.
    assert_eq!(keeper.probe(&[make::tree(1, 3, 50_000).1]).await, [true]);
    assert_eq!(collect(&mut keeper).await.expect("it may").purged, 0);
    forget(&mut keeper, first).await;
    let planned = plan(&mut keeper).await;
    assert!(planned.freed_bytes > 150_000, "{planned:?}");
    assert_eq!(plan(&mut keeper).await.emptied, planned.emptied, "a plan changes nothing");
    let collected = collect(&mut keeper).await.expect("it may");
    assert_eq!((collected.outcome, collected.purged), (Outcome::Complete, 1), "{collected:?}");
    assert!(collected.packs_removed > 0 && collected.bytes_removed > 150_000, "{collected:?}");
    let (gone, stays) = (make::tree(1, 3, 50_000).1, make::tree(2, 3, 50_000).1);
    assert_eq!(keeper.probe(&[gone, stays]).await, [false, true]);
    assert_eq!(collect(&mut keeper).await.expect("it may").packs_removed, 0, "nothing is left to do");
    assert_ne!(first, second);
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_waits_for_who_counts_on_what_goes_and_says_who_it_is() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let first = commit(&mut agent, "web-1:/", 1).await;
    let (mut keeper, mut other) = (host.session(KEEPER).await, host.session(OTHER).await);
    other.leave().await;
    forget(&mut keeper, first).await;
    let sequence = keeper.number();
    keeper.peer.send(&at_once(sequence)).await.expect("sent");
    assert_eq!(waits_for(&mut keeper).await, ["web-1"]);
    // Whoever counts on it builds on it, and whoever comes now goes on as ever.
    other = host.session(OTHER).await;
    assert_eq!(other.store(&[make::data(77, 900)]).await.expect("it goes on").durable, [1]);
    other.leave().await;
    let root = make::tree(1, 3, 50_000).1;
    assert_eq!(agent.probe(&[root]).await, [true]);
    let record = make::record(make::draft("web-1:/again", root), AGENT);
    let again = agent.commit(&record).await;
    assert!(agent.until(again).await.expect("it goes on").committed().is_some());
    agent.leave().await;
    let answered = keeper.until(sequence).await.expect("it goes on");
    let last = answered.last.expect("it is answered");
    let FromServer::Collected(collected) = last.message() else { panic!("not collected: {last:?}") };
    assert_eq!((collected.outcome, collected.purged), (Outcome::Complete, 1), "{collected:?}");
    assert!(collected.kept.reprieved > 0, "{collected:?}");
    let needed: Vec<_> = make::tree(1, 3, 50_000).0.iter().map(|(id, _)| *id).collect();
    assert_eq!(keeper.probe(&needed).await, [true; 4]);
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_given_up_by_who_asked_for_it_and_with_its_connection() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let first = commit(&mut agent, "web-1:/", 1).await;
    let mut keeper = host.session(KEEPER).await;
    forget(&mut keeper, first).await;
    let sequence = keeper.number();
    keeper.peer.send(&at_once(sequence)).await.expect("sent");
    assert_eq!(waits_for(&mut keeper).await, ["web-1"]);
    // It is cut, and nobody hears of it any more: the next one has its turn.
    drop(keeper);
    let mut keeper = host.session(KEEPER).await;
    let sequence = keeper.number();
    keeper.peer.send(&at_once(sequence)).await.expect("sent");
    assert_eq!(waits_for(&mut keeper).await, ["keeper", "web-1"]);
    let stop = keeper.number();
    keeper.peer.send(&Stop { sequence: stop }).await.expect("sent");
    let answered = keeper.until(sequence).await.expect("it goes on");
    let last = answered.last.as_ref().expect("it is answered");
    let FromServer::Collected(collected) = last.message() else { panic!("not collected: {last:?}") };
    assert_eq!((collected.outcome, collected.sessions), (Outcome::Waited, 2), "{collected:?}");
    assert!(answered.all.iter().any(|came| came.kind == Kind::Done), "the stop was answered");
    // What was condemned is not any more.
    assert_eq!(agent.probe(&[make::tree(1, 3, 50_000).1]).await, [true]);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

/// A server that is being stopped does not wait for a collection.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_ends_with_the_server() {
    let mut config = config();
    config.deadlines.stop = std::time::Duration::from_secs(3_600);
    let host = Host::new(config).await;
    let mut agent = host.session(AGENT).await;
    let first = commit(&mut agent, "web-1:/", 1).await;
    let mut keeper = host.session(KEEPER).await;
    forget(&mut keeper, first).await;
    let sequence = keeper.number();
    keeper.peer.send(&at_once(sequence)).await.expect("sent");
    assert_eq!(waits_for(&mut keeper).await, ["web-1"]);
    let stopping = tokio::spawn(host.stop());
    let answered = keeper.until(sequence).await.expect("it is told before the end");
    let last = answered.last.expect("it is answered");
    let FromServer::Collected(collected) = last.message() else { panic!("not collected: {last:?}") };
    assert_eq!(collected.outcome, Outcome::Waited, "{collected:?}");
    agent.leave_quietly().await;
    keeper.leave_quietly().await;
    stopping.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_keeper_collects() {
    let host = Host::new(config()).await;
    for seed in [AGENT, READER] {
        let mut session = host.session(seed).await;
        assert_eq!(collect(&mut session).await, Err(Code::ROLE));
        let sequence = session.number();
        session.peer.send(&Stop { sequence }).await.expect("sent");
        assert_eq!(session.until(sequence).await.expect("it goes on").code(sequence), Some(Code::ROLE));
        session.leave().await;
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_collected_by_a_clock_that_went_back() {
    let start = SystemClock.now().nanoseconds();
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(start)));
    let host = Host::on(Machine { clock: clock.clone(), ..Machine::default() }, config()).await;
    let mut agent = host.session(AGENT).await;
    commit(&mut agent, "web-1:/", 1).await;
    agent.leave().await;
    clock.set(Time::from_nanoseconds(start - 7_200_000_000_000));
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(collect(&mut keeper).await, Err(Code::TIME));
    keeper.leave().await;
    host.stop().await;
}
