//! The files of a repository beside the packs' contents: which there are, and whether the small ones are intact.

use std::path::Path;

use farkeep_codec::id::PackId;

use super::Damage;
use super::Report;
use crate::disk::DiskError;
use crate::journal::SlotId;
use crate::journal::segment_number;
use crate::pack;
use crate::store::Name;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::checkpoint;
use crate::store::layout;

pub(super) const LEFTOVER: &str = "left by a run that did not end";
const FOREIGN: &str = "not a file of Farkeep";

/// Checks parameters and key slots, and looks for files that should not be there.
pub(super) fn check(store: &Store, report: &mut Report) -> Result<(), StoreError> {
    let wanted = store.catalogue().parameters().copied();
    match layout::read_small(store.disk(), layout::path(Name::Parameters)) {
        Ok(bytes) if Some(blake3::hash(&bytes)) == wanted => {}
        Ok(_) => {
            let what = "they are not those that the journal names";
            report.damage(Damage::new(layout::path(Name::Parameters), 0, what));
        }
        Err(error) => report.damage(Damage::new(layout::path(Name::Parameters), 0, error.to_string())),
    }
    let slots = store.catalogue().slots().clone();
    for (slot, hash) in &slots {
        if let Err(error) = store.read_slot(slot, hash) {
            report.damage(Damage::new(&layout::slot_path(slot), 0, error.to_string()));
        }
    }
    for name in store.disk().list(Path::new(""))? {
        match Name::of(&name) {
            Some(_) => {}
            None if layout::is_leftover(&name) => report.notice(Path::new(&name), LEFTOVER),
            None => report.notice(Path::new(&name), FOREIGN),
        }
    }
    if checkpoint::read(store.disk(), store.parameters().repository).is_err() {
        report.notice(layout::path(Name::Checkpoint), "a checkpoint that cannot be used, and is not needed");
    }
    for name in store.disk().list(layout::path(Name::Slots))? {
        let slot = name.to_str().and_then(|name| name.parse::<SlotId>().ok());
        if !slot.is_some_and(|slot| slots.contains_key(&slot)) {
            report.notice(&layout::path(Name::Slots).join(&name), LEFTOVER);
        }
    }
    for name in store.disk().list(layout::path(Name::Journal))? {
        if segment_number(&name).is_none() {
            report.notice(&layout::path(Name::Journal).join(&name), FOREIGN);
        }
    }
    Ok(list_packs(store, report)?)
}

/// Looks for packs that the journal does not know. One that it knows and that is not there is found when it is read.
fn list_packs(store: &Store, report: &mut Report) -> Result<(), DiskError> {
    for folder in store.disk().list(layout::path(Name::Packs))? {
        let folder = layout::path(Name::Packs).join(folder);
        for name in store.disk().list(&folder)? {
            let path = folder.join(&name);
            let id = name.to_str().and_then(|name| name.parse::<PackId>().ok());
            match id.filter(|id| pack::path(id) == path) {
                None => report.notice(&path, FOREIGN),
                Some(id) if store.catalogue().pack_number(&id).is_none() => {
                    report.notice(&path, "a pack of a run that goes on, or did not end");
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
