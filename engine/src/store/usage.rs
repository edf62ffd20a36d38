//! What a repository takes, in numbers.

use super::Store;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use crate::journal::segment_number;

/// What a repository takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Packs.
    pub packs: u64,
    /// Objects in all packs.
    pub objects: u64,
    /// Bytes of all packs.
    pub bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Bytes of the journal, in both places where it is kept.
    pub journal_bytes: u64,
    /// Bytes that are free on the file system.
    pub free_bytes: u64,
}

impl Store {
    /// What the repository takes, as far as it is durable.
    pub(crate) fn usage(&self) -> Result<Usage, StoreError> {
        let mut journal_bytes = 0;
        for folder in layout::folders(self.disk(), &[Name::Journal])? {
            for name in self.disk.list(&folder)? {
                if segment_number(&name).is_some() {
                    journal_bytes += self.disk.length(&folder.join(&name))?;
                }
            }
        }
        let (index_bytes, free_bytes) = (self.index_bytes(), self.free_bytes()?);
        let catalogue = self.catalogue();
        Ok(Usage {
            packs: catalogue.packs().len() as u64,
            objects: catalogue.objects(),
            bytes: catalogue.packs().map(|(_, pack)| u64::from(pack.bytes)).sum(),
            index_bytes,
            journal_bytes,
            free_bytes,
        })
    }
}
