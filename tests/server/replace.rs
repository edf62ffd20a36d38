//! Records that take the places of others: what keepers may do, and what nobody may.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Body;
use farkeep_protocol::message::Forget;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Hold;
use farkeep_protocol::message::List;
use farkeep_protocol::message::Replace;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::OTHER;
use super::host::READER;
use super::host::config;
use super::make;
use super::peer::Session;

const SERIES: &str = "web-1:/";

async fn commit(session: &mut Session, record: &[u8]) -> Result<SnapshotId, Code> {
    let commit = session.commit(record).await;
    let answered = session.until(commit).await.expect("it goes on");
    answered.code(commit).map_or(Ok(make::snapshot_id(record)), Err)
}

async fn ask<'a, B: Body<'a>>(session: &mut Session, ask: impl FnOnce(Sequence) -> B) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&ask(sequence)).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    answered.code(sequence).map_or(Ok(()), Err)
}

async fn replace(session: &mut Session, old: SnapshotId, record: &[u8]) -> Result<(), Code> {
    ask(session, |sequence| Replace { sequence, old, record }).await
}

async fn listed(session: &mut Session) -> Vec<SnapshotId> {
    let (sequence, prefix) = (session.number(), Text::new("").expect("short"));
    session.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let ids = answered.all.iter().filter_map(|came| match came.message() {
        FromServer::Listed(listed) => Some(make::snapshot_id(listed.record)),
        _ => None,
    });
    ids.collect()
}

/// A server, the first snapshot of a series, and the record that a keeper would put into its place.
async fn site() -> (Host, Session, Session, SnapshotId, Vec<u8>) {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let old = commit(&mut agent, &make::record(make::draft(SERIES, root), AGENT)).await.expect("it may");
    let (objects, root) = make::tree(2, 2, 500);
    keeper.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft(SERIES, root), KEEPER);
    (host, agent, keeper, old, record)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_replaces_a_snapshot_and_its_series_goes_on() {
    let (host, mut agent, mut keeper, old, record) = site().await;
    assert_eq!(replace(&mut keeper, old, &record).await, Ok(()));
    assert_eq!(replace(&mut keeper, old, &record).await, Ok(()), "the same again");
    let new = make::snapshot_id(&record);
    assert_eq!(listed(&mut keeper).await, [new]);
    // The series stays the agent's, whoever signed its newest record.
    let root = make::tree(1, 3, 500).1;
    let draft = make::draft(SERIES, root);
    let behind = |id| make::record(make::next(&draft, id, root), AGENT);
    assert_eq!(commit(&mut agent, &behind(old)).await, Err(Code::SERIES_MOVED));
    let next = commit(&mut agent, &behind(new)).await.expect("it follows the new one");
    assert_eq!(listed(&mut keeper).await, [new, next]);
    let mut other = host.session(OTHER).await;
    let foreign = make::record(make::next(&make::next(&draft, new, root), next, root), OTHER);
    assert_eq!(commit(&mut other, &foreign).await, Err(Code::SERIES_OF_ANOTHER));
    other.leave().await;
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_keeper_replaces() {
    let (host, mut agent, keeper, old, record) = site().await;
    let own = make::record(make::draft(SERIES, make::tree(2, 2, 500).1), AGENT);
    let mut reader = host.session(READER).await;
    for record in [&own, &record] {
        assert_eq!(replace(&mut agent, old, record).await, Err(Code::ROLE));
        assert_eq!(replace(&mut reader, old, record).await, Err(Code::ROLE));
    }
    assert_eq!(listed(&mut reader).await, [old]);
    agent.leave().await;
    reader.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_replaced() {
    let (host, agent, mut keeper, old, record) = site().await;
    let until = Time::from_nanoseconds(7_000_000_000_000_000_000);
    ask(&mut keeper, |sequence| Hold { sequence, snapshot: old, until }).await.expect("it may");
    assert_eq!(replace(&mut keeper, old, &record).await, Err(Code::HELD));
    assert_eq!(listed(&mut keeper).await, [old]);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_point_in_time_replaces_nothing() {
    let (host, agent, mut keeper, old, record) = site().await;
    let root = make::tree(2, 2, 500).1;
    let draft = make::draft(SERIES, root);
    let elsewhere = make::record(make::draft("web-1:/etc", root), KEEPER);
    let later = make::record(make::next(&draft, old, root), KEEPER);
    for wrong in [&elsewhere, &later] {
        assert_eq!(replace(&mut keeper, old, wrong).await, Err(Code::RECORD_REFUSED));
    }
    assert_eq!(replace(&mut keeper, make::snapshot_id(b"nothing"), &record).await, Err(Code::NOT_FOUND));
    let missing = make::record(make::draft(SERIES, make::tree(3, 1, 500).1), KEEPER);
    assert_eq!(replace(&mut keeper, old, &missing).await, Err(Code::MISSING_REFERENCES));
    let mut forged = record.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(replace(&mut keeper, old, &forged).await, Err(Code::RECORD_REFUSED));
    let reason = Text::new("a test").expect("short");
    ask(&mut keeper, |sequence| Forget { sequence, snapshot: old, reason }).await.expect("it may");
    assert_eq!(replace(&mut keeper, old, &record).await, Err(Code::NOT_FOUND));
    assert_eq!(listed(&mut keeper).await, []);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}
