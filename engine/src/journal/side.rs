//! The journal stands in two places ([`Side`]): what was acknowledged is in `journal/` and in `mirror/journal/`, at the same
//! place of a file of the same name, so that a sector which is lost on one side is read from the other.
//!
//! Both sides are written and synced before the head names a record. So nobody has to know how far the mirror is: up to
//! the head the sides are equal, or one of them is damaged. Which one, the chain says.

use std::path::Path;
use std::path::PathBuf;

use super::FOLDER;
use super::segment;
use crate::disk::Disk;
use crate::disk::DiskError;

/// The folder of everything that is kept once more, relative to the repository.
pub(crate) const MIRROR: &str = "mirror";

/// Where a file is kept once more.
pub(crate) fn copy_of(path: &Path) -> PathBuf {
    Path::new(MIRROR).join(path)
}

/// One of the two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `journal/`.
    Journal,
    /// `mirror/journal/`.
    Mirror,
}

impl Side {
    /// The folder of the segments.
    pub(crate) fn folder(self) -> PathBuf {
        self.of(Path::new(FOLDER))
    }

    /// The file of a segment.
    pub(super) fn path(self, number: u64) -> PathBuf {
        self.of(&segment::path(number))
    }

    fn of(self, path: &Path) -> PathBuf {
        match self {
            Self::Journal => path.to_owned(),
            Self::Mirror => copy_of(path),
        }
    }
}

/// Makes the folder in which the files of `folder` are kept once more, if it is missing, durably.
pub(crate) fn make_mirror_of(disk: &dyn Disk, folder: &Path) -> Result<(), DiskError> {
    for folder in [PathBuf::from(MIRROR), copy_of(folder)] {
        if !disk.exists(&folder)? {
            disk.create_folder(&folder)?;
            disk.sync_folder(folder.parent().unwrap_or(Path::new("")))?;
        }
    }
    Ok(())
}
