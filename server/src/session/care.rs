//! How what is stored is cared for: scrubs and repairs that a keeper asks for, beside all sessions.

use std::time::Duration;

use farkeep_codec::id::PackId;
use farkeep_engine::Healing;
use farkeep_engine::PatrolOptions;
use farkeep_engine::PatrolOutcome;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress;
use farkeep_engine::RepairPlan;
use farkeep_engine::RepairStep;
use farkeep_engine::Repaired;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::limits::CARE_PACKS_MAX;
use farkeep_protocol::message;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::RepairAct;
use farkeep_protocol::message::ScrubOutcome;
use farkeep_protocol::message::Scrubbed;
use farkeep_protocol::message::Scrubbing;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::Answer;
use super::request::Wanted;
use super::restore::Worker;
use crate::bridge::Failure;
use crate::bridge::GivenUp;

/// How often whoever waits is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// What is told before anything was read.
const QUEUED: Progress = Progress { bytes_done: 0, bytes_total: 0 };

impl Worker {
    /// When packs were verified.
    pub(super) async fn verifications(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let known = self.pool.run(move || lease.engine().verifications()).await?;
        self.say(FromServer::VerificationsAre(message::VerificationsAre {
            sequence: self.sequence,
            packs: known.packs,
            bytes: known.bytes,
            packs_unverified: known.packs_unverified,
            bytes_unverified: known.bytes_unverified,
            oldest: known.oldest,
            seconds_max: known.bound.map_or(0, |bound| bound.as_secs()),
            late: known.is_late,
            bytes_per_second: known.bytes_per_second,
        }))
        .await
    }

    /// Verifies all packs, and says which are damaged.
    pub(super) async fn scrub(&self, options: PatrolOptions) -> Result<(), Failure> {
        let (progress, at) = watch::channel(QUEUED);
        let given_up = GivenUp::default();
        let tell = move |now: Progress| {
            progress.send_replace(now);
        };
        let work = self.collections.patrol(&self.lease, options, given_up.clone(), tell);
        tokio::pin!(work);
        let stop = self.stops.reaches(self.sequence.number());
        tokio::pin!(stop);
        let (patrolled, _) = loop {
            tokio::select! {
                patrolled = &mut work => break patrolled?,
                () = &mut stop, if !given_up.is_set() => given_up.set(),
                () = sleep(TOLD_EVERY) => {
                    let now = *at.borrow();
                    self.scrubbing(now).await?;
                }
            }
        };
        self.say(FromServer::Scrubbed(scrubbed(self.sequence, patrolled))).await
    }

    /// Says what there is to repair.
    pub(super) async fn plan_repair(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let (progress, at) = watch::channel(QUEUED);
        let tell = move |now: Progress| {
            progress.send_replace(now);
        };
        let work = self.verifications.run(move || lease.engine().plan_repair(&tell));
        tokio::pin!(work);
        let plan = loop {
            tokio::select! {
                plan = &mut work => break plan??,
                () = sleep(TOLD_EVERY) => {
                    let now = *at.borrow();
                    self.scrubbing(now).await?;
                }
            }
        };
        for step in &plan.steps {
            self.outbox.send(told(self.sequence, step)).await?;
        }
        self.done().await
    }

    /// Repairs what is named, once it is its turn. It is done to its end, whoever waits for it.
    pub(super) async fn repair(&self, wanted: Wanted) -> Result<(), Failure> {
        let (lease, by) = (self.lease.clone(), self.key.to_string());
        let plan = plan(wanted);
        let repaired = self.verifications.run(move || lease.engine().repair(&plan, &by)).await??;
        self.say(FromServer::Repaired(done(self.sequence, repaired))).await
    }

    async fn scrubbing(&self, at: Progress) -> Result<(), Failure> {
        let Progress { bytes_done, bytes_total } = at;
        self.say(FromServer::Scrubbing(Scrubbing { sequence: self.sequence, bytes_done, bytes_total })).await
    }
}

fn scrubbed(sequence: Sequence, patrolled: Patrolled) -> Scrubbed {
    Scrubbed {
        sequence,
        outcome: match patrolled.outcome {
            PatrolOutcome::Complete => ScrubOutcome::Complete,
            PatrolOutcome::Stopped => ScrubOutcome::Stopped,
            PatrolOutcome::Running => ScrubOutcome::Running,
        },
        packs: patrolled.packs,
        bytes: patrolled.bytes,
        damaged_count: patrolled.damaged_count,
        damaged: first(patrolled.damaged),
    }
}

/// A step of a plan. What this server does not know how to tell stays damaged, as far as the client is concerned.
fn told(sequence: Sequence, step: &RepairStep) -> Answer {
    let (act, pack, count) = match step {
        RepairStep::Heal { pack, blocks } => (RepairAct::Heal, Some(*pack), *blocks),
        RepairStep::Quarantine { pack, records, .. } => (RepairAct::Quarantine, Some(*pack), *records),
        RepairStep::RebuildIndex => (RepairAct::RebuildIndex, None, 0),
        RepairStep::Mend { .. } => (RepairAct::Mend, None, 0),
        RepairStep::Remove { .. } => (RepairAct::Remove, None, 0),
        _ => (RepairAct::Leave, None, 0),
    };
    let (path, what) = match step {
        RepairStep::Mend { path, what } | RepairStep::Leave { path, what } => {
            (path.display().to_string(), what.clone())
        }
        RepairStep::Remove { path } => (path.display().to_string(), String::new()),
        _ => Default::default(),
    };
    Answer::RepairStep { sequence, act, pack, count, path, what }
}

/// What a client asks for, as steps. Each pack is looked at before anything is done about it, so what it is said to have
/// does not matter.
fn plan(wanted: Wanted) -> RepairPlan {
    let mut steps: Vec<RepairStep> =
        wanted.packs.into_iter().map(|pack| RepairStep::Heal { pack, blocks: 0 }).collect();
    steps.extend(wanted.files.then(|| RepairStep::Mend { path: Default::default(), what: String::new() }));
    steps.extend(wanted.index.then_some(RepairStep::RebuildIndex));
    RepairPlan { steps }
}

fn done(sequence: Sequence, repaired: Repaired) -> message::Repaired {
    let Healing { packs, files, blocks, object_count, evacuated, unhealed, .. } = repaired.healing;
    message::Repaired {
        sequence,
        packs,
        files,
        blocks,
        objects: object_count,
        evacuated: first(evacuated),
        unhealed: first(unhealed),
        index: repaired.has_index,
    }
}

fn first(mut packs: Vec<PackId>) -> List<PackId, 0, CARE_PACKS_MAX> {
    packs.truncate(CARE_PACKS_MAX);
    List::new(packs).expect("no more were left")
}
