//! What a writer puts in order before it writes: traces of runs that did not end. Doing it twice does no harm.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::id::PackId;
use farkeep_codec::object::Kind;
use farkeep_codec::parameters::Parameters;

use super::catalogue::Catalogue;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use super::options::Options;
use super::session;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::journal::Heads;
use crate::journal::JournalWriter;
use crate::journal::Replay;
use crate::journal::Resumed;
use crate::journal::SlotId;
use crate::pack;

/// What an opening had to put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes behind the head of the journal, which were promised to nobody, and are gone.
    pub journal_bytes_cut: u64,
    /// What was wrong with a slot of the head, which is written anew.
    pub head_slot_mended: Option<&'static str>,
    /// Key slots that were never added, or were removed, and files that were never finished.
    pub leftovers_removed: u64,
    /// Small files, each of which is kept twice, that were damaged or missing in one place, and are written again.
    pub files_mended: u64,
}

/// Puts the journal, the head and the key slots in order. Packs come when the first is begun: what lies behind the
/// journalled extents is in nobody's way till then.
///
/// What a process that died has left in the memory of the system alone is made durable before anything is built on
/// it: the name of the parameters, without which there is no repository, and the head.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    parameters: &Parameters,
    options: &Options,
    catalogue: &Catalogue,
    heads: &Heads,
    replay: &Replay,
) -> Result<(JournalWriter, Recovery), StoreError> {
    disk.sync_folder(Path::new(""))?;
    let segment_bytes = options.journal_segment_bytes;
    let (journal, Resumed { bytes_cut: journal_bytes_cut, segments_mended }) =
        JournalWriter::resume(Arc::clone(disk), parameters.repository, segment_bytes, heads, replay)?;
    let head_slot_mended = heads.bad().map(|(_, what)| what);
    let leftovers_removed = remove_leftovers(&**disk, catalogue)?;
    let small = mend_small(&**disk, catalogue).unwrap_or_else(|error| {
        tracing::warn!(%error, "parameters or key slots cannot be kept twice");
        0
    });
    let files_mended = segments_mended + small;
    Ok((journal, Recovery { journal_bytes_cut, head_slot_mended, leftovers_removed, files_mended }))
}

/// Writes parameters and key slots again where the file or its copy is not what the journal names. Returns how many files.
pub(super) fn mend_small(disk: &dyn Disk, catalogue: &Catalogue) -> Result<u64, StoreError> {
    let parameters = catalogue.parameters().map(|hash| (layout::path(Name::Parameters).to_owned(), *hash));
    let slots = catalogue.slots().iter().map(|(slot, hash)| (layout::slot_path(slot), *hash));
    let mut mended = 0;
    for (path, hash) in parameters.into_iter().chain(slots) {
        // What is in neither place is damage, which is reported to who needs it.
        if let Ok(bytes) = layout::read_named(disk, &path, &hash) {
            mended += layout::mend_both(disk, &path, &bytes)?;
        }
    }
    Ok(mended)
}

/// Removes packs that the journal does not know, and cuts what lies behind its extents off those that were under
/// construction. Only the newest pack of each kind can have been: a pack is ended before the next is begun.
///
/// A pack that the journal does not know any more may be read by another process that began before it was removed. Then
/// all of them stay, until another run comes by.
///
/// Packs that a collection is writing are known to nobody else yet.
pub(super) fn sweep_packs(
    disk: &dyn Disk,
    catalogue: &Catalogue,
    moving: &BTreeSet<PackId>,
) -> Result<(), DiskError> {
    let held_off =
        if catalogue.has_removed_packs() { session::hold_off(disk)?.map(Some) } else { Some(None) };
    if held_off.is_some() {
        remove_unknown_packs(disk, catalogue, moving)?;
    }
    for kind in [Kind::Data, Kind::Node] {
        if let Some((_, newest)) = catalogue.packs().rfind(|(_, pack)| pack.kind == kind) {
            cut(disk, &pack::path(&newest.id), u64::from(newest.bytes))?;
        }
    }
    Ok(())
}

fn remove_unknown_packs(
    disk: &dyn Disk,
    catalogue: &Catalogue,
    moving: &BTreeSet<PackId>,
) -> Result<(), DiskError> {
    let mut known: BTreeSet<PackId> = catalogue.packs().map(|(_, pack)| pack.id).collect();
    known.extend(moving);
    for folder in disk.list(layout::path(Name::Packs))? {
        let folder = layout::path(Name::Packs).join(folder);
        for name in disk.list(&folder)? {
            let path = folder.join(&name);
            let pack = name.to_str().and_then(|name| name.parse::<PackId>().ok());
            if pack.is_some_and(|pack| pack::path(&pack) == path && !known.contains(&pack)) {
                disk.remove(&path)?;
            }
        }
    }
    Ok(())
}

fn cut(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<(), DiskError> {
    let file = match disk.open(path, Mode::Write) {
        // A pack that is gone is damage, which is reported when something is read from it.
        Err(DiskError::NotFound { .. }) => return Ok(()),
        file => file?,
    };
    if file.len()? > bytes { file.truncate(bytes) } else { Ok(()) }
}

fn remove_leftovers(disk: &dyn Disk, catalogue: &Catalogue) -> Result<u64, DiskError> {
    let mut removed = 0;
    let mut folders = layout::folders(disk, &[Name::Journal, Name::Slots])?;
    folders.extend([PathBuf::new(), layout::path(Name::Mirror).to_owned()]);
    for folder in folders {
        if !disk.exists(&folder)? {
            continue;
        }
        let before = removed;
        let is_of_slots = folder.ends_with(layout::path(Name::Slots));
        for name in disk.list(&folder)? {
            let slot = name.to_str().and_then(|name| name.parse::<SlotId>().ok());
            let unknown = slot.is_some_and(|slot| !catalogue.slots().contains_key(&slot));
            if layout::is_leftover(&name) || (is_of_slots && unknown) {
                disk.remove(&folder.join(&name))?;
                removed += 1;
            }
        }
        if removed > before && is_of_slots {
            disk.sync_folder(&folder)?;
        }
    }
    Ok(removed)
}
