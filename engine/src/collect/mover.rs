//! What survives of the packs that are emptied is copied ([`copy`]), into packs of its own.
//!
//! Only the place that the index names is copied: what lies elsewhere, too, was copied by a collection that was interrupted.
//! What can only be read through parity is whole again in its new place. A pack of which something cannot be read is not
//! emptied, and what was damaged there beyond parity is quarantined, so that the next backup stores it again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;

use super::mark::Marked;
use super::order::Order;
use super::run::CollectError;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::index::Spot;
use crate::limits::COLLECT_STORED_OBJECTS;
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
    /// Records that were given up, because they are damaged beyond parity.
    pub(super) quarantined: u64,
    /// Records that the disk does not read.
    pub(super) unread: u64,
    /// Those that are damaged, before it is written down.
    damaged: BTreeMap<PackId, BTreeSet<u32>>,
}

impl Copied {
    /// A survivor cannot be read: its pack stays as it is.
    fn missed(&mut self, from: Spot, error: &ObjectError) -> Result<(), StoreError> {
        match error {
            ObjectError::Io { source, .. } if !source.is_damage() => return Err(source.clone()),
            ObjectError::Tampered { pack, offset, .. } => {
                self.damaged.entry(*pack).or_default().insert(*offset);
            }
            _ => self.unread += 1,
        }
        tracing::warn!(%error, "a pack stays, because something in it cannot be read");
        self.emptied.remove(&from.ordinal);
        Ok(())
    }
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
    order: &Order,
    packs: &BTreeSet<u32>,
    work: &mut Work<'_>,
) -> Result<Copied, Halt> {
    let mut copied = Copied { emptied: packs.clone(), ..Copied::default() };
    let written = write(store, survey, marked, order, &mut copied, work);
    let written = written.and_then(|packs| store_by_and_by(store, packs));
    match written {
        Ok(own) => copied.own = own,
        Err(halt) => {
            store.abandon_moved();
            return Err(match halt {
                Halt::Failed(CollectError::Store(StoreError::Full { .. })) => Halt::Full,
                halt => halt,
            });
        }
    }
    copied.quarantined = give_up(store, &mut copied.damaged)?;
    Ok(copied)
}

/// Gives packs their place in the journal, few at a time, so that nobody who puts or asks waits long for it.
fn store_by_and_by(store: &Store, packs: Vec<MovedPack>) -> Result<Vec<u32>, Halt> {
    let (mut own, mut some, mut objects) = (Vec::new(), Vec::new(), 0);
    let mut packs = packs.into_iter().peekable();
    while let Some(pack) = packs.next() {
        objects += pack.objects();
        some.push(pack);
        let next = packs.peek().map_or(COLLECT_STORED_OBJECTS, MovedPack::objects);
        if objects + next > COLLECT_STORED_OBJECTS {
            own.extend(store.store_moved(std::mem::take(&mut some))?);
            objects = 0;
        }
    }
    own.extend(store.store_moved(some)?);
    Ok(own)
}

/// Quarantines records, but for those that went with a part of their pack: nobody is told that they are there.
fn give_up(store: &Store, damaged: &mut BTreeMap<PackId, BTreeSet<u32>>) -> Result<u64, StoreError> {
    for (pack, offsets) in damaged.iter_mut() {
        let number = store.catalogue().pack_number(pack);
        let lies = |offset| number.map(|ordinal| Spot { ordinal, offset, bytes: 0 });
        offsets.retain(|offset| lies(*offset).is_some_and(|spot| !store.is_lost(&spot)));
    }
    match damaged.values().all(BTreeSet::is_empty) {
        true => Ok(0),
        false => store.quarantine(damaged, store.holder()?),
    }
}

fn write(
    store: &Store,
    survey: &Survey,
    marked: &Marked,
    order: &Order,
    copied: &mut Copied,
    work: &mut Work<'_>,
) -> Result<Vec<MovedPack>, Halt> {
    let mut full = Vec::new();
    for kind in [Kind::Data, Kind::Node] {
        let mut survivors = survivors(store, survey, marked, &copied.emptied, kind)?;
        let rank = |one: &Survivor| order.of(&one.id);
        survivors
            .sort_by_cached_key(|one| (rank(one).unwrap_or(u32::MAX), one.from.ordinal, one.from.offset));
        let ranked = survivors.partition_point(|one| rank(one).is_some());
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
                let done = match read {
                    Ok(object) => {
                        copied.objects += 1;
                        copied.bytes += u64::from(from.bytes);
                        add(store, kind, (&mut open, &mut full), (id, *from, object))
                    }
                    Err(error) => copied.missed(*from, &error),
                };
                failed = done.err().or(failed.take());
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
    let is_full = |pack: &MovedPack| !pack.fits(object) || pack.objects() >= COLLECT_STORED_OBJECTS;
    if open.as_ref().is_some_and(is_full) {
        full.extend(open.take());
    }
    let pack = match open {
        Some(pack) => pack,
        None => open.insert(store.begin_moved(kind, from.bytes)?),
    };
    pack.add(id, object).map_err(|error| store.full_or(error))
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
        if marked.dark.offsets(&extent.at).is_some() {
            continue;
        }
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
