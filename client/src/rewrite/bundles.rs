//! New bundles from slices of old ones.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::thread;

use farkeep_codec::id::ContentHash;
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
use crate::repository::Repository;

/// Bundles for which another thread is worth it.
const LANE_MOVES_MIN: usize = 4;
const NO_PANIC: &str = "nothing panics while it lays slices";

/// Where slices went.
pub(super) struct Moved {
    /// For each slice of a bundle that is made anew.
    places: HashMap<ObjectId, HashMap<Slice, Place>>,
    /// What each thread laid.
    lanes: Vec<Bundles>,
}

/// Where a slice went, and what it holds.
#[derive(Clone, Copy)]
struct Place {
    lane: usize,
    laid: Laid,
    hash: ContentHash,
}

/// What a new bundle should hold: offset, bytes and hash of each slice.
type NewBundle = Vec<(u32, u32, ContentHash)>;

/// What one thread laid.
struct Lane {
    slices: Vec<(ObjectId, HashMap<Slice, (Laid, ContentHash)>)>,
    bundles: Bundles,
}

impl Moved {
    /// The new place of a slice, unless it stays where it is.
    pub(super) fn place(&self, bundle: &Pointer, slice: Slice) -> Option<(Pointer, u32)> {
        let Place { lane, laid, .. } = self.places.get(&bundle.id)?.get(&slice)?;
        self.lanes.get(*lane)?.place(*laid)
    }

    /// Whether the new bundles, read again, hold what the old ones held.
    pub(super) fn is_sound(
        &self,
        repository: &Repository,
        cancel: &AtomicBool,
    ) -> Result<bool, RewriteError> {
        let mut bundles: HashMap<(usize, usize), NewBundle> = HashMap::new();
        for ((_, bytes), Place { lane, laid: (number, offset), hash }) in self.places.values().flatten() {
            bundles.entry((*lane, *number)).or_default().push((*offset, *bytes, *hash));
        }
        let mut all = Vec::with_capacity(bundles.len());
        for ((lane, number), slices) in bundles {
            let Some((pointer, _)) = self.lanes.get(lane).and_then(|lane| lane.place((number, 0))) else {
                return Ok(false);
            };
            all.push((pointer, slices));
        }
        let together = all.len().div_ceil(threads()).max(1);
        let read: Vec<Result<bool, RewriteError>> = thread::scope(|scope| {
            let read = |bundles| scope.spawn(move || are_sound(repository, bundles, cancel));
            let readers: Vec<_> = all.chunks(together).map(read).collect();
            readers.into_iter().map(|reader| reader.join().expect(NO_PANIC)).collect()
        });
        read.into_iter().try_fold(true, |all, sound| Ok(all && sound?))
    }
}

fn are_sound(
    repository: &Repository,
    bundles: &[(Pointer, NewBundle)],
    cancel: &AtomicBool,
) -> Result<bool, RewriteError> {
    let mut fetcher = repository.fetcher();
    for (bundle, slices) in bundles {
        check_cancelled(cancel)?;
        let keys = repository.keys_of(bundle)?;
        let plain = fetcher.plain(bundle)?;
        for (offset, bytes, hash) in slices {
            if keys.file_hash(Fetcher::slice(bundle, plain, *offset, u64::from(*bytes))?) != *hash {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Lays slices into new bundles in the order in which they are given, each stretch of them by a thread of its own.
pub(super) fn lay(
    moves: &[Move],
    repository: &Repository,
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Moved, RewriteError> {
    progress.begin(Phase::Copying, 0, moves.iter().map(Move::used_bytes).sum());
    let together = moves.len().div_ceil(threads()).max(LANE_MOVES_MIN);
    let laid: Vec<Lane> = thread::scope(|scope| {
        let lay = |moves| scope.spawn(move || lay_in_order(moves, repository, cancel, progress));
        let lanes: Vec<_> = moves.chunks(together).map(lay).collect();
        let laid: Vec<_> = lanes.into_iter().map(|lane| lane.join().expect(NO_PANIC)).collect();
        laid.into_iter().collect::<Result<_, RewriteError>>()
    })?;
    let mut moved =
        Moved { places: HashMap::with_capacity(moves.len()), lanes: Vec::with_capacity(laid.len()) };
    for (lane, Lane { slices, bundles }) in laid.into_iter().enumerate() {
        for (bundle, slices) in slices {
            let place = |(slice, (laid, hash))| (slice, Place { lane, laid, hash });
            moved.places.insert(bundle, slices.into_iter().map(place).collect());
        }
        moved.lanes.push(bundles);
    }
    Ok(moved)
}

fn lay_in_order(
    moves: &[Move],
    repository: &Repository,
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Lane, RewriteError> {
    let mut writer = ObjectWriter::new(repository);
    let mut fetcher = repository.fetcher();
    let mut lane = Lane { slices: Vec::with_capacity(moves.len()), bundles: Bundles::new(repository) };
    for Move { bundle, slices } in moves {
        check_cancelled(cancel)?;
        if bundle.epoch != writer.keys().epoch() {
            lane.bundles.finish(&mut writer)?;
            writer.turn_to(bundle)?;
        }
        let plain = fetcher.plain(bundle)?;
        let mut places = HashMap::with_capacity(slices.len());
        for slice in slices {
            let contents = Fetcher::slice(bundle, plain, slice.0, u64::from(slice.1))?;
            let (hash, laid) = lane.bundles.lay(contents, &mut writer)?;
            places.insert(*slice, (laid, hash));
            progress.add_bytes(u64::from(slice.1));
        }
        lane.slices.push((bundle.id, places));
    }
    lane.bundles.finish(&mut writer)?;
    Ok(lane)
}

#[cfg(test)]
mod tests;
