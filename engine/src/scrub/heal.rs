//! Healing packs where they lie, and quarantine for what cannot be healed ([`heal`]).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;

use super::evacuate::evacuate;
use crate::disk::Advice;
use crate::index::Spot;
use crate::limits::REPORT_LINES_MAX;
use crate::limits::SCRUB_READ_BYTES;
use crate::pack::Extent;
use crate::pack::Flaw;
use crate::pack::PackReader;
use crate::store::Store;
use crate::store::StoreError;

/// Which packs are healed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Patients {
    /// Those in which reads came across something that is not as it was written.
    Noticed,
    /// These.
    Packs(Vec<PackId>),
    /// All of them, and the small files.
    All,
}

/// What a healing did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Healing {
    /// Packs that were looked at, every byte of them.
    pub packs: u64,
    /// Small files, each of which is kept twice, that were damaged or missing in one place, and are written again.
    pub files: u64,
    /// Blocks that were not as they were written, and are again.
    pub blocks: u64,
    /// Objects that could not be healed, and are unknown from here on, the first of them up to a limit.
    pub objects: Vec<ObjectId>,
    /// How many records were quarantined in all.
    pub object_count: u64,
    /// Packs into which nothing could be written, so that what was in them was copied into others.
    pub evacuated: Vec<PackId>,
    /// Packs of which something is damaged still: what is not an object, and what could not be written.
    pub unhealed: Vec<PackId>,
}

impl Healing {
    /// Takes in what another one did.
    pub(super) fn add(&mut self, other: Self) {
        self.packs += other.packs;
        self.files += other.files;
        self.blocks += other.blocks;
        let room = REPORT_LINES_MAX.saturating_sub(self.objects.len());
        self.objects.extend(other.objects.into_iter().take(room));
        self.object_count += other.object_count;
        self.evacuated.extend(other.evacuated);
        self.unhealed.extend(other.unhealed);
    }
}

/// Heals packs, and quarantines what cannot be healed. `by` is who says so, in the journal.
///
/// # Errors
/// If the disk or the journal does not carry it out. What was healed until then stays so, and doing it again does the
/// rest.
pub(crate) fn heal(store: &Store, patients: &Patients, by: &str) -> Result<Healing, StoreError> {
    let mut healing = Healing::default();
    if *patients == Patients::All {
        healing.files += store.mend_files()?;
    }
    let mut buffer = vec![0; SCRUB_READ_BYTES];
    for number in numbers(store, patients) {
        let healed = store.heal_pack(number, &mut buffer).inspect_err(|_| store.notice(number))?;
        let (Some(mut healed), Some(pack)) = (healed, store.catalogue().pack(number).cloned()) else {
            continue;
        };
        healed.flaws.retain(|flaw| flaw.record().is_none_or(|offset| !pack.has_lost(offset)));
        healing.packs += 1;
        healing.blocks += healed.blocks;
        let is_evacuated = match &healed.failure {
            None => false,
            Some(error) => {
                tracing::warn!(%error, pack = %pack.id, "a pack could not be healed where it lies");
                leave(store, number)
            }
        };
        if is_evacuated {
            healing.evacuated.push(pack.id);
        } else if healed.failure.is_some() || !healed.flaws.is_empty() {
            healing.unhealed.push(pack.id);
        }
        let mut records = BTreeSet::new();
        for flaw in &healed.flaws {
            for (offset, id) in lost_of(store, number, flaw)? {
                records.insert(offset);
                healing.objects.extend(id.filter(|_| healing.objects.len() < REPORT_LINES_MAX));
            }
        }
        if !records.is_empty() {
            healing.object_count += store.quarantine(&BTreeMap::from([(pack.id, records)]), by)?;
        }
    }
    Ok(healing)
}

fn numbers(store: &Store, patients: &Patients) -> BTreeSet<u32> {
    match patients {
        Patients::Noticed => store.take_noticed(),
        Patients::Packs(packs) => {
            let catalogue = store.catalogue();
            packs.iter().filter_map(|pack| catalogue.pack_number(pack)).collect()
        }
        Patients::All => store.catalogue().packs().map(|(number, _)| number).collect(),
    }
}

/// Copies what is in a pack into others. False if that cannot be done, or not now: then it is read through parity.
fn leave(store: &Store, number: u32) -> bool {
    match evacuate(store, number) {
        Ok(copied) => copied.is_some(),
        Err(error) => {
            tracing::warn!(%error, "what is in a damaged pack could not be copied into another one");
            false
        }
    }
}

/// The records that are lost by a flaw, and not known to be.
pub(super) fn lost_of(
    store: &Store,
    number: u32,
    flaw: &Flaw,
) -> Result<BTreeMap<u32, Option<ObjectId>>, StoreError> {
    let mut records = BTreeMap::new();
    let known = store.catalogue().pack(number).cloned();
    let mut lose = |id: Option<ObjectId>, offset: u32| {
        let here = Spot { ordinal: number, offset, bytes: 0 };
        let is_known = store.is_lost(&here) || known.as_ref().is_none_or(|pack| pack.has_lost(offset));
        // What was stored elsewhere since is found there.
        let is_elsewhere = |id| {
            let found = store.find_durable(&id)?;
            Ok::<_, StoreError>(found.is_some_and(|spot| (spot.ordinal, spot.offset) != (number, offset)))
        };
        if !is_known && !id.map_or(Ok(false), is_elsewhere)? {
            records.insert(offset, id);
        }
        Ok::<_, StoreError>(())
    };
    if let (Some(id), Ok(offset)) = (flaw.objects.first(), u32::try_from(flaw.offset)) {
        lose(Some(*id), offset)?;
    }
    if let Some(extent) = &flaw.unnamed {
        unreadable(store, number, extent)?.into_iter().try_for_each(|(id, offset)| lose(id, offset))?;
    }
    Ok(records)
}

/// The records of an extent without a summary that cannot be read. The index knows which there were; and where the records
/// themselves no longer say what they are, something was there that nobody can name.
fn unreadable(
    store: &Store,
    number: u32,
    extent: &Extent,
) -> Result<Vec<(Option<ObjectId>, u32)>, StoreError> {
    let mut named = Vec::new();
    store.scan_index(&mut |id, spot| {
        if spot.ordinal == number && (extent.start..extent.summary).contains(&spot.offset) {
            named.push((*id, spot.offset));
        }
    })?;
    let mut object = Vec::new();
    let mut lost: Vec<(Option<ObjectId>, u32)> = Vec::new();
    for (id, offset) in &named {
        if store.object(id, &mut object).is_err() {
            lost.push((Some(*id), *offset));
        }
    }
    let Some(pack) = store.catalogue().pack(number).map(|pack| pack.id) else { return Ok(Vec::new()) };
    let salvaged =
        PackReader::open(store.disk(), &pack, Advice::Random).and_then(|reader| reader.salvage(extent));
    let end = salvaged.ok().and_then(|entries| entries.last().map(|last| last.end())).unwrap_or(extent.start);
    if end < extent.summary && !named.iter().any(|(_, offset)| *offset == end) {
        lost.push((None, end));
    }
    Ok(lost)
}
