//! How much, how many, how fast.

use std::time::Duration;

use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_protocol::fault::Code;
use farkeep_server::config::Quota;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::OTHER;
use super::host::config;
use super::make;
use super::peer::Over;

/// Bytes that all packs of a repository take.
fn stored_bytes(host: &Host) -> u64 {
    let folder = host.repository("main");
    let disk = RealDisk::open(&folder, Backend::Auto).expect("it is there");
    let options = Options::new(IndexKind::Rocks(folder.join("index"))).expect("random numbers");
    let engine = Engine::open(std::sync::Arc::new(disk), Access::Read, options).expect("opened");
    engine.usage().expect("counted").bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_a_clients_quota_nothing_lands() {
    let mut config = config();
    config.quotas.clients.insert("web-1".to_owned(), Quota { soft_bytes: None, hard_bytes: Some(25_000) });
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    let objects: Vec<_> = (0..4).map(|number| make::data(number, 10_000)).collect();
    let stored = session.store(&objects).await.expect("it goes on");
    assert_eq!(stored.durable, [1, 2]);
    assert_eq!(stored.refused, [(3, Code::QUOTA_EXCEEDED), (4, Code::QUOTA_EXCEEDED)]);
    // Two objects, with the blocks around them and three of parity.
    assert!((32_000..42_000).contains(&stored_bytes(&host)), "{}", stored_bytes(&host));
    assert_eq!(session.probe(&[objects[2].0]).await, [false]);
    // What is there already costs nothing.
    let mut other = host.session(OTHER).await;
    assert_eq!(other.store(&objects[2..]).await.expect("it goes on").durable, [1, 2]);
    session.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_or_known_does_not_count() {
    let mut config = config();
    config.quotas.clients.insert("web-1".to_owned(), Quota { soft_bytes: None, hard_bytes: Some(25_000) });
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    let (one, other) = (make::data(1, 10_000), make::data(2, 10_000));
    for _ in 0..5 {
        let stored = session.store(&[one.clone(), (other.0, one.1.clone())]).await.expect("it goes on");
        assert_eq!((stored.durable.len(), stored.refused[0].1), (1, Code::WRONG_ID));
    }
    assert_eq!(session.store(&[other]).await.expect("it goes on").durable.len(), 1);
    session.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_has_a_quota_for_all() {
    let mut config = config();
    let quota = Quota { soft_bytes: None, hard_bytes: Some(40_000) };
    config.quotas.repositories.insert("main".to_owned(), quota);
    let host = Host::new(config).await;
    let (mut one, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    let objects: Vec<_> = (0..8).map(|number| make::data(number, 10_000)).collect();
    let mut durable = 0;
    for pair in objects.chunks(2) {
        durable += one.store(&pair[..1]).await.expect("it goes on").durable.len();
        durable += other.store(&pair[1..]).await.expect("it goes on").durable.len();
    }
    assert_eq!(durable, 3);
    one.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_so_many_sessions() {
    let mut config = config();
    config.limits.sessions = 3;
    let host = Host::new(config).await;
    let sessions = [host.session(AGENT).await, host.session(OTHER).await, host.session(KEEPER).await];
    let mut peer = host.peer(AGENT).await;
    peer.hello(farkeep_protocol::hello::Purpose::New).await.expect("sent");
    assert_eq!(peer.welcome().await, Err(Over::Fault(Code::SERVER_FULL)));
    for session in sessions {
        session.leave().await;
    }
    host.session(AGENT).await.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_does_not_take_all_sessions() {
    let mut config = config();
    config.limits.sessions_per_client = 2;
    let host = Host::new(config).await;
    let sessions = [host.session(AGENT).await, host.session(AGENT).await];
    let mut peer = host.peer(AGENT).await;
    peer.hello(farkeep_protocol::hello::Purpose::New).await.expect("sent");
    assert_eq!(peer.welcome().await, Err(Over::Fault(Code::SERVER_FULL)));
    host.session(OTHER).await.leave().await;
    drop(sessions);
    host.stop().await;
}

/// More than the credit: the server has to give it again.
#[tokio::test(flavor = "multi_thread")]
async fn credit_comes_back() {
    let mut config = config();
    config.limits.session_bytes = 64 << 10;
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    for number in 0..40 {
        let stored = session.store(&[make::data(number, 20_000)]).await.expect("it goes on");
        assert_eq!(stored.durable.len(), 1);
    }
    session.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_nobody_uses_is_closed() {
    let mut config = config();
    config.deadlines.repository_idle = Duration::from_millis(1);
    let host = Host::new(config).await;
    host.session(AGENT).await.leave().await;
    // Somebody else can have it then.
    loop {
        let folder = host.repository("main");
        let disk = RealDisk::open(&folder, Backend::Auto).expect("it is there");
        let options = Options::new(IndexKind::Memory).expect("random numbers");
        let access = Access::Write { holder: "a test".to_owned() };
        if let Ok(_engine) = Engine::open(std::sync::Arc::new(disk), access, options) {
            let mut peer = host.peer(AGENT).await;
            peer.hello_new().await;
            assert_eq!(peer.open("main").await, Err(Over::Fault(Code::IN_USE)));
            break;
        }
        tokio::task::yield_now().await;
    }
    host.session(AGENT).await.leave().await;
    host.stop().await;
}
