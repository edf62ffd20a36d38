//! How a collection goes on ([`Work`]): at its pace, telling how far it is, until somebody stops it.

use std::ops::ControlFlow;
use std::time::Duration;
use std::time::Instant;

use super::pace::Limits;
use super::pace::Pace;
use super::run::CollectError;
use crate::store::StoreError;

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
}

impl<'a> Work<'a> {
    pub(super) fn new(
        limits: Limits,
        time_max: Option<Duration>,
        watch: &'a dyn Fn(CollectProgress) -> ControlFlow<()>,
    ) -> Self {
        let zero = Duration::ZERO;
        Self { watch, began: Instant::now(), pace: Pace::new(limits, zero), resumed: zero, time_max }
    }

    /// Says how far it is.
    pub(super) fn tell(&self, step: CollectStep, done: u64, total: u64) -> Result<(), Halt> {
        match (self.watch)(CollectProgress { step, done, total }) {
            ControlFlow::Continue(()) if !self.is_late() => Ok(()),
            _ => Err(Halt::Stopped),
        }
    }

    /// Takes in that so many bytes were read or written, and rests if that was too fast.
    pub(super) fn moved(&mut self, bytes: u64) -> Result<(), Halt> {
        let now = self.began.elapsed();
        let rest = self.pace.rest(now, now.saturating_sub(self.resumed), bytes);
        if !rest.is_zero() {
            std::thread::sleep(rest.min(self.left()));
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
