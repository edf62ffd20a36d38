//! An agent that tries to store what it should not.

use std::slice::from_ref;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::time::Time;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Role;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::List;

use super::end;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::KEEPER;
use crate::server::host::OTHER;
use crate::server::host::config;
use crate::server::make;
use crate::server::peer::Over;
use crate::server::peer::Session;

/// A commit, and what it is refused with.
async fn commit(session: &mut Session, record: &[u8]) -> Result<(), Code> {
    let commit = session.commit(record).await;
    let answered = session.until(commit).await.expect("it goes on");
    answered.code(commit).map_or(Ok(()), Err)
}

/// A session of the agent with a small tree in the repository.
async fn with_tree(host: &Host) -> (Session, farkeep_codec::id::ObjectId) {
    let mut session = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 3, 500);
    session.store(&objects).await.expect("it goes on");
    (session, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_the_id_of_an_object() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let (wanted, evil) = (make::data(1, 900), make::data(2, 900));
    let stored = session.store(&[(wanted.0, evil.1)]).await.expect("it goes on");
    assert_eq!((stored.durable, stored.refused), (vec![], vec![(1, Code::WRONG_ID)]));
    assert_eq!(session.probe(&[wanted.0, evil.0]).await, [false, false]);
    assert_eq!(session.store(&[wanted]).await.expect("it goes on").durable.len(), 1, "it is not in the way");
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_object() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    for bytes in [&b""[..], b"x", &[0; 5_000]] {
        let put = session.put(farkeep_codec::object::object_id(bytes), bytes).await;
        assert_eq!(session.until(put).await.expect("it goes on").code(put), Some(Code::MALFORMED));
    }
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_children() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let (child, parent) = (make::data(1, 100), make::node(2, &[make::data(1, 100).0]));
    let stored = session.store(from_ref(&parent)).await.expect("it goes on");
    assert_eq!(stored.refused, [(1, Code::MISSING_REFERENCES)]);
    assert_eq!(session.store(&[child, parent]).await.expect("it goes on").durable.len(), 2);
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_nothing() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let record = make::record(make::draft("web-1:/", make::data(9, 50).0), AGENT);
    assert_eq!(commit(&mut session, &record).await, Err(Code::MISSING_REFERENCES));
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_none() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let record = make::record(make::draft("web-1:/", root), AGENT);
    for bytes in [&b""[..], b"no record", &record[..record.len() - 1]] {
        assert_eq!(commit(&mut session, bytes).await, Err(Code::RECORD_REFUSED));
    }
    session.leave().await;
    end(host).await;
}

/// The record names another agent, who did not sign it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_the_name_of_another() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let mine = make::record(make::draft("web-2:/", root), AGENT);
    let (my_key, other_key) = (key(AGENT), key(OTHER));
    let at = mine.windows(32).position(|bytes| bytes == my_key).expect("the record names its agent");
    let mut forged = mine;
    forged[at..at + 32].copy_from_slice(&other_key);
    assert!(commit(&mut session, &forged).await.is_err());
    session.leave().await;
    let mut other = host.session(OTHER).await;
    assert!(commit(&mut other, &forged).await.is_err(), "nor does it help to be that agent");
    other.leave().await;
    end(host).await;
}

fn key(seed: [u8; 32]) -> [u8; 32] {
    *crate::server::peer::public(seed).as_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_repository() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let repository = RepositoryId::from_bytes([0x99; 32]);
    let draft = Draft { repository, ..make::draft("web-1:/", root) };
    assert_eq!(commit(&mut session, &make::record(draft, AGENT)).await, Err(Code::RECORD_REFUSED));
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_in_the_series_of_another() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let first = make::draft("web-1:/", root);
    let record = make::record(first.clone(), AGENT);
    assert_eq!(commit(&mut session, &record).await, Ok(()));
    let mut thief = host.session(OTHER).await;
    let next = make::record(make::next(&first, make::snapshot_id(&record), root), OTHER);
    assert_eq!(commit(&mut thief, &next).await, Err(Code::SERIES_OF_ANOTHER));
    // A keeper may.
    let mut keeper = host.session(KEEPER).await;
    let next = make::record(make::next(&first, make::snapshot_id(&record), root), KEEPER);
    assert_eq!(commit(&mut keeper, &next).await, Ok(()));
    for session in [session, thief, keeper] {
        session.leave().await;
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_overheard() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let mut thief = host.session(OTHER).await;
    assert_eq!(commit(&mut thief, &record).await, Err(Code::SERIES_OF_ANOTHER));
    assert_eq!(commit(&mut session, &record).await, Ok(()));
    assert_eq!(commit(&mut thief, &record).await, Err(Code::SERIES_OF_ANOTHER), "nor once it is there");
    session.leave().await;
    thief.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_is_written_anew() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let first = make::draft("web-1:/", root);
    let record = make::record(first.clone(), AGENT);
    assert_eq!(commit(&mut session, &record).await, Ok(()));
    let id = make::snapshot_id(&record);
    for draft in [
        Draft { entries: 7, ..first.clone() },
        Draft { sequence: 7, ..make::next(&first, id, root) },
        Draft { previous: None, ..make::next(&first, id, root) },
        make::next(&first, make::snapshot_id(b"another past"), root),
    ] {
        assert_eq!(commit(&mut session, &make::record(draft, AGENT)).await, Err(Code::SERIES_MOVED));
    }
    session.leave().await;
    end(host).await;
}

/// What an agent says about the time is its own affair: the server goes by its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_is_dated_back() {
    let host = Host::new(config()).await;
    let (mut session, root) = with_tree(&host).await;
    let captured = |nanoseconds| Draft {
        captured: Time::from_nanoseconds(nanoseconds),
        ..make::draft(&format!("web-1:/{nanoseconds}"), root)
    };
    let records = [i64::MAX, i64::MIN, 0].map(|time| make::record(captured(time), AGENT));
    let mut received = Vec::new();
    for record in &records {
        let commit = session.commit(record).await;
        let answered = session.until(commit).await.expect("it goes on");
        received.push(answered.committed().expect("committed").received);
    }
    let since_2020 = Time::from_nanoseconds(1_577_836_800_000_000_000);
    assert!(
        received.is_sorted() && received[0] > since_2020 && received[2] < Time::from_nanoseconds(i64::MAX)
    );
    let sequence = session.number();
    let prefix = Text::new("").expect("short");
    session.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let listed = answered.all.iter().filter_map(|came| match came.message() {
        FromServer::Listed(listed) => Some(listed.record.to_vec()),
        _ => None,
    });
    assert_eq!(listed.collect::<Vec<_>>(), records, "in the order in which they came");
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_another_repository() {
    let host = Host::new(config()).await;
    host.know(KEEPER, "keeper", Role::Keeper, &["main", "db"]).await;
    host.know([0x44; 32], "spy", Role::Agent, &["db"]).await;
    // The server may still know the keeper as it was.
    loop {
        let mut peer = host.peer(KEEPER).await;
        peer.hello_new().await;
        match peer.create("db", &make::parameters(), &make::slot("first")).await {
            Ok(_) => break Session::over(peer).leave().await,
            Err(over) => assert_eq!(over, Over::Fault(Code::REPOSITORY_UNKNOWN)),
        }
    }
    let (session, root) = with_tree(&host).await;
    let mut peer = host.peer([0x44; 32]).await;
    peer.hello_new().await;
    peer.open("db").await.expect("it is open to this client");
    let mut spy = Session::over(peer);
    assert_eq!(spy.probe(&[root]).await, [false]);
    let (parent, object) = make::node(5, &[root]);
    let stored = spy.store(&[(parent, object)]).await.expect("it goes on");
    assert_eq!(stored.refused, [(2, Code::MISSING_REFERENCES)], "nor is it a reference there");
    session.leave().await;
    spy.leave().await;
    end(host).await;
}
