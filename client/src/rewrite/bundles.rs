//! New bundles from slices of old ones.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use farkeep_codec::chunk::Border;
use farkeep_codec::chunk::BundleBorder;
use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;
use farkeep_codec::seal::Sealer;

use super::RewriteError;
use super::check_cancelled;
use super::survey::Move;
use super::survey::Slice;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Fetcher;
use crate::repository::Repository;

/// Where slices went.
#[derive(Default)]
pub(super) struct Moved {
    /// For each slice of a bundle that is made anew: number of the new bundle, and offset in it.
    places: HashMap<ObjectId, HashMap<Slice, (usize, u32)>>,
    bundles: Vec<Pointer>,
}

impl Moved {
    /// The new place of a slice, unless it stays where it is.
    pub(super) fn place(&self, bundle: &Pointer, slice: Slice) -> Option<(Pointer, u32)> {
        let (number, offset) = self.places.get(&bundle.id)?.get(&slice)?;
        Some((*self.bundles.get(*number)?, *offset))
    }
}

/// Lays slices into new bundles, each content once, in the order in which they are given.
pub(super) fn lay(
    repository: &Repository,
    moves: &[Move],
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Moved, RewriteError> {
    progress.begin(Phase::Storing, 0, moves.iter().map(Move::used_bytes).sum());
    let mut fetcher = repository.fetcher();
    let mut layer = Layer::new(repository);
    for Move { bundle, slices } in moves {
        check_cancelled(cancel)?;
        let plain = fetcher.plain(bundle)?;
        let mut places = HashMap::with_capacity(slices.len());
        for slice in slices {
            let contents = Fetcher::slice(bundle, plain, slice.0, u64::from(slice.1))?;
            places.insert(*slice, layer.lay(contents)?);
            progress.add_bytes(u64::from(slice.1));
        }
        layer.moved.places.insert(bundle.id, places);
    }
    layer.store()?;
    Ok(layer.moved)
}

/// Fills bundles.
struct Layer<'a> {
    repository: &'a Repository,
    border: BundleBorder,
    sealer: Sealer,
    sealed: Vec<u8>,
    filling: Vec<u8>,
    known: HashMap<ContentHash, (usize, u32)>,
    moved: Moved,
}

impl<'a> Layer<'a> {
    fn new(repository: &'a Repository) -> Self {
        Self {
            repository,
            border: BundleBorder::new(repository.parameters()),
            sealer: repository.sealer(),
            sealed: Vec::new(),
            filling: Vec::new(),
            known: HashMap::new(),
            moved: Moved::default(),
        }
    }

    fn lay(&mut self, contents: &[u8]) -> Result<(usize, u32), RewriteError> {
        let hash = self.repository.keys().file_hash(contents);
        if let Some(place) = self.known.get(&hash) {
            return Ok(*place);
        }
        let offset = u32::try_from(self.filling.len()).expect("a bundle has at most 4 MiB");
        let place = (self.moved.bundles.len(), offset);
        self.known.insert(hash, place);
        self.filling.extend_from_slice(contents);
        let bytes = u32::try_from(contents.len()).expect("a small file has at most 128 KiB");
        if self.border.after(&hash, bytes) == Border::Cut {
            self.store()?;
        }
        Ok(place)
    }

    /// Stores the bundle that is being filled.
    fn store(&mut self) -> Result<(), RewriteError> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let seed = self.repository.keys().seed(Kind::Data, &self.filling);
        let id = self.sealer.seal(Kind::Data, &seed, &[], &self.filling, &mut self.sealed);
        self.repository.put(&id, &self.sealed)?;
        let plain_bytes = u32::try_from(self.filling.len()).expect("a bundle has at most 4 MiB");
        self.moved.bundles.push(Pointer { id, seed, plain_bytes });
        self.filling.clear();
        Ok(())
    }
}
