//! Caring for a repository behind a server: scrubs and repairs that are carried out there.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::channel;
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
use farkeep_engine::Verifications;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::limits::CARE_PACKS_MAX;
use farkeep_protocol::message;
use farkeep_protocol::message::RepairAct;
use farkeep_protocol::message::ScrubOutcome;

use super::RemoteError;
use super::RemoteStore;
use super::keeper::Asked;
use crate::repository::RepositoryError;

/// Before anything was read.
const QUEUED: Progress = Progress { bytes_done: 0, bytes_total: 0 };

impl RemoteStore {
    /// Verifies all packs there. What is damaged is told, and healed when that is asked for.
    pub(super) fn patrol_there(
        &self,
        options: &PatrolOptions,
        watch: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Patrolled, RepositoryError> {
        let scrub = message::Scrub {
            sequence: Sequence::FIRST,
            seconds_max: options.time_max.map_or(0, |most| most.as_secs().max(1)),
            bytes_per_second: options.limits.bytes_per_second.map_or(0, NonZeroU64::get),
        };
        let (progress, told) = channel();
        let asked = Asked::Scrub { scrub, progress };
        let came = self.keep_watched(asked, &told, QUEUED, &|at| watch(*at))?;
        Ok(came.patrolled.ok_or_else(|| RemoteError::broken("it does not say what was verified"))?)
    }

    pub(super) fn plan_repair_there(
        &self,
        show: &(dyn Fn(Progress) + Sync),
    ) -> Result<RepairPlan, RepositoryError> {
        let (progress, told) = channel();
        let watch = |at: &Progress| {
            show(*at);
            ControlFlow::Continue(())
        };
        let came = self.keep_watched(Asked::PlanRepair { progress }, &told, QUEUED, &watch)?;
        Ok(RepairPlan { steps: came.steps })
    }

    /// Heals these packs, and does those of the steps that are of no pack.
    pub(super) fn repair_there(
        &self,
        mut packs: Vec<PackId>,
        steps: &[RepairStep],
    ) -> Result<Repaired, RepositoryError> {
        // The next repair does the rest.
        packs.truncate(CARE_PACKS_MAX);
        let repair = message::Repair {
            sequence: Sequence::FIRST,
            packs: List::new(packs).expect("no more were left"),
            files: steps.iter().any(|step| matches!(step, RepairStep::Mend { .. })),
            index: steps.contains(&RepairStep::RebuildIndex),
        };
        let came = self.keep(Asked::Repair(repair))?;
        Ok(came.repaired.ok_or_else(|| RemoteError::broken("it does not say what was repaired"))?)
    }
}

/// The packs that a plan heals, each once.
pub(super) fn packs(plan: &RepairPlan) -> Vec<PackId> {
    let mut packs: Vec<PackId> = Vec::new();
    for step in &plan.steps {
        if let RepairStep::Heal { pack, .. } | RepairStep::Quarantine { pack, .. } = step
            && !packs.contains(pack)
        {
            packs.push(*pack);
        }
    }
    packs
}

/// What a scrub found.
pub(super) fn patrolled(told: message::Scrubbed) -> Patrolled {
    Patrolled {
        outcome: match told.outcome {
            ScrubOutcome::Complete => PatrolOutcome::Complete,
            ScrubOutcome::Stopped => PatrolOutcome::Stopped,
            ScrubOutcome::Running => PatrolOutcome::Running,
        },
        packs: told.packs,
        bytes: told.bytes,
        damaged: told.damaged.into_vec(),
        damaged_count: told.damaged_count,
        healing: Healing::default(),
    }
}

/// A step of a plan. The objects that it gives up have no names here.
pub(super) fn step(told: &message::RepairStep<'_>) -> Result<RepairStep, RemoteError> {
    let pack = || told.pack.ok_or_else(|| RemoteError::broken("it does not say which pack is damaged"));
    let (path, what) = (PathBuf::from(told.path.as_str()), told.what.as_str().to_owned());
    Ok(match told.act {
        RepairAct::Heal => RepairStep::Heal { pack: pack()?, blocks: told.count },
        RepairAct::Quarantine => {
            RepairStep::Quarantine { pack: pack()?, objects: Vec::new(), records: told.count }
        }
        RepairAct::RebuildIndex => RepairStep::RebuildIndex,
        RepairAct::Mend => RepairStep::Mend { path, what },
        RepairAct::Remove => RepairStep::Remove { path },
        RepairAct::Leave => RepairStep::Leave { path, what },
    })
}

/// What a repair did. The objects that were given up have no names here.
pub(super) fn repaired(told: message::Repaired) -> Repaired {
    let healing = Healing {
        packs: told.packs,
        files: told.files,
        blocks: told.blocks,
        objects: Vec::new(),
        object_count: told.objects,
        evacuated: told.evacuated.into_vec(),
        unhealed: told.unhealed.into_vec(),
    };
    Repaired { healing, has_index: told.index }
}

/// When packs were verified.
pub(super) fn verifications(told: &message::VerificationsAre) -> Verifications {
    Verifications {
        packs: told.packs,
        bytes: told.bytes,
        packs_unverified: told.packs_unverified,
        bytes_unverified: told.bytes_unverified,
        oldest: told.oldest,
        bound: (told.seconds_max > 0).then(|| Duration::from_secs(told.seconds_max)),
        is_late: told.late,
        bytes_per_second: told.bytes_per_second,
    }
}
