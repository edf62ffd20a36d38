//! What a walk yields: [`Found`] entries, and [`Unreadable`] ones.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::PathKey;
use thiserror::Error;

use crate::source::Contents;
use crate::source::Kind;
use crate::source::ReadError;
use crate::source::Stat;
use crate::source::attributes;
use crate::source::folder::Folder;

#[cfg(test)]
mod tests;

/// One file, folder or other entry that a walk came by.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its absolute path.
    pub path: PathKey,
    /// What the system says about it.
    pub stat: Stat,
    /// Whether it is backed up itself.
    pub role: Role,
    /// How to open it.
    pub place: Place,
}

/// Why a walk yields an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A folder that leads to a root: only its mode and owner are of interest.
    Ancestor,
    /// A root, or something inside one.
    Member,
}

/// Where an entry is: a folder and a name in it. Cheap to clone, and holds nothing open.
#[derive(Clone)]
pub struct Place {
    pub(super) names: Arc<Names>,
    pub(super) index: u32,
}

/// An entry, or a folder's contents, that should be in the backup and is not.
#[derive(Debug, Error)]
#[error("cannot {doing} {path}")]
pub struct Unreadable {
    /// The entry's path.
    pub path: PathKey,
    /// What failed.
    pub doing: Doing,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// What a walk does with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Asking for its kind, owner, length and times.
    Stat,
    /// Listing the names in a folder. The folder itself was found.
    List,
    /// Reading an ignore file, or a glob in it. The entries around it are found, perhaps too many of them.
    Rules,
}

impl Found {
    /// Opens a regular file's contents.
    ///
    /// # Errors
    /// As [`Contents::open`].
    pub fn open(&self) -> Result<Contents, ReadError> {
        Contents::open(&*self.place.folder()?, self.place.name(), &self.stat)
    }

    /// The extended attributes, sorted by name.
    pub fn attributes(&self) -> io::Result<Vec<Attribute>> {
        attributes::of_name(&*self.place.folder()?, self.place.name())
    }

    /// Where a symbolic link leads, as it was written into it.
    pub fn link_target(&self) -> io::Result<Vec<u8>> {
        let target = rustix::fs::readlinkat(&*self.place.folder()?, self.place.name(), Vec::new())?;
        Ok(target.into_bytes())
    }

    /// What the system says about it now.
    pub fn stat_again(&self) -> io::Result<Stat> {
        Stat::at(&*self.place.folder()?, self.place.name())
    }
}

impl Place {
    /// An open descriptor of the folder, from a cache of limited size or opened anew.
    pub fn folder(&self) -> io::Result<Arc<OwnedFd>> {
        self.names.folder.descriptor()
    }

    /// The name in that folder.
    pub fn name(&self) -> &CStr {
        self.names.name(self.index as usize)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("folder", &self.names.folder).field("name", &self.name()).finish()
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stat => "look at",
            Self::List => "list",
            Self::Rules => "apply all rules of",
        })
    }
}

/// The names in one folder, sorted, in one piece of memory.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) folder: Arc<Folder>,
    /// Every name with a zero byte behind it, as listed.
    bytes: Box<[u8]>,
    sorted: Box<[NameAt]>,
}

/// Collects names. Its memory is used again for the next folder, so that [`Names`] take what they need and no more.
#[derive(Debug, Default)]
pub(super) struct Listing {
    bytes: Vec<u8>,
    names: Vec<NameAt>,
}

/// Where one name lies, and what orders it among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NameAt {
    /// The first eight bytes: nearly every comparison ends with them.
    prefix: u64,
    start: u32,
    /// Without the zero byte.
    length: u16,
    kind: Option<Kind>,
}

impl Listing {
    /// Adds a name, with its kind where the folder tells.
    ///
    /// # Errors
    /// If the names take more than 4 GiB.
    pub(super) fn push(&mut self, name: &CStr, kind: Option<Kind>) -> io::Result<()> {
        let start = u32::try_from(self.bytes.len()).map_err(io::Error::other)?;
        let length = u16::try_from(name.count_bytes()).map_err(io::Error::other)?;
        let mut prefix = [0; 8];
        for (to, from) in prefix.iter_mut().zip(name.to_bytes()) {
            *to = *from;
        }
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.names.push(NameAt { prefix: u64::from_be_bytes(prefix), start, length, kind });
        Ok(())
    }

    /// The names sorted by bytes, and an empty listing.
    pub(super) fn finish(&mut self, folder: Arc<Folder>) -> Names {
        let bytes = &self.bytes;
        let name = |at: &NameAt| bytes.get(at.range());
        self.names.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| name(a).cmp(&name(b))));
        // Some file systems list a name twice when the folder changes meanwhile.
        self.names.dedup_by(|a, b| a.prefix == b.prefix && name(a) == name(b));
        let names =
            Names { folder, bytes: self.bytes.as_slice().into(), sorted: self.names.as_slice().into() };
        self.bytes.clear();
        self.names.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.names.shrink_to(KEPT_BYTES_MAX / size_of::<NameAt>());
        names
    }
}

/// Memory that a listing keeps for the next folder.
const KEPT_BYTES_MAX: usize = 1 << 20;

impl Names {
    /// No names.
    pub(super) fn none(folder: Arc<Folder>) -> Self {
        Listing::default().finish(folder)
    }

    /// A single name.
    pub(super) fn one(folder: Arc<Folder>, name: &CStr) -> Self {
        let mut listing = Listing::default();
        listing.push(name, None).expect("the first name fits");
        listing.finish(folder)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The name at a position of the order. Names come out of a [`Listing`] only, so it is there.
    pub(super) fn name(&self, index: usize) -> &CStr {
        let at = self.sorted.get(index).expect("positions come from this list's length");
        let range = at.start as usize..at.range().end + 1;
        let bytes = self.bytes.get(range).expect("the range was taken when the name was added");
        CStr::from_bytes_with_nul(bytes).expect("one zero byte was added behind the name")
    }

    /// The kind, where the folder tells.
    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.sorted.get(index).and_then(|at| at.kind)
    }

    /// The position of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.sorted.binary_search_by(|at| self.bytes.get(at.range()).unwrap_or_default().cmp(name)).ok()
    }
}

impl NameAt {
    fn range(&self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + usize::from(self.length)
    }
}
