//! Collections that a keeper asks for: carried out beside all sessions, told while they go on, given up when the keeper is gone.

use std::time::Duration;

use farkeep_engine::CollectProgress;
use farkeep_engine::CollectStep;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use farkeep_engine::collect::Outcome;
use farkeep_engine::collect::plan::Act;
use farkeep_protocol::message;
use farkeep_protocol::message::CollectionIs;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Packs;
use farkeep_protocol::message::Step;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::Answer;
use super::restore::Worker;
use crate::bridge::Failure;
use crate::bridge::GivenUp;

/// How often whoever waits for a collection is told how far it is.
const COLLECTING_EVERY: Duration = Duration::from_millis(500);

impl Worker {
    pub(super) async fn plan_collection(&self, options: CollectOptions) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let plan = self.verifications.run(move || {
            // What it reads stays meanwhile.
            let _pin = lease.session();
            Ok::<_, Failure>(lease.engine().plan_collection(&options)?)
        });
        let plan = plan.await??;
        let packs = |act: Act| {
            let mut packs = Packs { packs: 0, file_bytes: 0, live_bytes: 0, dead_bytes: 0 };
            for planned in plan.packs.iter().filter(|planned| planned.act == act) {
                packs.packs += 1;
                packs.file_bytes += planned.pack.file_bytes;
                packs.live_bytes += planned.pack.live_bytes;
                packs.dead_bytes += planned.pack.dead_bytes;
            }
            packs
        };
        self.say(FromServer::CollectionIs(CollectionIs {
            sequence: self.sequence,
            removed: packs(Act::Remove),
            struck: packs(Act::Strike),
            emptied: packs(Act::Empty),
            moved_bytes: plan.moved_bytes,
            freed_bytes: plan.freed_bytes,
            left_bytes: plan.left_bytes,
        }))
        .await
    }

    pub(super) async fn collect(&self, options: CollectOptions) -> Result<(), Failure> {
        let (progress, at) = watch::channel(None);
        let given_up = GivenUp::default();
        let work = self.collections.run(&self.lease, options, (progress, given_up.clone()), || {});
        tokio::pin!(work);
        let stop = self.stops.reaches(self.sequence.number());
        tokio::pin!(stop);
        let collected = loop {
            tokio::select! {
                collected = &mut work => break collected?,
                () = &mut stop, if !given_up.is_set() => given_up.set(),
                () = sleep(COLLECTING_EVERY) => {
                    let now = *at.borrow();
                    self.collecting(now).await?;
                }
            }
        };
        self.say(FromServer::Collected(told(self.sequence, &collected))).await
    }

    async fn collecting(&self, at: Option<CollectProgress>) -> Result<(), Failure> {
        let queued =
            CollectProgress { step: CollectStep::Begun, done: 0, total: 0, moved_bytes: 0, removed_bytes: 0 };
        let step = at.map_or(Step::Queued, |at| step(at.step));
        let waits_for = if step == Step::Waiting { self.lease.waited_for() } else { Vec::new() };
        let (sequence, at) = (self.sequence, at.unwrap_or(queued));
        Ok(self.outbox.send(Answer::Collecting { sequence, step, at, waits_for }).await?)
    }
}

fn step(step: CollectStep) -> Step {
    match step {
        CollectStep::Marking => Step::Marking,
        CollectStep::Sorting => Step::Sorting,
        CollectStep::Condemned => Step::Condemned,
        CollectStep::Copying => Step::Copying,
        CollectStep::Waiting => Step::Waiting,
        CollectStep::Settled => Step::Settled,
        CollectStep::Removed => Step::Removed,
        _ => Step::Begun,
    }
}

fn told(sequence: farkeep_protocol::field::Sequence, collected: &Collected) -> message::Collected {
    let (outcome, sessions) = match collected.outcome {
        Outcome::Complete => (message::Outcome::Complete, 0),
        Outcome::Stopped => (message::Outcome::Stopped, 0),
        Outcome::Waited { sessions } => (message::Outcome::Waited, sessions),
        Outcome::Readers => (message::Outcome::Readers, 0),
        Outcome::Full => (message::Outcome::Full, 0),
    };
    message::Collected {
        sequence,
        outcome,
        sessions,
        purged: collected.purged,
        nodes_read: collected.nodes_read,
        packs_removed: collected.packs_removed,
        bytes_removed: collected.bytes_removed,
        nodes_struck: collected.nodes_struck,
        objects_moved: collected.objects_moved,
        bytes_moved: collected.bytes_moved,
        kept: message::Kept {
            reprieved: collected.reprieved,
            quarantined: collected.quarantined,
            unread: collected.unread,
        },
        bytes_left: collected.bytes_left,
    }
}
