//! What entries of one class have in common: kind, mode, owner, attributes and flags.

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::MODE_MAX;
use crate::tree::entry::Body;
use crate::tree::entry::Content;
use crate::tree::entry::Flags;

/// Bit of [`Flags::inconsistent`].
const INCONSISTENT: u8 = 1;

/// One row of the table of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    /// Number of the owner in its table.
    pub(super) owner: usize,
    /// Number of the set of attributes in its table.
    pub(super) attributes: Option<usize>,
    pub(super) flags: Flags,
}

/// What an entry is, and how its content lies: which columns it has a value in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Folder,
    Ancestor,
    File(Form),
    Image(Form),
    Symlink,
    HardLink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// How the content of a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    Empty,
    Slice,
    Chunks,
    List,
}

impl Class {
    pub(super) fn write(&self, writer: &mut Writer) {
        let flags = if self.flags.inconsistent { INCONSISTENT } else { 0 };
        writer.u8(self.kind.number()).varint(u64::from(self.mode)).count(self.owner);
        writer.count(self.attributes.map_or(0, |set| set + 1)).u8(flags);
    }

    /// Reads a class that names one of `owners` owners and `sets` sets of attributes.
    pub(super) fn read(reader: &mut Reader<'_>, owners: usize, sets: usize) -> Result<Self, Malformed> {
        let kind = Kind::from_number(reader.u8("class kind")?).ok_or(reader.malformed("class kind"))?;
        let mode = reader.varint_u32("class mode")?;
        let owner = reader.count(owners, "class owner")?;
        let attributes = reader.count(sets, "class attributes")?.checked_sub(1);
        let inconsistent = match reader.u8("class flags")? {
            0 => false,
            INCONSISTENT => true,
            _ => return Err(reader.malformed("class flags")),
        };
        if mode > MODE_MAX || owner == owners {
            return Err(reader.malformed("class mode or owner"));
        }
        Ok(Self { kind, mode, owner, attributes, flags: Flags { inconsistent } })
    }
}

impl Kind {
    pub(super) fn of(body: &Body) -> Self {
        match body {
            Body::Folder => Self::Folder,
            Body::Ancestor => Self::Ancestor,
            Body::File { content, .. } => Self::File(Form::of(content)),
            Body::Image { content, .. } => Self::Image(Form::of(content)),
            Body::Symlink { .. } => Self::Symlink,
            Body::HardLink { .. } => Self::HardLink,
            Body::Fifo => Self::Fifo,
            Body::Socket => Self::Socket,
            Body::CharDevice { .. } => Self::CharDevice,
            Body::BlockDevice { .. } => Self::BlockDevice,
        }
    }

    /// The number by which the format names the kind.
    const fn number(self) -> u8 {
        match self {
            Self::Folder => 1,
            Self::Ancestor => 2,
            Self::File(form) => 3 + form.number(),
            Self::Image(form) => 7 + form.number(),
            Self::Symlink => 11,
            Self::HardLink => 12,
            Self::Fifo => 13,
            Self::Socket => 14,
            Self::CharDevice => 15,
            Self::BlockDevice => 16,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Folder,
            2 => Self::Ancestor,
            3..=6 => Self::File(Form::from_number(number - 3)?),
            7..=10 => Self::Image(Form::from_number(number - 7)?),
            11 => Self::Symlink,
            12 => Self::HardLink,
            13 => Self::Fifo,
            14 => Self::Socket,
            15 => Self::CharDevice,
            16 => Self::BlockDevice,
            _ => return None,
        })
    }

    /// Whether entries of this kind have a time of their own.
    pub(super) const fn has_moment(self) -> bool {
        !matches!(self, Self::Ancestor)
    }

    /// How the content lies, if the kind has one.
    pub(super) const fn form(self) -> Option<Form> {
        match self {
            Self::File(form) | Self::Image(form) => Some(form),
            _ => None,
        }
    }
}

impl Form {
    pub(super) fn of(content: &Content) -> Self {
        match content {
            Content::Empty => Self::Empty,
            Content::Slice { .. } => Self::Slice,
            Content::Chunks { .. } => Self::Chunks,
            Content::List { .. } => Self::List,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Empty => 0,
            Self::Slice => 1,
            Self::Chunks => 2,
            Self::List => 3,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Empty,
            1 => Self::Slice,
            2 => Self::Chunks,
            3 => Self::List,
            _ => return None,
        })
    }

    /// Whether the length of the file stands in its own column. Otherwise it follows from the chunks and holes.
    pub(super) const fn has_length(self) -> bool {
        matches!(self, Self::Slice | Self::List)
    }
}
