//! Key slots: the repository's secrets, locked by a passphrase or by a recovery code; those of later epochs by the reader's
//! secret among them.
//!
//! Slots lie in the repository itself, so that after a disaster a passphrase and any one copy are enough. A slot names
//! everything that opening it takes, and authenticates it together with the secrets. FORMAT.md, "Key slots".

use std::fmt;

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::Version;
use thiserror::Error;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use super::DomainSecret;
use super::Epoch;
use super::ReaderSecret;
use super::RecoveryCode;
use super::Secrets;
use crate::aead::KEY_BYTES;
use crate::aead::NONCE_BYTES;
use crate::aead::TAG_BYTES;
use crate::aead::portable;
use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::envelope::Table;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::KDF_LANES_MAX;
use crate::limits::KDF_MEMORY_KIB_MAX;
use crate::limits::KDF_PASSES_MAX;
use crate::limits::LABEL_BYTES_MAX;

#[cfg(test)]
mod tests;

const TABLE: Table = Table { magic: *b"FKslot", name: "key slot", body_bytes_max: 4096 };
const SALT_BYTES: usize = 32;
const SEALED_BYTES_MAX: usize = 1024;
const PASSPHRASE: u8 = 1;
const RECOVERY: u8 = 2;
const EPOCH: u8 = 3;

/// The repository's secrets under one lock.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    label: String,
    lock: Lock,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// A passphrase, through Argon2id.
    Passphrase {
        /// What a guess costs.
        cost: KdfCost,
        /// Random, so that equal passphrases give unequal keys.
        salt: [u8; SALT_BYTES],
    },
    /// A recovery code, which cannot be guessed and needs no slow hash.
    Recovery {
        /// Random, so that one code may lock several slots.
        salt: [u8; SALT_BYTES],
    },
    /// The reader's secret, which every other slot of an administrator holds. What such a slot locks is the domain secret of
    /// a later epoch.
    Reader {
        /// Random, so that one secret may lock several slots.
        salt: [u8; SALT_BYTES],
    },
}

/// What one try of a passphrase costs: the parameters of Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes. They are computed one after the other.
    pub lanes: u32,
}

/// The secret that a slot is locked with.
#[derive(Clone, Copy)]
pub enum SlotSecret<'a> {
    /// A passphrase, as typed: its bytes are not normalised.
    Passphrase(&'a [u8]),
    /// A recovery code.
    Recovery(&'a RecoveryCode),
}

/// What locks a slot, whoever's it is.
#[derive(Clone, Copy)]
enum Opening<'a> {
    Given(&'a SlotSecret<'a>),
    Reader(&'a ReaderSecret),
}

/// Why a slot does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The slot is intact, and this passphrase or code is not its own.
    #[error("wrong passphrase or recovery code")]
    WrongSecret,
    /// The slot is locked by the other kind of secret.
    #[error("the key slot is locked by the other kind of secret")]
    OtherKind,
    /// The secrets belong to a repository with other parameters: its config file was altered or swapped.
    #[error("the key slot was made for other parameters than this repository has")]
    OtherParameters,
    /// The secrets inside break a rule of the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl KdfCost {
    /// 32 MiB and two passes: more of both than the least that OWASP's Password Storage Cheat Sheet asks for (19 MiB,
    /// two passes), and some 65 ms of one core, half of them for touching the memory. Backups run unattended and often,
    /// so that every run pays it.
    pub const DEFAULT: Self = Self { memory_kib: 32 << 10, passes: 2, lanes: 1 };

    /// The parameters for the library, or nothing if they are beyond what a slot may ask for.
    fn params(&self) -> Option<Params> {
        let allowed = self.memory_kib <= KDF_MEMORY_KIB_MAX
            && self.passes <= KDF_PASSES_MAX
            && self.lanes <= KDF_LANES_MAX;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES)).ok()?;
        allowed.then_some(params)
    }
}

impl Slot {
    /// Locks `secrets` with `secret`. `parameters` are the bytes of the repository's parameters; `cost` counts for
    /// passphrases alone.
    ///
    /// # Panics
    /// If the label is longer than [`LABEL_BYTES_MAX`] bytes, or the cost beyond the limits of the format.
    pub fn seal(
        secrets: &Secrets,
        secret: &SlotSecret<'_>,
        label: &str,
        cost: KdfCost,
        parameters: &[u8],
        mut random: impl FnMut(&mut [u8]),
    ) -> Self {
        assert!(label.len() <= LABEL_BYTES_MAX, "a label of {} bytes", label.len());
        let mut salt = [0; SALT_BYTES];
        random(&mut salt);
        let lock = match secret {
            SlotSecret::Passphrase(_) => Lock::Passphrase { cost, salt },
            SlotSecret::Recovery(_) => Lock::Recovery { salt },
        };
        Self::close(lock, Opening::Given(secret), label, secrets.encode(parameters), random)
    }

    /// Locks the domain secret of an epoch, so that everybody opens it who opens one of the other slots and may read.
    pub fn seal_epoch(
        (epoch, secret): (Epoch, &DomainSecret),
        reader: &ReaderSecret,
        parameters: &[u8],
        mut random: impl FnMut(&mut [u8]),
    ) -> Self {
        let mut salt = [0; SALT_BYTES];
        random(&mut salt);
        let made_for = blake3::hash(parameters);
        let parts = [made_for.as_bytes().as_slice(), &epoch.number().to_le_bytes(), secret.as_bytes()];
        let text = Zeroizing::new(parts.concat());
        let label = format!("epoch {epoch}");
        Self::close(Lock::Reader { salt }, Opening::Reader(reader), &label, text, random)
    }

    fn close(
        lock: Lock,
        opening: Opening<'_>,
        label: &str,
        mut sealed: Zeroizing<Vec<u8>>,
        mut random: impl FnMut(&mut [u8]),
    ) -> Self {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce);
        let key = lock.key(opening).expect("the lock is of the secret's kind");
        let front = front(label, &lock, &nonce, sealed.len());
        let tag = portable::seal(&key, nonce, &front, &mut sealed);
        let label = label.to_owned();
        Self { label, lock, nonce, sealed: std::mem::take(&mut *sealed), tag }
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let front = front(&self.label, &self.lock, &self.nonce, self.sealed.len());
        envelope::close([front.as_slice(), &self.sealed, &self.tag].concat())
    }

    /// Reads the file's bytes. What they ask for is bounded: a hostile slot cannot eat memory or time.
    ///
    /// # Errors
    /// [`EnvelopeError`] says whether they are damaged, newer or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(envelope::body(&TABLE, bytes)?);
        let kind = reader.u8("kind of a key slot")?;
        let no_text = reader.malformed("label of a key slot");
        let label = reader.counted(LABEL_BYTES_MAX, "label of a key slot")?;
        let label = str::from_utf8(label).map_err(|_| no_text)?.to_owned();
        let lock = parse_lock(&mut reader, kind)?;
        let nonce = reader.array("nonce of a key slot")?;
        let sealed = reader.counted(SEALED_BYTES_MAX, "secrets of a key slot")?.to_vec();
        let tag = reader.array("tag of a key slot")?;
        reader.finish()?;
        Ok(Self { label, lock, nonce, sealed, tag })
    }

    /// What the slot's owner called it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What opens the slot.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Opens the slot, for the repository whose parameters have these bytes. Takes as long as the slot's cost says.
    ///
    /// # Errors
    /// [`SlotError`]
    pub fn open(&self, secret: &SlotSecret<'_>, parameters: &[u8]) -> Result<Secrets, SlotError> {
        let text = self.text(Opening::Given(secret))?;
        Secrets::decode(&text, parameters)
    }

    /// Opens the slot of an epoch.
    ///
    /// # Errors
    /// [`SlotError`]; [`SlotError::OtherKind`] if it is no such slot.
    pub fn open_epoch(
        &self,
        reader: &ReaderSecret,
        parameters: &[u8],
    ) -> Result<(Epoch, DomainSecret), SlotError> {
        let text = self.text(Opening::Reader(reader))?;
        let mut reader = Reader::new(&text);
        let made_for: [u8; 32] = reader.array("parameters of the secrets")?;
        let first = reader.malformed("epoch of a domain secret");
        let epoch = Epoch::new(reader.u32("epoch of a domain secret")?);
        let mut secret = reader.array("domain secret")?;
        let opened = (epoch, DomainSecret::from_bytes(secret));
        secret.zeroize();
        reader.finish()?;
        if made_for != *blake3::hash(parameters).as_bytes() {
            return Err(SlotError::OtherParameters);
        }
        if epoch == Epoch::FIRST { Err(first.into()) } else { Ok(opened) }
    }

    /// What is locked.
    fn text(&self, opening: Opening<'_>) -> Result<Zeroizing<Vec<u8>>, SlotError> {
        let key = self.lock.key(opening).ok_or(SlotError::OtherKind)?;
        let front = front(&self.label, &self.lock, &self.nonce, self.sealed.len());
        let mut text = Zeroizing::new(self.sealed.clone());
        portable::open(&key, self.nonce, &front, &mut text, &self.tag).map_err(|_| SlotError::WrongSecret)?;
        Ok(text)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("label", &self.label).field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl fmt::Debug for SlotSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Recovery(_) => "Recovery(..)",
        })
    }
}

impl Lock {
    const fn kind(&self) -> u8 {
        match self {
            Self::Passphrase { .. } => PASSPHRASE,
            Self::Recovery { .. } => RECOVERY,
            Self::Reader { .. } => EPOCH,
        }
    }

    /// The key that `secret` gives, if it is of the lock's kind.
    fn key(&self, opening: Opening<'_>) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        match (self, opening) {
            (Self::Passphrase { cost, salt }, Opening::Given(SlotSecret::Passphrase(passphrase))) => {
                Some(stretch(passphrase, cost, salt))
            }
            (Self::Recovery { salt }, Opening::Given(SlotSecret::Recovery(code))) => {
                let material = Zeroizing::new([*code.as_bytes(), *salt]);
                let key = blake3::derive_key("farkeep 1 recovery slot", material.as_flattened());
                Some(Zeroizing::new(key))
            }
            (Self::Reader { salt }, Opening::Reader(secret)) => {
                let material = Zeroizing::new([*secret.as_bytes(), *salt]);
                let key = blake3::derive_key("farkeep 1 epoch slot", material.as_flattened());
                Some(Zeroizing::new(key))
            }
            _ => None,
        }
    }
}

/// Argon2id, version 0x13, without secret and associated data.
fn stretch(passphrase: &[u8], cost: &KdfCost, salt: &[u8; SALT_BYTES]) -> Zeroizing<[u8; KEY_BYTES]> {
    let params = cost.params().expect("the cost is within the limits of the format");
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, &mut *key)
        .expect("lengths of salt and key are fixed, and a passphrase is shorter than 4 GiB");
    key
}

/// Everything before the sealed secrets: what the seal binds.
fn front(label: &str, lock: &Lock, nonce: &[u8; NONCE_BYTES], sealed_bytes: usize) -> Vec<u8> {
    let mut body = Writer::new();
    body.u8(lock.kind()).counted(label.as_bytes());
    match lock {
        Lock::Passphrase { cost, salt } => {
            body.u32(cost.memory_kib).u32(cost.passes).u32(cost.lanes).bytes(salt);
        }
        Lock::Recovery { salt } | Lock::Reader { salt } => {
            body.bytes(salt);
        }
    }
    body.bytes(nonce).count(sealed_bytes);
    let body_bytes = body.len() + sealed_bytes + TAG_BYTES;
    [&envelope::front(&TABLE, body_bytes), body.as_bytes()].concat()
}

fn parse_lock(reader: &mut Reader<'_>, kind: u8) -> Result<Lock, Malformed> {
    match kind {
        PASSPHRASE => {
            let beyond = reader.malformed("cost of a key slot");
            let cost = KdfCost {
                memory_kib: reader.u32("cost of a key slot")?,
                passes: reader.u32("cost of a key slot")?,
                lanes: reader.u32("cost of a key slot")?,
            };
            cost.params().ok_or(beyond)?;
            Ok(Lock::Passphrase { cost, salt: reader.array("salt of a key slot")? })
        }
        RECOVERY => Ok(Lock::Recovery { salt: reader.array("salt of a key slot")? }),
        EPOCH => Ok(Lock::Reader { salt: reader.array("salt of a key slot")? }),
        _ => Err(reader.malformed("kind of a key slot")),
    }
}
