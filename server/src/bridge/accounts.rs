//! What a client has stored and how fast it asks, over all its sessions.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use farkeep_protocol::fault::Code;
use farkeep_protocol::identity::PublicKey;

use super::Failure;
use super::meter::Meter;
use crate::config::Config;
use crate::observe::Recorder;
use crate::registry::Client;
use crate::registry::Folder;

#[cfg(test)]
mod tests;

/// The account of one client.
#[derive(Debug)]
pub(crate) struct Account {
    meter: Meter,
    /// What the file has.
    noted_bytes: AtomicU64,
    rate: Mutex<Rate>,
    sessions: AtomicUsize,
}

/// All accounts of clients that were here since the server began.
#[derive(Debug)]
pub(crate) struct Accounts {
    folder: Folder,
    config: Arc<Config>,
    recorder: Recorder,
    open: Mutex<HashMap<PublicKey, Arc<Account>>>,
}

/// A place among the sessions of a client, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Account>);

impl Accounts {
    pub(crate) fn new(folder: Folder, config: Arc<Config>, recorder: Recorder) -> Self {
        Self { folder, config, recorder, open: Mutex::default() }
    }

    /// The account of a client. Reads a small file when the client is here for the first time.
    pub(crate) fn open(&self, key: &PublicKey, client: &Client) -> Result<Arc<Account>, Failure> {
        let mut open = self.open.lock().expect("nothing panics while it holds the accounts");
        if let Some(account) = open.get(key) {
            return Ok(Arc::clone(account));
        }
        let used_bytes = match fs::read_to_string(self.path(key)) {
            Ok(text) => text.trim().parse().map_err(|_| unreadable())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(_) => return Err(unreadable()),
        };
        let quota = self.config.quotas.client(&client.name);
        let per_second = self.config.rates.requests(client.role);
        let account = Arc::new(Account {
            meter: Meter::new(format!("client {}", client.name), quota, used_bytes, self.recorder.clone()),
            noted_bytes: AtomicU64::new(used_bytes),
            rate: Mutex::new(Rate::new(per_second, Instant::now())),
            sessions: AtomicUsize::new(0),
        });
        open.insert(*key, Arc::clone(&account));
        Ok(account)
    }

    /// Writes down what has changed.
    pub(crate) fn note(&self) {
        let open: Vec<_> = {
            let open = self.open.lock().expect("nothing panics while it holds the accounts");
            open.iter().map(|(key, account)| (*key, Arc::clone(account))).collect()
        };
        for (key, account) in open {
            let used_bytes = account.meter.used_bytes();
            if account.noted_bytes.load(Ordering::Relaxed) == used_bytes {
                continue;
            }
            match self.folder.write_small(&self.path(&key), used_bytes.to_string().as_bytes()) {
                Ok(()) => account.noted_bytes.store(used_bytes, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, "what a client has stored was not noted"),
            }
        }
    }

    fn path(&self, key: &PublicKey) -> PathBuf {
        self.folder.accounts().join(key.to_string())
    }
}

fn unreadable() -> Failure {
    Failure::new(Code::INTERNAL, "what this client has stored cannot be read")
}

impl Account {
    /// Takes a place for one more session.
    pub(crate) fn sit(self: &Arc<Self>, sessions_max: usize) -> Result<Seat, Failure> {
        let add = |count: usize| (count < sessions_max).then_some(count + 1);
        match self.sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Seat(Arc::clone(self))),
            Err(_) => {
                let text = format!("this client has {sessions_max} sessions already");
                Err(Failure::new(Code::SERVER_FULL, text))
            }
        }
    }

    /// How long the client has to wait before its next request is read.
    pub(crate) fn delay(&self, now: Instant) -> Duration {
        self.rate.lock().expect("nothing panics while it counts requests").take(now)
    }

    /// Counts bytes that are about to be stored.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), Failure> {
        self.meter.reserve(bytes)
    }

    /// Takes back bytes that were not stored.
    pub(crate) fn release(&self, bytes: u64) {
        self.meter.release(bytes);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A bucket of requests that fills evenly and holds those of one second.
#[derive(Debug)]
struct Rate {
    per_second: u32,
    /// When the bucket is going to be full.
    full_at: Instant,
}

impl Rate {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.max(1), full_at: now }
    }

    /// Takes one request out, and says how long it has to wait for that.
    fn take(&mut self, now: Instant) -> Duration {
        let one = Duration::from_secs(1) / self.per_second;
        self.full_at = self.full_at.max(now) + one;
        (self.full_at - now).saturating_sub(Duration::from_secs(1))
    }
}
