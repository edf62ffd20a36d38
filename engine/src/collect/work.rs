//! How a collection goes on ([`Work`]): at its pace, telling how far it is, until somebody stops it.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;
use std::time::Instant;

use super::pace::Limits;
use super::pace::Pace;
use super::run::CollectError;
use crate::store::StoreError;

/// A collection that rests looks so often whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// What a collection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CollectStep {
    /// The journal says what is purged. Counts snapshots.
    Begun,
    /// Nodes are read. Counts nodes.
    Marking,
    /// The objects of packs are compared with what is needed. Counts objects.
    Sorting,
    /// It is decided what goes. Counts packs.
    Condemned,
    /// What survives is copied. Counts bytes.
    Copying,
    /// Sessions, or readers of other processes, are waited for that began before. Counts sessions.
    Waiting,
    /// Everything is ready to be removed. Counts packs.
    Settled,
    /// Something was removed. Counts packs.
    Removed,
}

/// How far a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectProgress {
    /// What it is doing.
    pub step: CollectStep,
    /// How much of it is done.
    pub done: u64,
    /// Of how much.
    pub total: u64,
    /// Bytes that were copied so far.
    pub moved_bytes: u64,
    /// Bytes of packs that are gone so far.
    pub removed_bytes: u64,
}

/// Why a collection does not go on.
pub(super) enum Halt {
    /// Somebody wants it so, or its time is over.
    Stopped,
    /// There is no room for what survives.
    Full,
    /// It cannot.
    Failed(CollectError),
}

impl<E: Into<CollectError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Who is told, and how fast it may go.
pub(super) struct Work<'a> {
    watch: &'a dyn Fn(CollectProgress) -> ControlFlow<()>,
    began: Instant,
    pace: Pace,
    /// When it last began to work.
    resumed: Duration,
    time_max: Option<Duration>,
    /// What was told last.
    last: Cell<CollectProgress>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        limits: Limits,
        time_max: Option<Duration>,
        watch: &'a dyn Fn(CollectProgress) -> ControlFlow<()>,
    ) -> Self {
        let zero = Duration::ZERO;
        let step = CollectStep::Begun;
        let last = Cell::new(CollectProgress { step, done: 0, total: 0, moved_bytes: 0, removed_bytes: 0 });
        Self { watch, began: Instant::now(), pace: Pace::new(limits, zero), resumed: zero, time_max, last }
    }

    /// Says how far it is.
    pub(super) fn tell(&self, step: CollectStep, done: u64, total: u64) -> Result<(), Halt> {
        self.last.set(CollectProgress { step, done, total, ..self.last.get() });
        self.look()
    }

    /// Takes in what was copied and removed so far.
    pub(super) fn count(&self, moved_bytes: u64, removed_bytes: u64) {
        self.last.set(CollectProgress { moved_bytes, removed_bytes, ..self.last.get() });
    }

    /// Whether it is still wanted.
    fn look(&self) -> Result<(), Halt> {
        match (self.watch)(self.last.get()) {
            ControlFlow::Continue(()) if !self.is_late() => Ok(()),
            _ => Err(Halt::Stopped),
        }
    }

    /// Takes in that so many bytes were read or written, and rests if that was too fast.
    pub(super) fn moved(&mut self, bytes: u64) -> Result<(), Halt> {
        let now = self.began.elapsed();
        let rest = self.pace.rest(now, now.saturating_sub(self.resumed), bytes);
        let mut rest = rest.min(self.left());
        while !rest.is_zero() {
            let nap = rest.min(LOOK);
            std::thread::sleep(nap);
            rest -= nap;
            self.look()?;
        }
        self.resumed = self.began.elapsed();
        if self.is_late() { Err(Halt::Stopped) } else { Ok(()) }
    }

    fn left(&self) -> Duration {
        self.time_max.map_or(Duration::MAX, |most| most.saturating_sub(self.began.elapsed()))
    }

    fn is_late(&self) -> bool {
        self.left().is_zero()
    }
}

impl From<StoreError> for CollectError {
    fn from(source: StoreError) -> Self {
        Self::Store(source)
    }
}
