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
use crate::journal::copy_of;
use crate::journal::make_mirror_of;
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
    /// The small files once more: parameters, key slots and journal.
    Mirror,
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
    pub(crate) const ALL: [Self; 12] = [
        Self::Parameters,
        Self::Lock,
        Self::Head,
        Self::Journal,
        Self::Packs,
        Self::Slots,
        Self::Mirror,
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
        Name::Mirror => journal::MIRROR,
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

/// Reads the parameters, and their bytes, by whose hash the journal knows them.
pub(crate) fn read_parameters(disk: &dyn Disk) -> Result<(Parameters, Vec<u8>), StoreError> {
    read_either(disk, path(Name::Parameters), |bytes| Ok((parse_parameters(&bytes)?, bytes)))
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

/// Reads a small file, or its copy if the file is not what it should be.
///
/// # Errors
/// What is wrong with the file, if the copy is no better.
pub(crate) fn read_either<T>(
    disk: &dyn Disk,
    path: &Path,
    parse: impl Fn(Vec<u8>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let error = match read_small(disk, path).and_then(&parse) {
        // Whoever wrote that knows better.
        read @ (Ok(_) | Err(StoreError::NewerFormat { .. })) => return read,
        Err(error) => error,
    };
    let copy = read_small(disk, &copy_of(path)).and_then(&parse);
    let parsed = copy.map_err(|_| error.clone())?;
    tracing::warn!(%error, "a file was read from its copy");
    Ok(parsed)
}

/// Reads a small file whose hash stands in the journal, or its copy.
///
/// # Errors
/// [`StoreError::Damaged`] if neither is what the journal names.
pub(crate) fn read_named(disk: &dyn Disk, path: &Path, hash: &blake3::Hash) -> Result<Vec<u8>, StoreError> {
    let damaged = |what| StoreError::Damaged { path: path.into(), offset: 0, what };
    let read = read_either(disk, path, |bytes| match blake3::hash(&bytes) == *hash {
        true => Ok(bytes),
        false => Err(damaged("the file: it is not the one that the journal names")),
    });
    match read {
        Err(StoreError::Disk(DiskError::NotFound { .. } | DiskError::Ended { .. })) => {
            Err(damaged("end: the file is missing or too short"))
        }
        read => read,
    }
}

/// Gives a small file its contents, durably: first to its copy.
pub(crate) fn write_both(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    make_mirror_of(disk, path.parent().unwrap_or(Path::new("")))?;
    disk.replace(&copy_of(path), bytes)?;
    disk.replace(path, bytes)
}

/// Writes a small file and its copy again where they do not hold these bytes. Returns how many of the two that were.
pub(crate) fn mend_both(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<u64, DiskError> {
    make_mirror_of(disk, path.parent().unwrap_or(Path::new("")))?;
    let mut count = 0;
    for path in [path.to_owned(), copy_of(path)] {
        if !read_small(disk, &path).is_ok_and(|found| found == bytes) {
            disk.replace(&path, bytes)?;
            count += 1;
        }
    }
    Ok(count)
}

/// The folders in which files are kept, with the copies of those that are kept twice. Those of the mirror are missing in
/// repositories that earlier programs made.
pub(crate) fn folders(disk: &dyn Disk, names: &[Name]) -> Result<Vec<PathBuf>, DiskError> {
    let mut folders = Vec::new();
    for folder in names.iter().map(|name| path(*name)) {
        folders.push(folder.to_owned());
        if disk.exists(&copy_of(folder))? {
            folders.push(copy_of(folder));
        }
    }
    Ok(folders)
}
