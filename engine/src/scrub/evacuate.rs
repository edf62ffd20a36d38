//! What can be read of a pack whose medium takes no more writes is copied into others ([`evacuate`]).
//!
//! Nothing is removed: the pack stays as it is, with nothing in it that is not elsewhere, for as long as what it holds is
//! needed.

use farkeep_codec::id::ObjectId;

use crate::index::Spot;
use crate::store::MovedPack;
use crate::store::ObjectError;
use crate::store::Pack;
use crate::store::Store;
use crate::store::StoreError;

/// Copies all objects of a pack that the index finds nowhere else, and makes them durable. Returns how many; `None` if it
/// cannot be done now, because a collection is under way.
pub(super) fn evacuate(store: &Store, number: u32) -> Result<Option<u64>, StoreError> {
    let Some(_collecting) = store.collecting()? else { return Ok(None) };
    let Some(pack) = store.catalogue().pack(number).cloned() else { return Ok(Some(0)) };
    let mut copies = Vec::new();
    match copy(store, number, &pack, &mut copies) {
        Ok(objects) => store.store_moved(copies).map(|_| Some(objects)),
        Err(error) => {
            store.abandon_moved();
            Err(error)
        }
    }
}

fn copy(store: &Store, number: u32, pack: &Pack, copies: &mut Vec<MovedPack>) -> Result<u64, StoreError> {
    let mut count = 0;
    let mut object = Vec::new();
    for extent in store.extents_in(number) {
        for entry in store.summary(number, &extent)? {
            let from = Spot { ordinal: number, offset: entry.offset, bytes: entry.bytes };
            if pack.has_lost(entry.offset) || store.find_durable(&entry.id)? != Some(from) {
                continue;
            }
            match store.object(&entry.id, &mut object) {
                Ok(()) => add(store, pack, (&entry.id, from, &object), copies)?,
                Err(ObjectError::Io { source, .. }) => return Err(source),
                // It is lost, and quarantined as such.
                Err(_) => continue,
            }
            count += 1;
        }
    }
    Ok(count)
}

fn add(
    store: &Store,
    pack: &Pack,
    (id, from, object): (&ObjectId, Spot, &[u8]),
    copies: &mut Vec<MovedPack>,
) -> Result<(), StoreError> {
    if copies.last().is_none_or(|open| !open.fits(object)) {
        copies.push(store.begin_moved(pack.kind, from.bytes)?);
    }
    let open = copies.last_mut().expect("one was begun");
    open.add(id, object).map_err(|error| store.full_or(error))
}
