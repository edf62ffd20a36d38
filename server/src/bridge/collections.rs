//! Collections and patrols of repositories, beside all sessions: one of each at a time on a server, and given up when nobody
//! wants it any more.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_engine::CollectProgress;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress;
use farkeep_engine::Verifications;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use tokio::sync::watch;

use super::Failure;
use super::Lease;
use super::Pool;
use crate::observe::Gauge;

/// Where collections and patrols wait for their turn.
#[derive(Debug, Clone)]
pub(crate) struct Collections {
    turns: Pool,
    patrols: Pool,
    is_stopping: Arc<AtomicBool>,
}

/// Whether a collection or a patrol is given up: whoever asked for it says so, or is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    /// It is.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives it up when whoever waits for it does not any more.
struct Guard(GivenUp);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Collections {
    pub(crate) fn new(waiting: Gauge) -> Self {
        Self {
            turns: Pool::new(1, waiting),
            patrols: Pool::new(1, Gauge::default()),
            is_stopping: Arc::default(),
        }
    }

    /// Gives up the one that is under way, and lets no other one do anything.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Patrols a repository once it is its turn, until the server is being stopped. Says too when packs were verified then.
    /// Whoever has the lease counts on nothing that it was told before. `at` is told how far it is before it goes on.
    pub(crate) async fn patrol(
        &self,
        lease: &Lease,
        options: PatrolOptions,
        given_up: GivenUp,
        at: impl Fn(Progress) + Send + 'static,
    ) -> Result<(Patrolled, Verifications), Failure> {
        let guard = Guard(given_up.clone());
        let (lease, is_stopping) = (lease.clone(), Arc::clone(&self.is_stopping));
        let patrolled = self.patrols.run(move || {
            // It reads packs and no objects that somebody must keep for it.
            lease.lift();
            let patrolled = lease.engine().patrol(&options, &|progress| {
                at(progress);
                match given_up.is_set() || is_stopping.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            // From here on it does again.
            drop(lease.session());
            Ok((patrolled?, lease.engine().verifications()))
        });
        let patrolled = patrolled.await?;
        drop(guard);
        patrolled
    }

    /// Collects a repository once it is its turn. Whoever has the lease counts on nothing that it was told
    /// before, and on nothing that it is told meanwhile.
    /// `at` is told how far it is, and `pause` is called before it goes on.
    pub(crate) async fn run(
        &self,
        lease: &Lease,
        options: CollectOptions,
        (at, given_up): (watch::Sender<Option<CollectProgress>>, GivenUp),
        pause: impl Fn() + Send + 'static,
    ) -> Result<Collected, Failure> {
        let guard = Guard(given_up.clone());
        let (lease, is_stopping) = (lease.clone(), Arc::clone(&self.is_stopping));
        let collected = self.turns.run(move || {
            lease.lift();
            let collected = lease.collect(&options, &|progress| {
                at.send_replace(Some(progress));
                pause();
                match given_up.is_set() || is_stopping.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            // From here on it does again.
            drop(lease.session());
            collected
        });
        let collected = collected.await?;
        drop(guard);
        collected
    }
}
