//! Owner, attributes, mode and times of restored files, always in this order: a change of owner takes away
//! capabilities (an attribute) and set-user-ID (in the mode), an access list (an attribute) decides about the mode,
//! and everything changes times.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::time::Time;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Owner;
use rustix::fs::AtFlags;
use rustix::fs::Gid;
use rustix::fs::Mode;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use rustix::fs::Uid;
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::Owners;
use super::Target;
use super::folders::ACL_DEFAULT;
use super::folders::Place;
use crate::source::Kind;
use crate::source::Stat;
use crate::source::attributes;
use crate::source::path_in_proc;

/// What the system did not let this user do. Nothing of it is a failure: an unprivileged restore is a common thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notices {
    /// Files that belong to another owner than the recorded one. They have no set-user-ID and set-group-ID either.
    pub owners: u64,
    /// Files whose mode could not be set.
    pub modes: u64,
    /// Attributes that could not be set or removed.
    pub attributes: u64,
    /// Files whose time could not be set.
    pub times: u64,
    /// Devices that were not made.
    pub devices: u64,
}

impl Notices {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.owners + self.modes + self.attributes + self.times + self.devices
    }
}

/// [`Notices`] while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    owners: AtomicU64,
    modes: AtomicU64,
    attributes: AtomicU64,
    times: AtomicU64,
    pub(super) devices: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Notices {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Notices {
            owners: load(&self.owners),
            modes: load(&self.modes),
            attributes: load(&self.attributes),
            times: load(&self.times),
            devices: load(&self.devices),
        }
    }
}

/// What is known about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Details {
    All,
    OwnerAndMode,
}

/// Whether attributes may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attributes {
    None,
    Unknown,
}

/// Bits of a mode that give rights of the owner to others.
const SET_ID_BITS: u32 = 0o6000;

const ACL_ACCESS: &str = "system.posix_acl_access";

impl Target {
    /// Sets the metadata of an open folder.
    pub(super) fn set_metadata_of_folder(&self, folder: &OwnedFd, entry: &Entry) -> io::Result<()> {
        let details = match entry.body {
            Body::Ancestor => Details::OwnerAndMode,
            _ => Details::All,
        };
        self.set(&Open(folder), &Stat::of(folder)?, entry, details, Attributes::Unknown)
    }

    /// Sets the metadata of an open file.
    pub(super) fn set_metadata_of_file(
        &self,
        file: &OwnedFd,
        entry: &Entry,
        there: Attributes,
    ) -> io::Result<()> {
        self.set(&Open(file), &Stat::of(file)?, entry, Details::All, there)
    }

    /// Sets the metadata of something that cannot be opened: a link, a pipe, a device.
    pub(super) fn set_metadata_at(&self, place: &Place, entry: &Entry) -> io::Result<()> {
        let node = place.node()?;
        let now = Stat::of(&node)?;
        self.set(&Node { path: path_in_proc(&node), node }, &now, entry, Details::All, Attributes::Unknown)
    }

    fn set(
        &self,
        file: &impl Handle,
        now: &Stat,
        entry: &Entry,
        details: Details,
        there: Attributes,
    ) -> io::Result<()> {
        let owned = self.set_owner(file, now, &entry.owner)?;
        let mut mode_known = owned == Owned::Already;
        if details == Details::All && (!entry.attributes.is_empty() || there == Attributes::Unknown) {
            mode_known &= self.set_attributes(file, &entry.attributes, there)? == Changed::Nothing;
        }
        let mode = match owned {
            Owned::ByAnother => entry.mode & !SET_ID_BITS,
            Owned::Already | Owned::Now => entry.mode,
        };
        if now.kind != Kind::Symlink && !(mode_known && u32::from(now.mode) == mode) {
            noted(&self.notices.modes, file.set_mode(Mode::from_raw_mode(mode)))?;
        }
        if details == Details::All {
            noted(&self.notices.times, file.set_times(&times(entry.modified)))?;
        }
        Ok(())
    }

    fn set_owner(&self, file: &impl Handle, now: &Stat, owner: &Owner) -> io::Result<Owned> {
        let (uid, gid) = self.ids(owner);
        if (now.uid, now.gid) == (uid, gid) {
            return Ok(Owned::Already);
        }
        match file.set_owner(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            Ok(()) => return Ok(Owned::Now),
            Err(error) if !is_refusal(error) => return Err(error.into()),
            Err(_) => self.notices.owners.fetch_add(1, Ordering::Relaxed),
        };
        // Members of a group may give their files to it.
        match file.set_owner(None, Some(Gid::from_raw(gid))) {
            Err(error) if !is_refusal(error) => Err(error.into()),
            _ => Ok(Owned::ByAnother),
        }
    }

    /// The numbers of a recorded owner on this machine.
    pub(super) fn ids(&self, owner: &Owner) -> (u32, u32) {
        match self.owners {
            Owners::ByNumber => (owner.uid, owner.gid),
            Owners::ByName => (
                self.accounts.uid(&owner.user).unwrap_or(owner.uid),
                self.accounts.gid(&owner.group).unwrap_or(owner.gid),
            ),
        }
    }

    fn set_attributes(
        &self,
        file: &impl Handle,
        wanted: &[Attribute],
        there: Attributes,
    ) -> io::Result<Changed> {
        let there = match there {
            Attributes::None => Vec::new(),
            Attributes::Unknown => file.attributes()?,
        };
        let mut changed = Changed::Nothing;
        let is_extra = |there: &&Attribute| {
            !is_label(&there.name) && !wanted.iter().any(|wanted| wanted.name == there.name)
        };
        for extra in there.iter().filter(is_extra) {
            noted(&self.notices.attributes, file.remove_attribute(&extra.name))?;
            changed = Changed::Something;
        }
        for missing in wanted.iter().filter(|wanted| !there.contains(wanted)) {
            noted(&self.notices.attributes, file.set_attribute(&missing.name, &missing.value))?;
            changed = Changed::Something;
        }
        Ok(changed)
    }
}

/// Labels of security modules are given by this machine's policy where the snapshot has none.
fn is_label(attribute: &[u8]) -> bool {
    attribute.starts_with(b"security.") && attribute != b"security.capability"
}

/// Whose a file is after its owner was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owned {
    Already,
    Now,
    ByAnother,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Nothing,
    Something,
}

/// The two ways to name what is changed.
trait Handle {
    fn set_owner(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno>;
    fn set_mode(&self, mode: Mode) -> Result<(), Errno>;
    fn set_times(&self, times: &Timestamps) -> Result<(), Errno>;
    fn attributes(&self) -> io::Result<Vec<Attribute>>;
    fn set_attribute(&self, name: &[u8], value: &[u8]) -> Result<(), Errno>;
    fn remove_attribute(&self, name: &[u8]) -> Result<(), Errno>;
}

/// A file or folder that is open.
struct Open<'a>(&'a OwnedFd);

impl Handle for Open<'_> {
    fn set_owner(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        rustix::fs::fchown(self.0, uid, gid)
    }

    fn set_mode(&self, mode: Mode) -> Result<(), Errno> {
        rustix::fs::fchmod(self.0, mode)
    }

    fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        rustix::fs::futimens(self.0, times)
    }

    fn attributes(&self) -> io::Result<Vec<Attribute>> {
        attributes::of_open(self.0)
    }

    fn set_attribute(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        rustix::fs::fsetxattr(self.0, name, value, XattrFlags::empty())
    }

    fn remove_attribute(&self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::fremovexattr(self.0, name)
    }
}

/// Something that is only pointed at. The path leads to it whatever its name belongs to by now.
struct Node {
    node: OwnedFd,
    path: String,
}

impl Handle for Node {
    fn set_owner(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        rustix::fs::chownat(&self.node, c"", uid, gid, AtFlags::EMPTY_PATH)
    }

    fn set_mode(&self, mode: Mode) -> Result<(), Errno> {
        rustix::fs::chmod(&self.path, mode)
    }

    fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        rustix::fs::utimensat(&self.node, c"", times, AtFlags::EMPTY_PATH)
    }

    fn attributes(&self) -> io::Result<Vec<Attribute>> {
        attributes::of_node(&self.node)
    }

    fn set_attribute(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        rustix::fs::setxattr(&self.path, name, value, XattrFlags::empty())
    }

    fn remove_attribute(&self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::removexattr(&self.path, name)
    }
}

/// Takes away the access lists that a new folder got from the one it is in.
pub(super) fn strip_acl(folder: impl AsFd) -> io::Result<()> {
    for name in [ACL_ACCESS, ACL_DEFAULT] {
        match rustix::fs::fremovexattr(&folder, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Counts what the system refuses to this user; other errors are errors.
fn noted(counter: &AtomicU64, done: Result<(), Errno>) -> io::Result<()> {
    match done {
        Err(error) if is_refusal(error) => {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Not for this user, or not on this file system.
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::INVAL)
}

/// The time of the last change; that of the last access stays what it is.
fn times(modified: Time) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let nanoseconds = modified.nanoseconds();
    let modified = Timespec {
        tv_sec: nanoseconds.div_euclid(1_000_000_000),
        tv_nsec: nanoseconds.rem_euclid(1_000_000_000),
    };
    Timestamps { last_access: omit, last_modification: modified }
}
