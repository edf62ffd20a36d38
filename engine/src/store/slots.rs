//! Key slots: small files whose hashes stand in the journal.

use super::Store;
use super::create::expect_small;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use crate::disk::DiskError;
use crate::journal::Event;
use crate::journal::SlotId;

impl Store {
    /// All key slots that are as they were written, in the order of their names.
    ///
    /// # Errors
    /// The damage of the last one if none is intact.
    pub(crate) fn slots(&self) -> Result<Vec<(SlotId, Vec<u8>)>, StoreError> {
        let slots = self.catalogue().slots().clone();
        let mut intact = Vec::new();
        let mut damage = layout::damaged(Name::Slots, "there is no key slot");
        for (slot, hash) in slots {
            match self.read_slot(&slot, &hash) {
                Ok(bytes) => intact.push((slot, bytes)),
                Err(error) => {
                    tracing::warn!(%error, "a key slot is not used");
                    damage = error;
                }
            }
        }
        if intact.is_empty() { Err(damage) } else { Ok(intact) }
    }

    /// Reads one key slot. One that is gone is damage: the journal has it.
    pub(crate) fn read_slot(&self, slot: &SlotId, hash: &blake3::Hash) -> Result<Vec<u8>, StoreError> {
        layout::read_named(self.disk(), &layout::slot_path(slot), hash)
    }

    /// Adds a key slot: first its files, then the event that makes it one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken.
    pub(crate) fn add_slot(&self, slot: SlotId, bytes: &[u8]) -> Result<(), StoreError> {
        expect_small("the key slot", bytes)?;
        let before = self.moment()?;
        self.persist(before, |catalogue| {
            let path = layout::slot_path(&slot);
            if catalogue.slots().contains_key(&slot) {
                return Err(StoreError::Exists { path });
            }
            layout::write_both(self.disk(), &path, bytes)?;
            Ok(Some(Event::KeySlotAdded { slot, hash: blake3::hash(bytes) }))
        })?;
        Ok(())
    }

    /// Removes a key slot: first the event, then the files. What is left of them after a crash, the next writer
    /// removes.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`]; [`StoreError::LastSlot`] if nobody could open the repository any more.
    pub(crate) fn remove_slot(&self, slot: SlotId) -> Result<(), StoreError> {
        let before = self.moment()?;
        self.persist(before, |catalogue| match catalogue.slots() {
            slots if !slots.contains_key(&slot) => Err(StoreError::UnknownSlot { slot }),
            slots if slots.len() == 1 => Err(StoreError::LastSlot { slot }),
            _ => Ok(Some(Event::KeySlotRemoved { slot })),
        })?;
        for folder in layout::folders(self.disk(), &[Name::Slots])? {
            match self.disk.remove(&folder.join(slot.to_string())) {
                Ok(()) | Err(DiskError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.disk.sync_folder(&folder)?;
        }
        Ok(())
    }
}
