//! What keepers ask of a repository: what is kept and for how long. None of it needs a key.

use std::ops::ControlFlow;

use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::Act;
use farkeep_engine::Freed;
use farkeep_engine::Grown;
use farkeep_engine::Healing;
use farkeep_engine::Known;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress;
use farkeep_engine::RepairPlan;
use farkeep_engine::Repaired;
use farkeep_engine::Rules;
use farkeep_engine::Settings;
use farkeep_engine::Verifications;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::CollectProgress;
use farkeep_engine::collect::CollectStep;
use farkeep_engine::collect::Collected;

use super::RepositoryError;

/// What policies say about all snapshots that are on the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained {
    /// By series, and in each the oldest first.
    pub judged: Vec<Judged>,
    /// Nothing may be deleted at the moment, since the clock that decides is not believed.
    pub is_frozen: bool,
}

/// What policies say about one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub id: SnapshotId,
    /// What it is of.
    pub series: String,
    /// When the repository received it.
    pub received: Time,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for these reasons.
    Kept {
        /// In words.
        reasons: Vec<String>,
    },
    /// It goes.
    Forgotten {
        /// The policy none of whose rules keeps it.
        policy: String,
    },
}

/// What a snapshot costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Which.
    pub id: SnapshotId,
    /// Bytes that no snapshot received before it reaches.
    pub added_bytes: u64,
    /// Bytes that no other snapshot reaches.
    pub unique_bytes: u64,
}

/// What a series costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesCost {
    /// Its name.
    pub series: String,
    /// Snapshots of it that were not purged.
    pub snapshots: u64,
    /// Bytes that no series with a smaller name reaches.
    pub added_bytes: u64,
    /// Bytes that no other series reaches.
    pub unique_bytes: u64,
}

/// What snapshots cost, or series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs<T> {
    /// Each of them.
    pub each: Vec<T>,
    /// Bytes that several of them reach.
    pub shared_bytes: u64,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

/// How far a collection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectAt {
    /// By its own account.
    pub progress: CollectProgress,
    /// Another one is under way, which it waits for.
    pub is_queued: bool,
    /// Clients whose sessions it waits for.
    pub waits_for: Vec<String>,
}

/// Packs with which a collection would do the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packs {
    /// Their number.
    pub packs: u64,
    /// Bytes of their files.
    pub file_bytes: u64,
    /// Bytes of objects in them that are needed.
    pub live_bytes: u64,
    /// Bytes of objects in them that are not.
    pub dead_bytes: u64,
}

/// What a collection would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectPlan {
    /// Packs that would go.
    pub removed: Packs,
    /// Packs that would stay without their dead nodes.
    pub struck: Packs,
    /// Packs that would go once what is needed of them was copied.
    pub emptied: Packs,
    /// Bytes that would be copied.
    pub moved_bytes: u64,
    /// Bytes by which the repository would become smaller.
    pub freed_bytes: u64,
    /// Dead bytes that would be left.
    pub left_bytes: u64,
}

impl CollectAt {
    /// One that has not begun.
    pub fn queued() -> Self {
        let step = CollectStep::Begun;
        let progress = CollectProgress { step, done: 0, total: 0, moved_bytes: 0, removed_bytes: 0 };
        Self { progress, is_queued: true, waits_for: Vec::new() }
    }
}

/// Deciding what is kept.
pub(crate) trait Keeper {
    /// What the keepers decided until now.
    fn settings(&self) -> Result<Settings, RepositoryError>;

    /// Decides what holds from here on, as a whole.
    fn change_settings(&self, settings: &Settings) -> Result<(), RepositoryError>;

    /// All snapshots that were not purged, forgotten ones included, in the order in which they were received.
    fn known(&self) -> Result<Vec<Known>, RepositoryError>;

    /// Applies policies to all snapshots that are on the list.
    fn retain(&self, rules: &Rules, act: Act) -> Result<Retained, RepositoryError>;

    /// Takes a snapshot off the list.
    fn forget(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError>;

    /// Puts a forgotten snapshot on the list again.
    fn recover(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError>;

    /// Keeps a snapshot restorable until then, whatever anybody says later.
    fn hold(&self, id: &SnapshotId, until: Time, reason: &str) -> Result<(), RepositoryError>;

    /// What each snapshot costs that was not purged, in the order in which they were received.
    fn sizes(&self) -> Result<Costs<Cost>, RepositoryError>;

    /// What each series costs, in the order of their names.
    fn series_sizes(&self) -> Result<Costs<SeriesCost>, RepositoryError>;

    /// What would be free without these snapshots, none of which is named twice.
    fn freed(&self, snapshots: &[SnapshotId]) -> Result<Freed, RepositoryError>;

    /// How the repository grew, day by day.
    fn history(&self) -> Result<Vec<Grown>, RepositoryError>;

    /// Whether somebody waits until this one, who writes, has ended.
    fn is_wanted(&self) -> bool {
        false
    }

    /// Removes what nobody needs any more.
    fn collect(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(&CollectAt) -> ControlFlow<()>,
    ) -> Result<Collected, RepositoryError>;

    /// What a collection would do now.
    fn plan_collection(&self, options: &CollectOptions) -> Result<CollectPlan, RepositoryError>;

    /// Builds the index anew. Returns how many objects it knows.
    fn rebuild_index(&self) -> Result<u64, RepositoryError>;

    /// Verifies packs, those first that were verified longest ago.
    fn patrol(
        &self,
        options: &PatrolOptions,
        watch: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Patrolled, RepositoryError>;

    /// When packs were verified.
    fn verifications(&self) -> Result<Verifications, RepositoryError>;

    /// Heals packs, and quarantines what cannot be healed.
    fn heal(&self, packs: &[PackId]) -> Result<Healing, RepositoryError>;

    /// What there is to repair.
    fn plan_repair(&self, show: &(dyn Fn(Progress) + Sync)) -> Result<RepairPlan, RepositoryError>;

    /// Does that.
    fn repair(&self, plan: &RepairPlan) -> Result<Repaired, RepositoryError>;

    /// Believes the clock again that decides what is deleted.
    fn thaw(&self, reason: &str) -> Result<(), RepositoryError>;
}
