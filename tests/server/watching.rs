//! What the server tells whoever watches it: pages and events.

use std::fs;
use std::net::SocketAddr;

use farkeep_protocol::fault::Code;
use farkeep_protocol::hello::Role;
use farkeep_server::config::Quota;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::host::AGENT;
use super::host::Host;
use super::host::config;
use super::make;
use super::peer::HUNG;

/// What came back for these bytes; nothing if the connection was cut.
async fn said(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    // A server that has heard enough may have gone.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).expect("text")
}

pub(super) async fn page(address: SocketAddr, path: &str) -> String {
    said(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await
}

/// The value of one sample.
pub(super) async fn sample(host: &Host, name: &str) -> Option<f64> {
    let page = page(host.observe(), "/metrics").await;
    let (head, body) = page.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().expect("a number"))
}

async fn samples<const N: usize>(host: &Host, names: [&str; N]) -> [Option<f64>; N] {
    let mut values = [None; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = sample(host, name).await;
    }
    values
}

/// Waits until an event of that name was written down so many times.
pub(super) async fn written(host: &Host, name: &str, times: usize) {
    let path = host.folder().path().join("events");
    let written = async {
        while fs::read_to_string(&path).expect("it is there").matches(&format!("\"{name}\"")).count() < times
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(HUNG, written).await.unwrap_or_else(|_| panic!("{name} is not written {times} times"));
}

/// The events that were written down, by name.
pub(super) fn events(host: &std::path::Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(host.join("events")).expect("it is there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

pub(super) fn of<'e>(events: &'e [serde_json::Value], name: &str) -> Vec<&'e serde_json::Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_move_with_a_session() {
    let mut config = config();
    let quota = Quota { soft_bytes: None, hard_bytes: Some(90_000) };
    config.quotas.repositories.insert("main".to_owned(), quota);
    let host = Host::new(config).await;
    const AGENTS: &str = "farkeep_sessions{role=\"agent\"}";
    let before = samples(&host, [AGENTS, "farkeep_commits_total"]).await;
    assert_eq!(before, [Some(0.0), Some(0.0)]);
    let mut session = host.session(AGENT).await;
    assert_eq!(samples(&host, [AGENTS, "farkeep_connections"]).await, [Some(1.0), Some(1.0)]);

    let (objects, root) = make::tree(1, 3, 5_000);
    session.store(&objects).await.expect("it goes on");
    session.store(&objects[..2]).await.expect("it goes on");
    let large = session.store(&[make::data(9, 200_000)]).await.expect("it goes on");
    assert_eq!(large.refused[0].1, Code::QUOTA_EXCEEDED);
    let commit = session.commit(&make::record(make::draft("web-1:\"/\"", root), AGENT)).await;
    session.until(commit).await.expect("it goes on").committed().expect("committed");

    let counted = [
        "farkeep_objects_total{result=\"new\"}",
        "farkeep_objects_total{result=\"known\"}",
        "farkeep_objects_total{result=\"refused\"}",
        "farkeep_commits_total",
        "farkeep_committed_bytes_total",
        "farkeep_commit_seconds_count",
        "farkeep_faults_total{code=\"quota-exceeded\"}",
        "farkeep_quota_limit_bytes{repository=\"main\",kind=\"hard\"}",
        "farkeep_repository_objects{repository=\"main\"}",
    ];
    let values = samples(&host, counted).await.map(|value| value.expect("it is shown"));
    assert_eq!(values, [4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 90_000.0, 4.0]);
    let received = samples(
        &host,
        ["object", "record", "other"].map(|kind| match kind {
            "object" => "farkeep_received_bytes_total{kind=\"object\"}",
            "record" => "farkeep_received_bytes_total{kind=\"record\"}",
            _ => "farkeep_received_bytes_total{kind=\"other\"}",
        }),
    )
    .await
    .map(|value| value.expect("it is shown"));
    assert!(received[0] > 225_000.0 && received[1] > 100.0 && received[2] > 10.0, "{received:?}");
    let used = sample(&host, "farkeep_quota_used_bytes{repository=\"main\"}").await;
    assert!(used.is_some_and(|used| (15_000.0..30_000.0).contains(&used)), "{used:?}");
    let age = "farkeep_newest_point_seconds{repository=\"main\",series=\"web-1:\\\"/\\\"\"}";
    assert!(sample(&host, age).await.is_some(), "the series is shown, with its quotation marks");

    session.leave().await;
    while samples(&host, [AGENTS, "farkeep_connections"]).await != [Some(0.0), Some(0.0)] {}
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_being_stopped_is_not_healthy() {
    let host = Host::new(config()).await;
    let session = host.session(AGENT).await;
    let observe = host.observe();
    let health = page(observe, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.contains("\"sessions\":1"), "{health}");
    let stopping = tokio::spawn(host.stop());
    // The session has not ended, so the server cannot have either.
    loop {
        let health = page(observe, "/health").await;
        if health.starts_with("HTTP/1.1 503 ") {
            assert!(health.contains("\"status\":\"stopping\""), "{health}");
            break;
        }
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    }
    session.leave_quietly().await;
    stopping.await.expect("it stops");
    assert!(TcpStream::connect(observe).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_much_is_cut() {
    let host = Host::bare(config()).await;
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    // The answer may be lost when what was sent behind it is not read.
    let answer = said(host.observe(), &long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(page(host.observe(), "/").await.starts_with("HTTP/1.1 404 "));
    assert!(said(host.observe(), b"DELETE /metrics HTTP/1.1\r\n\r\n").await.contains("\r\nAllow: GET\r\n"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_slowly_is_cut() {
    let mut config = config();
    config.deadlines.step = std::time::Duration::from_millis(20);
    let host = Host::bare(config).await;
    // More than are served at a time, each of which begins and does not go on.
    let mut begun = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(host.observe()).await.expect("somebody listens");
        stream.write_all(b"GET /metr").await.expect("sent");
        begun.push(stream);
    }
    for mut stream in begun {
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        assert!(answer.is_empty(), "nothing was asked");
    }
    assert!(page(host.observe(), "/health").await.starts_with("HTTP/1.1 200 "));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_raises_an_event_before_it_refuses_and_when_it_does() {
    let mut config = config();
    let quota = Quota { soft_bytes: Some(15_000), hard_bytes: Some(25_000) };
    config.quotas.clients.insert("web-1".to_owned(), quota);
    let host = Host::new(config).await;
    let mut session = host.session(AGENT).await;
    let objects: Vec<_> = (0..4).map(|number| make::data(number, 10_000)).collect();
    assert_eq!(session.store(&objects).await.expect("it goes on").durable, [1, 2]);
    session.leave().await;
    let folder = host.stop().await;
    let events = events(folder.path());
    for (name, limit_bytes) in [("quota-soft", 15_000), ("quota-hard", 25_000)] {
        let [event] = of(&events, name)[..] else { panic!("not one {name} in {events:?}") };
        assert_eq!((&event["whose"], &event["limit_bytes"]), (&"client web-1".into(), &limit_bytes.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_life_is_written_down_and_told() {
    let told = tempfile::TempDir::new().expect("a temporary folder can be made");
    let mut config = config();
    let script = format!("cat >> {}", told.path().join("told").display());
    config.notify = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let host = Host::bare(config).await;
    let token = host.token("web-1", Role::Agent, &["main"]);
    host.peer(AGENT).await.enroll(&token, "web").await.expect("the token is good");
    host.revoke(AGENT);
    written(&host, "revoked", 1).await;
    let folder = host.stop().await;
    let events = events(folder.path());
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().expect("a name")).collect();
    assert_eq!(names, ["started", "enrolled", "revoked", "stopped"]);
    assert_eq!((&events[1]["client"], &events[1]["role"]), (&"web-1".into(), &"agent".into()));
    assert_eq!(events[1]["key"], events[2]["key"]);
    let told = fs::read_to_string(told.path().join("told")).expect("it was run");
    assert_eq!(told, fs::read_to_string(folder.path().join("events")).expect("it is there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_too_old_is_seen_by_a_server_that_was_just_started() {
    let host = Host::new(config()).await;
    let mut session = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 1, 100);
    session.store(&objects).await.expect("it goes on");
    let commit = session.commit(&make::record(make::draft("web-1:/", root), AGENT)).await;
    session.until(commit).await.expect("it goes on").committed().expect("committed");
    session.leave().await;
    let folder = host.stop().await;
    assert_eq!(of(&events(folder.path()), "point-old").len(), 0, "no age was set");

    let mut config = config();
    config.alerts.point_age = Some(0);
    let host = Host::over(folder, config).await;
    // It becomes a second old sooner or later.
    written(&host, "point-old", 1).await;
    let folder = host.stop().await;
    let events = events(folder.path());
    let [event] = of(&events, "point-old")[..] else { panic!("not one in {events:?}") };
    assert_eq!((&event["repository"], &event["series"]), (&"main".into(), &"web-1:/".into()));
}
