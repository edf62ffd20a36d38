//! A sealed object: plain header, plain references, sealed bytes; and the id that follows from all of them.
//!
//! An object is the same bytes in memory, on the wire, in a pack and at the peer. What stands plain is what a
//! keyless server needs: where the object ends, and which objects it refers to. FORMAT.md, "Objects".

use thiserror::Error;

use crate::aead::NONCE_BYTES;
use crate::aead::TAG_BYTES;
use crate::id::Epoch;
use crate::id::ObjectId;
use crate::id::Seed;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::limits::FORMAT_VERSION;
use crate::limits::OBJECT_BYTES_MAX;
use crate::limits::PLAIN_BYTES_MAX;
use crate::limits::REFERENCES_MAX;

#[cfg(test)]
mod tests;

/// Bytes of the header, from which the length of the whole object follows.
pub const HEADER_BYTES: usize = 16;
/// Bytes of one reference.
pub const REFERENCE_BYTES: usize = 32;
/// First bytes of every object.
pub const MAGIC: [u8; 4] = *b"FKob";
/// Bytes that stand before the payload inside the sealed bytes: codec and plaintext length.
pub(crate) const INNER_HEADER_BYTES: usize = 5;
/// Fewest bytes that the sealed part of an object may have.
const SEALED_BYTES_MIN: usize = NONCE_BYTES + INNER_HEADER_BYTES + TAG_BYTES;
/// Most bytes that the sealed part of an object may have: what does not shrink is stored raw.
const SEALED_BYTES_MAX: usize = SEALED_BYTES_MIN + PLAIN_BYTES_MAX;

const _: () = assert!(HEADER_BYTES + REFERENCES_MAX * REFERENCE_BYTES + SEALED_BYTES_MAX <= OBJECT_BYTES_MAX);

/// What an object is for, as far as the server may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Contents of files: a chunk or a bundle. Refers to nothing.
    Data = 1,
    /// A node of a tree or of a content list. Refers to what it points to.
    Node = 2,
}

impl Kind {
    /// The number by which the format names the kind.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind with this number.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Data),
            2 => Some(Self::Node),
            _ => None,
        }
    }
}

/// All that it takes, beside the domain secret, to find, open and verify an object.
///
/// The id stands plain among the references of the object that points there; seed and length stand in its sealed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// Name of the sealed bytes.
    pub id: ObjectId,
    /// Keyed hash of the plaintext, from which the object's key follows.
    pub seed: Seed,
    /// Length of the plaintext in bytes.
    pub plain_bytes: u32,
    /// Whose keys it takes: that of the snapshot on whose way it was found, and written nowhere else.
    pub epoch: Epoch,
}

/// Why bytes are not an object of this format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The header or the lengths do not follow the format.
    #[error("not an object of Farkeep")]
    Malformed(#[from] Malformed),
    /// The object was written by a later program.
    #[error("object of format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// Version that the object names.
        found: u16,
        /// Newest version that this program reads.
        known: u16,
    },
}

/// The fixed front of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    references: usize,
    sealed_bytes: usize,
}

impl Header {
    /// The header of an object with these parts, or nothing if they break the limits of the format.
    pub(crate) fn new(kind: Kind, references: usize, sealed_bytes: usize) -> Option<Self> {
        let references_most = if kind == Kind::Data { 0 } else { REFERENCES_MAX };
        let fits =
            references <= references_most && (SEALED_BYTES_MIN..=SEALED_BYTES_MAX).contains(&sealed_bytes);
        fits.then_some(Self { kind, references, sealed_bytes })
    }

    /// Reads the header from the front of `bytes`, which may go on with anything, so that a reader of a pack knows
    /// where the object ends before it has the rest.
    ///
    /// # Errors
    /// [`ObjectError::Malformed`] when fewer than [`HEADER_BYTES`] bytes are there or when they break a rule,
    /// [`ObjectError::NewerFormat`] when they are of a later version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.array("object magic")?;
        if magic != MAGIC {
            return Err(Malformed { what: "object magic", offset: 0 }.into());
        }
        let found = reader.u16("object version")?;
        if found > FORMAT_VERSION {
            return Err(ObjectError::NewerFormat { found, known: FORMAT_VERSION });
        }
        if found == 0 {
            return Err(Malformed { what: "object version", offset: 4 }.into());
        }
        let kind = Kind::from_number(reader.u16("object kind")?)
            .ok_or(Malformed { what: "object kind", offset: 6 })?;
        let references = usize::try_from(reader.u32("object reference count")?).unwrap_or(usize::MAX);
        let sealed_bytes = usize::try_from(reader.u32("object sealed length")?).unwrap_or(usize::MAX);
        let broken = Malformed { what: "object lengths", offset: 8 };
        Self::new(kind, references, sealed_bytes).ok_or(broken.into())
    }

    /// The bytes of the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let narrow = |count: usize| u32::try_from(count).expect("the limits of the format fit 32 bits");
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.kind.number().to_le_bytes());
        bytes[8..12].copy_from_slice(&narrow(self.references).to_le_bytes());
        bytes[12..].copy_from_slice(&narrow(self.sealed_bytes).to_le_bytes());
        bytes
    }

    /// What the object is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the header and the references: all that stands plain.
    pub fn plain_part_bytes(&self) -> usize {
        HEADER_BYTES + self.references * REFERENCE_BYTES
    }

    /// Bytes of the whole object, at most [`OBJECT_BYTES_MAX`].
    pub fn object_bytes(&self) -> usize {
        self.plain_part_bytes() + self.sealed_bytes
    }
}

/// An object whose header and lengths hold; what is sealed was not looked at.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView<'a> {
    header: Header,
    plain_part: &'a [u8],
    references: &'a [[u8; REFERENCE_BYTES]],
    sealed: &'a [u8],
}

impl<'a> ObjectView<'a> {
    /// Reads an object that fills `bytes` from end to end.
    ///
    /// # Errors
    /// As [`Header::parse`]; a length other than the one in the header is malformed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let header = Header::parse(bytes)?;
        let mut reader = Reader::new(bytes);
        let plain_part = reader.bytes(header.plain_part_bytes(), "object references")?;
        let sealed = reader.bytes(header.sealed_bytes, "object sealed bytes")?;
        reader.finish()?;
        let (references, _) = plain_part.get(HEADER_BYTES..).unwrap_or_default().as_chunks();
        Ok(Self { header, plain_part, references, sealed })
    }

    /// What the object is for.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// Number of references.
    pub fn reference_count(&self) -> usize {
        self.references.len()
    }

    /// The objects that this one points to, in the order of its plaintext.
    pub fn references(&self) -> impl ExactSizeIterator<Item = ObjectId> + use<'a> {
        self.references.iter().map(|bytes| ObjectId::from_bytes(*bytes))
    }

    /// Nonce, ciphertext and tag.
    pub fn sealed(&self) -> &'a [u8] {
        self.sealed
    }

    /// Header and references, as they are bound into the seal.
    pub(crate) fn plain_part(&self) -> &'a [u8] {
        self.plain_part
    }
}

/// Name of the object with these bytes: BLAKE3 (<https://github.com/BLAKE3-team/BLAKE3-specs>) of all of them,
/// so that everybody can verify an object in full without a key.
pub fn object_id(bytes: &[u8]) -> ObjectId {
    ObjectId::from_bytes(*blake3::hash(bytes).as_bytes())
}
