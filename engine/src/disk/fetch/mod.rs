//! Reads many small files at a time ([`Fetcher`]), for a backup of somebody's folders.
//!
//! Each file is opened below a folder's descriptor, never through a symbolic link, and looked at before and after it is
//! read; so what comes back is the contents of one regular file that nobody changed meanwhile, or an error that says
//! why not.
//!
//! The reads go through io_uring where it works. On 78,000 sources of 10 KB in the mean, with a cold cache, that gave
//! 26,000 to 29,000 files per second against 7,500 to 10,000 with plain calls, since the disk sees many reads at once;
//! with a warm one it was a tenth faster for the same processor time. Opening through the ring as well gained nothing
//! that could be told from noise. Chains of open, read and close saved a fifth of the processor time of a warm read,
//! but cannot look at the file that they have opened, and looking it up again by its name costs as much.

use std::ffi::CStr;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::flistxattr_query;
use rustix::fs::fstat;
use rustix::fs::openat;
use rustix::io::Errno;
use rustix::io::pread;
use thiserror::Error;

use self::window::Window;
use super::Backend;
use super::ring::Ring;
use super::ring::is_interrupted;
use crate::limits::FETCH_FILES_OPEN;

mod window;
#[cfg(test)]
mod tests;

/// One file to be read.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The folder that it stands in.
    pub folder: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a CStr,
    /// Its length when it was last looked at. It is read if it is no longer than that.
    pub expected_bytes: usize,
}

impl Request<'_> {
    /// The room that it takes in the buffer: a byte more than expected, which would show that the file has grown.
    pub fn room_bytes(&self) -> usize {
        self.expected_bytes.saturating_add(1)
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where its contents are in the buffer.
    pub range: Range<usize>,
    /// What it was, before and after it was read.
    pub identity: Identity,
    /// Length of the list of its extended attributes' names: 0 for nearly every file, which then need not be asked again.
    pub attribute_names_bytes: usize,
}

/// What tells one state of one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub inode: u64,
    /// Length.
    pub bytes: u64,
    /// When the contents were changed, in nanoseconds since 1970, by whoever may set that.
    pub modified_ns: i64,
    /// When anything was changed, in nanoseconds since 1970, by the system's clock.
    pub changed_ns: i64,
}

/// Why there are no contents of a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is a folder, a symbolic link, a fifo or the like. It was not read.
    #[error("not a regular file")]
    NotRegular,
    /// It is longer than expected.
    #[error("grown to {bytes} bytes")]
    Grown {
        /// Its length now.
        bytes: u64,
    },
    /// It was changed while it was being read. Reading it again may succeed.
    #[error("changed while it was being read")]
    Changed,
    /// The system's own error, such as a file that is gone or may not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads batches of small files. One for each thread.
pub struct Fetcher {
    ring: Option<Ring>,
}

impl Fetcher {
    /// Reads with io_uring or with plain calls.
    ///
    /// # Errors
    /// For [`Backend::IoUring`], where it does not work.
    pub fn new(backend: Backend) -> io::Result<Self> {
        if backend == Backend::Sync {
            return Ok(Self { ring: None });
        }
        let entries = u32::try_from(FETCH_FILES_OPEN).expect("a small number");
        match Ring::new(entries) {
            Ok(ring) => Ok(Self { ring: Some(ring) }),
            Err(error) if backend == Backend::IoUring => Err(error),
            Err(_) => Ok(Self { ring: None }),
        }
    }

    /// Reads all files of a batch into one buffer, one behind the other. The results are in the order of the requests.
    /// A batch of many files keeps the disk busier than a few of them.
    ///
    /// # Panics
    /// If `into` is shorter than the sum of [`Request::room_bytes`].
    pub fn fetch(&mut self, requests: &[Request<'_>], into: &mut [u8]) -> Vec<Result<Fetched, FetchError>> {
        match &mut self.ring {
            Some(ring) => Window::new(ring, requests.len()).fetch(requests, into),
            None => {
                slots(requests, into).map(|(request, slot)| Opened::new(request, slot)?.read(0)).collect()
            }
        }
    }
}

/// A request's place in the buffer.
struct Slot<'b> {
    start: usize,
    bytes: &'b mut [u8],
}

fn slots<'r, 'b>(
    requests: &'r [Request<'r>],
    into: &'b mut [u8],
) -> impl Iterator<Item = (&'r Request<'r>, Slot<'b>)> {
    let (mut start, mut rest) = (0, into);
    requests.iter().map(move |request| {
        let taken = std::mem::take(&mut rest);
        let (bytes, later) =
            taken.split_at_mut_checked(request.room_bytes()).expect("the buffer has room for all");
        rest = later;
        let slot = Slot { start, bytes };
        start += slot.bytes.len();
        (request, slot)
    })
}

/// A regular file, open, and the place for its contents.
struct Opened<'b> {
    file: OwnedFd,
    before: Identity,
    slot: Slot<'b>,
}

impl<'b> Opened<'b> {
    fn new(request: &Request<'_>, slot: Slot<'b>) -> Result<Self, FetchError> {
        let file = open(request)?;
        let before = identify(file.as_fd())?;
        match before.bytes > request.expected_bytes as u64 {
            true => Err(FetchError::Grown { bytes: before.bytes }),
            false => Ok(Self { file, before, slot }),
        }
    }

    /// Reads on behind the first `count` bytes, up to the end of the file or of the slot, and looks at the file again.
    fn read(self, mut count: usize) -> Result<Fetched, FetchError> {
        while count as u64 != self.before.bytes && count < self.slot.bytes.len() {
            match pread(&self.file, &mut self.slot.bytes[count..], count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(FetchError::Io(errno.into())),
            }
        }
        self.conclude(count)
    }

    /// What came of a read that somebody else carried out.
    fn conclude_read(self, result: io::Result<usize>) -> Result<Fetched, FetchError> {
        match result {
            Ok(count) => self.read(count),
            Err(error) if is_interrupted(&error) => self.read(0),
            Err(error) => Err(FetchError::Io(error)),
        }
    }

    fn conclude(&self, count: usize) -> Result<Fetched, FetchError> {
        let attribute_names_bytes = match flistxattr_query(&self.file) {
            Err(Errno::OPNOTSUPP) => 0,
            bytes => bytes.map_err(io::Error::from)?,
        };
        // Looked at last, so that whatever changed before shows.
        let after = identify(self.file.as_fd())?;
        if count == self.slot.bytes.len() {
            return Err(FetchError::Grown { bytes: after.bytes.max(count as u64) });
        }
        match after == self.before && count as u64 == after.bytes {
            true => Ok(Fetched {
                range: self.slot.start..self.slot.start + count,
                identity: after,
                attribute_names_bytes,
            }),
            false => Err(FetchError::Changed),
        }
    }
}

/// Opens without following a link, without waiting for the other end of a fifo, and without leaving a trace in the
/// access time where that is allowed (to the file's owner).
fn open(request: &Request<'_>) -> Result<OwnedFd, FetchError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = match openat(request.folder, request.name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(request.folder, request.name, flags, Mode::empty()),
        opened => opened,
    };
    match opened {
        Ok(file) => Ok(file),
        // What a link and a socket answer.
        Err(Errno::LOOP | Errno::NXIO) => Err(FetchError::NotRegular),
        Err(errno) => Err(FetchError::Io(errno.into())),
    }
}

fn identify(file: BorrowedFd<'_>) -> Result<Identity, FetchError> {
    let stat = fstat(file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FetchError::NotRegular);
    }
    Ok(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
        bytes: u64::try_from(stat.st_size).map_err(|_| FetchError::Changed)?,
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
        changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
    })
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
