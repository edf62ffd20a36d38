//! Room for the records of deletions, on a disk that others have filled: a file that is removed when one of them needs it.
//!
//! Deletions must not need space. What they add to the journal is small, and the first of them makes room for the rest.

use std::path::Path;

use super::Store;
use super::layout;
use super::layout::Name;
use super::options::References;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::journal::Event;
use crate::limits::BALLAST_PART;

impl Store {
    /// Makes the file, if it is missing, the disk has plenty of room, and the repository is so large that it is nothing
    /// beside it. Where that fails, nothing is lost.
    pub(crate) fn make_ballast(&self) {
        let bytes = self.options.ballast_bytes;
        let packs: u64 = self.catalogue().packs().map(|(_, pack)| u64::from(pack.bytes)).sum();
        let wanted = bytes > 0 && packs / BALLAST_PART >= bytes && self.references() == References::Here;
        let plenty = |free: u64| free >= self.options.reserve_bytes.saturating_mul(4).saturating_add(bytes);
        if self.writer().is_err() || !wanted || !self.free_bytes().is_ok_and(plenty) {
            return;
        }
        let path = layout::path(Name::Ballast);
        let made = match self.disk.open(path, Mode::CreateNew) {
            Err(DiskError::Exists { .. }) => return,
            file => file.and_then(|file| fill(&*file, bytes)),
        };
        if let Err(error) = made {
            tracing::debug!(%error, "there is no ballast");
        }
    }

    /// Gives the room up for events that are all about deletions. False if there is nothing to give up.
    pub(super) fn drop_ballast(&self, events: &[Event]) -> bool {
        events.iter().all(Event::is_of_deletions)
            && self.disk.remove(Path::new(layout::path(Name::Ballast))).is_ok()
    }
}

/// Zeros that are written, so that the room is really taken.
fn fill(file: &dyn crate::disk::File, bytes: u64) -> Result<(), DiskError> {
    let zeros = [0; 64 << 10];
    let mut at = 0;
    while at < bytes {
        let some = zeros.len().min(usize::try_from(bytes - at).unwrap_or(zeros.len()));
        file.write_at(at, &zeros[..some])?;
        at += some as u64;
    }
    file.sync()
}
