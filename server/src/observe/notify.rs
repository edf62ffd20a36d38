//! Tells somebody what happened: a command, which is run for each event with the event as one line of JSON on its input, or
//! an address of the web, to which that line is posted.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::webhook::Webhook;

#[cfg(test)]
mod tests;

/// Events that wait until somebody is told.
const WAITING_MAX: usize = 64;

/// Who is told.
pub(crate) enum Listener {
    /// A command with its arguments.
    Command(Vec<String>),
    /// An address of the web.
    Webhook(Webhook),
}

/// Tells somebody of each event, one after the other.
#[derive(Debug)]
pub(crate) struct Notifier {
    sender: mpsc::Sender<String>,
}

impl Notifier {
    /// Begins. What fails, or takes longer than `limit`, is counted.
    pub(crate) fn start(
        listener: Listener,
        limit: Duration,
        failed: Arc<AtomicU64>,
    ) -> (Self, JoinHandle<()>) {
        let (sender, mut lines) = mpsc::channel::<String>(WAITING_MAX);
        let running = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if let Err(error) = listener.hear(line, limit).await {
                    failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "{listener} was not told of an event");
                }
            }
        });
        (Self { sender }, running)
    }

    /// Has it told, unless too much waits.
    pub(super) fn tell(&self, line: String) -> Result<(), TrySendError<String>> {
        self.sender.try_send(line)
    }
}

impl Listener {
    async fn hear(&self, line: String, limit: Duration) -> io::Result<()> {
        match self {
            Self::Command(command) => {
                let outcome = timeout(limit, run(command, &line)).await;
                outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            Self::Webhook(webhook) => {
                let webhook = webhook.clone();
                let posted = spawn_blocking(move || webhook.post(&line, limit, &mut thread::sleep)).await;
                posted.unwrap_or_else(|panic| Err(io::Error::other(panic)))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command(_) => "the command",
            Self::Webhook(_) => "the webhook",
        })
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
