//! New bundles from slices of old ones.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;

use super::RewriteError;
use super::check_cancelled;
use super::survey::Move;
use super::survey::Slice;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Bundles;
use crate::repository::Fetcher;
use crate::repository::Laid;
use crate::repository::ObjectWriter;

/// Where slices went.
pub(super) struct Moved {
    /// For each slice of a bundle that is made anew.
    places: HashMap<ObjectId, HashMap<Slice, Laid>>,
    bundles: Bundles,
}

impl Moved {
    /// The new place of a slice, unless it stays where it is.
    pub(super) fn place(&self, bundle: &Pointer, slice: Slice) -> Option<(Pointer, u32)> {
        self.bundles.place(*self.places.get(&bundle.id)?.get(&slice)?)
    }
}

/// Lays slices into new bundles in the order in which they are given.
pub(super) fn lay(
    moves: &[Move],
    writer: &mut ObjectWriter<'_>,
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Moved, RewriteError> {
    progress.begin(Phase::Copying, 0, moves.iter().map(Move::used_bytes).sum());
    let repository = writer.repository();
    let mut fetcher = repository.fetcher();
    let mut moved = Moved { places: HashMap::new(), bundles: Bundles::new(repository) };
    for Move { bundle, slices } in moves {
        check_cancelled(cancel)?;
        if bundle.epoch != writer.keys().epoch() {
            moved.bundles.finish(writer)?;
            writer.turn_to(bundle)?;
        }
        let plain = fetcher.plain(bundle)?;
        let mut places = HashMap::with_capacity(slices.len());
        for slice in slices {
            let contents = Fetcher::slice(bundle, plain, slice.0, u64::from(slice.1))?;
            let (_, laid) = moved.bundles.lay(contents, writer)?;
            places.insert(*slice, laid);
            progress.add_bytes(u64::from(slice.1));
        }
        moved.places.insert(bundle.id, places);
    }
    moved.bundles.finish(writer)?;
    Ok(moved)
}
