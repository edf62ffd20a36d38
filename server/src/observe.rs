//! What the server says about itself while it runs: counters for whoever scrapes them, events for whoever wants to be
//! told, and the log.
//!
//! Everything that happens often is an atomic counter; nothing here makes a session wait.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::config::Alerts;
use crate::config::Quota;

pub(crate) use clock::ClockWatch;
pub(crate) use counters::Counters;
pub(crate) use counters::Gauge;
pub(crate) use counters::Held;
pub(crate) use counters::Outcome;
pub(crate) use counters::Queue;
pub(crate) use events::Event;
pub use events::Follower;
pub(crate) use events::Recorder;
pub(crate) use figures::Figures;
pub(crate) use watching::Watching;

mod clock;
mod counters;
mod events;
mod figures;
mod histogram;
mod notify;
mod page;
mod text;
mod watching;
mod webhook;
#[cfg(test)]
mod tests;

/// The variable that says how much is logged, as `tracing` has it: `debug`, or `farkeep_server=trace,info`.
pub const LOG: &str = "FARKEEPD_LOG";

/// Sends the log to standard error. Once in the life of a process.
pub fn log() {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new("info"));
    let to_terminal = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(to_terminal).with_writer(io::stderr).init();
}

/// All that is known of the server by whoever watches it.
pub(crate) struct Observer {
    clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    pub(crate) recorder: Recorder,
    /// Of every repository that was seen since the server began.
    repositories: Mutex<BTreeMap<String, Arc<Figures>>>,
    is_stopping: AtomicBool,
}

/// What `/health` says.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    pub(crate) sessions: u64,
    pub(crate) connections: u64,
    /// Repositories whose storage failed.
    pub(crate) failed: Vec<String>,
}

impl Observer {
    pub(crate) fn new(recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            counters: Counters::default(),
            recorder,
            repositories: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// The time, as the server has it.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The figures of a repository, which stay when it is closed.
    pub(crate) fn repository(&self, name: &str, quota: Quota) -> Arc<Figures> {
        let mut repositories = self.repositories.lock().expect("nothing panics while it holds the figures");
        let figures = repositories.entry(name.to_owned()).or_insert_with(|| Arc::new(Figures::new(quota)));
        Arc::clone(figures)
    }

    /// From now on the server is not to be counted on.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        let failed: Vec<String> =
            self.all().into_iter().filter(|(_, figures)| figures.is_failed()).map(|(name, _)| name).collect();
        let status = match self.is_stopping.load(Ordering::Relaxed) {
            true => "stopping",
            false if failed.is_empty() => "ok",
            false => "failing",
        };
        let counters = &self.counters;
        Health { status, sessions: counters.sessions(), connections: counters.connections.value(), failed }
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let mut text = text::Text::default();
        self.counters.write(&mut text);
        self.recorder.write(&mut text);
        figures::write(&self.all(), self.now(), &mut text);
        text.finish()
    }

    /// Raises an event for each series whose newest point has become too old.
    pub(crate) fn look_at_points(&self, alerts: &Alerts) {
        let Some(limit_seconds) = alerts.point_age else { return };
        for (repository, figures) in self.all() {
            for (series, age_seconds) in figures.grown_old(limit_seconds, self.now()) {
                let repository = repository.clone();
                self.recorder.raise(Event::PointOld { repository, series, age_seconds, limit_seconds });
            }
        }
    }

    fn all(&self) -> Vec<(String, Arc<Figures>)> {
        let repositories = self.repositories.lock().expect("nothing panics while it holds the figures");
        repositories.iter().map(|(name, figures)| (name.clone(), Arc::clone(figures))).collect()
    }
}
