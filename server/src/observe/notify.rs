//! Tells a command what happened: each event is a run of it, with the event as one line of JSON on its input.
//!
//! How a message goes out of the house is the command's business, so that no client of the web, with the trust in
//! certificates that it needs, has to live in the server.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// Events that wait for the command.
const WAITING_MAX: usize = 64;

/// Runs a command for each event, one after the other.
#[derive(Debug)]
pub(crate) struct Notifier {
    sender: mpsc::Sender<String>,
}

impl Notifier {
    /// Begins, with a command and its arguments. Its runs that fail, or take longer than `limit`, are counted.
    pub(crate) fn start(
        command: Vec<String>,
        limit: Duration,
        failed: Arc<AtomicU64>,
    ) -> (Self, JoinHandle<()>) {
        let (sender, mut lines) = mpsc::channel::<String>(WAITING_MAX);
        let running = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                let outcome = timeout(limit, run(&command, &line)).await;
                let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                if let Err(error) = outcome {
                    failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "the command was not told of an event");
                }
            }
        });
        (Self { sender }, running)
    }

    /// Has the command told, unless too much waits for it.
    pub(super) fn tell(&self, line: String) -> Result<(), TrySendError<String>> {
        self.sender.try_send(line)
    }
}

/// One run. Whoever stops waiting for it ends it.
async fn run(command: &[String], line: &str) -> io::Result<()> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(line.as_bytes()).await {
            // It may not want to know more than that something happened.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let status = child.wait().await?;
    status.success().then_some(()).ok_or_else(|| io::Error::other(format!("it ended with {status}")))
}
