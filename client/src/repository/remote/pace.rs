//! How fast bytes go where a limit was set: one bucket for each direction, which all sessions with a copy of it share.
//!
//! The bucket knows no clock: it is told what time it is, and says how long to wait. Whoever asks first goes first, and
//! for a small piece only, so that no connection falls silent behind the others.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

use super::preface::Dial;
use super::preface::Io;
use crate::config::size::Rate;

#[cfg(test)]
mod tests;

/// Least bytes that may go at once after a rest.
const BURST_BYTES_LEAST: u64 = 64 << 10;
/// A rest is worth what goes in this part of a second.
const BURST_PART: u64 = 4;
/// Bytes of the largest and the smallest piece that waits for its turn.
const PIECE_BYTES_MAX: u64 = 64 << 10;
const PIECE_BYTES_LEAST: u64 = 512;
/// In a second so many pieces go: with eight connections, each has its turn four times.
const PIECES_PER_SECOND: u64 = 32;
/// What is owed is counted in parts of a byte, so that nothing is lost by rounding.
const PARTS: u128 = 1_000_000_000;

/// What may go by, in the long run no more than its rate, and after a rest a little at once.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u128,
    burst: u128,
    /// Went by, or will, and was not drained yet.
    owed: u128,
    /// When that was so, since some beginning.
    at: Duration,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        let rate = rate.bytes_per_second();
        let burst = u128::from((rate / BURST_PART).max(BURST_BYTES_LEAST));
        Self { rate: u128::from(rate), burst: burst * PARTS, owed: 0, at: Duration::ZERO }
    }

    /// Takes room for so many bytes, and says how long they wait for it.
    pub(super) fn take(&mut self, now: Duration, bytes: usize) -> Duration {
        let passed = now.saturating_sub(self.at).as_nanos();
        self.at = self.at.max(now);
        self.owed = self.owed.saturating_sub(passed * self.rate) + bytes as u128 * PARTS;
        let wait = self.owed.saturating_sub(self.burst).div_ceil(self.rate);
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

/// How fast bytes go. Copies share it.
#[derive(Debug, Clone)]
pub struct Pace {
    begun: Instant,
    up: Option<Way>,
    down: Option<Way>,
}

/// One direction of all connections.
#[derive(Debug, Clone)]
struct Way {
    bucket: Arc<Mutex<Bucket>>,
    piece_bytes: usize,
}

impl Way {
    fn new(rate: Rate) -> Self {
        let piece = (rate.bytes_per_second() / PIECES_PER_SECOND).clamp(PIECE_BYTES_LEAST, PIECE_BYTES_MAX);
        Self {
            bucket: Arc::new(Mutex::new(Bucket::new(rate))),
            piece_bytes: usize::try_from(piece).unwrap_or(usize::MAX),
        }
    }
}

impl Pace {
    /// No faster than this, where it says something.
    pub fn new(up: Option<Rate>, down: Option<Rate>) -> Self {
        Self { begun: Instant::now(), up: up.map(Way::new), down: down.map(Way::new) }
    }

    /// A way to the server that keeps to it.
    pub(super) fn hold(self, dial: Dial) -> Dial {
        if self.up.is_none() && self.down.is_none() {
            return dial;
        }
        Arc::new(move || {
            let (pace, dialling) = (self.clone(), dial());
            Box::pin(async move { Ok(Box::new(Paced::new(dialling.await?, &pace)) as Box<dyn Io>) })
        })
    }
}

impl Default for Pace {
    /// As fast as can be.
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// A connection that keeps to its pace.
struct Paced {
    io: Box<dyn Io>,
    up: Option<Turn>,
    down: Option<Turn>,
}

/// One direction of one connection.
struct Turn {
    way: Way,
    begun: Instant,
    /// Bytes for which there is room once the wait is over.
    room: usize,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    fn new(way: &Way, begun: Instant) -> Self {
        Self { way: way.clone(), begun, room: 0, wait: None }
    }

    /// Takes room for so many bytes.
    fn take(&mut self, bytes: usize) {
        let now = Instant::now();
        let mut bucket = self.way.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = bucket.take(now.duration_since(self.begun), bytes);
        self.room += bytes;
        self.wait = (!wait.is_zero()).then(|| Box::pin(sleep_until(now + wait)));
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(context));
            self.wait = None;
        }
        Poll::Ready(())
    }
}

impl Paced {
    fn new(io: Box<dyn Io>, pace: &Pace) -> Self {
        let turn = |way: &Option<Way>| way.as_ref().map(|way| Turn::new(way, pace.begun));
        Self { io, up: turn(&pace.up), down: turn(&pace.down) }
    }
}

impl AsyncRead for Paced {
    /// What came is counted, and the next waits for it.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, down, .. } = &mut *self;
        if let Some(turn) = down {
            ready!(turn.poll_wait(context));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(io).poll_read(context, buffer))?;
        if let Some(turn) = down {
            turn.take(buffer.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, up, .. } = &mut *self;
        let Some(turn) = up else { return Pin::new(io).poll_write(context, bytes) };
        if turn.room == 0 {
            turn.take(bytes.len().min(turn.way.piece_bytes));
        }
        ready!(turn.poll_wait(context));
        let piece = bytes.get(..turn.room).unwrap_or(bytes);
        let written = ready!(Pin::new(io).poll_write(context, piece))?;
        turn.room -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
