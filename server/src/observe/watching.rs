//! The observer of a server that runs, with all that goes with it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use farkeep_engine::Clock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Observer;
use super::events::Event;
use super::events::Journal;
use super::events::Recorder;
use super::notify::Listener;
use super::notify::Notifier;
use super::page;
use super::webhook::Webhook;
use crate::config::Config;

/// The observer of a server that runs.
pub(crate) struct Watching {
    pub(crate) observer: Arc<Observer>,
    /// Where the pages are, if they are.
    pub(crate) address: Option<SocketAddr>,
    answering: Option<JoinHandle<()>>,
    telling: Vec<JoinHandle<()>>,
    config: Arc<Config>,
}

impl Watching {
    /// Begins to write events down, and to answer for the pages. Backups matter more than the pages: a port that
    /// somebody else has is logged, and no reason not to serve.
    ///
    /// # Errors
    /// If events cannot be written down.
    pub(crate) async fn start(folder: &Path, config: Arc<Config>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (recorder, notes) = Recorder::new();
        let (mut notifiers, mut telling) = (Vec::new(), Vec::new());
        for listener in listeners(&config) {
            let (notifier, running) = Notifier::start(listener, config.deadlines.notify, recorder.lost());
            notifiers.push(notifier);
            telling.push(running);
        }
        Journal::open(folder)?.record(&recorder, notes, notifiers)?;
        let observer = Arc::new(Observer::new(recorder, clock));
        let (mut address, mut answering) = (None, None);
        match TcpListener::bind(config.observe).await {
            Ok(listener) => {
                address = listener.local_addr().ok();
                let answer = page::watch(listener, Arc::clone(&observer), config.deadlines.step);
                answering = Some(tokio::spawn(answer));
            }
            Err(error) => {
                tracing::error!(address = %config.observe, %error, "the server runs, and nobody can watch it");
            }
        }
        Ok(Self { observer, address, answering, telling, config })
    }

    /// The server takes connections.
    pub(crate) fn started(&self, address: SocketAddr) {
        self.observer.recorder.raise(Event::Started { address, observe: self.address });
    }

    /// The server has ended: all events are written down, and the pages are gone.
    pub(crate) async fn stop(self) {
        self.observer.recorder.finish().await;
        for mut telling in self.telling {
            let last = timeout(self.config.deadlines.notify, &mut telling).await;
            if last.is_err() {
                tracing::error!("somebody was not told of the last events");
                telling.abort();
            }
        }
        if let Some(answering) = self.answering {
            answering.abort();
        }
    }
}

/// Who is told of events.
fn listeners(config: &Config) -> Vec<Listener> {
    let command = (!config.notify.is_empty()).then(|| Listener::Command(config.notify.clone()));
    let webhook = config
        .webhook
        .as_ref()
        .map(|url| Listener::Webhook(Webhook { url: url.clone(), roots: config.webhook_roots.clone() }));
    command.into_iter().chain(webhook).collect()
}
