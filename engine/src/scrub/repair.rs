//! Repairing a repository in two steps: what is to be done is found out and can be read ([`plan`]), and then it is done
//! ([`repair`]). Nothing is ever removed that could be data.

use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;

use super::Damage;
use super::Healing;
use super::Patients;
use super::Progress;
use super::Report;
use super::Share;
use super::files::LEFTOVER;
use super::heal::heal;
use super::heal::lost_of;
use super::verify;
use crate::limits::SCRUB_READ_BYTES;
use crate::pack;
use crate::store::Name;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::layout;

/// One thing that a repair does, or cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairStep {
    /// Blocks of a pack are written anew from its parity. If the medium does not take them, what is in the pack is copied
    /// into others.
    Heal {
        /// The pack.
        pack: PackId,
        /// How many.
        blocks: u64,
    },
    /// Objects that cannot be healed are unknown from then on, so that the next backup of the same data stores them again.
    Quarantine {
        /// The pack in which they lie, and whose bytes stay.
        pack: PackId,
        /// Which, as far as anybody knows.
        objects: Vec<ObjectId>,
        /// How many records they are.
        records: u64,
    },
    /// The index is built anew from the packs.
    RebuildIndex,
    /// A small file is written again from the other place where it is kept.
    Mend {
        /// The file, relative to the repository.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What a run left that did not end is removed.
    Remove {
        /// The file, relative to the repository.
        path: PathBuf,
    },
    /// Something that stays damaged.
    Leave {
        /// The file, relative to the repository.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// What a repair does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairPlan {
    /// Step by step.
    pub steps: Vec<RepairStep>,
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// What was done for packs.
    pub healing: Healing,
    /// Whether the index was built anew.
    pub has_index: bool,
}

impl RepairPlan {
    /// Whether there is something to do.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, RepairStep::Leave { .. }))
    }

    /// The packs that it heals, each once.
    fn packs(&self) -> Vec<PackId> {
        let mut packs: Vec<PackId> = Vec::new();
        for step in &self.steps {
            if let RepairStep::Heal { pack, .. } | RepairStep::Quarantine { pack, .. } = step
                && packs.last() != Some(pack)
            {
                packs.push(*pack);
            }
        }
        packs
    }
}

/// What there is to do. Reads everything, and changes nothing.
pub(crate) fn plan(store: &Store, progress: &(dyn Fn(Progress) + Sync)) -> Result<RepairPlan, StoreError> {
    let report = verify(store, Share::Everything, progress)?;
    let mut steps = Vec::new();
    let mut buffer = vec![0; SCRUB_READ_BYTES];
    for pack in sick(&report) {
        plan_pack(store, &pack, &mut buffer, &mut steps)?;
    }
    for damage in report.damage.iter().filter(|damage| damage.pack.is_none()) {
        steps.push(step_for(store, damage));
    }
    steps.dedup();
    let left = report.notices.into_iter().filter(|notice| notice.what == LEFTOVER);
    steps.extend(left.map(|notice| RepairStep::Remove { path: notice.path }));
    Ok(RepairPlan { steps })
}

/// Does what was planned, for one who writes. Opening the repository for that did the rest: leftovers, and the head.
pub(crate) fn repair(store: &Store, plan: &RepairPlan, by: &str) -> Result<Repaired, StoreError> {
    let mut healing = heal(store, &Patients::Packs(plan.packs()), by)?;
    if plan.steps.iter().any(|step| matches!(step, RepairStep::Mend { .. })) {
        healing.files += store.mend_files()?;
    }
    let has_index = plan.steps.contains(&RepairStep::RebuildIndex);
    if has_index {
        store.rebuild_index()?;
    }
    Ok(Repaired { healing, has_index })
}

/// The packs of which something is damaged, each once.
fn sick(report: &Report) -> Vec<PackId> {
    let mut packs: Vec<PackId> = report.damage.iter().filter_map(|damage| damage.pack).collect();
    packs.sort_unstable_by_key(|pack| *pack.as_bytes());
    packs.dedup();
    packs
}

fn plan_pack(
    store: &Store,
    id: &PackId,
    buffer: &mut [u8],
    steps: &mut Vec<RepairStep>,
) -> Result<(), StoreError> {
    let number = store.catalogue().pack_number(id);
    let Some(number) = number else { return Ok(()) };
    let path = pack::path(id);
    let Some(diagnosis) = store.diagnose_pack(number, buffer)? else {
        let what =
            "the pack is gone: what was in it is unknown, and stored again by the next backup that has it";
        steps.push(RepairStep::Leave { path, what: what.to_owned() });
        return Ok(());
    };
    let blocks = diagnosis.patches.len() as u64;
    if blocks > 0 {
        steps.push(RepairStep::Heal { pack: *id, blocks });
    }
    let (mut objects, mut records) = (Vec::new(), 0);
    for flaw in &diagnosis.flaws {
        let lost = lost_of(store, number, flaw)?;
        records += lost.len() as u64;
        objects.extend(lost.values().filter_map(|id| *id));
        if lost.is_empty() {
            steps.push(RepairStep::Leave { path: path.clone(), what: flaw.what.to_owned() });
        }
    }
    if records > 0 {
        steps.push(RepairStep::Quarantine { pack: *id, objects, records });
    }
    Ok(())
}

/// What is done about damage of something else than a pack.
fn step_for(store: &Store, damage: &Damage) -> RepairStep {
    let Damage { path, what, .. } = damage;
    match () {
        () if path == layout::path(Name::Index) => RepairStep::RebuildIndex,
        () if path == layout::path(Name::Head) || store.can_mend(path) => {
            RepairStep::Mend { path: path.clone(), what: what.clone() }
        }
        () => RepairStep::Leave { path: path.clone(), what: what.clone() },
    }
}
