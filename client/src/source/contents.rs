//! Reads the contents of one file from front to back: [`Contents`].
//!
//! For files above the size that is read in batches. What is read is what was listed (device and inode are compared
//! after opening), holes are told from data without being read, a file that changed meanwhile is noticed, and pages
//! that were not in the system's cache before are not left in it.

use std::ffi::CStr;
use std::io;
use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use farkeep_codec::limits;
use farkeep_codec::tree::Hole;
use rustix::fs::Advice;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::io::ReadWriteFlags;
use thiserror::Error;

use crate::source::Kind;
use crate::source::Stat;
use crate::source::folder::without_access_time;

#[cfg(test)]
mod tests;

/// Why a file's contents could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The name is gone.
    #[error("it vanished after it was listed")]
    Vanished,
    /// The name belongs to another file by now.
    #[error("it was replaced after it was listed")]
    Replaced,
    /// Opening or reading failed.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// An open file, its contents as long as it was when it was opened.
#[derive(Debug)]
pub struct Contents {
    file: OwnedFd,
    stat: Stat,
    layout: Layout,
    /// Where the next read begins.
    offset: u64,
    /// Where the stretch of data ends in which `offset` lies; equal to it when that is not known.
    data_end: u64,
    /// How many holes there were up to here.
    holes: usize,
    cache: Cache,
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes were put at the start of the buffer: all that it holds, or up to the next hole or the end.
    Data {
        /// How many, at least one.
        bytes: usize,
    },
    /// Nothing is stored here.
    Hole(Hole),
    /// The file ends.
    End,
}

/// Whether a file stayed as it was while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steadiness {
    /// What was read is what the file held at one moment.
    Steady,
    /// It changed, shrank or grew: what was read may never have been its contents.
    Changed,
}

/// Whether to look for holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Dense,
    Sparse,
}

/// What happens to the pages that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// They stay: somebody had read the file before, or it is small.
    Keep,
    /// They go, and those before `dropped_to` are gone.
    DropBehind { dropped_to: u64 },
}

/// Files below this length do not push much out of the cache.
const DROP_FILE_BYTES_MIN: u64 = 1 << 20;
/// Pages are dropped in stretches of this length.
const DROP_STRETCH_BYTES: u64 = 8 << 20;
/// At so many places of a file it is asked whether they are in the cache.
const PROBES: u64 = 4;

impl Contents {
    /// Opens the regular file `name` in an open folder, which was `listed` before.
    ///
    /// Never waits for the other end of a pipe that took the file's place, and does not mark the file as read where
    /// that can be avoided.
    ///
    /// # Errors
    /// [`ReadError::Vanished`] and [`ReadError::Replaced`] if it is not the file that was listed, [`ReadError::Io`] for
    /// what else the system says.
    pub fn open(folder: impl AsFd, name: &CStr, listed: &Stat) -> Result<Self, ReadError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&folder, name, flags, Mode::empty());
        let opened = match without_access_time(flags | OFlags::NONBLOCK, open) {
            // A lease is held on the file, which its holder gives up when it is told to. Pipes do not say this.
            Err(Errno::WOULDBLOCK) => without_access_time(flags, open),
            done => done,
        };
        let file = opened.map_err(|error| match error {
            Errno::NOENT => ReadError::Vanished,
            Errno::LOOP | Errno::NXIO => ReadError::Replaced,
            error => ReadError::Io(error.into()),
        })?;
        let stat = Stat::of(&file)?;
        if stat.id() != listed.id() || stat.kind != Kind::File {
            return Err(ReadError::Replaced);
        }
        Ok(Self::of(file, stat))
    }

    /// Opens a block device, or a regular file that holds the image of one. Links are followed, since that is how
    /// devices are named. The length of a device is where seeking to its end leads.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::InvalidInput`] for anything that is neither.
    pub fn open_image(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let mut stat = Stat::of(&file)?;
        match stat.kind {
            Kind::File => {}
            Kind::BlockDevice => stat.size = rustix::fs::seek(&file, SeekFrom::End(0))?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is neither a device nor an image file",
                ));
            }
        }
        Ok(Self::of(file, stat))
    }

    fn of(file: OwnedFd, stat: Stat) -> Self {
        let layout = if stat.may_have_holes() { Layout::Sparse } else { Layout::Dense };
        let mut contents = Self { file, stat, layout, offset: 0, data_end: 0, holes: 0, cache: Cache::Keep };
        if stat.size >= DROP_FILE_BYTES_MIN {
            if !contents.is_cached() {
                contents.cache = Cache::DropBehind { dropped_to: 0 };
            }
            contents.advise(0, 0, Advice::Sequential);
        }
        contents
    }

    /// What the system said when the file was opened, or when its reading began again.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// How far the reading has come, in bytes from the start, holes included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether holes are looked for; if not, there are none.
    pub fn may_have_holes(&self) -> bool {
        self.layout == Layout::Sparse
    }

    /// Reads on into `into`, which has room for at least one byte. What the file grew by since it was opened is not
    /// read.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Piece> {
        if self.offset >= self.stat.size {
            return Ok(Piece::End);
        }
        if self.offset >= self.data_end
            && let Some(hole) = self.find_data()?
        {
            self.offset += hole.bytes;
            return Ok(Piece::Hole(hole));
        }
        let wanted = usize::try_from(self.data_end - self.offset).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..wanted).expect("wanted is at most the length");
        let bytes = read_fully(&self.file, into, self.offset)?;
        if bytes == 0 {
            // It shrank. What follows is neither data nor a hole any more.
            self.stat.size = self.offset;
            return Ok(Piece::End);
        }
        self.offset += bytes as u64;
        if let Cache::DropBehind { dropped_to } = self.cache
            && self.offset - dropped_to >= DROP_STRETCH_BYTES
        {
            self.drop_behind();
        }
        Ok(Piece::Data { bytes })
    }

    /// Ends a reading that came to the end: says whether the file stayed as it was.
    pub fn finish(&mut self) -> io::Result<Steadiness> {
        self.drop_behind();
        let now = Stat::of(&self.file)?;
        let steady = match now.kind {
            // The times of a device's name say nothing about what is on it.
            Kind::BlockDevice => true,
            _ => now.same_contents(&self.stat) && self.offset == now.size,
        };
        Ok(if steady { Steadiness::Steady } else { Steadiness::Changed })
    }

    /// Begins again at the start, with the file as long as it is now.
    pub fn begin_again(&mut self) -> io::Result<()> {
        self.stat = Stat::of(&self.file)?;
        if self.stat.kind == Kind::BlockDevice {
            self.stat.size = rustix::fs::seek(&self.file, SeekFrom::End(0))?;
        }
        self.layout = if self.stat.may_have_holes() { Layout::Sparse } else { Layout::Dense };
        self.offset = 0;
        self.data_end = 0;
        self.holes = 0;
        if self.cache != Cache::Keep {
            self.cache = Cache::DropBehind { dropped_to: 0 };
        }
        Ok(())
    }

    /// Sets `data_end` for the next stretch of data, and returns the hole before it. Data always follows a hole, even
    /// if it has become one meanwhile: then its zeros are read. So holes never touch one another.
    fn find_data(&mut self) -> io::Result<Option<Hole>> {
        let data = self.find_from(SeekFrom::Data(self.offset))?;
        let hole = (data > self.offset).then_some(Hole { offset: self.offset, bytes: data - self.offset });
        if self.layout == Layout::Sparse && data < self.stat.size {
            let end = self.find_from(SeekFrom::Hole(data))?;
            self.data_end = if end > data { end } else { self.stat.size };
        } else {
            self.data_end = self.stat.size;
        }
        self.holes += usize::from(hole.is_some());
        if self.holes >= limits::HOLES_MAX {
            self.layout = Layout::Dense;
        }
        Ok(hole)
    }

    /// Where the next data or hole is, at most the file's length; in a dense file, data is everywhere.
    fn find_from(&mut self, what: SeekFrom) -> io::Result<u64> {
        if self.layout == Layout::Dense {
            return Ok(self.offset);
        }
        match rustix::fs::seek(&self.file, what) {
            Ok(found) => Ok(found.min(self.stat.size)),
            Err(Errno::NXIO) => Ok(self.stat.size),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                self.layout = Layout::Dense;
                Ok(self.offset)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether at least half of the places asked for are in the system's cache, so that the file is in use.
    fn is_cached(&self) -> bool {
        let cached = (0..PROBES).filter(|probe| {
            let mut byte = [0];
            let at = self.stat.size / PROBES * probe;
            let mut into = [IoSliceMut::new(&mut byte)];
            rustix::io::preadv2(&self.file, &mut into, at, ReadWriteFlags::NOWAIT) == Ok(1)
        });
        cached.count() as u64 * 2 >= PROBES
    }

    fn drop_behind(&mut self) {
        if let Cache::DropBehind { dropped_to } = &mut self.cache {
            let from = std::mem::replace(dropped_to, self.offset);
            self.advise(from, self.offset - from, Advice::DontNeed);
        }
    }

    /// A hint that changes nothing but speed, so what the system answers does not matter. No length is to the end.
    fn advise(&self, offset: u64, bytes: u64, advice: Advice) {
        let _ = rustix::fs::fadvise(&self.file, offset, bytes.try_into().ok(), advice);
    }
}

impl AsFd for Contents {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Fills `into` from `offset` on, less only where the file ends.
pub(crate) fn read_fully(file: impl AsFd, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(&file, rest, offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}
