//! The disk as the engine sees it: [`Disk`], [`File`], [`Append`] and [`Lock`].
//!
//! The only room that opens files, and the only one with `unsafe`. Two implementations stand behind the traits: the
//! real one, and a simulated one that stops at any operation and then shows every state in which a power cut may
//! leave the files. So what the rest of the engine promises can be tested operation by operation.
//!
//! What is durable, everywhere: the bytes of a file after its `sync`; a name (created, renamed, removed) after
//! [`Disk::sync_folder`] of the folder that it stands in. Nothing else is. For a rename between folders that is the
//! folder of the new name.
//!
//! Paths are relative to the disk's root folder.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

pub use self::error::Act;
pub use self::error::DiskError;
pub use self::memory::give_back_buffers;
pub use self::real::Backend;
pub use self::real::RealDisk;
pub use self::simulated::SimulatedDisk;

mod error;
mod memory;
mod ring;
mod real;
pub mod fetch;
pub mod simulated;
#[cfg(test)]
mod tests;

/// A folder tree with files in it, and what makes them durable.
pub trait Disk: Send + Sync {
    /// Makes one folder, whose parent exists.
    ///
    /// # Errors
    /// [`DiskError::Exists`] if the name is taken.
    fn create_folder(&self, path: &Path) -> Result<(), DiskError>;

    /// The names in a folder, in byte order.
    fn list(&self, path: &Path) -> Result<Vec<OsString>, DiskError>;

    /// Whether there is a file or folder of that name.
    fn exists(&self, path: &Path) -> Result<bool, DiskError>;

    /// Length of a file in bytes, without opening it.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] if there is nothing of that name.
    fn length(&self, path: &Path) -> Result<u64, DiskError>;

    /// Opens or creates a file.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] for [`Mode::Read`] and [`Mode::Write`], [`DiskError::Exists`] for [`Mode::CreateNew`].
    fn open(&self, path: &Path, mode: Mode) -> Result<Box<dyn File>, DiskError>;

    /// Creates a file that grows at its end only. Room for `allocate_bytes` is reserved as soon as writing goes on for
    /// long enough that it pays; until the next sync others may see it as zeros at the end of the file. The file may
    /// grow beyond.
    ///
    /// # Errors
    /// [`DiskError::Exists`] if the name is taken, [`DiskError::Full`] if there is no such room; no file is left
    /// behind then.
    fn append(&self, path: &Path, allocate_bytes: u64) -> Result<Box<dyn Append>, DiskError>;

    /// Gives a file or folder another name. A file that has the new name is replaced, at once and as a whole.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes the names in a folder durable. The root is the empty path.
    fn sync_folder(&self, path: &Path) -> Result<(), DiskError>;

    /// Takes the lock that the file `path` stands for (created where missing) and writes the `owner` into it, such as
    /// "process 17 on host since 2026-01-01T00:00:00Z". Never waits. The system frees it when the process ends.
    ///
    /// # Errors
    /// [`DiskError::Held`] with what the holder wrote.
    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Lock>, DiskError>;

    /// Shares the lock that the file `path` stands for with others that share it: nobody [takes](Self::lock) it meanwhile.
    /// Needs no right to write. Waits while somebody has taken it, which is for moments alone where locks are shared.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] if there is no such file.
    fn lock_shared(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError>;

    /// Bytes that can still be written on the file system of that file or folder.
    fn free_bytes(&self, path: &Path) -> Result<u64, DiskError>;

    /// Gives the file `path` new contents, durably, and at every moment either the old or the new ones: a temporary
    /// file beside it, written and synced, takes its name, and the folder is synced. What a crash leaves of the
    /// temporary file is recognised by [`is_temporary`].
    ///
    /// Two calls for one path at a time are the caller's fault.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let temporary = temporary_path(path);
        if self.exists(&temporary)? {
            self.remove(&temporary)?;
        }
        let file = self.open(&temporary, Mode::CreateNew)?;
        file.write_at(0, bytes)?;
        file.sync()?;
        self.rename(&temporary, path)?;
        self.sync_folder(path.parent().unwrap_or(Path::new("")))
    }
}

/// How [`Disk::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A file that did not exist, to be read and written.
    CreateNew,
}

/// An open file. Shared by threads; every call names its offset, in bytes from the start.
#[expect(clippy::len_without_is_empty, reason = "an empty file is nothing special on a disk")]
pub trait File: Send + Sync {
    /// Where it was opened, for messages.
    fn path(&self) -> &Path;

    /// Reads up to `into.len()` bytes, fewer only where the file ends; returns how many.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;

    /// Fills `into`.
    ///
    /// # Errors
    /// [`DiskError::Ended`] if the file ends before.
    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let bytes = into.len();
        match self.read_at(offset, into)? {
            count if count == bytes => Ok(()),
            _ => Err(DiskError::Ended { path: self.path().to_owned(), offset, bytes }),
        }
    }

    /// Writes all `bytes`; the file grows where they reach beyond its end.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes the bytes and the length of the file durable.
    ///
    /// After an error the system may have forgotten which bytes it could not write, so a second sync would prove
    /// nothing: every later write and sync of this handle returns the same error, and the caller trusts only what
    /// it reads back after opening the file anew.
    fn sync(&self) -> Result<(), DiskError>;

    /// Length in bytes.
    fn len(&self) -> Result<u64, DiskError>;

    /// Cuts or extends (with zeros) the file to this length in bytes.
    fn truncate(&self, bytes: u64) -> Result<(), DiskError>;

    /// Tells the system how the file is going to be read. A hint: it changes no result and cannot fail.
    fn advise(&self, advice: Advice);
}

/// What is known about coming reads of a [`File`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// From front to back, once: read far ahead.
    Sequential,
    /// Here and there: do not read ahead.
    Random,
    /// These bytes soon.
    Soon {
        /// First byte.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// These bytes not again, so that a scan does not push out what others have in the system's cache.
    Done {
        /// First byte.
        offset: u64,
        /// How many.
        bytes: u64,
    },
}

/// A file under construction that grows at its end only. Writes are gathered into large ones and may run behind.
///
/// After any error of a write or sync the file is poisoned: every later call but `len` returns the error
/// that came first, and nothing is synced any more.
///
/// Dropped without [`finish`](Append::finish), what was written since the last sync may or may not be in the file.
#[expect(clippy::len_without_is_empty, reason = "an empty file is nothing special on a disk")]
pub trait Append: Send {
    /// Adds bytes to the end. Copies them, and waits only when the disk is several large writes behind.
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Adds zeros up to a multiple of [`BLOCK_BYTES`](crate::limits::BLOCK_BYTES).
    fn pad_to_block(&mut self) -> Result<(), DiskError>;

    /// Makes everything that was written durable, and the visible length of the file equal to [`len`](Append::len).
    ///
    /// Bytes that were synced once are never written again, so what is synced ends with a whole block: a tail that
    /// does not is padded first, as by [`pad_to_block`](Append::pad_to_block).
    fn sync(&mut self) -> Result<(), DiskError>;

    /// How many bytes were written, padding included: the offset of the next one.
    fn len(&self) -> u64;

    /// Fills `into` with bytes that were written before, wherever they are by now.
    ///
    /// # Errors
    /// [`DiskError::Ended`] if they reach beyond [`len`](Append::len).
    fn read_back(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError>;

    /// Syncs, and closes the file at its length, which is returned in bytes.
    fn finish(self: Box<Self>) -> Result<u64, DiskError>;
}

/// A lock that is held until it is dropped, or until the process ends.
pub trait Lock: Send + Sync {}

/// Ending of the names of temporary files.
const TEMPORARY_ENDING: &str = ".new~";

/// Whether a file of this name is what a crash left of [`Disk::replace`], and may be removed.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(TEMPORARY_ENDING.as_bytes())
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(TEMPORARY_ENDING);
    PathBuf::from(name)
}
