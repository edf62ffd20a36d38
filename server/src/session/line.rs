//! A connection as its session sees it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use super::answer::Answer;

/// Bytes of objects that wait in one connection's outbox at most, in units of [`UNIT_BYTES`].
const ROOM_UNITS: u32 = 4 << 10;
/// Bytes for which room is counted.
pub(super) const UNIT_BYTES: usize = 1 << 10;

/// The connection is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// Where answers for one connection go.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    sender: mpsc::Sender<Answer>,
    room: Arc<Semaphore>,
}

impl Outbox {
    /// An outbox for a client that may have so many requests under way, and what is written from it.
    pub(super) fn new(requests: u32) -> (Self, mpsc::Receiver<Answer>) {
        // Each request has an answer, and brings one credit and one acknowledgement at most.
        let (sender, receiver) = mpsc::channel(3 * requests as usize + 64);
        (Self { sender, room: Arc::new(Semaphore::new(ROOM_UNITS as usize)) }, receiver)
    }

    /// Adds an answer. An outbox is full only if the client does not read.
    pub(super) fn tell(&self, answer: Answer) -> Result<(), Gone> {
        self.sender.try_send(answer).map_err(|_| Gone)
    }

    /// Adds an answer when there is room.
    pub(super) async fn send(&self, answer: Answer) -> Result<(), Gone> {
        self.sender.send(answer).await.map_err(|_| Gone)
    }

    /// Waits for room for so many bytes.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Gone> {
        let room = Arc::clone(&self.room).acquire_many_owned(units(bytes).min(ROOM_UNITS));
        tokio::select! {
            permit = room => permit.map_err(|_| Gone),
            () = self.sender.closed() => Err(Gone),
        }
    }

    /// Waits until the connection is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// Units for so many bytes.
pub(super) fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Names a connection in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineId(pub(super) u64);

/// A connection of a session.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) outbox: Outbox,
    /// Requests that came on it and were not answered.
    pub(super) unanswered: usize,
    /// Number of the last request that came on it.
    pub(super) last: u64,
    /// The client said goodbye.
    pub(super) is_leaving: bool,
    /// The server did.
    pub(super) is_left: bool,
}

impl Line {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, unanswered: 0, last: 0, is_leaving: false, is_left: false }
    }
}
