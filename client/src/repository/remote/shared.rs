//! What the threads that ask and the thread of the connection both see: how much waits, what was counted, what failed.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_engine::Position;
use tokio::sync::Notify;

use super::error::RemoteError;
use crate::repository::store::Stored;

/// Bytes of sealed objects that wait until they are durable. A cut costs at most so much to be sent again.
pub(super) const WAITING_BYTES_MAX: usize = 128 << 20;

/// What both sides see.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stored_bytes: AtomicU64,
    stored_objects: AtomicU64,
    acknowledged: AtomicU64,
    freed: Arc<Freed>,
}

#[derive(Debug)]
struct State {
    waiting_bytes: usize,
    head: Position,
    /// Why nothing is stored any more.
    failure: Option<RemoteError>,
    /// What was assumed in vain: the first, and how many.
    stale: Option<(ObjectId, u64)>,
}

/// Bytes of answers that nobody holds any more, so that the server may send as many again.
#[derive(Debug, Default)]
pub(super) struct Freed {
    bytes: AtomicU64,
    some: Notify,
}

/// An answer whose bytes the server has credit for again once it is dropped.
#[derive(Debug)]
pub(super) struct Delivered {
    body: Vec<u8>,
    front_bytes: usize,
    freed: Arc<Freed>,
}

impl Freed {
    /// The bytes since the last time.
    pub(super) fn take(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }

    /// Waits until there are some.
    pub(super) async fn wait(&self) {
        self.some.notified().await;
    }
}

impl Delivered {
    /// An answer whose payload stands behind `front_bytes` bytes.
    pub(super) fn new(body: Vec<u8>, front_bytes: usize, freed: &Arc<Freed>) -> Self {
        Self { body, front_bytes, freed: Arc::clone(freed) }
    }

    /// The payload.
    pub(super) fn payload(&self) -> &[u8] {
        self.body.get(self.front_bytes..).unwrap_or_default()
    }

    /// Bytes that count against the server's credit.
    pub(super) fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.freed.bytes.fetch_add(self.body.len() as u64, Ordering::Relaxed);
        self.freed.some.notify_one();
    }
}

impl Shared {
    /// A session that opened a repository with this end of its history.
    pub(super) fn new(head: Position) -> Self {
        Self {
            state: Mutex::new(State { waiting_bytes: 0, head, failure: None, stale: None }),
            changed: Condvar::new(),
            stored_bytes: AtomicU64::new(0),
            stored_objects: AtomicU64::new(0),
            acknowledged: AtomicU64::new(head.sequence),
            freed: Arc::default(),
        }
    }

    /// Waits until there is room for so many bytes.
    ///
    /// # Errors
    /// When nothing is stored any more, or something was assumed in vain.
    pub(super) fn claim(&self, bytes: usize) -> Result<(), RemoteError> {
        let mut state = self.lock();
        loop {
            state.check()?;
            if state.waiting_bytes == 0 || state.waiting_bytes + bytes <= WAITING_BYTES_MAX {
                state.waiting_bytes += bytes;
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives room back.
    pub(super) fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.waiting_bytes = state.waiting_bytes.saturating_sub(bytes);
        drop(state);
        self.changed.notify_all();
    }

    /// An object was not there.
    pub(super) fn count(&self, bytes: u64) {
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.stored_objects.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted.
    pub(super) fn stored(&self) -> Stored {
        Stored {
            bytes: self.stored_bytes.load(Ordering::Relaxed),
            objects: self.stored_objects.load(Ordering::Relaxed),
        }
    }

    /// Nothing is stored any more. The first reason counts.
    pub(super) fn fail(&self, error: RemoteError) {
        self.lock().failure.get_or_insert(error);
        self.changed.notify_all();
    }

    /// Why nothing is stored any more.
    pub(super) fn failure(&self) -> Option<RemoteError> {
        self.lock().failure.clone()
    }

    /// An object was assumed in vain.
    pub(super) fn add_stale(&self, id: ObjectId) {
        self.lock().stale.get_or_insert((id, 0)).1 += 1;
        self.changed.notify_all();
    }

    /// What was assumed in vain, as an error.
    pub(super) fn stale(&self) -> Option<RemoteError> {
        self.lock().stale()
    }

    /// Forgets what was assumed in vain.
    pub(super) fn begin_anew(&self) {
        self.lock().stale = None;
    }

    /// The end of the history, as the server told it last.
    pub(super) fn head(&self) -> Position {
        self.lock().head
    }

    /// The server told the end of the history anew.
    pub(super) fn set_head(&self, head: Position) {
        self.lock().head = head;
        self.acknowledge(head.sequence);
    }

    /// Number of the last record that was acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// A record was acknowledged.
    pub(super) fn acknowledge(&self, sequence: u64) {
        self.acknowledged.fetch_max(sequence, Ordering::Relaxed);
    }

    /// What answers give back.
    pub(super) fn freed(&self) -> &Arc<Freed> {
        &self.freed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self) -> Result<(), RemoteError> {
        match self.failure.clone().or_else(|| self.stale()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn stale(&self) -> Option<RemoteError> {
        self.stale.map(|(id, objects)| RemoteError::Stale { id, objects })
    }
}
