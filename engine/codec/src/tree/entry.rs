//! What a snapshot says about one path.
//!
//! An entry in memory may be anything that these types can hold; [`Entry::check`] says whether it is one that the
//! format can. The builder asks it of what goes in, and a decoded leaf keeps the same rules.

use std::sync::Arc;

use thiserror::Error;

use crate::limits::ATTRIBUTE_NAME_BYTES_MAX;
use crate::limits::ATTRIBUTE_VALUE_BYTES_MAX;
use crate::limits::ATTRIBUTES_BYTES_MAX;
use crate::limits::ATTRIBUTES_MAX;
use crate::limits::HOLES_MAX;
use crate::limits::INLINE_POINTERS_MAX;
use crate::limits::LINK_TARGET_BYTES_MAX;
use crate::limits::LIST_HEIGHT_MAX;
use crate::limits::MODE_MAX;
use crate::limits::OWNER_NAME_BYTES_MAX;
use crate::limits::PLAIN_BYTES_MAX;
use crate::object::Pointer;
use crate::time::Time;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// One path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathKey,
    /// Permission bits, with set-user-id, set-group-id and sticky: at most 07777.
    pub mode: u32,
    /// Whose it is. Shared, since few owners have many files.
    pub owner: Arc<Owner>,
    /// Time of the last change of the contents. 1970 for an [`Body::Ancestor`].
    pub modified: Time,
    /// Extended attributes in rising order of their names; access lists and capabilities are among them.
    pub attributes: Vec<Attribute>,
    /// What else there is to say.
    pub flags: Flags,
    /// What it is, and what that kind of thing holds.
    pub body: Body,
}

/// User and group, by number and by name; a name is empty where the system knew none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Name of the user.
    pub user: Vec<u8>,
    /// Name of the group.
    pub group: Vec<u8>,
}

/// One extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// The name with its namespace, as in `user.comment`.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// Marks on an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags {
    /// The file went on changing while it was read: its content may be of no single moment.
    pub inconsistent: bool,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A folder in the backup.
    Folder,
    /// A folder above what was backed up. Only its mode and owner are kept, so that its times do not tell two
    /// snapshots of the same files apart.
    Ancestor,
    /// A regular file.
    File {
        /// Length of the file, holes included.
        bytes: u64,
        /// Where the content lies.
        content: Content,
    },
    /// A disk image or a block device that was read as one; a file otherwise.
    Image {
        /// Length of the image, holes included.
        bytes: u64,
        /// Where the content lies.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// What the link says, byte by byte.
        target: Vec<u8>,
    },
    /// A further name of something that stands earlier in the tree and is no folder.
    HardLink {
        /// The first name in path order, which says what it is and holds the content.
        first: PathKey,
    },
    /// A named pipe.
    Fifo,
    /// A socket; recorded only.
    Socket,
    /// A character device.
    CharDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A block device as a node, without its contents.
    BlockDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
}

/// Where the content of a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nowhere: the file has no bytes.
    Empty,
    /// In a bundle, among other small files, as long as the file is.
    Slice {
        /// The bundle.
        bundle: Pointer,
        /// Where in the bundle's plaintext the file begins.
        offset: u32,
    },
    /// In a few chunks, one behind the other around the holes.
    Chunks {
        /// The chunks in the order of the file, at most [`INLINE_POINTERS_MAX`].
        pointers: Vec<Pointer>,
        /// Where the file has no bytes stored.
        holes: Vec<Hole>,
    },
    /// In many chunks, which a list of its own holds.
    List {
        /// The list's root node.
        root: Pointer,
        /// Levels of list nodes above the ones that point to chunks.
        height: u8,
        /// Where the file has no bytes stored.
        holes: Vec<Hole>,
    },
}

/// A run of a file that reads as zeros and takes no room. Holes rise and never touch one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hole {
    /// Where in the file it begins.
    pub offset: u64,
    /// How long it is; at least 1.
    pub bytes: u64,
}

/// An entry that the format cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("entry {path}: {what}")]
pub struct InvalidEntry {
    /// The entry's path.
    pub path: PathKey,
    /// The rule that it breaks.
    pub what: &'static str,
}

impl Entry {
    /// Says whether the format can hold the entry.
    ///
    /// # Errors
    /// [`InvalidEntry`] with the rule that it breaks.
    pub fn check(&self) -> Result<(), InvalidEntry> {
        self.fault().map_or(Ok(()), |what| Err(InvalidEntry { path: self.path.clone(), what }))
    }

    /// Length of the file in bytes, holes included; 0 for what is not a file.
    pub fn content_bytes(&self) -> u64 {
        match &self.body {
            Body::File { bytes, .. } | Body::Image { bytes, .. } => *bytes,
            _ => 0,
        }
    }

    /// Where the content lies, if it is a file.
    pub fn content(&self) -> Option<&Content> {
        match &self.body {
            Body::File { content, .. } | Body::Image { content, .. } => Some(content),
            _ => None,
        }
    }

    /// Bytes that the entry counts for, of which a leaf holds at most
    /// [`LEAF_WEIGHT_BYTES_MAX`](crate::limits::LEAF_WEIGHT_BYTES_MAX): never less than its encoding takes.
    pub(crate) fn weight_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Symlink { target } => target.len(),
            Body::HardLink { first } => first.as_bytes().len(),
            Body::File { content, .. } | Body::Image { content, .. } => content.weight_bytes(),
            _ => 0,
        };
        entry_weight_bytes(self.path.as_bytes().len(), attributes_weight_bytes(&self.attributes), body)
    }

    fn fault(&self) -> Option<&'static str> {
        if self.mode > MODE_MAX {
            return Some("mode has more than the permission bits");
        }
        if self.owner.user.len() > OWNER_NAME_BYTES_MAX || self.owner.group.len() > OWNER_NAME_BYTES_MAX {
            return Some("name of user or group is too long");
        }
        let attributes = if self.attributes.is_empty() { None } else { attributes_fault(&self.attributes) };
        attributes.or_else(|| self.body_fault())
    }

    /// The rule that the body breaks, by itself or by what stands beside it.
    pub(crate) fn body_fault(&self) -> Option<&'static str> {
        match &self.body {
            Body::File { bytes, content } | Body::Image { bytes, content } => content_fault(*bytes, content),
            Body::Symlink { target } if !(1..=LINK_TARGET_BYTES_MAX).contains(&target.len()) => {
                Some("target of a link is empty or too long")
            }
            Body::Symlink { target } if target.contains(&0) => Some("target of a link holds a zero byte"),
            Body::HardLink { first } if *first >= self.path || *first == PathKey::root() => {
                Some("first name of a hard link does not stand before it")
            }
            Body::Ancestor if !self.is_bare() => Some("folder above the backup has more than mode and owner"),
            _ => None,
        }
    }

    fn is_bare(&self) -> bool {
        self.modified == Time::default() && self.attributes.is_empty() && self.flags == Flags::default()
    }
}

impl Content {
    /// The holes of the file.
    pub fn holes(&self) -> &[Hole] {
        match self {
            Self::Empty | Self::Slice { .. } => &[],
            Self::Chunks { holes, .. } | Self::List { holes, .. } => holes,
        }
    }

    fn weight_bytes(&self) -> usize {
        let pointers = match self {
            Self::Empty => 0,
            Self::Slice { .. } | Self::List { .. } => 1,
            Self::Chunks { pointers, .. } => pointers.len(),
        };
        content_weight_bytes(pointers, self.holes().len())
    }
}

/// Weight of one entry. The fixed part covers all columns in which it has a value of bounded length, and a class
/// that it shares with no other entry; owners are bounded by the number of entries.
pub(crate) const fn entry_weight_bytes(path_bytes: usize, attributes: usize, body: usize) -> usize {
    64 + path_bytes + attributes + body
}

/// Weight of a content: what pointers and holes take at most.
pub(crate) const fn content_weight_bytes(pointers: usize, holes: usize) -> usize {
    48 * pointers + 20 * holes
}

pub(crate) fn attributes_weight_bytes(attributes: &[Attribute]) -> usize {
    attributes.iter().map(|attribute| 8 + attribute.name.len() + attribute.value.len()).sum()
}

/// The rule that a set of attributes breaks. A set that is there has at least one.
pub(crate) fn attributes_fault(attributes: &[Attribute]) -> Option<&'static str> {
    let bad_name = |name: &[u8]| !(1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len()) || name.contains(&0);
    if attributes.is_empty() || attributes.len() > ATTRIBUTES_MAX {
        Some("number of attributes is out of bounds")
    } else if attributes.iter().any(|attribute| bad_name(&attribute.name)) {
        Some("name of an attribute is empty, too long or holds a zero byte")
    } else if attributes.iter().any(|attribute| attribute.value.len() > ATTRIBUTE_VALUE_BYTES_MAX) {
        Some("value of an attribute is too long")
    } else if !attributes.is_sorted_by(|left, right| left.name < right.name) {
        Some("attributes are not in rising order of their names")
    } else if attributes_weight_bytes(attributes) > ATTRIBUTES_BYTES_MAX {
        Some("attributes take more bytes than one entry may have")
    } else {
        None
    }
}

/// The rule that a pointer breaks.
pub(crate) fn pointer_fault(pointer: &Pointer) -> Option<&'static str> {
    let bytes = pointer.plain_bytes as usize;
    (!(1..=PLAIN_BYTES_MAX).contains(&bytes)).then_some("length of a pointer's plaintext is out of bounds")
}

fn content_fault(bytes: u64, content: &Content) -> Option<&'static str> {
    match content {
        Content::Empty => (bytes != 0).then_some("empty content has a length"),
        Content::Slice { bundle, offset } => pointer_fault(bundle).or_else(|| {
            let inside =
                u64::from(*offset).checked_add(bytes).is_some_and(|end| end <= u64::from(bundle.plain_bytes));
            (bytes == 0 || !inside).then_some("slice is empty or reaches beyond its bundle")
        }),
        Content::Chunks { pointers, holes } => {
            let stored: u64 = pointers.iter().map(|pointer| u64::from(pointer.plain_bytes)).sum();
            if pointers.len() > INLINE_POINTERS_MAX {
                return Some("more chunks than an entry may have without a list");
            }
            pointers.iter().find_map(pointer_fault).or_else(|| holes_fault(bytes, stored, holes))
        }
        Content::List { height, .. } if *height > LIST_HEIGHT_MAX => Some("content list is too high"),
        Content::List { root, holes, .. } => {
            let hollow = holes.iter().fold(0_u64, |sum, hole| sum.saturating_add(hole.bytes));
            let stored = bytes.saturating_sub(hollow);
            if stored == 0 {
                return Some("content list has nothing to hold");
            }
            pointer_fault(root).or_else(|| holes_fault(bytes, stored, holes))
        }
    }
}

/// The rule that holes break, in a file of `bytes` bytes of which `stored` are stored.
fn holes_fault(bytes: u64, stored: u64, holes: &[Hole]) -> Option<&'static str> {
    if holes.len() > HOLES_MAX {
        return Some("more holes than an entry may have");
    }
    let mut total = stored;
    let mut free_from = 0;
    for (index, hole) in holes.iter().enumerate() {
        let apart = hole.offset > free_from || (index == 0 && hole.offset == 0);
        let end = hole.offset.checked_add(hole.bytes);
        let (true, 1.., Some(end)) = (apart, hole.bytes, end) else {
            return Some("holes are empty, touch or do not rise");
        };
        free_from = end;
        total = total.saturating_add(hole.bytes);
    }
    if free_from > bytes || total != bytes || bytes == 0 {
        return Some("chunks and holes do not make up the file");
    }
    None
}
