//! Requests in an order, or in a number, that is not allowed.

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Within;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::message::Barrier;
use farkeep_protocol::message::Flush;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::Put;
use farkeep_protocol::message::Stage;

use super::end;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::config;
use crate::server::make;
use crate::server::peer::Over;
use crate::server::peer::Session;

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).expect("not 0")
}

async fn flushes(host: &Host, numbers: &[u64]) -> Over {
    let mut session = host.session(AGENT).await;
    for number in numbers {
        // The server may have gone by then.
        drop(session.peer.send(&Flush { sequence: sequence(*number) }).await);
    }
    session.peer.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_used() {
    let host = Host::new(config()).await;
    assert_eq!(flushes(&host, &[1, 2, 2]).await, Over::Fault(Code::SEQUENCE));
    assert_eq!(flushes(&host, &[1, 2, 1]).await, Over::Fault(Code::SEQUENCE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_fall() {
    let host = Host::new(config()).await;
    assert_eq!(flushes(&host, &[3, 2]).await, Over::Fault(Code::SEQUENCE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_far_ahead() {
    let host = Host::new(config()).await;
    let most = u64::from(config().limits.session_requests);
    assert_eq!(flushes(&host, &[most + 1]).await, Over::Fault(Code::SEQUENCE));
    assert_eq!(flushes(&host, &[u64::MAX]).await, Over::Fault(Code::SEQUENCE));
    end(host).await;
}

/// A session whose first request never comes: what is behind it piles up, within limits.
#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_is_never_filled() {
    let mut config = config();
    config.limits.session_requests = 16;
    let host = Host::new(config).await;
    let numbers: Vec<u64> = (2..40).collect();
    let over = flushes(&host, &numbers).await;
    assert!(matches!(over, Over::Fault(Code::CREDIT | Code::SEQUENCE)), "{over:?}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_credit() {
    let mut config = config();
    config.limits.session_requests = 16;
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    for number in 0..17 {
        let sequence = session.number();
        let group = GroupId::from_bytes([number; 16]);
        let (members, deadline_ms) = (Within::new(2).expect("two"), Within::new(600_000).expect("allowed"));
        // The first four wait; the others are refused at once. Only the waiting ones hold their credit.
        let group = if number < 4 { group } else { GroupId::from_bytes([number % 4; 16]) };
        let barrier = Barrier { sequence, group, members, deadline_ms, stage: Stage::Frozen };
        drop(session.peer.send(&barrier).await);
    }
    let flood: Vec<u64> = (18..60).collect();
    for number in flood {
        drop(session.peer.send(&Flush { sequence: sequence(number + 1) }).await);
    }
    let over = session.peer.end().await;
    assert!(matches!(over, Over::Fault(Code::CREDIT | Code::SEQUENCE)), "{over:?}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_without_credit() {
    let mut config = config();
    config.limits.session_bytes = 64 << 10;
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    // Request 1 is missing, so that nothing is taken in and no credit comes back.
    let (id, object) = make::data(1, 6 << 20);
    for number in 2..5 {
        drop(session.peer.send(&Put { sequence: sequence(number), id, object: &object }).await);
    }
    assert_eq!(session.peer.end().await, Over::Fault(Code::CREDIT));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_a_goodbye() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    session.peer.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
    drop(session.peer.send(&Flush { sequence: sequence(1) }).await);
    // Either the goodbye was answered first, and nothing more is read, or the request is found out.
    let over = session.peer.end().await;
    assert!(matches!(over, Over::Fault(Code::UNEXPECTED_MESSAGE) | Over::Closed), "{over:?}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_goodbye() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    // Something that is answered late keeps the connection open between the two.
    hold(&mut session).await;
    for _ in 0..2 {
        session.peer.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
    }
    assert_eq!(session.peer.end().await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_behind_a_goodbye_that_waits() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    hold(&mut session).await;
    session.peer.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
    session.peer.send(&Flush { sequence: sequence(2) }).await.expect("sent");
    assert_eq!(session.peer.end().await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

/// A request that is answered in ten minutes.
async fn hold(session: &mut Session) {
    let sequence = session.number();
    let (members, deadline_ms) = (Within::new(2).expect("two"), Within::new(600_000).expect("allowed"));
    let group = GroupId::from_bytes([1; 16]);
    let barrier = Barrier { sequence, group, members, deadline_ms, stage: Stage::Frozen };
    session.peer.send(&barrier).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_behind_a_hole() {
    let host = Host::new(config()).await;
    let mut peer = host.peer(AGENT).await;
    let name = peer.hello_new().await.session;
    peer.open("main").await.expect("it is open to this client");
    let mut session = Session::over(peer);
    let mut further = host.peer(AGENT).await;
    further.hello(Purpose::Stripe(name)).await.expect("sent");
    further.welcome().await.expect("it joins");
    let (objects, root) = make::tree(1, 2, 100);
    session.store(&objects).await.expect("it goes on");
    let missing = session.number();
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = session.commit(&record).await;
    assert_eq!(session.probe(&[root]).await, [true]);
    further.send(&Flush { sequence: missing }).await.expect("sent");
    let answered = session.until(commit).await.expect("it goes on");
    assert!(answered.committed().is_some(), "not before what it stands behind");
    drop(further);
    session.leave().await;
    end(host).await;
}
