//! What is missing of the packs ([`Lost`]): those that are gone or shorter than the journal says, and records that were
//! quarantined.
//!
//! What lay there is not there any more, so it must not be answered for: who asks is told that it is unknown, and
//! what is put again is stored again. A writer learns of packs when it opens, from the lengths of the files alone, and when
//! it cannot read one; bytes that changed are the business of a scrub, which heals or quarantines.

use std::collections::BTreeMap;

use farkeep_codec::id::PackId;

use super::Store;
use super::catalogue::Catalogue;
use super::catalogue::Pack;
use super::read;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::pack;

/// What is missing of the packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Packs that are gone or too short, or hold quarantined objects.
    pub packs: u64,
    /// Bytes that the short ones lack.
    pub bytes: u64,
    /// Quarantined objects.
    pub objects: u64,
    /// Hash of which packs they are and what is left of each; zeros where nothing is missing.
    pub which: [u8; 32],
}

/// Packs that are gone or too short, each with what is left of it, and those with quarantined records.
#[derive(Default)]
pub(super) struct Losses {
    /// By the number of the pack.
    short: BTreeMap<u32, Short>,
    quarantined: BTreeMap<u32, Quarantined>,
}

/// A pack with quarantined records.
struct Quarantined {
    objects: u64,
    /// Hash of which they are.
    which: blake3::Hash,
}

/// A pack that is gone or too short.
struct Short {
    id: PackId,
    /// First byte that is not there.
    end: u64,
    /// Bytes from there to where the journal says that the pack ends.
    missing: u64,
}

impl Losses {
    /// Compares the length of every pack with what the journal says.
    pub(super) fn find(disk: &dyn Disk, catalogue: &Catalogue) -> Result<Self, DiskError> {
        let mut losses = Self::default();
        for (number, pack) in catalogue.packs() {
            losses.look(disk, number, pack)?;
        }
        losses.count_quarantined(catalogue);
        Ok(losses)
    }

    /// Compares the length of one pack with what the journal says.
    fn look(&mut self, disk: &dyn Disk, number: u32, pack: &Pack) -> Result<(), DiskError> {
        let end = match disk.length(&pack::path(&pack.id)) {
            Err(DiskError::NotFound { .. }) => 0,
            length => length?,
        };
        let missing = u64::from(pack.bytes).saturating_sub(end);
        if missing > 0 {
            self.short.insert(number, Short { id: pack.id, end, missing });
        } else {
            self.short.remove(&number);
        }
        Ok(())
    }

    fn count_quarantined(&mut self, catalogue: &Catalogue) {
        let quarantined = catalogue.packs().filter(|(_, pack)| !pack.damaged.is_empty());
        let count = |(number, pack): (u32, &Pack)| {
            let mut which = blake3::Hasher::new();
            which.update(pack.id.as_bytes());
            for offset in &pack.damaged {
                which.update(&offset.to_le_bytes());
            }
            (number, Quarantined { objects: pack.damaged.len() as u64, which: which.finalize() })
        };
        self.quarantined = quarantined.map(count).collect();
    }

    /// What is missing, in numbers.
    pub(super) fn sum(&self) -> Lost {
        if self.short.is_empty() && self.quarantined.is_empty() {
            return Lost::default();
        }
        let mut which = blake3::Hasher::new();
        for Short { id, end, .. } in self.short.values() {
            which.update(id.as_bytes()).update(&end.to_le_bytes());
        }
        for Quarantined { which: records, .. } in self.quarantined.values() {
            which.update(records.as_bytes());
        }
        let also_short = self.quarantined.keys().filter(|number| self.short.contains_key(number)).count();
        Lost {
            packs: (self.short.len() + self.quarantined.len() - also_short) as u64,
            bytes: self.short.values().map(|short| short.missing).sum(),
            objects: self.quarantined.values().map(|quarantined| quarantined.objects).sum(),
            which: *which.finalize().as_bytes(),
        }
    }

    /// Whether that pack is gone or too short.
    pub(super) fn include(&self, number: u32) -> bool {
        self.short.contains_key(&number)
    }

    /// Whether what lay there is not there any more, or not the whole of it.
    pub(super) fn have(&self, spot: &Spot) -> bool {
        self.short.get(&spot.ordinal).is_some_and(|short| read::end(spot) > short.end)
    }

    /// Forgets packs that nobody needs any more.
    pub(super) fn forget_removed(&mut self, catalogue: &Catalogue) {
        self.short.retain(|number, _| catalogue.pack(*number).is_some());
        self.count_quarantined(catalogue);
    }
}

impl Store {
    /// What is missing of the packs, as far as a writer knows; a reader does not look.
    pub(crate) fn lost(&self) -> Lost {
        self.lost.read().expect(UNBROKEN).sum()
    }

    /// Whether that pack is gone or too short.
    pub(super) fn has_lost_of(&self, number: u32) -> bool {
        self.lost.read().expect(UNBROKEN).include(number)
    }

    /// Whether what lay there went with a pack, or with a part of one.
    pub(crate) fn is_lost(&self, spot: &Spot) -> bool {
        self.lost.read().expect(UNBROKEN).have(spot)
    }

    /// Whether what was noted there is there still: neither removed nor lost.
    pub(super) fn is_there(&self, spot: &Spot) -> bool {
        let there = self.catalogue().there(spot);
        there && !self.is_lost(spot)
    }

    /// Looks at a pack that somebody could not read: it may have vanished, or become shorter, since it was opened.
    pub(crate) fn suspect(&self, number: u32) {
        if self.writer.is_none() {
            return;
        }
        let mut lost = self.lost.write().expect(UNBROKEN);
        let catalogue = self.catalogue();
        if let Some(pack) = catalogue.pack(number)
            && let Err(error) = lost.look(&*self.disk, number, pack)
        {
            tracing::warn!(%error, "nobody knows whether a pack is there");
        }
    }

    /// Learns of records that were quarantined.
    pub(super) fn learn_quarantined(&self) {
        let mut lost = self.lost.write().expect(UNBROKEN);
        let catalogue = self.catalogue();
        lost.count_quarantined(&catalogue);
    }

    /// Forgets what is known of packs that were removed.
    pub(super) fn forget_removed(&self) {
        self.forget_sound();
        let mut lost = self.lost.write().expect(UNBROKEN);
        let catalogue = self.catalogue();
        lost.forget_removed(&catalogue);
        self.readers.forget_removed(&catalogue);
        self.lookup.forget_removed(&catalogue);
    }
}

const UNBROKEN: &str = "nothing panics while it holds what is lost";
