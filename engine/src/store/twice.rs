//! What is kept twice, journal, parameters and key slots: whether it is the same in both places, and writing it again.

use std::path::Path;

use super::Store;
use super::checkpoint;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use super::recover;
use crate::journal::Differing;
use crate::journal::Replayed;
use crate::journal::Side;
use crate::journal::prove;

impl Store {
    /// Segments of the journal, up to there, that do not say what they must. A mirror that was never made is not missed.
    pub(crate) fn differing_journal(&self, end: &Replayed) -> Result<Vec<Differing>, StoreError> {
        let has_mirror = self.disk.exists(layout::path(Name::Mirror))?;
        let mut differing = Vec::new();
        prove(self.disk(), self.parameters.repository, end, &mut |segment| {
            differing.extend(segment.compare(self.disk(), Side::Journal)?);
            if has_mirror {
                differing.extend(segment.compare(self.disk(), Side::Mirror)?);
            }
            Ok(())
        })?;
        Ok(differing)
    }

    /// Writes again what is damaged or missing in one of the two places, and a checkpoint that cannot be read. Returns how
    /// many files that were.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a record of the journal is intact in neither.
    pub(crate) fn mend_files(&self) -> Result<u64, StoreError> {
        let writer = self.writer()?;
        let mut journal = writer.durable();
        let segments = journal.mend();
        journal.reopen().map_err(|error| writer.poison(error))?;
        drop(journal);
        let small = recover::mend_small(self.disk(), &self.catalogue())?;
        let is_derived_damaged = checkpoint::read(self.disk(), self.parameters.repository).is_err();
        if is_derived_damaged {
            self.checkpoint_now();
        }
        Ok(segments? + small + u64::from(is_derived_damaged))
    }

    /// Whether that file is kept twice, and intact in one of the places.
    pub(crate) fn can_mend(&self, path: &Path) -> bool {
        let path = path.strip_prefix(layout::path(Name::Mirror)).unwrap_or(path);
        let (at, parameters, slots) = {
            let catalogue = self.catalogue();
            (catalogue.at(), catalogue.parameters().copied(), catalogue.slots().clone())
        };
        if path.starts_with(layout::path(Name::Journal)) {
            return self.differing_journal(&at).is_ok();
        }
        let slot = slots.into_iter().find(|(slot, _)| path == layout::slot_path(slot)).map(|(_, hash)| hash);
        let named = slot.or(parameters.filter(|_| path == layout::path(Name::Parameters)));
        named.is_some_and(|hash| layout::read_named(self.disk(), path, &hash).is_ok())
    }
}
