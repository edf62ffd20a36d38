//! What the threads of a walk share: [`Queue`], the work to be done, nearest in path order first.
//!
//! The consumer takes batches in path order. Workers take the nearest one that waits, as long as not too much was
//! found ahead of the consumer. Waking a thread costs more than listing a small folder, so nobody is woken for less
//! than it takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::Amount;
use super::batch::Batch;
use super::batch::Claimed;
use super::batch::Outcome;
use super::lister::Lister;
use crate::source::Kind;
use crate::source::Stat;

/// Work to be done, and how far ahead of the consumer it is.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is work, and room for what it finds.
    work: Condvar,
    /// A batch is done for which the consumer may be waiting.
    done: Condvar,
    ahead_max: usize,
    found_entries: AtomicU64,
    found_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that wait, and some that the consumer has taken out of turn.
    waiting: BinaryHeap<Reverse<Arc<Batch>>>,
    /// Weight of what was found and not taken by the consumer.
    ahead: usize,
    workers_asleep: usize,
    consumer_asleep: Sleep,
    stopped: Stopped,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    Asleep,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stopped {
    #[default]
    Running,
    Stopped,
}

impl Queue {
    /// Lets workers find at most about `ahead_max` entries ahead of the consumer.
    pub(super) fn new(ahead_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            ahead_max,
            found_entries: AtomicU64::new(0),
            found_bytes: AtomicU64::new(0),
        }
    }

    /// Adds work.
    pub(super) fn add(&self, batch: Arc<Batch>) {
        let mut state = self.lock();
        state.waiting.push(Reverse(batch));
        self.wake_workers(&state);
    }

    /// The life of a worker, until [`stop`](Self::stop).
    pub(super) fn serve(&self, lister: &mut Lister) {
        while let Some(batch) = self.wait_for_work() {
            self.run(&batch, lister);
        }
    }

    /// What the consumer waits for: done by a worker before, or done now, here.
    pub(super) fn obtain(&self, batch: &Arc<Batch>, lister: &mut Lister) -> Outcome {
        loop {
            match batch.take() {
                Claimed::Done(outcome) => {
                    self.account_taken(&outcome);
                    return outcome;
                }
                Claimed::Mine(claim) => {
                    let outcome = lister.run(claim.task());
                    claim.finish_here();
                    self.publish(&outcome, 0);
                    return outcome;
                }
                Claimed::Busy => {}
            }
            let other = self.next_work(&mut self.lock());
            match other {
                Some(other) => self.run(&other, lister),
                None => self.wait_for(batch),
            }
        }
    }

    /// Ends all workers.
    pub(super) fn stop(&self) {
        self.lock().stopped = Stopped::Stopped;
        self.work.notify_all();
    }

    fn run(&self, batch: &Batch, lister: &mut Lister) {
        let wake = WakeConsumer(self);
        let Some(claim) = batch.claim() else {
            return;
        };
        let outcome = lister.run(claim.task());
        // Published first: the consumer may take the outcome as soon as it is left there, and accounts for it then.
        self.publish(&outcome, outcome.weight());
        claim.finish(outcome);
        drop(wake);
    }

    /// Adds to what was found.
    pub(super) fn count<'s>(&self, stats: impl IntoIterator<Item = &'s Stat>) {
        let (mut entries, mut bytes) = (0, 0);
        for stat in stats {
            entries += 1;
            if stat.kind == Kind::File {
                bytes += stat.size / u64::from(stat.nlink.max(1));
            }
        }
        self.found_entries.fetch_add(entries, Ordering::Relaxed);
        self.found_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was found so far.
    pub(super) fn found(&self) -> Amount {
        let entries = self.found_entries.load(Ordering::Relaxed);
        Amount { entries, bytes: self.found_bytes.load(Ordering::Relaxed) }
    }

    /// Makes known the work that an outcome leads to.
    fn publish(&self, outcome: &Outcome, weight: usize) {
        self.count(outcome.records.iter().filter_map(|record| record.stat.as_ref().ok()));
        let mut state = self.lock();
        state.ahead += weight;
        state.waiting.extend(outcome.batches().cloned().map(Reverse));
        if state.ahead < self.ahead_max {
            self.wake_workers(&state);
        }
    }

    fn account_taken(&self, outcome: &Outcome) {
        let mut state = self.lock();
        state.ahead = state.ahead.saturating_sub(outcome.weight());
        // Half of the way back, so that workers find enough to do when they wake.
        if state.ahead < self.ahead_max / 2 {
            self.wake_workers(&state);
        }
    }

    fn wake_workers(&self, state: &State) {
        let work = state.waiting.len().min(state.workers_asleep);
        (0..work).for_each(|_| self.work.notify_one());
    }

    fn wait_for_work(&self) -> Option<Arc<Batch>> {
        let mut state = self.lock();
        loop {
            if state.stopped == Stopped::Stopped {
                return None;
            }
            if let Some(batch) = self.next_work(&mut state) {
                return Some(batch);
            }
            state.workers_asleep += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.workers_asleep -= 1;
        }
    }

    fn next_work(&self, state: &mut State) -> Option<Arc<Batch>> {
        if state.ahead >= self.ahead_max {
            return None;
        }
        state.waiting.pop().map(|Reverse(batch)| batch)
    }

    /// Sleeps until some batch is done, unless this one is.
    fn wait_for(&self, batch: &Batch) {
        let mut state = self.lock();
        if batch.is_busy() {
            state.consumer_asleep = Sleep::Asleep;
            drop(self.done.wait(state).unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the consumer when it is dropped: after a batch was done, and after a panic gave it back.
struct WakeConsumer<'a>(&'a Queue);

impl Drop for WakeConsumer<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.consumer_asleep == Sleep::Asleep {
            state.consumer_asleep = Sleep::Awake;
            self.0.done.notify_one();
        }
    }
}
