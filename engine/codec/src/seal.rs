//! Compress and encrypt, and back: the only place that knows keys and nonces of objects.
//!
//! Sealing is a pure function of repository, kind, references and plaintext. Whoever has the same plaintext makes the
//! same object, so hosts deduplicate against each other, and the id proves every byte to those who hold no key.
//! FORMAT.md, "Objects".

use std::fmt;

use thiserror::Error;
use zstd::zstd_safe::DCtx;

use crate::aead;
use crate::aead::NONCE_BYTES;
use crate::aead::TAG_BYTES;
use crate::id::ObjectId;
use crate::id::Seed;
use crate::key::DomainKeys;
use crate::key::Epoch;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::limits::PLAIN_BYTES_MAX;
use crate::object::Header;
use crate::object::INNER_HEADER_BYTES;
use crate::object::Kind;
use crate::object::ObjectError;
use crate::object::ObjectView;
use crate::object::Pointer;
use crate::object::object_id;
use crate::parameters::Compression;

use compress::Codec;
use compress::Compressor;
use compress::decompress;

mod compress;
#[cfg(test)]
mod tests;

/// Seals and opens objects of one repository. One per thread: it keeps the contexts of the compressor and a buffer,
/// so that in the long run an object costs no allocation but the small one inside the cipher.
pub struct Sealer {
    keys: DomainKeys,
    compressor: Compressor,
    decompressor: DCtx<'static>,
    inner: Vec<u8>,
}

/// Why an object does not open. Whatever the buffer then holds means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// These are not the bytes that the pointer names or not the plaintext that it promises.
    #[error("object {id} was tampered with: wrong {part}")]
    Tampered {
        /// The object that was to be opened.
        id: ObjectId,
        /// Which of the checks found it.
        part: Part,
    },
    /// The bytes are the named ones, yet they are no object of a known format.
    #[error("object {id} does not follow the format")]
    Malformed {
        /// The object that was to be opened.
        id: ObjectId,
        /// What is wrong.
        source: ObjectError,
    },
    /// No key slot that was opened has the keys of this epoch.
    #[error("object {id} takes the keys of epoch {epoch}, which are not there")]
    Epoch {
        /// The object that was to be opened.
        id: ObjectId,
        /// Its epoch.
        epoch: Epoch,
    },
}

/// The checks that an object passes on its way to a plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The bytes against the id.
    Bytes,
    /// The seal against key, header and references: a wrong seed, another repository, or a forgery.
    Seal,
    /// The plaintext against length and seed.
    Plaintext,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Seal => "seal",
            Self::Plaintext => "plaintext",
        })
    }
}

impl Sealer {
    /// A sealer for the repository with these keys and this compression.
    ///
    /// # Panics
    /// If a setting of `compression` is outside its bounds, which parsed parameters never are.
    pub fn new(keys: &DomainKeys, compression: &Compression) -> Self {
        assert!(compression.is_allowed(), "settings out of bounds: {compression:?}");
        Self {
            keys: keys.clone(),
            compressor: Compressor::new(compression),
            decompressor: DCtx::create(),
            inner: Vec::new(),
        }
    }

    /// Makes `out` the object that holds `plain`, and returns its name. `seed` must be
    /// [`DomainKeys::seed`] of the same kind and plaintext.
    ///
    /// # Panics
    /// If plaintext or references exceed the limits of the format.
    pub fn seal(
        &mut self,
        kind: Kind,
        seed: &Seed,
        references: &[ObjectId],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> ObjectId {
        assert!(plain.len() <= PLAIN_BYTES_MAX, "a plaintext of {} bytes", plain.len());
        debug_assert_eq!(*seed, self.keys.seed(kind, plain), "the seed of another plaintext");
        let plain_bytes = u32::try_from(plain.len()).expect("the limit fits 32 bits");
        let (codec, payload) = self.compressor.compress(plain);
        let sealed_bytes = NONCE_BYTES + INNER_HEADER_BYTES + payload.len() + TAG_BYTES;
        let header = Header::new(kind, references.len(), sealed_bytes)
            .expect("references within the limits of the kind");

        out.clear();
        out.reserve(header.object_bytes());
        out.extend_from_slice(&header.encode());
        references.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        out.extend_from_slice(&[0; NONCE_BYTES]);
        out.push(codec.number());
        out.extend_from_slice(&plain_bytes.to_le_bytes());
        out.extend_from_slice(payload);

        let keys = self.keys.object(seed);
        let (plain_part, sealed) = out.split_at_mut(header.plain_part_bytes());
        let (nonce, inner) = sealed.split_at_mut(NONCE_BYTES);
        nonce.copy_from_slice(&synthetic_nonce(&keys.nonce, plain_part, codec, inner));
        let nonce = nonce.try_into().expect("split off with this length");
        let tag = aead::seal(&keys.seal, nonce, plain_part, inner);
        out.extend_from_slice(&tag);
        object_id(out)
    }

    /// Makes `plain` the plaintext of `object`, which `pointer` points to. Every byte is verified, against the id
    /// before and against the seed after.
    ///
    /// # Errors
    /// [`OpenError`] for anything but the exact object.
    pub fn open(&mut self, object: &[u8], pointer: &Pointer, plain: &mut Vec<u8>) -> Result<(), OpenError> {
        if object_id(object) != pointer.id {
            return Err(OpenError::Tampered { id: pointer.id, part: Part::Bytes });
        }
        self.open_identified(object, pointer, plain)
    }

    /// [`open`](Self::open) for bytes whose id the caller has just verified, as an engine does on every read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_identified(
        &mut self,
        object: &[u8],
        pointer: &Pointer,
        plain: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let id = pointer.id;
        let tampered = |part| OpenError::Tampered { id, part };
        let malformed = |source| OpenError::Malformed { id, source };
        let view = ObjectView::parse(object).map_err(malformed)?;
        let epoch = pointer.epoch;
        let keys = self.keys.of(epoch).ok_or(OpenError::Epoch { id, epoch })?;
        self.decrypt(&view, &pointer.seed, &keys).ok_or(tampered(Part::Seal))?;

        let inner = Inner::parse(&self.inner).map_err(|source| malformed(source.into()))?;
        if inner.plain_bytes != pointer.plain_bytes {
            return Err(tampered(Part::Plaintext));
        }
        inner.plaintext(&mut self.decompressor, plain).ok_or(tampered(Part::Plaintext))?;
        let seed = keys.seed(view.kind(), plain);
        if seed == pointer.seed { Ok(()) } else { Err(tampered(Part::Plaintext)) }
    }

    /// Opens the seal into `self.inner`.
    fn decrypt(&mut self, view: &ObjectView<'_>, seed: &Seed, keys: &DomainKeys) -> Option<()> {
        let (nonce, rest) = view.sealed().split_first_chunk::<NONCE_BYTES>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        // Grows to the largest object and stays, since fresh memory is dear.
        self.inner.resize(ciphertext.len(), 0);
        let keys = keys.object(seed);
        aead::open(&keys.seal, *nonce, view.plain_part(), ciphertext, tag, &mut self.inner).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// What is inside the seal.
pub(crate) struct Inner<'a> {
    codec: Codec,
    plain_bytes: u32,
    payload: &'a [u8],
}

impl<'a> Inner<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let unknown = reader.malformed("codec of an object");
        let codec = Codec::from_number(reader.u8("codec of an object")?).ok_or(unknown)?;
        let too_long = reader.malformed("plaintext length of an object");
        let plain_bytes = reader.u32("plaintext length of an object")?;
        if usize::try_from(plain_bytes).is_ok_and(|bytes| bytes <= PLAIN_BYTES_MAX) {
            Ok(Self { codec, plain_bytes, payload: reader.bytes(reader.remaining(), "payload")? })
        } else {
            Err(too_long)
        }
    }

    pub(crate) fn plaintext(&self, context: &mut DCtx<'static>, plain: &mut Vec<u8>) -> Option<()> {
        let plain_bytes = usize::try_from(self.plain_bytes).ok()?;
        decompress(context, self.codec, self.payload, plain_bytes, plain)
    }
}

/// The nonce follows from all that it is used for, what the seal binds and what it encrypts. So one key never meets
/// two messages under one nonce, not even when a later compressor makes other bytes of the same plaintext, or when
/// the same node comes with other references. A raw payload is left out: it is the plaintext, and the key, which
/// follows from the plaintext's hash, never meets another one.
fn synthetic_nonce(key: &[u8; 32], plain_part: &[u8], codec: Codec, inner: &[u8]) -> [u8; NONCE_BYTES] {
    let covered = match codec {
        Codec::Raw => inner.get(..INNER_HEADER_BYTES).unwrap_or(inner),
        Codec::Zstd => inner,
    };
    let mut hasher = blake3::Hasher::new_keyed(key);
    let hash = hasher.update(plain_part).update(covered).finalize();
    *hash.as_bytes().first_chunk().expect("a nonce is a part of 32 bytes")
}
