//! The agent code: the domain secret as one line, for a host that is to write into a repository behind a server.
//!
//! An agent has no passphrase and opens no key slot. What it needs is handed to it once, when it is enrolled; it opens
//! nothing that the agent did not write itself. FORMAT.md, "Agent code".

use std::fmt;

use zeroize::Zeroizing;

use super::DomainSecret;
use super::domain::KEY_BYTES;
use super::printed::CodeError;
use super::printed::Print;
use crate::id::RepositoryId;

/// First bytes of the repository's id, by which a code for another one is told.
const TAG_BYTES: usize = 5;
const CODE_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// The checksum has a hash of its own, so that no other code is taken for an agent code.
const PRINT: Print<CODE_BYTES> =
    Print { prefix: "FKA1", hash: |code| blake3::derive_key("farkeep 1 agent code", code) };

/// The domain secret and the repository that it is for, to be printed and typed.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentCode(Zeroizing<[u8; CODE_BYTES]>);

impl AgentCode {
    /// The code for this repository.
    pub fn new(secret: &DomainSecret, repository: &RepositoryId) -> Self {
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        let (front, tag) = bytes.split_at_mut(KEY_BYTES);
        front.copy_from_slice(secret.as_bytes());
        tag.copy_from_slice(&repository.as_bytes()[..TAG_BYTES]);
        Self(bytes)
    }

    /// What the code hands over, if it is for this repository. With another's secret, an agent would store what nobody
    /// can open.
    pub fn secret_for(&self, repository: &RepositoryId) -> Option<DomainSecret> {
        let secret = DomainSecret::from_bytes(*self.0.first_chunk().expect("the secret stands first"));
        (Self::new(&secret, repository) == *self).then_some(secret)
    }

    /// The code as it is printed: `FKA1-` and sixteen groups of four.
    pub fn to_text(&self) -> Zeroizing<String> {
        PRINT.text(&self.0)
    }

    /// Reads a code as people type it, by the same rules as a recovery code.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        PRINT.parse(text).map(Self)
    }
}

impl fmt::Debug for AgentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentCode(..)")
    }
}

#[cfg(test)]
mod tests;
