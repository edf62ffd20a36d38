//! The disk of the machine ([`RealDisk`]): a folder, and all below it.
//!
//! Files under construction are written with io_uring or, where there is none, with plain calls; see [`Backend`]. All
//! else is plain calls, which measured no slower: reads of packs are few and large, and the journal waits for each of
//! its syncs anyway. Reading through a memory map was measured too and left out: cold it gains nothing over reads into
//! a buffer that is used again, and a file that shrinks under a map kills the process.

use std::ffi::OsString;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File as SystemFile;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::path::absolute;

use rustix::fs::OFlags;
use rustix::fs::statvfs;
use rustix::io::Errno;

use self::append::IdleKits;
use self::append::Kit;
use self::append::RealAppend;
use self::carrier::Carrier;
use self::carrier::PlainCarrier;
use self::carrier::RingCarrier;
use self::carrier::Target;
use self::file::RealFile;
use self::lock::RealLock;
use super::Act;
use super::Append;
use super::Disk;
use super::DiskError;
use super::File;
use super::Lock;
use super::Mode;

mod append;
mod buffer;
mod carrier;
mod file;
mod lock;
#[cfg(test)]
mod tests;

/// Permissions of the files that are made: what a repository holds is its owner's business.
const FILE_MODE: u32 = 0o600;

/// Permissions of the folders that are made.
const FOLDER_MODE: u32 = 0o700;

/// How reads and writes that are worth it are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// With io_uring; an error where the kernel does not have it or does not allow it.
    IoUring,
    /// With plain calls: the twin that does the same, one thing after the other.
    Sync,
    /// With io_uring where it works, with plain calls elsewhere.
    #[default]
    Auto,
}

/// A folder of the machine.
pub struct RealDisk {
    root: PathBuf,
    backend: Backend,
    idle_kits: IdleKits,
}

impl RealDisk {
    /// The disk whose root is the folder `root`, which exists.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] if it does not; [`DiskError::Io`] for [`Backend::IoUring`] where that does not work.
    pub fn open(root: &Path, backend: Backend) -> Result<Self, DiskError> {
        let error = |source| DiskError::new(Act::Open, root, source);
        let path = absolute(root).map_err(error)?;
        if !fs::metadata(&path).map_err(error)?.is_dir() {
            return Err(error(Errno::NOTDIR.into()));
        }
        let disk = Self { root: path, backend, idle_kits: IdleKits::default() };
        disk.give_back(Kit::new(disk.carrier().map_err(error)?));
        Ok(disk)
    }

    /// As [`open`](Self::open); makes the folder durably if it is missing, and those above it.
    pub fn create(root: &Path, backend: Backend) -> Result<Self, DiskError> {
        let path = absolute(root).map_err(|source| DiskError::new(Act::Create, root, source))?;
        let missing = path.ancestors().take_while(|folder| !folder.exists()).collect::<Vec<_>>();
        for folder in missing.into_iter().rev() {
            let made = DirBuilder::new().mode(FOLDER_MODE).create(folder);
            made.map_err(|source| DiskError::new(Act::Create, folder, source))?;
            folder.parent().map_or(Ok(()), sync_folder)?;
        }
        Self::open(root, backend)
    }

    /// The place of a file on the machine. A path never leads out of the root.
    fn place(&self, act: Act, path: &Path) -> Result<PathBuf, DiskError> {
        let inside = path.components().all(|component| matches!(component, Component::Normal(_)));
        match inside {
            true => Ok(self.root.join(path)),
            false => Err(DiskError::new(act, path, Errno::INVAL.into())),
        }
    }

    fn carrier(&self) -> io::Result<Box<dyn Carrier>> {
        if self.backend != Backend::Sync {
            match RingCarrier::new() {
                Ok(ring) => return Ok(Box::new(ring)),
                Err(error) if self.backend == Backend::IoUring => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Box::new(PlainCarrier::default()))
    }

    fn kit(&self) -> io::Result<Kit> {
        let idle = self.idle_kits.lock().expect("nothing panics with the kits").pop();
        idle.map_or_else(|| self.carrier().map(Kit::new), Ok)
    }

    fn give_back(&self, kit: Kit) {
        self.idle_kits.lock().expect("nothing panics with the kits").push(kit);
    }
}

impl Disk for RealDisk {
    fn create_folder(&self, path: &Path) -> Result<(), DiskError> {
        let place = self.place(Act::Create, path)?;
        let made = DirBuilder::new().mode(FOLDER_MODE).create(&place);
        made.map_err(|source| DiskError::new(Act::Create, &place, source))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, DiskError> {
        let place = self.place(Act::List, path)?;
        let error = |source| DiskError::new(Act::List, &place, source);
        let entries = fs::read_dir(&place).map_err(error)?;
        let names = entries.map(|entry| Ok(entry.map_err(error)?.file_name()));
        let mut names = names.collect::<Result<Vec<_>, DiskError>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> Result<bool, DiskError> {
        let place = self.place(Act::Open, path)?;
        place.try_exists().map_err(|source| DiskError::new(Act::Open, &place, source))
    }

    fn length(&self, path: &Path) -> Result<u64, DiskError> {
        let place = self.place(Act::Open, path)?;
        let error = |source| DiskError::new(Act::Open, &place, source);
        let metadata = fs::metadata(&place).map_err(error)?;
        if metadata.is_dir() { Err(error(Errno::ISDIR.into())) } else { Ok(metadata.len()) }
    }

    fn open(&self, path: &Path, mode: Mode) -> Result<Box<dyn File>, DiskError> {
        let act = if mode == Mode::CreateNew { Act::Create } else { Act::Open };
        let place = self.place(act, path)?;
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE).write(mode != Mode::Read).create_new(mode == Mode::CreateNew);
        let error = |source| DiskError::new(act, &place, source);
        let file = options.open(&place).map_err(error)?;
        if file.metadata().map_err(error)?.is_dir() {
            return Err(error(Errno::ISDIR.into()));
        }
        Ok(Box::new(RealFile::new(file, &place)))
    }

    fn append(&self, path: &Path, allocate_bytes: u64) -> Result<Box<dyn Append>, DiskError> {
        let place = self.place(Act::Create, path)?;
        let error = |source| DiskError::new(Act::Create, &place, source);
        if self.free_bytes(path.parent().unwrap_or(Path::new("")))? < allocate_bytes {
            return Err(DiskError::Full { act: Act::Allocate, path: place });
        }
        let kit = self.kit().map_err(error)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(&place).map_err(error)?;
        let flags = OFlags::DIRECT.bits().cast_signed();
        // A file system that has no O_DIRECT says so here; the page cache does then.
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(&place).ok();
        let target = Target { file, direct };
        Ok(Box::new(RealAppend::new(target, &place, allocate_bytes, kit, self.idle_kits.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let (from, to) = (self.place(Act::Rename, from)?, self.place(Act::Rename, to)?);
        fs::rename(&from, &to).map_err(|source| DiskError::new(Act::Rename, &from, source))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let place = self.place(Act::Remove, path)?;
        fs::remove_file(&place).map_err(|source| DiskError::new(Act::Remove, &place, source))
    }

    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        sync_folder(&self.place(Act::Sync, path)?)
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Lock>, DiskError> {
        Ok(Box::new(RealLock::take(&self.place(Act::Lock, path)?, owner)?))
    }

    fn lock_shared(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError> {
        Ok(Box::new(RealLock::share(&self.place(Act::Lock, path)?)?))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, DiskError> {
        let place = self.place(Act::Read, path)?;
        let figures = statvfs(&place).map_err(|errno| DiskError::new(Act::Read, &place, errno.into()))?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

fn sync_folder(place: &Path) -> Result<(), DiskError> {
    let error = |source| DiskError::new(Act::Sync, place, source);
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed());
    let folder: SystemFile = options.open(place).map_err(error)?;
    folder.sync_all().map_err(error)
}
