//! The agent's identity: it signs snapshots, and later proves who asks for a session.
//!
//! Ed25519 (RFC 8032), verified strictly, so that a signature has one form and small-order keys sign nothing.

use std::fmt;

use ed25519_dalek::Signature;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use thiserror::Error;

/// Bytes of the secret seed.
pub const AGENT_SECRET_BYTES: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The signature was not made by this agent over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not fit")]
pub struct Forged;

/// An agent's signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentIdentity(SigningKey);

impl AgentIdentity {
    /// The identity that follows from this secret seed.
    pub fn from_bytes(seed: &[u8; AGENT_SECRET_BYTES]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The secret seed.
    pub fn as_bytes(&self) -> &[u8; AGENT_SECRET_BYTES] {
        self.0.as_bytes()
    }

    /// The half by which others recognise the agent.
    pub fn public(&self) -> AgentPublic {
        AgentPublic(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`, which must name its own purpose.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentIdentity({:?})", self.public())
    }
}

/// An agent's public key. Whether the agent is one of ours is for the caller to decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentPublic([u8; 32]);

impl AgentPublic {
    /// The key with these bytes. Bytes that are no key verify nothing.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the agent signed `message`.
    ///
    /// # Errors
    /// [`Forged`] if not.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), Forged> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| Forged)?;
        key.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| Forged)
    }
}

impl fmt::Display for AgentPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AgentPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentPublic({:.8})", self.to_string())
    }
}

#[cfg(test)]
mod tests;
