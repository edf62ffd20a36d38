//! Reading through parity what is not as it was written, healing it, and giving up what cannot be healed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::object_id;

use super::Catalogue;
use super::Store;
use super::error::StoreError;
use crate::disk::Advice;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::journal::Event;
use crate::journal::Struck;
use crate::limits::QUARANTINED_PER_EVENT_MAX;
use crate::pack;
use crate::pack::Diagnosis;
use crate::pack::Extent;
use crate::pack::Healed;
use crate::pack::PackError;
use crate::pack::PackHeader;
use crate::pack::PackReader;
use crate::pack::RECORD_HEADER_BYTES;
use crate::pack::Summary;

/// What is not as it was written, as far as somebody came across it.
#[derive(Default)]
pub(super) struct Mends {
    objects: AtomicU64,
    /// Packs in which something was not as it was written.
    noticed: Mutex<BTreeSet<u32>>,
}

impl Mends {
    fn noticed(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.noticed.lock().expect("nothing panics while it notes a pack")
    }
}

impl Store {
    /// How many objects were read through parity since the store was opened.
    pub(crate) fn mended(&self) -> u64 {
        self.mends.objects.load(Ordering::SeqCst)
    }

    /// The packs in which reads came across something that is not as it was written, since this was asked last.
    pub(crate) fn take_noticed(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.mends.noticed())
    }

    /// Notes that a pack is to be healed.
    pub(crate) fn notice(&self, number: u32) {
        self.mends.noticed().insert(number);
    }

    /// The extents of a pack, in order.
    pub(crate) fn extents_in(&self, number: u32) -> Vec<Extent> {
        let catalogue = self.catalogue();
        catalogue.extents().iter().filter(|at| at.pack == number).map(|at| at.extent).collect()
    }

    /// Reads an object through parity, or just once more: a disk may answer the second time. False if that does not help.
    pub(super) fn mend_object(&self, id: &ObjectId, spot: &Spot, object: &mut [u8]) -> bool {
        self.notice(spot.ordinal);
        let extents = self.extents_in(spot.ordinal);
        let extent = extents.iter().find(|extent| (extent.start..extent.summary).contains(&spot.offset));
        let Some((extent, reader)) = extent.zip(self.fresh_reader(spot.ordinal)) else { return false };
        let start = spot.offset + RECORD_HEADER_BYTES;
        let patches = pack::mend(&reader, extent, start..start + spot.bytes);
        let through_parity = !patches.is_empty();
        let read = reader.patched(patches).read(start, object);
        let mended = read.is_ok() && object_id(object) == *id;
        if mended && through_parity {
            tracing::warn!(%id, offset = spot.offset, "an object was read through parity");
            self.mends.objects.fetch_add(1, Ordering::SeqCst);
        }
        mended
    }

    /// Reads a summary through parity.
    pub(super) fn mend_summary(&self, number: u32, extent: &Extent) -> Option<Summary> {
        self.notice(number);
        let reader = self.fresh_reader(number)?;
        let patches = pack::mend(&reader, extent, extent.summary..extent.summary_end());
        reader.patched(patches).summary(extent).ok()
    }

    fn fresh_reader(&self, number: u32) -> Option<PackReader> {
        let id = self.catalogue().pack(number).map(|pack| pack.id)?;
        PackReader::open(self.disk(), &id, Advice::Random).ok()
    }

    /// Heals a pack where it lies. `None` if it was removed, or is gone.
    pub(crate) fn heal_pack(&self, number: u32, buffer: &mut [u8]) -> Result<Option<Healed>, StoreError> {
        self.writer()?;
        let Some(known) = self.catalogue().pack(number).cloned() else { return Ok(None) };
        let header = PackHeader { repository: self.parameters.repository, pack: known.id, kind: known.kind };
        let healed = pack::heal(self.disk(), &header, &self.extents_in(number), buffer);
        self.suspect(number);
        match healed.map_err(StoreError::from) {
            Ok(healed) => Ok(Some(healed)),
            // The pack is gone: what lay in it is known as lost.
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds out what healing a pack would do. `None` if it was removed, or is gone. Changes nothing.
    pub(crate) fn diagnose_pack(
        &self,
        number: u32,
        buffer: &mut [u8],
    ) -> Result<Option<Diagnosis>, StoreError> {
        let Some(known) = self.catalogue().pack(number).cloned() else { return Ok(None) };
        let header = PackHeader { repository: self.parameters.repository, pack: known.id, kind: known.kind };
        match pack::diagnose(self.disk(), &header, &self.extents_in(number), buffer) {
            Ok(diagnosis) => Ok(Some(diagnosis)),
            Err(PackError::Disk(DiskError::NotFound { .. }) | PackError::Damaged { .. }) => Ok(None),
            Err(PackError::Disk(error)) => Err(error.into()),
        }
    }

    /// Gives records up that cannot be healed: their objects are unknown from here on, until they are stored again. The
    /// bytes stay. Returns how many there were.
    pub(crate) fn quarantine(
        &self,
        damaged: &BTreeMap<PackId, BTreeSet<u32>>,
        by: &str,
    ) -> Result<u64, StoreError> {
        let records =
            damaged.iter().flat_map(|(pack, offsets)| offsets.iter().map(|offset| (*pack, *offset)));
        let records: Vec<(PackId, u32)> = records.collect();
        let mut count = 0;
        for part in records.chunks(QUARANTINED_PER_EVENT_MAX) {
            let before = self.moment()?;
            self.persist(before, |catalogue| {
                let damaged = there(catalogue, part);
                count += damaged.iter().map(|struck| struck.offsets.len() as u64).sum::<u64>();
                let event = || Event::Quarantined { damaged: damaged.clone(), by: by.to_owned() };
                Ok::<_, StoreError>((!damaged.is_empty()).then(event))
            })?;
        }
        Ok(count)
    }
}

/// Those of the records that no event has taken away yet.
fn there(catalogue: &Catalogue, records: &[(PackId, u32)]) -> Vec<Struck> {
    let mut there: Vec<Struck> = Vec::new();
    for (pack, offset) in records {
        let known = catalogue.pack_number(pack).and_then(|number| catalogue.pack(number));
        if known.is_none_or(|known| known.has_lost(*offset)) {
            continue;
        }
        match there.last_mut() {
            Some(last) if last.pack == *pack => last.offsets.push(*offset),
            _ => there.push(Struck { pack: *pack, offsets: vec![*offset] }),
        }
    }
    there
}
