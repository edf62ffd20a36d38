//! The two pages for whoever watches the server: `/metrics` and `/health`, by as much of HTTP/1.1 as they need.
//!
//! One request per connection, GET alone, a short head and no body; each connection has one deadline for all of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio::time::timeout;

use super::Observer;

#[cfg(test)]
mod tests;

/// Most bytes of a request.
const HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes behind a request that are read, so that the answer is not lost with them.
const REST_BYTES_MAX: u64 = 64 << 10;
/// Connections at a time. Others wait.
const CONNECTIONS_MAX: usize = 16;
/// How long nothing is accepted after the system refused to.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// What is said to a request.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    status: &'static str,
    kind: &'static str,
    body: String,
}

/// Answers until it is aborted. No connection lives longer than `limit`.
pub(crate) async fn watch(listener: TcpListener, observer: Arc<Observer>, limit: Duration) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((mut stream, _)) => {
                let observer = Arc::clone(&observer);
                tokio::spawn(async move {
                    // Whoever is too slow is cut, and whoever is gone wants no answer.
                    drop(timeout(limit, serve(&mut stream, &observer)).await);
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of a watcher was not accepted");
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, observer: &Observer) -> io::Result<()> {
    let page = match head(stream).await? {
        Some(head) => answer(&head, observer),
        None => plain("431 Request Header Fields Too Large"),
    };
    let Page { status, kind, body } = page;
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let length = body.len();
    let front = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    stream.write_all(front.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(REST_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The head of a request, if it is not too long.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(512);
    loop {
        let room = HEAD_BYTES_MAX - head.len();
        if room == 0 {
            return Ok(None);
        }
        if stream.take(room as u64).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(head));
        }
    }
}

fn answer(head: &[u8], observer: &Observer) -> Page {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&str> =
        std::str::from_utf8(line).map(|line| line.split(' ').collect()).unwrap_or_default();
    let &[method, target, version] = words.as_slice() else { return plain("400 Bad Request") };
    if !version.starts_with("HTTP/1.") {
        return plain("505 HTTP Version Not Supported");
    }
    if method != "GET" {
        return plain("405 Method Not Allowed");
    }
    match target.split('?').next() {
        Some("/metrics") => {
            let body = observer.metrics();
            Page { status: "200 OK", kind: "text/plain; version=0.0.4; charset=utf-8", body }
        }
        Some("/health") => {
            let health = observer.health();
            let status = if health.status == "ok" { "200 OK" } else { "503 Service Unavailable" };
            let body = serde_json::to_string(&health).expect("it is a table of plain values") + "\n";
            Page { status, kind: "application/json", body }
        }
        _ => plain("404 Not Found"),
    }
}

fn plain(status: &'static str) -> Page {
    Page { status, kind: "text/plain; charset=utf-8", body: format!("{status}\n") }
}
