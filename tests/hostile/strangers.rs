//! Those who have not come to a session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Name;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Open;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Token;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::kind::Kind;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::STRANGER;
use super::end;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::config;
use crate::server::peer::HUNG;
use crate::server::peer::Over;
use crate::server::peer::Peer;
use crate::server::peer::hello;
use crate::server::peer::raw;

/// Shows no key.
#[derive(Debug)]
struct Shy;

impl ResolvesClientCert for Shy {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// How a client of that server speaks TLS.
fn tls(host: &Host) -> rustls::ClientConfig {
    farkeep_protocol::tls::client(&AGENT, host.key()).expect("a key")
}

/// Whether a server lets a client of TLS with this config say anything at all.
async fn is_let_through(host: &Host, config: rustls::ClientConfig) -> bool {
    let stream = TcpStream::connect(host.address()).await.expect("it listens");
    let connector = TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(ServerName::from(host.address().ip()), stream).await else {
        return false;
    };
    // In TLS 1.3 a client learns what the server thinks of it when it reads.
    drop(stream.write_all(&raw(Kind::Flush.number(), &[])).await);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.is_ok() && !answer.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_handshake() {
    let host = Host::new(config()).await;
    let mut stream = TcpStream::connect(host.address()).await.expect("it listens");
    stream.write_all(&[b'x'; 4_000]).await.expect("sent");
    let mut answer = Vec::new();
    // An alert, or nothing; and the connection is over.
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.len() < 100);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shows_no_key() {
    let host = Host::new(config()).await;
    let mut shy = tls(&host);
    shy.client_auth_cert_resolver = Arc::new(Shy);
    assert!(!is_let_through(&host, shy).await);
    assert!(is_let_through(&host, tls(&host)).await, "the test can tell");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_something_else() {
    let host = Host::new(config()).await;
    let mut other = tls(&host);
    other.alpn_protocols = vec![b"h2".to_vec()];
    assert!(!is_let_through(&host, other).await);
    let mut silent = tls(&host);
    silent.alpn_protocols.clear();
    assert!(!is_let_through(&host, silent).await);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_not_meant() {
    let host = Host::new(config()).await;
    let other = crate::server::peer::public(STRANGER);
    assert!(Peer::connect(host.address(), other, AGENT).await.is_err(), "the client turns away");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_knows() {
    let host = Host::new(config()).await;
    for purpose in [Purpose::New, Purpose::Resume([7; 16].into_id()), Purpose::Stripe([7; 16].into_id())] {
        let mut peer = host.peer(STRANGER).await;
        peer.hello(purpose).await.expect("sent");
        assert_eq!(peer.end().await, Over::Fault(Code::NOT_ENROLLED));
    }
    end(host).await;
}

/// Sixteen bytes as the name of a session.
trait IntoId {
    fn into_id(self) -> farkeep_protocol::field::SessionId;
}

impl IntoId for [u8; 16] {
    fn into_id(self) -> farkeep_protocol::field::SessionId {
        farkeep_protocol::field::SessionId::from_bytes(self)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_revoked() {
    let host = Host::new(config()).await;
    host.revoke(AGENT);
    loop {
        let mut peer = host.peer(AGENT).await;
        peer.hello(Purpose::New).await.expect("sent");
        match peer.welcome().await {
            // Until the server has looked.
            Ok(_) => {}
            Err(over) => break assert_eq!(over, Over::Fault(Code::REVOKED)),
        }
    }
    let token = host.token("again", Role::Agent, &["main"]);
    let enrolled = host.peer(AGENT).await.enroll(&token, "again").await;
    assert_eq!(enrolled, Err(Over::Fault(Code::REVOKED)), "nor does it enrol again");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_guessed() {
    let host = Host::new(config()).await;
    let enrolled = host.peer(STRANGER).await.enroll(&Token::from_bytes([0; 32]), "x").await;
    assert_eq!(enrolled, Err(Over::Fault(Code::TOKEN_INVALID)));
    assert!(host.peer(STRANGER).await.is_turned_away().await);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_overheard() {
    let host = Host::new(config()).await;
    let token = host.token("web-3", Role::Agent, &["main"]);
    host.peer([0x33; 32]).await.enroll(&token, "web-3").await.expect("the first one");
    let second = host.peer(STRANGER).await.enroll(&token, "web-3").await;
    assert_eq!(second, Err(Over::Fault(Code::TOKEN_INVALID)));
    end(host).await;
}

/// Sends bytes as the first ones, and gives what comes of it.
async fn first(host: &Host, bytes: &[u8]) -> Over {
    let mut peer = host.peer(AGENT).await;
    peer.send_bytes(bytes).await.expect("sent");
    peer.end().await
}

fn changed_hello(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = crate::server::peer::frame(&hello(Purpose::New));
    change(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_before_the_hello() {
    let host = Host::new(config()).await;
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Hello) {
        let over = first(&host, &raw(kind.number(), &[])).await;
        assert_eq!(over, Over::Fault(Code::UNEXPECTED_MESSAGE), "{}", kind.name());
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_of_ten_megabytes_from_nobody() {
    let host = Host::new(config()).await;
    // The header alone is enough: nobody waits for the body.
    let header = &raw(Kind::Put.number(), &vec![0; 10 << 20])[..8];
    assert_eq!(first(&host, header).await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_claims_to_be_long() {
    let host = Host::new(config()).await;
    let long = changed_hello(|bytes| bytes[..4].copy_from_slice(&200_u32.to_le_bytes()));
    assert_eq!(first(&host, &long[..8]).await, Over::Fault(Code::TOO_LARGE));
    let endless = changed_hello(|bytes| bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert_eq!(first(&host, &endless[..8]).await, Over::Fault(Code::TOO_LARGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_does_not_exist() {
    let host = Host::new(config()).await;
    assert_eq!(first(&host, &raw(0x7777, b"x")).await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_bytes_that_are_used() {
    let host = Host::new(config()).await;
    for at in [6, 7] {
        assert_eq!(first(&host, &changed_hello(|bytes| bytes[at] = 1)).await, Over::Fault(Code::MALFORMED));
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_of_something_else() {
    let host = Host::new(config()).await;
    for at in 8..16 {
        assert_eq!(first(&host, &changed_hello(|bytes| bytes[at] ^= 1)).await, Over::Fault(Code::MALFORMED));
    }
    // A purpose that does not exist, and one that does not fit its session.
    assert_eq!(first(&host, &changed_hello(|bytes| bytes[20] = 9)).await, Over::Fault(Code::MALFORMED));
    assert_eq!(first(&host, &changed_hello(|bytes| bytes[21] = 9)).await, Over::Fault(Code::MALFORMED));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_spoken() {
    let host = Host::new(config()).await;
    let mut peer = host.peer(AGENT).await;
    let versions = Versions::new(700, 800).expect("in order");
    peer.send(&Hello { versions, ..hello(Purpose::New) }).await.expect("sent");
    assert_eq!(peer.end().await, Over::Fault(Code::VERSION));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_has_not_begun_here() {
    let host = Host::new(config()).await;
    let mut peer = host.peer(AGENT).await;
    peer.send(&Hello { epoch: 9, ..hello(Purpose::New) }).await.expect("sent");
    assert_eq!(peer.end().await, Over::Fault(Code::EPOCH_OLD));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_in_place_of_an_enroll() {
    let host = Host::new(config()).await;
    let mut peer = host.peer(STRANGER).await;
    peer.hello(Purpose::Enroll).await.expect("sent");
    let repository = Name::new("main").expect("a name");
    peer.send(&Open { repository, access: Access::Write }).await.expect("sent");
    assert_eq!(peer.end().await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_others_looks_like_none() {
    let host = Host::new(config()).await;
    host.know([0x44; 32], "elsewhere", Role::Agent, &["db"]).await;
    // There is a `main`, which is not this client's, and no `db`, which would be.
    for name in ["main", "db", "none"] {
        let mut peer = host.peer([0x44; 32]).await;
        peer.hello_new().await;
        assert_eq!(peer.open(name).await, Err(Over::Fault(Code::REPOSITORY_UNKNOWN)), "{name}");
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_outside_of_the_folder() {
    let host = Host::new(config()).await;
    for name in ["..", "../main", "/etc", ".", "main/..", "MAIN", ""] {
        let mut peer = host.peer(AGENT).await;
        peer.hello_new().await;
        let length = u8::try_from(name.len()).expect("short");
        let body = [&[length], name.as_bytes(), &[2]].concat();
        peer.send_bytes(&raw(Kind::Open.number(), &body)).await.expect("sent");
        assert_eq!(peer.end().await, Over::Fault(Code::MALFORMED), "{name:?}");
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_take_the_next_step() {
    let mut config = config();
    config.deadlines.step = Duration::from_millis(300);
    let host = Host::new(config).await;
    let mut silent = host.peer(AGENT).await;
    assert_eq!(silent.end().await, Over::Fault(Code::DEADLINE));
    let mut half = host.peer(AGENT).await;
    half.hello_new().await;
    assert_eq!(half.end().await, Over::Fault(Code::DEADLINE));
    assert_eq!(host.sessions(), 0, "its place is free again");
    let mut dripping = host.peer(AGENT).await;
    dripping.send_bytes(&changed_hello(|_| {})[..20]).await.expect("sent");
    assert_eq!(dripping.end().await, Over::Fault(Code::DEADLINE));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_handshakes_that_are_never_finished() {
    let mut config = config();
    config.limits.handshakes = 20;
    // It is their number that ends them.
    config.deadlines.step = Duration::from_secs(3_600);
    let host = Host::new(config).await;
    // As many as descriptors are to be had everywhere; whoever is let go of was cut by the server long before.
    let mut held = VecDeque::new();
    for number in 0..4_000 {
        let mut stream = TcpStream::connect(host.address()).await.expect("it listens");
        // Some say nothing, and some begin to: a record of TLS that has only its first bytes.
        if number % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.expect("sent");
        }
        held.push_back(stream);
        if number % 1_000 == 999 {
            super::expect_well(&host).await;
        }
        if held.len() > 200 {
            let oldest = held.pop_front().expect("there are some");
            expect_cut(oldest).await;
        }
    }
    end(host).await;
}

/// The server has ended the connection without a word.
async fn expect_cut(mut stream: TcpStream) {
    let ended = timeout(HUNG, stream.read(&mut [0])).await.expect("it was cut");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
