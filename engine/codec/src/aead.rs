//! AES-256-GCM (NIST SP 800-38D), as the two places that encrypt for themselves use it: objects and key slots.
//!
//! Two implementations with one shape. The fast one seals and opens objects, where it is several times as fast; the
//! portable one serves key slots, where it does not matter, and is the twin that tests hold the fast one against.

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;

#[cfg(test)]
mod tests;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce. No other length, so that the nonce enters the counter as it is.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of an authentication tag: never shortened.
pub(crate) const TAG_BYTES: usize = 16;

/// The tag does not fit key, nonce, bound bytes and ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// Encrypts `text` where it lies and binds `bound` to it.
pub(crate) fn seal(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    bound: &[u8],
    text: &mut [u8],
) -> [u8; TAG_BYTES] {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = fast_key(key)
        .seal_in_place_separate_tag(nonce, Aad::from(bound), text)
        .expect("an object is far below the limit of the cipher");
    tag.as_ref().try_into().expect("the tag of AES-GCM has 16 bytes")
}

/// Decrypts `ciphertext` into `text`, which must be as long. What is in `text` after a refusal means nothing.
pub(crate) fn open(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    bound: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_BYTES],
    text: &mut [u8],
) -> Result<(), Refused> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    fast_key(key).open_separate_gather(nonce, Aad::from(bound), ciphertext, tag, text).map_err(|_| Refused)
}

fn fast_key(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has the length of the cipher"))
}

/// The same by a portable implementation, both ways in place.
pub(crate) mod portable {
    use aes_gcm::Aes256Gcm;
    use aes_gcm::KeyInit;
    use aes_gcm::aead::AeadInOut;

    use super::KEY_BYTES;
    use super::NONCE_BYTES;
    use super::Refused;
    use super::TAG_BYTES;

    /// As [`super::seal`].
    pub(crate) fn seal(
        key: &[u8; KEY_BYTES],
        nonce: [u8; NONCE_BYTES],
        bound: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        Aes256Gcm::new(key.into())
            .encrypt_inout_detached(&nonce.into(), bound, text.into())
            .expect("a slot is far below the limit of the cipher")
            .into()
    }

    /// Decrypts `text` where it lies.
    pub(crate) fn open(
        key: &[u8; KEY_BYTES],
        nonce: [u8; NONCE_BYTES],
        bound: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Refused> {
        Aes256Gcm::new(key.into())
            .decrypt_inout_detached(&nonce.into(), bound, text.into(), tag.into())
            .map_err(|_| Refused)
    }
}
