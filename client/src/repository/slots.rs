//! Key slots: who may open the repository.

use farkeep_codec::key::KdfCost;
use farkeep_codec::key::Lock;
use farkeep_codec::key::RecoveryCode;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
use farkeep_engine::SlotId;

use super::Repository;
use super::RepositoryError;
use super::create::check_label;
use super::create::fill_random;
use super::create::new_slot_id;
use crate::config::passphrase::Passphrase;

/// A key slot as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// Its id.
    pub id: SlotId,
    /// What opens it.
    pub lock: Lock,
    /// What its owner called it.
    pub label: String,
}

impl Repository {
    /// The slot that was opened to get here, if one was.
    pub fn opened_slot(&self) -> Option<SlotId> {
        self.slot
    }

    /// All slots.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn key_slots(&self) -> Result<Vec<KeySlot>, RepositoryError> {
        let slots = self.store.slots()?.into_iter();
        let slots = slots.map(|(id, bytes)| {
            let slot =
                Slot::parse(&bytes).map_err(|source| RepositoryError::SlotBytes { slot: id, source })?;
            Ok(KeySlot { id, lock: *slot.lock(), label: slot.label().to_owned() })
        });
        slots.collect()
    }

    /// The slot whose id begins like this, or that is called so.
    ///
    /// # Errors
    /// [`RepositoryError::SlotName`] when there is none, or more than one.
    pub fn find_slot(&self, text: &str) -> Result<SlotId, RepositoryError> {
        let slots = self.key_slots()?;
        let begins =
            |slot: &&KeySlot| !text.is_empty() && slot.id.to_string().starts_with(&text.to_ascii_lowercase());
        let fitting: Vec<&KeySlot> = slots.iter().filter(|slot| begins(slot) || slot.label == text).collect();
        match fitting.as_slice() {
            [only] => Ok(only.id),
            several => Err(RepositoryError::SlotName { text: text.to_owned(), count: several.len() }),
        }
    }

    /// Adds a slot that the passphrase opens.
    ///
    /// # Errors
    /// When it is not stored.
    pub fn add_passphrase(
        &self,
        passphrase: &Passphrase,
        label: &str,
        cost: KdfCost,
    ) -> Result<SlotId, RepositoryError> {
        self.add(&SlotSecret::Passphrase(passphrase.as_bytes()), label, cost)
    }

    /// Adds a slot that a new recovery code opens.
    ///
    /// # Errors
    /// When it is not stored.
    pub fn add_recovery(&self, label: &str) -> Result<(SlotId, RecoveryCode), RepositoryError> {
        let code = RecoveryCode::generate(fill_random);
        let slot = self.add(&SlotSecret::Recovery(&code), label, KdfCost::DEFAULT)?;
        Ok((slot, code))
    }

    /// Removes a slot. The last one stays.
    ///
    /// # Errors
    /// When it is the last one, or the removal is not stored.
    pub fn remove_slot(&self, slot: SlotId) -> Result<(), RepositoryError> {
        self.store.remove_slot(slot)
    }

    fn add(&self, secret: &SlotSecret<'_>, label: &str, cost: KdfCost) -> Result<SlotId, RepositoryError> {
        check_label(label)?;
        let parameters = self.parameters().encode();
        let slot = Slot::seal(&self.secrets, secret, label, cost, &parameters, fill_random);
        let id = new_slot_id();
        self.store.add_slot(id, &slot.encode())?;
        Ok(id)
    }
}
