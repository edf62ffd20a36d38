//! Deciding what is kept of a repository in a folder.

use std::ops::ControlFlow;

use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::Act;
use farkeep_engine::Freed;
use farkeep_engine::Grown;
use farkeep_engine::Healing;
use farkeep_engine::Known;
use farkeep_engine::Patients;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress;
use farkeep_engine::RepairPlan;
use farkeep_engine::Repaired;
use farkeep_engine::Rules;
use farkeep_engine::Settings;
use farkeep_engine::Verifications;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use farkeep_engine::collect::plan::Act as Does;

use super::LocalStore;
use crate::repository::RepositoryError;
use crate::repository::keeper::CollectAt;
use crate::repository::keeper::CollectPlan;
use crate::repository::keeper::Cost;
use crate::repository::keeper::Costs;
use crate::repository::keeper::Fate;
use crate::repository::keeper::Judged;
use crate::repository::keeper::Keeper;
use crate::repository::keeper::Packs;
use crate::repository::keeper::Retained;
use crate::repository::keeper::SeriesCost;

impl Keeper for LocalStore {
    fn settings(&self) -> Result<Settings, RepositoryError> {
        Ok(self.engine.settings())
    }

    fn change_settings(&self, settings: &Settings) -> Result<(), RepositoryError> {
        Ok(self.engine.change_settings(settings, "")?)
    }

    fn known(&self) -> Result<Vec<Known>, RepositoryError> {
        Ok(self.engine.known("")?)
    }

    fn retain(&self, rules: &Rules, act: Act) -> Result<Retained, RepositoryError> {
        let retained = self.engine.retain(rules, act, "")?;
        let judged = retained.judged.into_iter().map(|judged| Judged {
            id: judged.id,
            series: judged.series.to_string(),
            received: judged.received,
            fate: match judged.fate {
                farkeep_engine::Fate::Kept(reasons) => {
                    Fate::Kept { reasons: reasons.iter().map(ToString::to_string).collect() }
                }
                farkeep_engine::Fate::Forgotten(policy) => Fate::Forgotten { policy: policy.to_string() },
            },
        });
        Ok(Retained { judged: judged.collect(), is_frozen: retained.frozen.is_some() })
    }

    fn forget(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.forget(id, reason)?)
    }

    fn recover(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.recover(id, reason)?)
    }

    fn hold(&self, id: &SnapshotId, until: Time, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.hold(id, until, reason)?)
    }

    fn sizes(&self) -> Result<Costs<Cost>, RepositoryError> {
        let ids = self.engine.snapshot_ids();
        let groups: Vec<Vec<SnapshotId>> = ids.iter().map(|id| vec![*id]).collect();
        let sizes = self.engine.sizes(&groups)?;
        let costs = ids.into_iter().zip(sizes.groups).map(|(id, size)| Cost {
            id,
            added_bytes: size.added_bytes,
            unique_bytes: size.unique_bytes,
        });
        let (each, shared_bytes) = (costs.collect(), sizes.shared_bytes);
        Ok(Costs { each, shared_bytes, is_estimated: sizes.is_estimated })
    }

    fn series_sizes(&self) -> Result<Costs<SeriesCost>, RepositoryError> {
        let series = self.engine.series_ids();
        let groups: Vec<Vec<SnapshotId>> = series.values().cloned().collect();
        let sizes = self.engine.sizes(&groups)?;
        let costs = series.iter().zip(sizes.groups).map(|((series, ids), size)| SeriesCost {
            series: series.to_string(),
            snapshots: ids.len() as u64,
            added_bytes: size.added_bytes,
            unique_bytes: size.unique_bytes,
        });
        let (each, shared_bytes) = (costs.collect(), sizes.shared_bytes);
        Ok(Costs { each, shared_bytes, is_estimated: sizes.is_estimated })
    }

    fn freed(&self, snapshots: &[SnapshotId]) -> Result<Freed, RepositoryError> {
        Ok(self.engine.freed(snapshots)?)
    }

    fn history(&self) -> Result<Vec<Grown>, RepositoryError> {
        Ok(self.engine.history()?)
    }

    fn is_wanted(&self) -> bool {
        self.engine.is_wanted()
    }

    fn collect(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(&CollectAt) -> ControlFlow<()>,
    ) -> Result<Collected, RepositoryError> {
        let watch = |progress| watch(&CollectAt { progress, is_queued: false, waits_for: Vec::new() });
        Ok(self.engine.collect(options, &watch)?)
    }

    fn plan_collection(&self, options: &CollectOptions) -> Result<CollectPlan, RepositoryError> {
        let plan = self.engine.plan_collection(options)?;
        let packs = |act: Does| {
            let mut packs = Packs::default();
            for planned in plan.packs.iter().filter(|planned| planned.act == act) {
                packs.packs += 1;
                packs.file_bytes += planned.pack.file_bytes;
                packs.live_bytes += planned.pack.live_bytes;
                packs.dead_bytes += planned.pack.dead_bytes;
            }
            packs
        };
        Ok(CollectPlan {
            removed: packs(Does::Remove),
            struck: packs(Does::Strike),
            emptied: packs(Does::Empty),
            moved_bytes: plan.moved_bytes,
            freed_bytes: plan.freed_bytes,
            left_bytes: plan.left_bytes,
        })
    }

    fn rebuild_index(&self) -> Result<u64, RepositoryError> {
        self.engine.rebuild_index()?;
        Ok(self.engine.usage()?.objects)
    }

    fn patrol(
        &self,
        options: &PatrolOptions,
        watch: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Patrolled, RepositoryError> {
        Ok(self.engine.patrol(options, watch)?)
    }

    fn verifications(&self) -> Result<Verifications, RepositoryError> {
        Ok(self.engine.verifications())
    }

    fn heal(&self, packs: &[PackId]) -> Result<Healing, RepositoryError> {
        Ok(self.engine.heal(&Patients::Packs(packs.to_vec()), "")?)
    }

    fn plan_repair(&self, show: &(dyn Fn(Progress) + Sync)) -> Result<RepairPlan, RepositoryError> {
        Ok(self.engine.plan_repair(show)?)
    }

    fn repair(&self, plan: &RepairPlan) -> Result<Repaired, RepositoryError> {
        Ok(self.engine.repair(plan, "")?)
    }

    fn thaw(&self, reason: &str) -> Result<(), RepositoryError> {
        self.engine.thaw(reason)?;
        Ok(())
    }
}
