//! The files of a repository beside the packs' contents: which there are, and whether the small ones are intact.

use std::path::Path;

use farkeep_codec::id::PackId;

use super::Damage;
use super::Report;
use super::verified::Verified;
use crate::disk::DiskError;
use crate::journal::SlotId;
use crate::journal::copy_of;
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
    let parameters = store.catalogue().parameters().copied();
    let slots = store.catalogue().slots().clone();
    let parameters = parameters.map(|hash| (layout::path(Name::Parameters).to_owned(), hash));
    let named = slots.iter().map(|(slot, hash)| (layout::slot_path(slot), *hash));
    let has_copies = store.disk().exists(layout::path(Name::Mirror))?;
    for (path, hash) in parameters.into_iter().chain(named) {
        check_named(store, &path, &hash, report);
        if has_copies {
            check_named(store, &copy_of(&path), &hash, report);
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
    if Verified::try_read(store.disk(), store.parameters().repository).is_err() {
        report.notice(
            layout::path(Name::Verified),
            "times of verifications that cannot be read: no pack counts as verified",
        );
    }
    for folder in layout::folders(store.disk(), &[Name::Slots])? {
        for name in store.disk().list(&folder)? {
            let slot = name.to_str().and_then(|name| name.parse::<SlotId>().ok());
            if !slot.is_some_and(|slot| slots.contains_key(&slot)) {
                report.notice(&folder.join(&name), LEFTOVER);
            }
        }
    }
    for folder in layout::folders(store.disk(), &[Name::Journal])? {
        for name in store.disk().list(&folder)? {
            match segment_number(&name) {
                Some(_) => {}
                None if layout::is_leftover(&name) => report.notice(&folder.join(&name), LEFTOVER),
                None => report.notice(&folder.join(&name), FOREIGN),
            }
        }
    }
    if has_copies {
        let copies: Vec<_> = [Name::Parameters, Name::Slots, Name::Journal].map(layout::path).to_vec();
        for name in store.disk().list(layout::path(Name::Mirror))? {
            let path = layout::path(Name::Mirror).join(&name);
            match () {
                () if copies.contains(&Path::new(&name)) => {}
                () if layout::is_leftover(&name) => report.notice(&path, LEFTOVER),
                () => report.notice(&path, FOREIGN),
            }
        }
    }
    Ok(list_packs(store, report)?)
}

/// Checks a file whose hash stands in the journal.
fn check_named(store: &Store, path: &Path, hash: &blake3::Hash, report: &mut Report) {
    match layout::read_small(store.disk(), path) {
        Ok(bytes) if blake3::hash(&bytes) == *hash => {}
        Ok(_) => report.damage(Damage::new(path, 0, "the file: it is not the one that the journal names")),
        Err(error) => report.damage(Damage::new(path, 0, error.to_string())),
    }
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
