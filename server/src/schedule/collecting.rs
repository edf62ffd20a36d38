//! A collection that is due: throttled, and giving way to whoever works with the server.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use farkeep_engine::collect::Outcome;
use farkeep_engine::collect::pace::Limits;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bridge::Collections;
use crate::bridge::Failure;
use crate::bridge::GivenUp;
use crate::bridge::How;
use crate::bridge::Repositories;
use crate::config;
use crate::observe::Event;
use crate::observe::Gauge;
use crate::observe::Observer;
use crate::observe::Queue;

/// Longest time for which a collection gives way at once.
const GIVES_WAY_MAX: Duration = Duration::from_secs(1);
/// How often it looks whether it can go on.
const NAP: Duration = Duration::from_millis(10);
/// As what those who wait for one another know it.
pub(super) const HOLDER: &str = "the schedule";

/// The collection of a repository that is due.
pub(super) struct Collecting {
    pub(super) name: String,
    pub(super) config: config::Collect,
    pub(super) repositories: Repositories,
    pub(super) collections: Collections,
    pub(super) observer: Arc<Observer>,
}

/// Something that is due, and under way.
pub(super) struct UnderWay {
    pub(super) name: String,
    task: JoinHandle<Ended>,
}

/// Whether it is done with until it is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is.
    Done,
    /// The server is being stopped.
    GivenUp,
}

impl UnderWay {
    /// Begins it.
    pub(super) fn of(name: String, work: impl Future<Output = Ended> + Send + 'static) -> Self {
        Self { name, task: tokio::spawn(work) }
    }

    /// How it ended, if it has.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        if !self.task.is_finished() {
            return None;
        }
        // One that panicked has said so in the log.
        Some((&mut self.task).await.unwrap_or(Ended::Done))
    }
}

impl Collecting {
    pub(super) fn begin(self) -> UnderWay {
        UnderWay::of(self.name.clone(), self.run())
    }

    async fn run(self) -> Ended {
        let began = Instant::now();
        let collected = self.collect().await;
        if self.collections.is_stopping() {
            return Ended::GivenUp;
        }
        let repository = self.name.clone();
        let failed = |text: String| {
            self.observer.recorder.raise(Event::CollectionFailed { repository: repository.clone(), text });
        };
        match collected {
            Err(failure) => failed(failure.to_string()),
            Ok(collected) => match collected.outcome {
                Outcome::Full => failed("the disk has no room for what would have to be copied".to_owned()),
                Outcome::Readers => failed("another process reads the repository".to_owned()),
                _ => self.tell(&collected, began.elapsed()),
            },
        }
        Ended::Done
    }

    async fn collect(&self) -> Result<Collected, Failure> {
        let lease = self.repositories.open(&self.name, How::Open).await?;
        lease.held_by(HOLDER);
        let options = CollectOptions {
            limits: limits(self.config.io_bytes, self.config.cpu_share),
            ..CollectOptions::default()
        };
        let (progress, _at) = watch::channel(None);
        let waiting = self.observer.counters.queue(Queue::Repositories).clone();
        let pause = move || give_way(&waiting);
        self.collections.run(&lease, options, (progress, GivenUp::default()), pause).await
    }

    /// One that found nothing to do is no news.
    fn tell(&self, collected: &Collected, took: Duration) {
        let Collected { purged, packs_removed, nodes_struck, bytes_removed, bytes_moved, .. } = *collected;
        tracing::info!(repository = %self.name, purged, packs_removed, "a repository was collected");
        if purged + packs_removed + nodes_struck > 0 {
            self.observer.recorder.raise(Event::Collected {
                repository: self.name.clone(),
                purged,
                packs_removed,
                removed_bytes: bytes_removed,
                moved_bytes: bytes_moved,
                seconds: took.as_secs_f64(),
            });
        }
    }
}

/// So many bytes per second, 0 for no limit, in such a part of the time.
pub(super) fn limits(io_bytes: u64, cpu_share: f64) -> Limits {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 1000")]
    let work_thousandths = (cpu_share * 1000.0).round().clamp(1.0, 1000.0) as u16;
    Limits { bytes_per_second: NonZeroU64::new(io_bytes), work_thousandths }
}

/// Lets those pass who wait for a thread. They are not let pass for ever: a server that is always busy is collected, too.
pub(super) fn give_way(waiting: &Gauge) {
    let began = Instant::now();
    while waiting.value() > 0 && began.elapsed() < GIVES_WAY_MAX {
        thread::sleep(NAP);
    }
}
