//! Connections that are cut, and several for one session.

use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::limits::CONNECTIONS_MAX;
use farkeep_protocol::message::Flush;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::Put;

use super::host::AGENT;
use super::host::Host;
use super::host::OTHER;
use super::host::config;
use super::make;
use super::peer::Over;
use super::peer::Peer;
use super::peer::Session;
use super::peer::resume;

/// A session that may write to `main`, and its name.
async fn begin(host: &Host) -> (Session, SessionId) {
    let mut peer = host.peer(AGENT).await;
    let welcome = peer.hello_new().await;
    peer.open("main").await.expect("it is open to this client");
    (Session::over(peer), welcome.session)
}

/// A further connection of a session.
async fn stripe(host: &Host, session: SessionId) -> Result<Peer, Over> {
    let mut peer = host.peer(AGENT).await;
    peer.hello(Purpose::Stripe(session)).await.expect("sent");
    let welcome = peer.welcome().await?;
    assert_eq!((welcome.credit_bytes, welcome.credit_requests), (0, 0));
    Ok(peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_costs_what_was_under_way() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let (objects, root) = make::tree(1, 10, 2_000);
    session.store(&objects[..4]).await.expect("it goes on");
    // Two more arrive as a whole, and nobody waits for them.
    session.put(objects[4].0, &objects[4].1).await;
    session.put(objects[5].0, &objects[5].1).await;
    drop(session);

    let (mut session, welcome) = resume(host.peer(AGENT).await, name).await.expect("it waits");
    assert_eq!(welcome.session, name);
    // 1 to 4 and the Flush; what came of the two, and no more.
    assert!((5..=7).contains(&welcome.acknowledged), "{}", welcome.acknowledged);
    let ids: Vec<_> = objects.iter().map(|(id, _)| *id).collect();
    let known = session.probe(&ids).await;
    assert_eq!(known[..4], [true; 4]);
    let arrived = usize::try_from(welcome.acknowledged).expect("small") - 5;
    assert!(known[4..4 + arrived].iter().all(|known| *known), "what is acknowledged is there");
    let stored = session.store(&objects).await.expect("it goes on");
    assert_eq!((stored.durable.len(), stored.refused.len()), (objects.len(), 0));
    let commit = session.commit(&make::record(make::draft("web-1:/", root), AGENT)).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    session.leave().await;
    let again = resume(host.peer(AGENT).await, name).await.err();
    assert_eq!(again, Some(Over::Fault(Code::SESSION_UNKNOWN)), "it ended in order");
    host.stop().await;
}

/// However soon somebody asks: nothing is left of it when the goodbye is heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_over_once_both_sides_said_goodbye() {
    let host = Host::new(config()).await;
    for _ in 0..50 {
        let (session, name) = begin(&host).await;
        let mut again = host.peer(AGENT).await;
        let peer = session.part().await;
        assert_eq!(host.sessions(), 0);
        again.hello(Purpose::Resume(name)).await.expect("sent");
        assert_eq!(again.end().await, Over::Fault(Code::SESSION_UNKNOWN));
        drop(peer);
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_was_refused_is_not_acknowledged() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let (one, other) = (make::data(1, 500), make::data(2, 500));
    let stored = session.store(&[one.clone(), (other.0, one.1.clone()), other]).await.expect("it goes on");
    assert_eq!((stored.durable, stored.refused), (vec![1, 3], vec![(2, Code::WRONG_ID)]));
    drop(session);
    let (_session, welcome) = resume(host.peer(AGENT).await, name).await.expect("it waits");
    assert_eq!(welcome.acknowledged, 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_takes_the_place_of_all_connections() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let mut further = stripe(&host, name).await.expect("it joins");
    let (mut later, _) = resume(host.peer(AGENT).await, name).await.expect("it is taken up");
    assert_eq!(session.peer.end().await, Over::Closed);
    assert_eq!(further.end().await, Over::Closed);
    later.store(&[make::data(1, 500)]).await.expect("it goes on");
    later.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_cut_off_is_repeated_with_the_same_answer() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let (objects, root) = make::tree(1, 3, 500);
    session.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = session.commit(&record).await;
    let first = session.until(commit).await.expect("it goes on").committed().expect("committed");
    drop(session);
    let (mut session, _) = resume(host.peer(AGENT).await, name).await.expect("it waits");
    let commit = session.commit(&record).await;
    let second = session.until(commit).await.expect("it goes on").committed().expect("committed");
    assert_eq!((first.journal, first.received, second.already), (second.journal, second.received, true));
    session.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_does_not_wait_for_ever() {
    let mut config = config();
    config.deadlines.resume = Duration::from_millis(20);
    let host = Host::new(config).await;
    let (session, name) = begin(&host).await;
    drop(session);
    while host.sessions() > 0 {
        tokio::task::yield_now().await;
    }
    let late = resume(host.peer(AGENT).await, name).await.err();
    assert_eq!(late, Some(Over::Fault(Code::SESSION_UNKNOWN)));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_belongs_to_its_key() {
    let host = Host::new(config()).await;
    let (_session, name) = begin(&host).await;
    for purpose in [Purpose::Resume(name), Purpose::Stripe(name)] {
        let mut peer = host.peer(OTHER).await;
        peer.hello(purpose).await.expect("sent");
        assert_eq!(peer.end().await, Over::Fault(Code::SESSION_UNKNOWN));
    }
    host.stop().await;
}

/// Objects that overtake one another are taken in after those that they refer to.
#[tokio::test(flavor = "multi_thread")]
async fn stripes_carry_one_order() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let mut further = stripe(&host, name).await.expect("it joins");
    let (objects, root) = make::tree(1, 9, 2_000);
    // The root, which is the last one, comes first, on a connection of its own.
    let last = Sequence::new(objects.len() as u64).expect("not 0");
    let (id, object) = objects.last().expect("there are some");
    further.send(&Put { sequence: last, id: *id, object }).await.expect("sent");
    for (id, object) in &objects[..objects.len() - 1] {
        session.put(*id, object).await;
    }
    session.number();
    let flush = session.flush().await;
    let stored = session.until(flush).await.expect("it goes on");
    assert_eq!(stored.refused, []);
    let commit = session.commit(&make::record(make::draft("web-1:/", root), AGENT)).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());

    // One of them leaves, and the session goes on.
    further.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
    assert_eq!(further.hear().await.expect("it is answered").kind, Kind::Goodbye);
    session.store(&[make::data(500, 100)]).await.expect("it goes on");
    session.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_so_many_connections() {
    let host = Host::new(config()).await;
    let (session, name) = begin(&host).await;
    let mut further = Vec::new();
    for _ in 1..CONNECTIONS_MAX {
        further.push(stripe(&host, name).await.expect("it joins"));
    }
    assert_eq!(stripe(&host, name).await.err(), Some(Over::Fault(Code::SERVER_FULL)));
    drop(further);
    drop(session);
    host.stop().await;
}

/// A number that is missing holds up what must come after it, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_depend_on_a_missing_number_is_answered() {
    let host = Host::new(config()).await;
    let (mut session, name) = begin(&host).await;
    let mut further = stripe(&host, name).await.expect("it joins");
    let missing = session.number();
    let flush = session.flush().await;
    assert_eq!(session.probe(&[make::data(1, 50).0]).await, [false]);
    further.send(&Flush { sequence: missing }).await.expect("sent");
    session.until(flush).await.expect("it goes on");
    let came = further.hear().await.expect("it is answered");
    assert!(matches!(came.message(), FromServer::Done(done) if done.sequence == missing));
    drop(further);
    session.leave().await;
    host.stop().await;
}
