//! The agent code: the newest domain secret as one line, for a host that is to write into a repository behind a server.
//!
//! An agent has no passphrase and opens no key slot. What it needs is handed to it once, when it is enrolled; it opens
//! nothing that the agent did not write itself. FORMAT.md, "Agent code".

use std::fmt;

use zeroize::Zeroizing;

use super::DomainSecret;
use super::DomainSecrets;
use super::Epoch;
use super::domain::KEY_BYTES;
use super::printed::CodeError;
use super::printed::Print;
use crate::id::RepositoryId;

/// First bytes of the repository's id, by which a code for another one is told; of the first epoch, and of later ones.
const FIRST_TAG_BYTES: usize = 5;
const TAG_BYTES: usize = 6;
const EPOCH_BYTES: usize = 4;
const FIRST_BYTES: usize = KEY_BYTES + FIRST_TAG_BYTES;
const CODE_BYTES: usize = KEY_BYTES + EPOCH_BYTES + TAG_BYTES;

/// The checksum has a hash of its own, so that no other code is taken for an agent code.
const FIRST: Print<FIRST_BYTES> =
    Print { prefix: "FKA1", hash: |code| blake3::derive_key("farkeep 1 agent code", code) };
/// The same of later epochs.
const LATER: Print<CODE_BYTES> =
    Print { prefix: "FKA2", hash: |code| blake3::derive_key("farkeep 1 agent code of an epoch", code) };

/// A domain secret and the repository that it is for, to be printed and typed.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentCode {
    epoch: Epoch,
    secret: DomainSecret,
    /// As far as a code has it.
    repository: Vec<u8>,
}

impl AgentCode {
    /// The code for this repository, with the secret of this epoch.
    pub fn new((epoch, secret): (Epoch, &DomainSecret), repository: &RepositoryId) -> Self {
        let tag_bytes = if epoch == Epoch::FIRST { FIRST_TAG_BYTES } else { TAG_BYTES };
        let repository = repository.as_bytes().iter().copied().take(tag_bytes).collect();
        Self { epoch, secret: secret.clone(), repository }
    }

    /// What the code hands over, if it is for this repository. With another's secret, an agent would store what nobody
    /// can open.
    pub fn secret_for(&self, repository: &RepositoryId) -> Option<DomainSecrets> {
        let fits = Self::new((self.epoch, &self.secret), repository) == *self;
        fits.then(|| DomainSecrets::of(self.epoch, self.secret.clone()))
    }

    /// The epoch that its holder writes in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The code as it is printed: `FKA1-` and sixteen groups of four, or `FKA2-` and eighteen.
    pub fn to_text(&self) -> Zeroizing<String> {
        let number = self.epoch.number().to_le_bytes();
        let epoch: &[u8] = if self.epoch == Epoch::FIRST { &[] } else { &number };
        let bytes = Zeroizing::new([self.secret.as_bytes(), epoch, &self.repository].concat());
        match self.epoch {
            Epoch::FIRST => FIRST.text(bytes.first_chunk().expect("it has this length")),
            _ => LATER.text(bytes.first_chunk().expect("it has this length")),
        }
    }

    /// Reads a code as people type it, by the same rules as a recovery code.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let first = match FIRST.parse(text) {
            Ok(bytes) => return Ok(Self::read(&*bytes, Epoch::FIRST, FIRST_TAG_BYTES)),
            Err(error) => error,
        };
        let bytes = match LATER.parse(text) {
            Ok(bytes) => bytes,
            // What has the length of neither is told what a first code has.
            Err(CodeError::Length { .. }) => return Err(first),
            Err(error) => return Err(error),
        };
        let (_, rest) = bytes.split_at(KEY_BYTES);
        let number = u32::from_le_bytes(*rest.first_chunk().expect("it has this length"));
        if number == 0 {
            return Err(CodeError::Mistyped);
        }
        Ok(Self::read(&*bytes, Epoch::new(number), TAG_BYTES))
    }

    fn read(bytes: &[u8], epoch: Epoch, tag_bytes: usize) -> Self {
        let secret = DomainSecret::from_bytes(*bytes.first_chunk().expect("the secret stands first"));
        let (_, repository) = bytes.split_at(bytes.len() - tag_bytes);
        Self { epoch, secret, repository: repository.to_vec() }
    }
}

impl fmt::Debug for AgentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentCode(..)")
    }
}

#[cfg(test)]
mod tests;
