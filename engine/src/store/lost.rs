//! Packs that are gone or shorter than the journal says ([`Lost`]).
//!
//! What lay there is not there any more, so it must not be answered for: who asks is told that it is unknown, and
//! what is put again is stored again. A writer learns it when it opens, from the lengths of the files alone; bytes that
//! changed are the business of a scrub.

use std::collections::HashMap;

use super::catalogue::Catalogue;
use super::read;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::pack;

/// What is missing of the packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Packs that are gone or too short.
    pub packs: u64,
    /// Bytes that they lack.
    pub bytes: u64,
    /// Hash of which packs they are and what is left of each; zeros where nothing is missing.
    pub which: [u8; 32],
}

/// Packs that are gone or too short, each with what is left of it.
#[derive(Default)]
pub(super) struct Losses {
    /// First byte that is not there, by the number of the pack.
    ends: HashMap<u32, u64>,
    sum: Lost,
}

impl Losses {
    /// Compares the length of every pack with what the journal says.
    pub(super) fn find(disk: &dyn Disk, catalogue: &Catalogue) -> Result<Self, DiskError> {
        let mut losses = Self::default();
        let mut which = blake3::Hasher::new();
        for (number, pack) in (0_u32..).zip(catalogue.packs()) {
            let end = match disk.length(&pack::path(&pack.id)) {
                Err(DiskError::NotFound { .. }) => 0,
                length => length?,
            };
            let missing = u64::from(pack.bytes).saturating_sub(end);
            if missing > 0 {
                losses.ends.insert(number, end);
                losses.sum.packs += 1;
                losses.sum.bytes += missing;
                which.update(pack.id.as_bytes()).update(&end.to_le_bytes());
                losses.sum.which = *which.finalize().as_bytes();
            }
        }
        Ok(losses)
    }

    /// What is missing, in numbers.
    pub(super) fn sum(&self) -> Lost {
        self.sum
    }

    /// Whether that pack is gone or too short.
    pub(super) fn include(&self, number: u32) -> bool {
        self.ends.contains_key(&number)
    }

    /// Whether what lay there is not there any more, or not the whole of it.
    pub(super) fn have(&self, spot: &Spot) -> bool {
        self.ends.get(&spot.ordinal).is_some_and(|end| read::end(spot) > *end)
    }
}
