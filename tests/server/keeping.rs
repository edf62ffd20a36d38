//! What keepers change: key slots, and snapshots that are forgotten.

use farkeep_codec::id::SnapshotId;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::AddSlot;
use farkeep_protocol::message::Forget;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::List;
use farkeep_protocol::message::RemoveSlot;
use farkeep_protocol::message::Slots;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::config;
use super::make;
use super::peer::Came;
use super::peer::Over;
use super::peer::Session;

const FIRST: SlotId = SlotId::from_bytes([1; 16]);
const SECOND: SlotId = SlotId::from_bytes([2; 16]);

async fn answer(session: &mut Session, sequence: Sequence) -> Result<(), Code> {
    let answered = session.until(sequence).await.expect("it goes on");
    answered.code(sequence).map_or(Ok(()), Err)
}

async fn add(session: &mut Session, slot: SlotId) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&AddSlot { sequence, slot, bytes: &make::slot("more") }).await.expect("sent");
    answer(session, sequence).await
}

async fn remove(session: &mut Session, slot: SlotId) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&RemoveSlot { sequence, slot }).await.expect("sent");
    answer(session, sequence).await
}

async fn forget(session: &mut Session, snapshot: SnapshotId) -> Result<(), Code> {
    let sequence = session.number();
    let reason = Text::new("a test").expect("short");
    session.peer.send(&Forget { sequence, snapshot, reason }).await.expect("sent");
    answer(session, sequence).await
}

async fn count(session: &mut Session, kind: Kind) -> usize {
    let sequence = session.number();
    match kind {
        Kind::Slot => session.peer.send(&Slots { sequence }).await.expect("sent"),
        _ => {
            let prefix = Text::new("").expect("short");
            session.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
        }
    }
    let answered = session.until(sequence).await.expect("it goes on");
    answered.all.iter().filter(|came| came.kind == kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn key_slots_are_added_and_removed_but_for_the_last() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(add(&mut keeper, FIRST).await, Err(Code::EXISTS));
    assert_eq!(add(&mut keeper, SECOND).await, Ok(()));
    assert_eq!(count(&mut keeper, Kind::Slot).await, 2);
    assert_eq!(remove(&mut keeper, FIRST).await, Ok(()));
    assert_eq!(remove(&mut keeper, FIRST).await, Err(Code::NOT_FOUND));
    assert_eq!(remove(&mut keeper, SECOND).await, Err(Code::LAST_SLOT));
    assert_eq!(count(&mut keeper, Kind::Slot).await, 1);
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_none_is_refused() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    let sequence = keeper.number();
    keeper.peer.send(&AddSlot { sequence, slot: SECOND, bytes: b"no slot" }).await.expect("sent");
    assert_eq!(answer(&mut keeper, sequence).await, Err(Code::MALFORMED));
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_forgets_and_an_agent_does_not() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&record).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    let snapshot = make::snapshot_id(&record);
    assert_eq!(forget(&mut agent, snapshot).await, Err(Code::ROLE));
    assert_eq!(forget(&mut keeper, make::snapshot_id(b"nothing")).await, Err(Code::NOT_FOUND));
    assert_eq!(forget(&mut keeper, snapshot).await, Ok(()));
    assert_eq!(count(&mut keeper, Kind::Listed).await, 0);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

/// Records that a list holds of the series: all that are not forgotten, or the newest.
async fn listed(session: &mut Session, newest: u32) -> Vec<SnapshotId> {
    let (sequence, prefix) = (session.number(), Text::new("web-1:/").expect("short"));
    session.peer.send(&List { sequence, newest, prefix }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let of = |came: &Came| match came.message() {
        FromServer::Listed(listed) => Some(make::snapshot_id(listed.record)),
        _ => None,
    };
    answered.all.iter().filter_map(of).collect()
}

/// The record to follow is the newest one, forgotten or not; whoever looks for a point to restore is shown none.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_goes_on_when_its_newest_was_forgotten() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let first = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&first).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    let first = make::snapshot_id(&first);
    assert_eq!(forget(&mut keeper, first).await, Ok(()));
    assert_eq!(listed(&mut agent, 0).await, []);
    assert_eq!(listed(&mut agent, 1).await, [first]);
    let second = make::record(make::next(&make::draft("web-1:/", root), first, root), AGENT);
    let commit = agent.commit(&second).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    assert_eq!(listed(&mut agent, 1).await, [make::snapshot_id(&second)]);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_once_and_by_a_keeper() {
    let host = Host::new(config()).await;
    let (parameters, slot) = (make::parameters(), make::slot("first"));
    for (seed, name, parameters, slot, code) in [
        (KEEPER, "main", &parameters, &slot, Code::EXISTS),
        (KEEPER, "elsewhere", &parameters, &slot, Code::REPOSITORY_UNKNOWN),
        (AGENT, "main", &parameters, &slot, Code::ROLE),
    ] {
        let mut peer = host.peer(seed).await;
        peer.hello_new().await;
        assert_eq!(peer.create(name, parameters, slot).await, Err(Over::Fault(code)), "{name}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_repository_is_not_made() {
    let host = Host::bare(config()).await;
    host.know(KEEPER, "keeper", farkeep_protocol::hello::Role::Keeper, &["main"]).await;
    let (parameters, slot) = (make::parameters(), make::slot("first"));
    for (parameters, slot) in [(&b"no parameters"[..], slot.as_slice()), (&parameters, b"no slot")] {
        let mut peer = host.peer(KEEPER).await;
        peer.hello_new().await;
        assert_eq!(peer.create("main", parameters, slot).await, Err(Over::Fault(Code::MALFORMED)));
    }
    host.keeper_creates("main").await;
    host.stop().await;
}
