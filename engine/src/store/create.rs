//! Making a repository.

use std::path::Path;
use std::path::PathBuf;

use super::error::StoreError;
use super::layout;
use super::layout::Name;
use super::options::Options;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::journal::Event;
use crate::journal::JournalWriter;
use crate::journal::Settings;
use crate::journal::SlotId;
use crate::journal::copy_of;
use crate::limits::PARITY_THOUSANDTHS_MAX;
use crate::limits::SETTINGS_BYTES_MAX;

/// Makes a repository in the root folder of the disk, with one key slot.
///
/// The parameters are written last, so that the folder is a repository only when everything else is durable. What an
/// interrupted creation left is replaced.
///
/// # Errors
/// [`StoreError::Exists`] if there is a repository, or anything that could be a part of one or of something else.
pub(crate) fn create(
    disk: &dyn Disk,
    parameters: &[u8],
    (slot, slot_bytes): (SlotId, &[u8]),
    options: &Options,
) -> Result<(), StoreError> {
    expect_small("the parameters", parameters)?;
    expect_small("the key slot", slot_bytes)?;
    let repository = layout::parse_parameters(parameters)?.repository;
    expect_room(disk)?;
    let _lock = disk.lock(layout::path(Name::Lock), "the program that makes it")?;
    expect_room(disk)?;
    clear(disk)?;

    for folder in folders() {
        match disk.create_folder(&folder) {
            Ok(()) | Err(DiskError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    layout::write_both(disk, &layout::slot_path(&slot), slot_bytes)?;
    let created = Event::RepositoryCreated { parameters: blake3::hash(parameters) };
    let added = Event::KeySlotAdded { slot, hash: blake3::hash(slot_bytes) };
    let mut events = vec![created, added];
    if options.parity_thousandths > 0 {
        let parity_thousandths = options.parity_thousandths.min(PARITY_THOUSANDTHS_MAX);
        let settings = Settings { parity_thousandths, ..Settings::default() };
        events.push(Event::SettingsChanged { settings, by: "whoever made it".to_owned() });
    }
    JournalWriter::create(disk, repository, &events, options.clock.now())?;
    for folder in folders() {
        disk.sync_folder(&folder)?;
    }
    disk.sync_folder(Path::new(""))?;
    layout::write_both(disk, layout::path(Name::Parameters), parameters)?;
    Ok(())
}

/// Every folder, parents first.
fn folders() -> [PathBuf; 6] {
    let [journal, slots] = [Name::Journal, Name::Slots].map(layout::path);
    let [packs, mirror] = [Name::Packs, Name::Mirror].map(|name| layout::path(name).to_owned());
    [packs, mirror, journal.to_owned(), copy_of(journal), slots.to_owned(), copy_of(slots)]
}

/// Refuses a file that its reader would refuse.
pub(super) fn expect_small(what: &'static str, file: &[u8]) -> Result<(), StoreError> {
    let bytes = file.len() as u64;
    match bytes <= SETTINGS_BYTES_MAX {
        true => Ok(()),
        false => Err(StoreError::TooLarge { what, bytes, bytes_max: SETTINGS_BYTES_MAX }),
    }
}

/// Refuses a folder that holds anything but what an interrupted creation leaves. Packs are never among that: where
/// there are packs and no parameters, a repository was damaged.
fn expect_room(disk: &dyn Disk) -> Result<(), StoreError> {
    for name in disk.list(Path::new(""))? {
        let foreign = match Name::of(&name) {
            Some(Name::Parameters) => true,
            Some(Name::Packs) => !disk.list(layout::path(Name::Packs))?.is_empty(),
            Some(_) => false,
            None => !layout::is_leftover(&name) && name != "lost+found",
        };
        if foreign {
            return Err(StoreError::Exists { path: name.into() });
        }
    }
    Ok(())
}

/// Removes what an interrupted creation left.
fn clear(disk: &dyn Disk) -> Result<(), DiskError> {
    for folder in folders().into_iter().filter(|folder| folder != layout::path(Name::Packs)) {
        if disk.exists(&folder)? {
            for path in disk.list(&folder)?.into_iter().map(|name| folder.join(name)) {
                if !folders().contains(&path) {
                    disk.remove(&path)?;
                }
            }
        }
    }
    for name in disk.list(Path::new(""))? {
        let stale = matches!(Name::of(&name), Some(Name::Head | Name::Checkpoint));
        if stale || layout::is_leftover(&name) {
            disk.remove(Path::new(&name))?;
        }
    }
    Ok(())
}
