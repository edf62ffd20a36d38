use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A server of the web that answers one request so, and what was posted to it.
fn posted(answer: &'static str, line: &str) -> (io::Result<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut lines = BufReader::new(stream.try_clone().expect("it is open"));
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
        head.lines().next().unwrap_or_default().to_owned() + "\n" + &String::from_utf8_lossy(&body)
    });
    let url = format!("http://{address}/hook?key=1");
    let outcome = Webhook { url, roots: "/nowhere".into() }.post(line, LONG);
    (outcome, server.join().expect("it did not panic"))
}

#[test]
fn a_line_is_posted() {
    let (outcome, heard) = posted("HTTP/1.1 204 No Content\r\n\r\n", "{\"event\":\"started\"}\n");
    outcome.expect("it was taken");
    assert_eq!(heard, "POST /hook?key=1 HTTP/1.1\n{\"event\":\"started\"}\n");
}

#[test]
fn what_is_not_taken_is_a_failure_that_does_not_show_the_address() {
    for answer in [
        "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "nothing of the web\r\n\r\n",
    ] {
        let failed = posted(answer, "{}\n").0.expect_err("it was not taken").to_string();
        assert!(!failed.contains("key=1"), "{failed}");
    }
    let secret = Webhook { url: "https://127.0.0.1:1/?key=1".to_owned(), roots: "/nowhere".into() };
    assert_eq!(
        secret.post("{}\n", LONG).expect_err("there are no certificates").kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn a_server_of_the_web_that_is_not_trusted_hears_nothing() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, "").expect("there is room");
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let url = format!("https://{}/", listener.local_addr().expect("it is bound"));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).expect("a handshake begins");
        hello
    });
    Webhook { url, roots }.post("{}\n", LONG).expect_err("it shows no certificate");
    assert_eq!(server.join().expect("it did not panic")[..2], [22, 3], "a handshake, and no request");
}
