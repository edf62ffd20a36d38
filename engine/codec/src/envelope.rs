//! The frame around every table that stands in a file of its own or travels alone.
//!
//! What is foreign, what is damaged and what is merely newer are three different findings, and each must be told
//! apart before a single field is believed. FORMAT.md, "Envelope".

use thiserror::Error;

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::limits::FORMAT_VERSION;

#[cfg(test)]
mod tests;

/// Bytes in front of the body.
pub const FRONT_BYTES: usize = 16;
/// Bytes of the checksum behind the body.
pub const CHECKSUM_BYTES: usize = 16;
/// Bytes of the front that its own checksum covers.
const FRONT_CHECKED_BYTES: usize = 12;

/// Which table an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// First bytes of the envelope.
    pub magic: [u8; 6],
    /// Name in messages.
    pub name: &'static str,
    /// Most bytes that the body may have.
    pub body_bytes_max: usize,
}

/// Why an envelope does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes begin like something else.
    #[error("this is no {table} of Farkeep")]
    Foreign {
        /// What was expected.
        table: &'static str,
    },
    /// Bytes are missing, added or altered.
    #[error("the {table} is damaged")]
    Damaged {
        /// What was expected.
        table: &'static str,
    },
    /// A later program wrote it.
    #[error("the {table} has format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// What was expected.
        table: &'static str,
        /// Version that the envelope names.
        found: u16,
        /// Newest version that this program reads.
        known: u16,
    },
    /// The checksums hold, yet the body breaks a rule of the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The first bytes of an envelope around `body_bytes` bytes.
pub(crate) fn front(table: &Table, body_bytes: usize) -> [u8; FRONT_BYTES] {
    debug_assert!(body_bytes <= table.body_bytes_max, "{} of {body_bytes} bytes", table.name);
    let body_bytes = u32::try_from(body_bytes).expect("the limit of every table fits 32 bits");
    let mut front = [0; FRONT_BYTES];
    front[..6].copy_from_slice(&table.magic);
    front[6..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    front[8..12].copy_from_slice(&body_bytes.to_le_bytes());
    let checksum = checksum::<4>(&front[..FRONT_CHECKED_BYTES]);
    front[FRONT_CHECKED_BYTES..].copy_from_slice(&checksum);
    front
}

/// Puts the checksum behind `front_and_body`.
pub(crate) fn close(mut front_and_body: Vec<u8>) -> Vec<u8> {
    let checksum = checksum::<CHECKSUM_BYTES>(&front_and_body);
    front_and_body.extend_from_slice(&checksum);
    front_and_body
}

/// An envelope around `body`.
pub fn wrap(table: &Table, body: &[u8]) -> Vec<u8> {
    close([&front(table, body.len()), body].concat())
}

/// The body inside an envelope that fills `bytes` from end to end.
///
/// # Errors
/// Everything of [`EnvelopeError`] but [`EnvelopeError::Malformed`].
pub fn body<'a>(table: &Table, bytes: &'a [u8]) -> Result<&'a [u8], EnvelopeError> {
    let damaged = EnvelopeError::Damaged { table: table.name };
    let mut reader = Reader::new(bytes);
    let magic = reader.array::<6>("magic").map_err(|_| damaged.clone())?;
    if magic != table.magic {
        return Err(EnvelopeError::Foreign { table: table.name });
    }
    let (found, body_bytes) = checked_front(&mut reader, bytes).ok_or(damaged.clone())?;
    if found > FORMAT_VERSION {
        return Err(EnvelopeError::NewerFormat { table: table.name, found, known: FORMAT_VERSION });
    }
    let body = checked_body(&mut reader, bytes, body_bytes).ok_or(damaged.clone())?;
    if found == 0 || reader.finish().is_err() || body.len() > table.body_bytes_max {
        return Err(damaged);
    }
    Ok(body)
}

/// Version and body length, if the front's own checksum holds.
fn checked_front(reader: &mut Reader<'_>, bytes: &[u8]) -> Option<(u16, usize)> {
    let version = reader.u16("version").ok()?;
    let body_bytes = usize::try_from(reader.u32("body length").ok()?).ok()?;
    let stated = reader.array::<4>("front checksum").ok()?;
    let actual = checksum(bytes.get(..FRONT_CHECKED_BYTES)?);
    (stated == actual).then_some((version, body_bytes))
}

/// The body, if the checksum behind it holds.
fn checked_body<'a>(reader: &mut Reader<'a>, bytes: &'a [u8], body_bytes: usize) -> Option<&'a [u8]> {
    let body = reader.bytes(body_bytes, "body").ok()?;
    let covered = bytes.get(..reader.offset())?;
    let stated = reader.array::<CHECKSUM_BYTES>("checksum").ok()?;
    (stated == checksum(covered)).then_some(body)
}

/// The first bytes of BLAKE3. Finds damage; who may write what is never decided by it.
fn checksum<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a checksum is a part of 32 bytes")
}
