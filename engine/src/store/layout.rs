//! The folder of a repository: what lies where. FORMAT.md, "Files of a repository folder".

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::envelope::EnvelopeError;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::parameters::ParametersError;

use super::error::StoreError;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::disk::is_temporary;
use crate::journal;
use crate::journal::SlotId;
use crate::limits::SETTINGS_BYTES_MAX;
use crate::pack;

/// Something that lies at the top of a repository's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The parameters. A folder without them is no repository, so they are written last.
    Parameters,
    /// The file that the one writer holds locked.
    Lock,
    /// How far the journal was acknowledged.
    Head,
    /// Segments of the journal.
    Journal,
    /// Packs, in 256 folders.
    Packs,
    /// Key slots.
    Slots,
    /// What the journal said at some time, so that it need not be replayed. Derived.
    Checkpoint,
    /// When each pack was verified.
    Verified,
    /// Locks that readers of other processes share.
    Pins,
    /// Room for the records of deletions.
    Ballast,
    /// RocksDB, unless it is kept elsewhere.
    Index,
}

impl Name {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Parameters,
        Self::Lock,
        Self::Head,
        Self::Journal,
        Self::Packs,
        Self::Slots,
        Self::Checkpoint,
        Self::Verified,
        Self::Pins,
        Self::Ballast,
        Self::Index,
    ];

    /// What a file or folder of this name is, if a repository has one.
    pub(crate) fn of(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|known| path(*known).as_os_str() == name)
    }
}

/// Where it lies, relative to the repository.
pub(crate) fn path(name: Name) -> &'static Path {
    Path::new(match name {
        Name::Parameters => "parameters",
        Name::Lock => "lock",
        Name::Head => journal::HEAD_PATH,
        Name::Journal => journal::FOLDER,
        Name::Packs => pack::FOLDER,
        Name::Slots => "slots",
        Name::Checkpoint => "checkpoint",
        Name::Verified => "verified",
        Name::Pins => "pins",
        Name::Ballast => "ballast",
        Name::Index => "index",
    })
}

/// The file of a key slot.
pub(crate) fn slot_path(slot: &SlotId) -> PathBuf {
    path(Name::Slots).join(slot.to_string())
}

/// The error for a file that is not what was written.
pub(crate) fn damaged(name: Name, what: &'static str) -> StoreError {
    StoreError::Damaged { path: path(name).into(), offset: 0, what }
}

/// Whether the name is what a crash left of a file that was being written.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    is_temporary(name)
}

/// Looks for a repository.
pub(crate) fn expect_repository(disk: &dyn Disk) -> Result<(), StoreError> {
    match disk.exists(path(Name::Parameters)) {
        Ok(true) => Ok(()),
        Ok(false) | Err(DiskError::NotFound { .. }) => Err(StoreError::NotThere),
        Err(error) => Err(error.into()),
    }
}

/// Reads the parameters, and the hash by which the journal knows them.
pub(crate) fn read_parameters(disk: &dyn Disk) -> Result<(Parameters, blake3::Hash), StoreError> {
    let bytes = read_small(disk, path(Name::Parameters))?;
    let parameters = parse_parameters(&bytes)?;
    Ok((parameters, blake3::hash(&bytes)))
}

/// Reads parameters that somebody gave.
pub(crate) fn parse_parameters(bytes: &[u8]) -> Result<Parameters, StoreError> {
    Parameters::parse(bytes).map_err(|error| match error {
        ParametersError::Envelope(EnvelopeError::NewerFormat { found, known, .. }) => {
            StoreError::NewerFormat { what: "the format of the repository", found, known }
        }
        ParametersError::Envelope(EnvelopeError::Malformed(malformed)) => StoreError::Damaged {
            path: path(Name::Parameters).into(),
            offset: malformed.offset as u64,
            what: malformed.what,
        },
        ParametersError::Envelope(_) => damaged(Name::Parameters, "envelope"),
        source => StoreError::Unsupported { source },
    })
}

/// Reads a file that is small, or damaged.
pub(crate) fn read_small(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = disk.open(path, Mode::Read)?;
    let length = file.len()?;
    if length > SETTINGS_BYTES_MAX {
        return Err(StoreError::Damaged { path: path.into(), offset: length, what: "length" });
    }
    let length = usize::try_from(length).expect("it was compared with a small limit");
    let mut bytes = vec![0; length];
    file.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}
