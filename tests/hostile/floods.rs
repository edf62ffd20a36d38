//! Too much of something that is allowed.

use std::slice::from_ref;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::field::Within;
use farkeep_protocol::message::Barrier;
use farkeep_protocol::message::Get;
use farkeep_protocol::message::Grant;
use farkeep_protocol::message::Heartbeat;
use farkeep_protocol::message::Probe;
use farkeep_protocol::message::Stage;

use super::end;
use super::expect_well;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::READER;
use crate::server::host::config;
use crate::server::make;
use crate::server::peer::Session;
use crate::server::peer::frame;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tiny_puts() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let objects: Vec<_> = (0..3_000).map(|number| make::data(number, 40)).collect();
    let mut durable = 0;
    for some in objects.chunks(1_000) {
        let stored = session.store(some).await.expect("it goes on");
        assert_eq!(stored.refused, []);
        durable += stored.durable.len();
    }
    assert_eq!(durable, objects.len());
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_faster_than_allowed_are_read_more_slowly() {
    let mut config = config();
    config.rates.agent_requests = 200;
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    let begun = std::time::Instant::now();
    for _ in 0..300 {
        session.probe(&[make::data(1, 50).0]).await;
    }
    // A second's worth may come at once, a hundred more take half a second: no timing but a least one.
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_without_end() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let beats = frame(&Heartbeat { time: Time::from_nanoseconds(0) }).repeat(20_000);
    session.peer.send_bytes(&beats).await.expect("sent");
    session.store(&[make::data(1, 100)]).await.expect("it goes on");
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_credit_than_there_are_numbers() {
    let host = Host::new(config()).await;
    let mut session = host.session(READER).await;
    let grants = frame(&Grant { bytes: u32::MAX }).repeat(10_000);
    session.peer.send_bytes(&grants).await.expect("sent");
    assert_eq!(session.number().number(), 1);
    let sequence = farkeep_protocol::field::Sequence::FIRST;
    session.peer.send(&farkeep_protocol::message::Slots { sequence }).await.expect("sent");
    assert_eq!(session.until(sequence).await.expect("it goes on").all.len(), 2);
    session.leave().await;
    end(host).await;
}

/// Objects are asked for, and neither read nor granted: what waits is bounded, and others go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let objects: Vec<_> = (0..16).map(|number| make::data(number, 1 << 20)).collect();
    agent.store(&objects).await.expect("it goes on");
    let mut stalled = host.session(READER).await;
    for _ in 0..50 {
        let sequence = stalled.number();
        let ids = Ids::new(objects.iter().map(|(id, _)| *id).collect()).expect("not too many");
        stalled.peer.send(&Get { sequence, ids }).await.expect("sent");
    }
    expect_well(&host).await;
    agent.leave().await;
    drop(stalled);
    end(host).await;
}

/// More objects are asked for at a time than there is room for the questions.
#[tokio::test(flavor = "multi_thread")]
async fn gets_without_end() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let object = make::data(1, 2 << 20);
    agent.store(from_ref(&object)).await.expect("it goes on");
    let mut reader = host.session(READER).await;
    let mut last = None;
    for _ in 0..100 {
        let sequence = reader.number();
        let ids = Ids::new(vec![object.0; 4_096]).expect("as many as allowed");
        reader.peer.send(&Get { sequence, ids }).await.expect("sent");
        last = Some(sequence);
    }
    let last = last.expect("some were sent");
    let answered = reader.until(last).await.expect("it goes on");
    assert_eq!(answered.code(last), Some(Code::RATE));
    drop(reader);
    agent.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_that_nobody_hears_the_answers_of() {
    let mut config = config();
    config.deadlines.progress = Duration::from_millis(500);
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    let ids: Vec<_> = (0..8_192).map(|number| make::data(number, 40).0).collect();
    let probe = |session: &mut Session| {
        let sequence = session.number();
        frame(&Probe { sequence, ids: Ids::new(ids.clone()).expect("as many as allowed") })
    };
    for _ in 0..100 {
        let bytes = probe(&mut session);
        if session.peer.send_bytes(&bytes).await.is_err() {
            break;
        }
    }
    expect_well(&host).await;
    drop(session);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_without_end() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let mut last = None;
    for number in 0..50 {
        let sequence = session.number();
        let (members, deadline_ms) = (Within::new(2).expect("two"), Within::new(600_000).expect("allowed"));
        let group = GroupId::from_bytes([number; 16]);
        let barrier = Barrier { sequence, group, members, deadline_ms, stage: Stage::Frozen };
        session.peer.send(&barrier).await.expect("sent");
        last = Some(sequence);
    }
    let last = last.expect("some were sent");
    let answered = session.until(last).await.expect("it goes on");
    assert_eq!(answered.code(last), Some(Code::GROUP_BROKEN));
    assert_eq!(answered.refused.len(), 46, "four wait");
    drop(session);
    end(host).await;
}

/// A session that is cut in the middle of a frame, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_cut() {
    let host = Host::new(config()).await;
    let (id, object) = make::data(1, 3_000);
    for cut in [1, 7, 8, 9, 47, 48, 49, 1_000, 3_000] {
        let mut session = host.session(AGENT).await;
        let sequence = session.number();
        let bytes = frame(&farkeep_protocol::message::Put { sequence, id, object: &object });
        session.peer.send_bytes(&bytes[..cut]).await.expect("sent");
        drop(session);
    }
    let mut session = host.session(AGENT).await;
    assert_eq!(session.probe(&[id]).await, [false], "nothing of it was taken in");
    session.leave().await;
    end(host).await;
}
