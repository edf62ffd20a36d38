//! Decides where each small file lies: at the place it already has, or in the bundle that is being filled.
//!
//! Files come in path order with their hashes. A file whose contents are already in a bundle keeps or borrows that
//! slice; the others are laid one after the other, and the codec's border rule ends a bundle by the files' own hashes.

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use farkeep_codec::chunk::Border;
use farkeep_codec::chunk::BundleBorder;
use farkeep_codec::id::ContentHash;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;

use super::CacheUse;
use super::buffers::Buffer;
use super::catalogue::BundleNumber;
use super::catalogue::Bundles;
use super::catalogue::Placement;
use super::known::Known;

#[cfg(test)]
mod tests;

/// First bytes of a bundle's id, enough to name it among the bundles of one table, and the offset of the slice.
const SLICE_BYTES: usize = 20;
/// Slices of this run that are held in memory before they go to disk.
const FRESH_SLICES_MAX: usize = 512 << 10;

/// Bytes of one small file within the buffer that it was read into.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) buffer: Arc<Buffer>,
    pub(super) range: Range<usize>,
}

impl Piece {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).expect("the range was made when the buffer was filled")
    }
}

/// A bundle whose border was reached.
pub(super) struct FullBundle {
    pub(super) number: BundleNumber,
    pub(super) pieces: Vec<Piece>,
    pub(super) bytes: usize,
}

/// Lays small files into bundles.
pub(super) struct Bundler {
    border: BundleBorder,
    filling: Option<FullBundle>,
    fresh: HashMap<ContentHash, (BundleNumber, u32)>,
    slices: Known<SLICE_BYTES>,
    numbers: HashMap<[u8; 16], BundleNumber>,
    avoided: HashSet<BundleNumber>,
}

impl Bundler {
    /// `folder` is the cache of this repository, `bundles` the table of the last snapshot's catalogue.
    pub(super) fn new(
        keys: &DomainKeys,
        parameters: &Parameters,
        cache: CacheUse,
        folder: &Path,
        bundles: &Bundles,
    ) -> Self {
        let slices = match cache {
            CacheUse::Use => Known::open(folder, "slices", keys),
            CacheUse::Ignore => Known::empty(folder, "slices", keys),
        };
        let numbers = bundles.stored().map(|(number, stored)| (prefix(stored), number)).collect();
        Self {
            border: BundleBorder::new(parameters),
            filling: None,
            fresh: HashMap::new(),
            slices,
            numbers,
            avoided: HashSet::new(),
        }
    }

    /// Takes over the place of a file whose contents are those that the last snapshot had at the same path.
    pub(super) fn keep(&mut self, hash: ContentHash, place: Placement) {
        self.fresh.entry(hash).or_insert((place.bundle, place.offset));
    }

    /// Gives the contents `piece` a place; the second value is a bundle that became full by it.
    pub(super) fn place(
        &mut self,
        hash: ContentHash,
        piece: Piece,
        bundles: &mut Bundles,
    ) -> (Placement, Option<FullBundle>) {
        if let Some((bundle, offset)) =
            self.stored_slice(&hash).filter(|(bundle, _)| !self.avoided.contains(bundle))
        {
            return (Placement { bundle, offset, borrowed: true }, None);
        }
        let bytes = u32::try_from(piece.range.len()).expect("a small file has at most 128 KiB");
        let filling = self.filling.get_or_insert_with(|| FullBundle {
            number: bundles.begin(),
            pieces: Vec::new(),
            bytes: 0,
        });
        let offset = u32::try_from(filling.bytes).expect("a bundle has at most 4 MiB");
        let place = Placement { bundle: filling.number, offset, borrowed: false };
        filling.bytes += piece.range.len();
        filling.pieces.push(piece);
        self.fresh.insert(hash, (place.bundle, offset));
        match self.border.after(&hash, bytes) {
            Border::Cut => (place, self.filling.take()),
            Border::Continue => (place, None),
        }
    }

    /// From here on no file gets a place in these bundles.
    pub(super) fn avoid(&mut self, bundles: impl IntoIterator<Item = BundleNumber>) {
        self.avoided.extend(bundles);
    }

    /// The bundle that is not full yet, at the end of the run.
    pub(super) fn finish(&mut self) -> Option<FullBundle> {
        self.filling.take()
    }

    fn stored_slice(&self, hash: &ContentHash) -> Option<(BundleNumber, u32)> {
        if let Some(slice) = self.fresh.get(hash) {
            return Some(*slice);
        }
        let value = self.slices.find(hash.as_bytes())?;
        let (bundle, offset) = value.split_first_chunk::<16>()?;
        Some((*self.numbers.get(bundle)?, u32::from_le_bytes(offset.try_into().ok()?)))
    }

    /// Whether so many slices are in memory that [`Bundler::spill`] is due.
    pub(super) fn is_heavy(&self) -> bool {
        self.fresh.len() >= FRESH_SLICES_MAX
    }

    /// Writes the slices of stored bundles to the cache and frees their memory. Those of bundles that are not stored
    /// yet stay.
    pub(super) fn spill(&mut self, bundles: &Bundles) -> io::Result<()> {
        for (hash, (bundle, offset)) in std::mem::take(&mut self.fresh) {
            match bundles.pointer(bundle) {
                Some(stored) => {
                    let mut value = [0; SLICE_BYTES];
                    value[..16].copy_from_slice(&prefix(stored));
                    value[16..].copy_from_slice(&offset.to_le_bytes());
                    self.numbers.insert(prefix(stored), bundle);
                    self.slices.insert(*hash.as_bytes(), value);
                }
                None => {
                    self.fresh.insert(hash, (bundle, offset));
                }
            }
        }
        self.slices.save()
    }
}

fn prefix(stored: &Pointer) -> [u8; 16] {
    *stored.id.as_bytes().first_chunk().expect("an id has 32 bytes")
}
