//! An open file of the real disk.

use std::fs::File as SystemFile;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::fadvise;

use crate::disk::Act;
use crate::disk::Advice;
use crate::disk::DiskError;
use crate::disk::File;

#[derive(Debug)]
pub(super) struct RealFile {
    file: SystemFile,
    path: PathBuf,
    poison: OnceLock<DiskError>,
}

impl RealFile {
    pub(super) fn new(file: SystemFile, path: &Path) -> Self {
        Self { file, path: path.into(), poison: OnceLock::new() }
    }

    fn unpoisoned(&self) -> Result<(), DiskError> {
        self.poison.get().cloned().map_or(Ok(()), Err)
    }

    fn error(&self, act: Act) -> impl FnOnce(io::Error) -> DiskError {
        move |source| DiskError::new(act, &self.path, source)
    }
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut count = 0;
        while count < into.len() {
            match self.file.read_at(&mut into[count..], offset.saturating_add(count as u64)) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(Act::Read)(error)),
            }
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.unpoisoned()?;
        self.file.write_all_at(bytes, offset).map_err(self.error(Act::Write))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.unpoisoned()?;
        let synced = self.file.sync_data().map_err(self.error(Act::Sync));
        // Where two threads fail at once, the error of either will do.
        synced.inspect_err(|error| drop(self.poison.set(error.clone())))
    }

    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(self.error(Act::Read))?.len())
    }

    fn truncate(&self, bytes: u64) -> Result<(), DiskError> {
        self.unpoisoned()?;
        self.file.set_len(bytes).map_err(self.error(Act::Truncate))
    }

    fn advise(&self, advice: Advice) {
        use rustix::fs::Advice as System;
        let (offset, bytes, advice) = match advice {
            Advice::Sequential => (0, 0, System::Sequential),
            Advice::Random => (0, 0, System::Random),
            Advice::Soon { offset, bytes } => (offset, bytes, System::WillNeed),
            Advice::Done { offset, bytes } => (offset, bytes, System::DontNeed),
        };
        // A hint that the file system does not know is no loss.
        let _ = fadvise(&self.file, offset, NonZeroU64::new(bytes), advice);
    }
}
