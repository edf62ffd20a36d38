use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;
use std::thread::JoinHandle;

use rustls::ServerConnection;
use rustls::StreamOwned;
use tempfile::TempDir;

use super::*;

mod certificate;

const LONG: Duration = Duration::from_secs(60);

/// Posts without a pause, and says which pauses there would have been.
fn post(webhook: &Webhook, line: &str) -> (io::Result<()>, Vec<Duration>) {
    let mut pauses = Vec::new();
    let outcome = webhook.post(line, LONG, &mut |pause| pauses.push(pause));
    (outcome, pauses)
}

/// Hears a request and answers it so.
fn serve(stream: &mut (impl Read + Write), answer: &str) -> String {
    let mut lines = BufReader::new(&mut *stream);
    let (mut head, mut bytes) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        lines.read_line(&mut line).expect("it is text");
        if let Some(length) = line.to_lowercase().strip_prefix("content-length:") {
            bytes = length.trim().parse().expect("a number");
        }
        head += &line;
    }
    let mut body = vec![0; bytes];
    lines.read_exact(&mut body).expect("it is as long as it says");
    stream.write_all(answer.as_bytes()).expect("somebody listens");
    stream.flush().expect("somebody listens");
    head.lines().next().unwrap_or_default().to_owned() + "\n" + &String::from_utf8_lossy(&body)
}

/// A server of the web that gives these answers to so many requests; its address, and what it heard.
fn server<S: Read + Write>(
    answers: &'static [&'static str],
    wrap: impl Fn(TcpStream) -> S + Send + 'static,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    let heard = thread::spawn(move || {
        let hear = |answer: &&str| serve(&mut wrap(listener.accept().expect("somebody connects").0), answer);
        answers.iter().map(hear).collect()
    });
    (address, heard)
}

/// What came of a post to a server that answers so, and what was posted to it.
fn posted(answers: &'static [&'static str], line: &str) -> (io::Result<()>, Vec<Duration>, Vec<String>) {
    let (address, heard) = server(answers, |stream| stream);
    let webhook = Webhook { url: format!("http://{address}/hook?key=1"), roots: "/nowhere".into() };
    let (outcome, pauses) = post(&webhook, line);
    (outcome, pauses, heard.join().expect("it did not panic"))
}

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

#[test]
fn a_line_is_posted() {
    let (outcome, pauses, heard) = posted(&[TAKEN], "{\"event\":\"started\"}\n");
    outcome.expect("it was taken");
    assert_eq!(heard, ["POST /hook?key=1 HTTP/1.1\n{\"event\":\"started\"}\n"]);
    assert!(pauses.is_empty(), "{pauses:?}");
}

#[test]
fn what_is_not_taken_is_posted_again_and_what_is_refused_is_not() {
    let (outcome, pauses, heard) = posted(&[BUSY, "nothing of the web\r\n\r\n", TAKEN], "{}\n");
    outcome.expect("it was taken at last");
    assert_eq!(heard.len(), 3);
    assert!(pauses.is_sorted() && pauses.iter().sum::<Duration>() < LONG / 2, "{pauses:?}");
    let (outcome, pauses, _) = posted(&[BUSY, BUSY, BUSY], "{}\n");
    assert!(outcome.is_err() && pauses.len() == 2, "{outcome:?}, {pauses:?}");
}

#[test]
fn what_is_refused_is_a_failure_that_does_not_show_the_address() {
    for answers in [
        &["HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"] as &[&str],
        &["HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"],
        &[BUSY, BUSY, BUSY],
        &["nothing of the web\r\n\r\n"; 3],
    ] {
        let failed = posted(answers, "{}\n").0.expect_err("it was not taken").to_string();
        assert!(!failed.contains("key=1"), "{failed}");
    }
    let secret = Webhook { url: "https://127.0.0.1:1/?key=1".to_owned(), roots: "/nowhere".into() };
    let failed = post(&secret, "{}\n").0.expect_err("there are no certificates");
    assert_eq!(failed.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_server_of_the_web_that_is_trusted_is_told_over_tls() {
    let (config, certificate) = certificate::server();
    let folder = TempDir::new().expect("a temporary folder can be made");
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, certificate).expect("there is room");
    // An address may be spelt in capitals too.
    for scheme in ["https", "HTTPS"] {
        let config = Arc::clone(&config);
        let (address, heard) = server(&[TAKEN], move |stream| {
            StreamOwned::new(ServerConnection::new(Arc::clone(&config)).expect("it is well"), stream)
        });
        let webhook = Webhook { url: format!("{scheme}://{address}/hook"), roots: roots.clone() };
        post(&webhook, "{}\n").0.expect("it was taken");
        assert_eq!(heard.join().expect("it did not panic"), ["POST /hook HTTP/1.1\n{}\n"]);
    }
}

#[test]
fn a_server_of_the_web_that_is_not_trusted_hears_nothing() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, "").expect("there is room");
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let url = format!("https://{}/", listener.local_addr().expect("it is bound"));
    let server = thread::spawn(move || {
        (0..TRIES).for_each(|_| {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).expect("a handshake begins");
            assert_eq!(hello[..2], [22, 3], "a handshake, and no request");
        });
    });
    post(&Webhook { url, roots }, "{}\n").0.expect_err("it shows no certificate");
    server.join().expect("it did not panic");
}
