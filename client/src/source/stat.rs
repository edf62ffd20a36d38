//! What the file system says about one file: [`Stat`] and its [`Kind`].
//!
//! Compact, since a walk holds tens of thousands of them ahead of its consumer, and free of access times, since a
//! backup neither records nor causes them.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Statx;
use rustix::fs::StatxFlags;
use rustix::fs::StatxTimestamp;

/// The kinds of files that Linux knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Regular file.
    File,
    /// Folder.
    Folder,
    /// Symbolic link.
    Symlink,
    /// Named pipe.
    Fifo,
    /// Name of a Unix socket.
    Socket,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
}

/// Identity of a file on this machine while it is there: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// Device that the file system is on.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

impl FileId {
    /// The identity of what a path leads to; links are followed.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { dev: found.dev(), ino: found.ino() })
    }
}

/// What the file system says about one file. Fields are called as `stat(2)` calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Kind of file.
    pub kind: Kind,
    /// Permission bits with set-user-ID, set-group-ID and sticky (`07777`).
    pub mode: u16,
    /// Number of the owning user.
    pub uid: u32,
    /// Number of the owning group.
    pub gid: u32,
    /// How many names the file has.
    pub nlink: u32,
    /// Inode number.
    pub ino: u64,
    /// Device that the file system is on.
    pub dev: u64,
    /// Numbers of a device file, zero for others.
    pub rdev: DeviceNumber,
    /// Length of the contents in bytes.
    pub size: u64,
    /// Space taken, in units of 512 bytes.
    pub blocks: u64,
    /// Last change of the contents, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of contents or metadata, nanoseconds since 1970. Nobody can set it.
    pub ctime_ns: i64,
}

/// Major and minor number of a device file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceNumber {
    /// Driver.
    pub major: u32,
    /// Device of the driver.
    pub minor: u32,
}

/// What is asked of statx: all that a plain `stat` gives, without the access time.
const MASK: StatxFlags = StatxFlags::BASIC_STATS.difference(StatxFlags::ATIME);

const BLOCK_UNIT_BYTES: u64 = 512;

impl Stat {
    /// Asks about `name` in an open folder. A link is not followed, and nothing is mounted by the question.
    ///
    /// Network file systems answer from what they know (`AT_STATX_DONT_SYNC`): one round trip per file would be all
    /// that a backup does.
    pub fn at(folder: impl AsFd, name: &CStr) -> io::Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        Ok(Self::from(&rustix::fs::statx(folder, name, flags, MASK)?))
    }

    /// Asks about `name` in an open folder, following links: for what stands above a backup's root.
    pub fn at_end_of_links(folder: impl AsFd, name: &CStr) -> io::Result<Self> {
        Ok(Self::from(&rustix::fs::statx(folder, name, AtFlags::NO_AUTOMOUNT, MASK)?))
    }

    /// Asks about an open file.
    pub fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from(&rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, MASK)?))
    }

    /// Device and inode.
    pub fn id(&self) -> FileId {
        FileId { dev: self.dev, ino: self.ino }
    }

    /// Whether less space is taken than the length needs, so that looking for holes may pay.
    pub fn may_have_holes(&self) -> bool {
        self.kind == Kind::File && self.blocks.saturating_mul(BLOCK_UNIT_BYTES) < self.size
    }

    /// Whether both say that the contents are the same ones: same file, same length, not changed in between.
    pub fn same_contents(&self, other: &Self) -> bool {
        self.id() == other.id()
            && self.kind == other.kind
            && self.size == other.size
            && self.mtime_ns == other.mtime_ns
            && self.ctime_ns == other.ctime_ns
    }
}

impl From<&Statx> for Stat {
    fn from(found: &Statx) -> Self {
        Self {
            kind: Kind::from(FileType::from_raw_mode(u32::from(found.stx_mode))),
            mode: found.stx_mode & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            nlink: found.stx_nlink,
            ino: found.stx_ino,
            dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            rdev: DeviceNumber { major: found.stx_rdev_major, minor: found.stx_rdev_minor },
            size: found.stx_size,
            blocks: found.stx_blocks,
            mtime_ns: nanoseconds(found.stx_mtime),
            ctime_ns: nanoseconds(found.stx_ctime),
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::RegularFile | FileType::Unknown => Self::File,
        }
    }
}

/// Saturates at the ends of what 64 bits hold, the years 1677 and 2262.
fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink => "symbolic link",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
        })
    }
}
