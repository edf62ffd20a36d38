//! The sessions of a server: how many there are, and where to find one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::identity::PublicKey;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use super::event::Event;
use crate::bridge::Failure;
use crate::config::Limits;
use crate::config::SESSION_BYTES_MIN;

/// The sessions of a server.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    table: Mutex<Table>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// Places that are taken, whether their session is open yet or not.
    count: usize,
    open: HashMap<SessionId, (PublicKey, mpsc::Sender<Event>)>,
}

/// A place for a session, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    inner: Arc<Inner>,
    pub(super) id: SessionId,
}

impl Sessions {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { inner: Arc::new(Inner { limits, table: Mutex::default(), ended: Notify::new() }) }
    }

    /// Takes a place.
    pub(super) fn reserve(&self) -> Result<Place, Failure> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|_| Failure::new(Code::INTERNAL, "the system has no random numbers"))?;
        let mut table = self.inner.table();
        if table.count >= self.inner.limits.sessions {
            return Err(Failure::new(Code::SERVER_FULL, "the server has as many sessions as it takes"));
        }
        table.count += 1;
        Ok(Place { inner: Arc::clone(&self.inner), id: SessionId::from_bytes(id) })
    }

    /// Where to reach a session of this key. For any other key there is none.
    pub(super) fn find(&self, id: &SessionId, key: &PublicKey) -> Option<mpsc::Sender<Event>> {
        let table = self.inner.table();
        let (owner, events) = table.open.get(id)?;
        (owner == key).then(|| events.clone())
    }

    /// Bytes that one session may have under way now: all have the same share of the memory.
    pub(super) fn share_bytes(&self) -> u32 {
        let count = self.inner.table().count.max(1) as u64;
        let limits = &self.inner.limits;
        let share = limits.memory_bytes / count;
        u32::try_from(share).unwrap_or(u32::MAX).clamp(SESSION_BYTES_MIN, limits.session_bytes)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.inner.table().count
    }

    /// Waits until there is none.
    pub(crate) async fn ended(&self) {
        loop {
            let ended = self.inner.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it holds the sessions")
    }
}

impl Place {
    /// From now on the session can be found.
    pub(super) fn fill(&self, key: PublicKey, events: mpsc::Sender<Event>) {
        self.inner.table().open.insert(self.id, (key, events));
    }

    /// From now on it cannot be found any more.
    pub(super) fn hide(&self) {
        self.inner.table().open.remove(&self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut table = self.inner.table();
            table.open.remove(&self.id);
            table.count -= 1;
        }
        self.inner.ended.notify_waiters();
    }
}
