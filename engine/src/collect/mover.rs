//! What survives of the packs that are emptied is copied ([`copy`]), into packs of its own.
//!
//! Only the place that the index names is copied: what lies elsewhere, too, was copied by a collection that was interrupted.
//! A pack of which something cannot be read is not emptied.

use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;

use super::mark::Marked;
use super::order;
use super::run::CollectError;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::index::Spot;
use crate::store::MovedPack;
use crate::store::ObjectError;
use crate::store::Place;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

/// Objects that are copied before it is said how far it is.
const AT_ONCE: usize = 1024;

/// What was copied.
#[derive(Default)]
pub(super) struct Copied {
    /// Packs of which everything is elsewhere that somebody needs.
    pub(super) emptied: BTreeSet<u32>,
    /// The packs that it was copied to.
    pub(super) own: Vec<u32>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// An object that survives.
struct Survivor {
    id: ObjectId,
    from: Spot,
    place: Place,
}

/// Copies what survives of these packs, and makes it durable.
pub(super) fn copy(
    store: &Store,
    survey: &Survey,
    marked: &Marked,
    packs: &BTreeSet<u32>,
    work: &mut Work<'_>,
) -> Result<Copied, Halt> {
    let mut copied = Copied { emptied: packs.clone(), ..Copied::default() };
    let written = write(store, survey, marked, &mut copied, work);
    let written = written.and_then(|packs| Ok(store.store_moved(packs)?));
    match written {
        Ok(own) => copied.own.extend(own),
        Err(halt) => {
            store.abandon_moved();
            return Err(match halt {
                Halt::Failed(CollectError::Store(StoreError::Full { .. })) => Halt::Full,
                halt => halt,
            });
        }
    }
    Ok(copied)
}

fn write(
    store: &Store,
    survey: &Survey,
    marked: &Marked,
    copied: &mut Copied,
    work: &mut Work<'_>,
) -> Result<Vec<MovedPack>, Halt> {
    let mut full = Vec::new();
    for kind in [Kind::Data, Kind::Node] {
        let mut survivors = survivors(store, survey, marked, &copied.emptied, kind)?;
        let ranks = order::rank(store, &survivors.iter().map(|one| one.id).collect(), work)?;
        let rank = |one: &Survivor| ranks.get(&one.id).copied().unwrap_or(u32::MAX);
        survivors.sort_unstable_by_key(|one| (rank(one), one.from.ordinal, one.from.offset));
        let ranked = survivors.partition_point(|one| rank(one) < u32::MAX);
        let bytes_total = copied.bytes + survivors.iter().map(|one| u64::from(one.place.bytes)).sum::<u64>();
        let mut open: Option<MovedPack> = None;
        let (newest, others) = survivors.split_at(ranked);
        for some in newest.chunks(AT_ONCE).chain(others.chunks(AT_ONCE)) {
            if others.first().is_some_and(|first| some.first().is_some_and(|one| one.id == first.id)) {
                full.extend(open.take());
            }
            let before = copied.bytes;
            let wanted: Vec<_> = some.iter().map(|one| (one.id, one.place)).collect();
            let mut failed = None;
            store.objects(&wanted, &mut Vec::new(), &mut |at, read| {
                let Some(Survivor { id, from, .. }) = some.get(at) else { return };
                let added = match read {
                    Ok(object) => add(store, kind, (&mut open, &mut full), (id, *from, object)),
                    Err(ObjectError::Io { source, .. }) => Err(source),
                    Err(error) => {
                        tracing::warn!(%error, "a pack stays, because something in it cannot be read");
                        copied.emptied.remove(&from.ordinal);
                        return;
                    }
                };
                copied.objects += 1;
                copied.bytes += u64::from(from.bytes);
                failed = added.err().or(failed.take());
            });
            if let Some(error) = failed {
                return Err(error.into());
            }
            work.tell(CollectStep::Copying, copied.bytes, bytes_total)?;
            work.moved(2 * (copied.bytes - before))?;
        }
        full.extend(open);
    }
    Ok(full)
}

/// Adds an object to the pack that is open, or to a new one.
fn add(
    store: &Store,
    kind: Kind,
    (open, full): (&mut Option<MovedPack>, &mut Vec<MovedPack>),
    (id, from, object): (&ObjectId, Spot, &[u8]),
) -> Result<(), StoreError> {
    if open.as_ref().is_some_and(|pack| !pack.fits(object)) {
        full.extend(open.take());
    }
    let pack = match open {
        Some(pack) => pack,
        None => open.insert(store.begin_moved(kind, from.bytes)?),
    };
    pack.add(id, from, object).map_err(|error| store.full_or(error))
}

/// What survives of these packs.
fn survivors(
    store: &Store,
    survey: &Survey,
    marked: &Marked,
    packs: &BTreeSet<u32>,
    kind: Kind,
) -> Result<Vec<Survivor>, StoreError> {
    let mut survivors = Vec::new();
    for extent in marked.numbering.extents().iter().filter(|extent| packs.contains(&extent.at.pack)) {
        let Some(pack) = survey.packs.get(&extent.at.pack).filter(|pack| pack.kind == kind) else { continue };
        for (number, entry) in extent.entries(store)? {
            let from = Spot { ordinal: extent.at.pack, offset: entry.offset, bytes: entry.bytes };
            let needed = marked.needs(number) && !pack.has_lost(entry.offset);
            if needed && store.find_durable(&entry.id)?.is_none_or(|spot| spot == from) {
                let place = Place { pack: pack.id, offset: entry.offset, bytes: entry.bytes };
                survivors.push(Survivor { id: entry.id, from, place });
            }
        }
    }
    Ok(survivors)
}
