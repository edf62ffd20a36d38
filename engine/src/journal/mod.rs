//! The journal: numbered, hash-chained, durable events; with the packs the only source of truth.
//!
//! It is a folder of segments with records behind one another ([`replay()`], [`JournalWriter`]) and a file `head` with two
//! slots, which says how far the journal was acknowledged. A bad record up to the head is damage. What lies beyond
//! the head was promised to nobody: a torn tail, which the next writer cuts. The segments are kept twice ([`Side`]).
//! FORMAT.md, "Journal" and "Mirror".

use std::path::PathBuf;

use thiserror::Error;

use crate::disk::DiskError;

pub(crate) use event::ClockTrust;
pub(crate) use event::Event;
pub use event::Settings;
pub use event::SlotId;
pub(crate) use event::StoredExtent;
pub(crate) use event::Struck;
pub(crate) use head::HEAD_PATH;
pub(crate) use head::Heads;
pub(crate) use mend::Differing;
pub(crate) use mend::prove;
pub use record::ChainHash;
pub use record::Position;
pub(crate) use replay::Entry;
pub(crate) use replay::Payloads;
pub(crate) use replay::Place;
pub(crate) use replay::Replay;
pub(crate) use replay::Replayed;
pub(crate) use replay::Tail;
pub(crate) use replay::replay;
pub(crate) use segment::segment_number;
pub(crate) use side::MIRROR;
pub(crate) use side::Side;
pub(crate) use side::copy_of;
pub(crate) use side::make_mirror_of;
pub(crate) use writer::JournalWriter;
pub(crate) use writer::Resumed;
pub(crate) use writer::WriteError;

mod event;
mod record;
mod segment;
mod head;
mod side;
mod replay;
mod mend;
mod writer;

#[cfg(test)]
mod tests;

/// Folder of the segments, relative to the repository.
pub(crate) const FOLDER: &str = "journal";

/// Why the journal was not read to its head.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A byte that was acknowledged is not what was written.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Damaged {
        /// The file, relative to the repository.
        path: PathBuf,
        /// Offset in bytes from the start of the file.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
    /// The journal holds something that only a later program understands.
    #[error("{what} is {found}, this program knows {known} and below")]
    NewerFormat {
        /// What was being read.
        what: &'static str,
        /// The number that stands there.
        found: u16,
        /// The highest number that this program understands.
        known: u16,
    },
    /// The disk did not carry something out.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
