//! Packs: append-only files of objects ([`PackWriter`], [`PackReader`]), and the check of every byte of one
//! ([`check`]).
//!
//! A pack is a header block and then extents. An extent is what became durable together: records of objects, a
//! summary that lists them, and zeros up to a whole block, so that synced blocks are never written again. The journal
//! commits to the hash of each summary, a summary to the id of each object, and an id to its bytes; everything else
//! in a pack follows from these, so no byte of it can change unnoticed. FORMAT.md, "Packs".

use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::PackId;
use farkeep_codec::layout::Malformed;
use thiserror::Error;

use crate::disk::DiskError;

pub(crate) use check::Flaw;
pub(crate) use check::check;
pub(crate) use extent::Entry;
pub(crate) use extent::Extent;
pub(crate) use extent::Summary;
pub(crate) use extent::end as extent_end;
pub(crate) use header::PackHeader;
pub(crate) use heal::Diagnosis;
pub(crate) use heal::Healed;
pub(crate) use heal::diagnose;
pub(crate) use heal::heal;
pub(crate) use mend::mend;
pub(crate) use parity::Encoder;
pub use parity::Encoders;
pub(crate) use parity::Parity;
pub(crate) use parity::end as parity_end;
pub(crate) use reader::PackReader;
pub(crate) use record::RECORD_HEADER_BYTES;
pub(crate) use record::RecordHeader;
pub(crate) use writer::PackWriter;

mod check;
mod extent;
mod header;
mod heal;
mod mend;
mod parity;
mod reader;
mod record;
mod writer;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;

#[cfg(test)]
mod tests;

/// Folder of all packs, relative to the repository.
pub(crate) const FOLDER: &str = "packs";

/// Why something was not read from a pack.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PackError {
    /// The bytes are not those that were written.
    #[error("pack {pack} at byte {offset}: {}", malformed.what)]
    Damaged {
        /// The pack.
        pack: PackId,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What was being read.
        malformed: Malformed,
    },
    /// The disk did not carry a read out.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl PackError {
    /// Places what a table says about itself at the `start` of that table in the pack.
    pub(crate) fn damaged(pack: &PackId, start: u64, malformed: Malformed) -> Self {
        Self::Damaged { pack: *pack, offset: start + malformed.offset as u64, malformed }
    }
}

/// The folder in which a pack lies: 256 of them, so that none has too many names.
pub(crate) fn folder(pack: &PackId) -> PathBuf {
    Path::new(FOLDER).join(format!("{:02x}", pack.as_bytes()[0]))
}

/// The file of a pack.
pub(crate) fn path(pack: &PackId) -> PathBuf {
    folder(pack).join(pack.to_string())
}
