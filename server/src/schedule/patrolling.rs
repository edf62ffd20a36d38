//! A patrol: packs are verified again before the last time is too long ago, throttled, and giving way.

use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_engine::Care;
use farkeep_engine::Healing;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Turn;
use farkeep_engine::Verifications;

use super::collecting::Ended;
use super::collecting::HOLDER;
use super::collecting::UnderWay;
use super::collecting::give_way;
use super::collecting::limits;
use crate::bridge::Collections;
use crate::bridge::Failure;
use crate::bridge::GivenUp;
use crate::bridge::How;
use crate::bridge::Repositories;
use crate::config;
use crate::observe::Event;
use crate::observe::Figures;
use crate::observe::Observer;
use crate::observe::Queue;

/// The patrol of a repository.
pub(super) struct Patrolling {
    pub(super) name: String,
    pub(super) config: config::Scrub,
    pub(super) repositories: Repositories,
    pub(super) collections: Collections,
    pub(super) observer: Arc<Observer>,
    pub(super) figures: Arc<Figures>,
}

impl Patrolling {
    pub(super) fn begin(self) -> UnderWay {
        UnderWay::of(self.name.clone(), self.run())
    }

    async fn run(self) -> Ended {
        match self.patrol().await {
            Ok(()) => {}
            Err(failure) => {
                tracing::warn!(repository = %self.name, %failure, "a repository was not patrolled");
            }
        }
        if self.collections.is_stopping() { Ended::GivenUp } else { Ended::Done }
    }

    async fn patrol(&self) -> Result<(), Failure> {
        let lease = self.repositories.open(&self.name, How::Open).await?;
        lease.held_by(HOLDER);
        let options = PatrolOptions {
            turn: Turn::Due(self.config.every),
            care: Care::Heal,
            time_max: None,
            limits: limits(self.config.io_bytes, self.config.cpu_share),
            by: "farkeepd: a patrol".to_owned(),
        };
        let waiting = self.observer.counters.queue(Queue::Repositories).clone();
        let (patrolled, verified) =
            self.collections.patrol(&lease, options, GivenUp::default(), move |_| give_way(&waiting)).await?;
        self.healed(&patrolled.healing);
        self.verified(&verified, self.observer.now());
        Ok(())
    }

    fn healed(&self, healing: &Healing) {
        let Healing { blocks, object_count: objects, unhealed, .. } = healing;
        if *blocks > 0 || *objects > 0 || !unhealed.is_empty() {
            let (repository, blocks, objects) = (self.name.clone(), *blocks, *objects);
            let packs = unhealed.len() as u64;
            self.observer.recorder.raise(match objects > 0 || packs > 0 {
                true => Event::Quarantined { repository, objects, packs, healed_blocks: blocks },
                false => Event::Healed { repository, blocks },
            });
        }
    }

    /// Says how old the oldest verification is, and once that it is too old.
    fn verified(&self, verified: &Verifications, now: Time) {
        self.figures.verified(verified.oldest, verified.bytes_unverified);
        if self.figures.turned_late(verified.is_late) {
            let age = |oldest: Time| now.nanoseconds().saturating_sub(oldest.nanoseconds()) / 1_000_000_000;
            self.observer.recorder.raise(Event::VerificationLate {
                repository: self.name.clone(),
                oldest_seconds: verified.oldest.map(|oldest| u64::try_from(age(oldest)).unwrap_or(0)),
                unverified_bytes: verified.bytes_unverified,
                limit_seconds: verified.bound.unwrap_or(Duration::ZERO).as_secs(),
            });
        }
    }
}
