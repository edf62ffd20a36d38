//! The reader's key pair: it seals what only an administrator may open.
//!
//! HPKE (RFC 9180) in base mode with X-Wing (X25519 and ML-KEM-768 together, draft-connolly-cfrg-xwing-kem; HPKE
//! code point 0x647a of draft-ietf-hpke-pq), HKDF-SHA256 and AES-256-GCM: whoever records a repository today cannot
//! open it with a quantum computer tomorrow, and a flaw in either half alone opens nothing.

use std::convert::Infallible;
use std::fmt;

use hpke::Deserializable;
use hpke::Kem;
use hpke::OpModeR;
use hpke::OpModeS;
use hpke::Serializable;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::TryCryptoRng;
use hpke::rand_core::TryRng;
use thiserror::Error;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;

/// Bytes of the public half.
pub const READER_PUBLIC_BYTES: usize = 1216;
/// Bytes of the private half: the seed from which X-Wing expands both of its keys.
pub const READER_SECRET_BYTES: usize = 32;
/// Bytes by which a sealed message is longer than the message: encapsulated key and tag.
pub(crate) const SEALING_OVERHEAD_BYTES: usize = 1120 + 16;

/// The bytes are no public key, or a sealed message does not open with this key pair, context and plain part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the reader's key does not fit")]
pub struct KeyRefused;

/// The private half. Held by administrators only.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ReaderSecret([u8; READER_SECRET_BYTES]);

impl ReaderSecret {
    /// The secret made of these bytes.
    pub const fn from_bytes(bytes: [u8; READER_SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the secret.
    pub const fn as_bytes(&self) -> &[u8; READER_SECRET_BYTES] {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> ReaderPublic {
        ReaderPublic(XWing::sk_to_pk(&self.expand()).to_bytes().to_vec())
    }

    /// Opens what [`ReaderPublic::seal`] sealed under the same context and plain part.
    pub(crate) fn open(&self, context: &[u8], plain: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyRefused> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(1120).ok_or(KeyRefused)?;
        let encapsulated = Deserializable::from_bytes(encapsulated).map_err(|_| KeyRefused)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.expand(),
            &encapsulated,
            context,
            ciphertext,
            plain,
        )
        .map_err(|_| KeyRefused)
    }

    fn expand(&self) -> <XWing as Kem>::PrivateKey {
        Deserializable::from_bytes(&self.0).expect("any 32 bytes are a private key of X-Wing")
    }
}

impl fmt::Debug for ReaderSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReaderSecret(..)")
    }
}

/// The public half. Stands in the repository's parameters, so that every agent can seal to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReaderPublic(Vec<u8>);

impl ReaderPublic {
    /// Name of the scheme in a repository's parameters.
    pub(crate) const NAME: &[u8] = b"x-wing";

    /// The key with these bytes.
    ///
    /// # Errors
    /// [`KeyRefused`] when they are not [`READER_PUBLIC_BYTES`] many or no key of X-Wing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyRefused> {
        expand_public(bytes).map(|_| Self(bytes.to_vec()))
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Seals `message` so that only the reader opens it. `context` says what for, `plain` is bound in unsealed.
    pub(crate) fn seal(
        &self,
        context: &[u8],
        plain: &[u8],
        message: &[u8],
        random: impl FnMut(&mut [u8]),
    ) -> Vec<u8> {
        let public = expand_public(&self.0).expect("checked when the key was made");
        let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &public,
            context,
            message,
            plain,
            &mut Random(random),
        )
        .expect("encapsulation in base mode and a short message cannot fail");
        [encapsulated.to_bytes().as_slice(), &ciphertext].concat()
    }
}

impl fmt::Debug for ReaderPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReaderPublic({:.8})", blake3::hash(&self.0).to_hex())
    }
}

fn expand_public(bytes: &[u8]) -> Result<<XWing as Kem>::PublicKey, KeyRefused> {
    Deserializable::from_bytes(bytes).map_err(|_| KeyRefused)
}

/// Random bytes from the caller, in the shape that `hpke` asks for.
struct Random<F>(F);

impl<F: FnMut(&mut [u8])> TryRng for Random<F> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0(bytes);
        Ok(())
    }
}

impl<F: FnMut(&mut [u8])> TryCryptoRng for Random<F> {}

#[cfg(test)]
mod tests;
