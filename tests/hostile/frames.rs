//! Frames of a session that lie about what is in them.

use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Side;
use tokio::time::interval;

use super::end;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::config;
use crate::server::make;
use crate::server::peer::Over;
use crate::server::peer::raw;

/// Sends bytes in a session, and gives what comes of it.
async fn sent(host: &Host, bytes: &[u8]) -> Over {
    let mut session = host.session(AGENT).await;
    session.peer.send_bytes(bytes).await.expect("sent");
    session.peer.end().await
}

fn number(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_count_lies() {
    let host = Host::new(config()).await;
    for count in [&[2][..], &[0xff, 0x3f], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
        let body = [&number(1)[..], count, &[7; 32]].concat();
        assert_eq!(sent(&host, &raw(Kind::Probe.number(), &body)).await, Over::Fault(Code::MALFORMED));
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_for_nothing() {
    let host = Host::new(config()).await;
    let body = [&number(1)[..], &[0]].concat();
    assert_eq!(sent(&host, &raw(Kind::Probe.number(), &body)).await, Over::Fault(Code::MALFORMED));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_the_end() {
    let host = Host::new(config()).await;
    let body = [&number(1)[..], &[0]].concat();
    let over = sent(&host, &raw(Kind::Goodbye.number(), &[1, 0])).await;
    assert_eq!(over, Over::Fault(Code::TOO_LARGE));
    let over = sent(&host, &raw(Kind::List.number(), &[&number(1)[..], &[0; 4], &body].concat())).await;
    assert_eq!(over, Over::Fault(Code::MALFORMED));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_too_soon() {
    let host = Host::new(config()).await;
    for kind in [Kind::Put, Kind::Commit, Kind::Barrier, Kind::Flush, Kind::List, Kind::Grant] {
        let over = sent(&host, &raw(kind.number(), &[1])).await;
        assert_eq!(over, Over::Fault(Code::MALFORMED), "{}", kind.name());
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_number_nought() {
    let host = Host::new(config()).await;
    assert_eq!(sent(&host, &raw(Kind::Flush.number(), &number(0))).await, Over::Fault(Code::MALFORMED));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_longer_than_its_kind() {
    let host = Host::new(config()).await;
    let claims = |kind: Kind, bytes: u32| {
        let mut header = raw(kind.number(), &[]);
        header[..4].copy_from_slice(&bytes.to_le_bytes());
        header
    };
    for (kind, bytes) in
        [(Kind::Put, 10_551_337), (Kind::Flush, 9), (Kind::Probe, 1 << 20), (Kind::Commit, u32::MAX)]
    {
        assert_eq!(sent(&host, &claims(kind, bytes)).await, Over::Fault(Code::TOO_LARGE), "{}", kind.name());
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_server_says() {
    let host = Host::new(config()).await;
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_sent_by(Side::Client)) {
        let over = sent(&host, &raw(kind.number(), &[])).await;
        assert_eq!(over, Over::Fault(Code::UNEXPECTED_MESSAGE), "{}", kind.name());
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_beginning() {
    let host = Host::new(config()).await;
    for kind in [Kind::Hello, Kind::Enroll, Kind::Open, Kind::Create] {
        let over = sent(&host, &raw(kind.number(), &[0; 60])).await;
        assert_eq!(over, Over::Fault(Code::UNEXPECTED_MESSAGE), "{}", kind.name());
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_the_future() {
    let host = Host::new(config()).await;
    assert_eq!(sent(&host, &raw(0x0117, &number(1))).await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_would_upset_a_terminal() {
    let host = Host::new(config()).await;
    for text in [&b"\x1b[2J"[..], b"a\nb", b"\xff\xfe"] {
        let length = u8::try_from(text.len()).expect("short");
        let body = [&number(1)[..], &[0; 4], &[length], text].concat();
        assert_eq!(sent(&host, &raw(Kind::List.number(), &body)).await, Over::Fault(Code::MALFORMED));
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_drips() {
    let mut config = config();
    config.deadlines.progress = Duration::from_millis(200);
    config.rates.progress_bytes = 10_000;
    let host = Host::new(config).await;
    let (id, object) = make::data(1, 1_000_000);
    let frame = raw(Kind::Put.number(), &[&number(1)[..], id.as_bytes(), &object].concat());
    let mut session = host.session(AGENT).await;
    session.peer.send_bytes(&frame[..1_000]).await.expect("sent");
    // Not silent, and never done.
    let mut drips = interval(Duration::from_millis(5));
    let mut at = 1_000;
    let over = loop {
        tokio::select! {
            over = session.peer.end() => break over,
            _ = drips.tick() => {}
        }
        drop(session.peer.send_bytes(&frame[at..=at]).await);
        at += 1;
    };
    assert_eq!(over, Over::Fault(Code::TOO_SLOW));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent() {
    let mut config = config();
    config.deadlines.silence = Duration::from_millis(400);
    config.deadlines.heartbeat = Duration::from_millis(100);
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    assert_eq!(session.peer.end().await, Over::Fault(Code::DEADLINE));
    end(host).await;
}
