//! Threads that may block, so many and no more.

use std::sync::Arc;

use farkeep_protocol::fault::Code;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Failure;
use crate::observe::Gauge;

/// Threads that may block. Work waits in the order in which it came, so that no session starves.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    threads: Arc<Semaphore>,
    waiting: Gauge,
}

impl Pool {
    pub(crate) fn new(threads: usize, waiting: Gauge) -> Self {
        Self { threads: Arc::new(Semaphore::new(threads)), waiting }
    }

    /// Does `work` on a thread that may block. Work that has begun is done even if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let waiting = self.waiting.hold();
        let permit = Arc::clone(&self.threads).acquire_owned().await.expect("the pool is never closed");
        drop(waiting);
        let done = spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "work on a repository failed");
            Failure::new(Code::INTERNAL, "the server failed while it worked on this")
        })
    }
}
