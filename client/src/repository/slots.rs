//! Key slots: who may open the repository.

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::DomainSecret;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::Lock;
use farkeep_codec::key::RecoveryCode;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use zeroize::Zeroizing;

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

impl KeySlot {
    /// Whether it holds the key of a later epoch, which whoever opens another slot has with it.
    pub fn is_of_epoch(&self) -> bool {
        matches!(self.lock, Lock::Reader { .. })
    }
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
    /// When it is the last one that people open, or that of an epoch, or the removal is not stored.
    pub fn remove_slot(&self, slot: SlotId) -> Result<(), RepositoryError> {
        let slots = self.key_slots()?;
        if slots.iter().any(|one| one.id == slot && one.is_of_epoch()) {
            return Err(RepositoryError::EpochSlot { slot });
        }
        // The store counts all of them, and those of epochs open nothing by themselves.
        if slots.len() > 1 && slots.iter().all(|one| one.id == slot || one.is_of_epoch()) {
            return Err(StoreError::LastSlot { slot }.into());
        }
        self.store.remove_slot(slot)
    }

    /// Begins a new epoch: its domain secret, which everybody can open who may read, before anybody writes with it.
    ///
    /// # Errors
    /// [`RepositoryError::Rotated`] if somebody else was faster; when it is not stored; without the key to read.
    pub fn rotate(&self) -> Result<AgentCode, RepositoryError> {
        let (newest, _) = self.secrets.domain.newest();
        let epoch = newest.next().ok_or(RepositoryError::Rotated)?;
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(&mut *bytes);
        let secret = DomainSecret::from_bytes(*bytes);
        let parameters = self.parameters();
        let slot =
            Slot::seal_epoch((epoch, &secret), self.reader()?, &parameters.encode(), fill_random).encode();
        // The name follows from the epoch, so that of two rotations at a time one fails.
        let id = slot_of_epoch(epoch, &parameters.repository);
        let added = self.store.add_slot(id, &slot);
        let is_own = || Ok::<_, RepositoryError>(self.store.slots()?.iter().any(|(_, bytes)| *bytes == slot));
        match added {
            Ok(()) if is_own()? => Ok(AgentCode::new((epoch, &secret), &parameters.repository)),
            Ok(()) => Err(RepositoryError::Rotated),
            Err(error) if error.is_taken() => Err(RepositoryError::Rotated),
            Err(error) => Err(error),
        }
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

/// The name of the slot that holds the secret of an epoch.
fn slot_of_epoch(epoch: Epoch, repository: &RepositoryId) -> SlotId {
    let material = [repository.as_bytes().as_slice(), &epoch.number().to_le_bytes()].concat();
    let hash = blake3::derive_key("farkeep 1 name of an epoch slot", &material);
    SlotId::from_bytes(*hash.first_chunk().expect("a name is a part of 32 bytes"))
}
