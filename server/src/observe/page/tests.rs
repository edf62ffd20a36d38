use farkeep_engine::SystemClock;
use tokio::io::duplex;

use super::*;
use crate::config::Quota;
use crate::observe::Recorder;

fn observer() -> Observer {
    Observer::new(Recorder::new().0, Arc::new(SystemClock))
}

fn status(head: &str) -> String {
    answer(head.as_bytes(), &observer()).status.to_owned()
}

#[test]
fn two_pages_can_be_got_and_nothing_else() {
    assert_eq!(status("GET /metrics HTTP/1.1\r\n\r\n"), "200 OK");
    assert_eq!(status("GET /health?now HTTP/1.0\r\nHost: x\r\n\r\n"), "200 OK");
    for (head, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/../identity HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("get /metrics HTTP/1.1\r\n\r\n", "405"),
        ("GET /metrics HTTP/2\r\n\r\n", "505"),
        ("GET /metrics\r\n\r\n", "400"),
        ("GET  /metrics HTTP/1.1\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
    ] {
        assert!(status(head).starts_with(expected), "{head:?}: {}", status(head));
    }
    assert_eq!(answer(b"GET /\xff HTTP/1.1\r\n\r\n", &observer()).status, "400 Bad Request");
}

#[test]
fn health_names_what_failed() {
    let observer = observer();
    let get = || answer(b"GET /health HTTP/1.1\r\n\r\n", &observer);
    let main = observer.repository("main", Quota::default());
    assert!(get().body.contains("\"status\":\"ok\""));
    main.failed();
    let page = get();
    assert_eq!(page.status, "503 Service Unavailable");
    assert!(
        page.body.contains("\"status\":\"failing\"") && page.body.contains("[\"main\"]"),
        "{}",
        page.body
    );
    main.opened();
    assert_eq!(get().status, "200 OK");
    observer.stopping();
    let page = get();
    assert_eq!(page.status, "503 Service Unavailable");
    assert!(page.body.contains("\"status\":\"stopping\""), "{}", page.body);
}

#[tokio::test]
async fn a_request_in_pieces_is_answered_and_its_length_is_right() {
    let (mut near, mut far) = duplex(1 << 10);
    let serving = tokio::spawn(async move { serve(&mut far, &observer()).await });
    for piece in ["GE", "T /health HT", "TP/1.1\r\nHost: a\r\n\r", "\n"] {
        near.write_all(piece.as_bytes()).await.expect("sent");
    }
    near.shutdown().await.expect("shut");
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
    serving.await.expect("no panic").expect("answered");
}

#[tokio::test]
async fn a_head_without_an_end_is_not_read_for_ever() {
    let (mut near, mut far) = duplex(1 << 20);
    near.write_all(&vec![b'a'; HEAD_BYTES_MAX + 1]).await.expect("sent");
    near.shutdown().await.expect("shut");
    serve(&mut far, &observer()).await.expect("answered");
    let mut answer = vec![0; 12];
    near.read_exact(&mut answer).await.expect("there");
    assert_eq!(answer, b"HTTP/1.1 431");
}
