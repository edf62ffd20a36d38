//! The sum of entries by which an index and a pack are compared.

use farkeep_codec::id::ObjectId;

use crate::index::Spot;

/// An order-independent digest of entries: equal sets have equal digests, and other sets, unless somebody made
/// them on purpose, do not. The index is this program's own, so nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest(u128);

impl Digest {
    pub(super) fn add(&mut self, id: &ObjectId, spot: Spot) {
        let mut bytes = [0; 44];
        bytes[..32].copy_from_slice(id.as_bytes());
        bytes[32..36].copy_from_slice(&spot.ordinal.to_le_bytes());
        bytes[36..40].copy_from_slice(&spot.offset.to_le_bytes());
        bytes[40..].copy_from_slice(&spot.bytes.to_le_bytes());
        let hash = blake3::hash(&bytes);
        let (first, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
        self.0 = self.0.wrapping_add(u128::from_le_bytes(*first));
    }
}
