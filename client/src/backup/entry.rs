//! Between the three faces of one thing: its stat, its row in the catalogue, its entry in the tree.

use std::collections::HashMap;
use std::sync::Arc;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::limits;
use farkeep_codec::limits::MODE_MAX;
use farkeep_codec::time::Time;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Owner;
use farkeep_codec::tree::PathKey;
use thiserror::Error;

use super::catalogue::Bundles;
use super::catalogue::CatalogueError;
use super::catalogue::Row;
use super::catalogue::RowContent;
use super::catalogue::Stamp;
use crate::source::Kind;
use crate::source::Stat;

#[cfg(test)]
mod tests;

/// What an entry says beyond path and stat, before it is encoded into a row.
#[derive(Debug, Default)]
pub(super) struct Detail<'a> {
    pub(super) body: DetailBody<'a>,
    pub(super) user: &'a [u8],
    pub(super) group: &'a [u8],
    pub(super) attributes: &'a [Attribute],
    pub(super) inconsistent: bool,
}

/// The kinds of entries with what belongs to each.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum DetailBody<'a> {
    #[default]
    File,
    Folder,
    Ancestor,
    Symlink(&'a [u8]),
    HardLink(&'a [u8]),
    Fifo,
    Socket,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

/// Something that a file system has and the format has no room for.
#[derive(Debug, Error)]
#[error("the format has no room for it: {what}")]
pub(super) struct Unfit {
    what: &'static str,
}

impl Detail<'_> {
    /// The bytes that the row of `path` carries.
    ///
    /// # Errors
    /// [`Unfit`] when the tree would refuse the entry. It is asked here, where one file can still be left out and named.
    pub(super) fn encode(&self, path: &PathKey, stamp: &Stamp) -> Result<Vec<u8>, Unfit> {
        self.check(path, stamp)?;
        let mut out = Writer::new();
        match self.body {
            DetailBody::File => out.u8(0),
            DetailBody::Folder => out.u8(1),
            DetailBody::Ancestor => out.u8(2),
            DetailBody::Symlink(target) => out.u8(3).counted(target),
            DetailBody::HardLink(first) => out.u8(4).counted(first),
            DetailBody::Fifo => out.u8(5),
            DetailBody::Socket => out.u8(6),
            DetailBody::CharDevice(major, minor) => out.u8(7).u32(major).u32(minor),
            DetailBody::BlockDevice(major, minor) => out.u8(8).u32(major).u32(minor),
        };
        out.counted(self.user).counted(self.group).u8(u8::from(self.inconsistent));
        out.count(self.attributes.len());
        for attribute in self.attributes {
            out.counted(&attribute.name).counted(&attribute.value);
        }
        Ok(out.into_bytes())
    }

    /// The codec's own rules, for an entry that says the same. Where contents lie is the backup's doing, and keeps them.
    fn check(&self, path: &PathKey, stamp: &Stamp) -> Result<(), Unfit> {
        let body = match self.body {
            DetailBody::File => Body::File { bytes: 0, content: Content::Empty },
            DetailBody::Folder => Body::Folder,
            DetailBody::Ancestor => Body::Ancestor,
            DetailBody::Symlink(target) => Body::Symlink { target: target.to_vec() },
            DetailBody::HardLink(first) => Body::HardLink {
                first: PathKey::from_bytes(first.to_vec()).map_err(|error| Unfit { what: error.what })?,
            },
            DetailBody::Fifo => Body::Fifo,
            DetailBody::Socket => Body::Socket,
            DetailBody::CharDevice(major, minor) => Body::CharDevice { major, minor },
            DetailBody::BlockDevice(major, minor) => Body::BlockDevice { major, minor },
        };
        let (user, group) = (self.user.to_vec(), self.group.to_vec());
        let entry = Entry {
            path: path.clone(),
            mode: stamp.mode & MODE_MAX,
            owner: Arc::new(Owner { uid: stamp.uid, gid: stamp.gid, user, group }),
            modified: Time::from_nanoseconds(stamp.modified_ns),
            attributes: self.attributes.to_vec(),
            flags: Flags { inconsistent: self.inconsistent },
            body,
        };
        entry.check().map_err(|invalid| Unfit { what: invalid.what })
    }
}

/// The path that a hard link's row refers to; `None` for every other row.
pub(super) fn hard_link_of(detail: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(detail);
    match reader.u8("kind") {
        Ok(4) => reader.counted(limits::PATH_BYTES_MAX, "link").ok(),
        _ => None,
    }
}

/// Whether a row is that of a folder above a root.
pub(super) fn is_ancestor(detail: &[u8]) -> bool {
    detail.first() == Some(&2)
}

/// The stamp of a stat. A folder's size and links follow from what is in it, and are left out.
pub(super) fn stamp(stat: &Stat) -> Stamp {
    let (bytes, links) = if stat.kind == Kind::Folder { (0, 0) } else { (stat.size, stat.nlink) };
    Stamp {
        inode: stat.ino,
        device: stat.dev,
        changed_ns: stat.ctime_ns,
        modified_ns: stat.mtime_ns,
        bytes,
        mode: kind_bits(stat.kind) | u32::from(stat.mode),
        uid: stat.uid,
        gid: stat.gid,
        links,
    }
}

/// The stamp of a folder above a root: only what its entry will say.
pub(super) fn ancestor_stamp(stat: &Stat) -> Stamp {
    let Stamp { mode, uid, gid, .. } = stamp(stat);
    Stamp { mode, uid, gid, ..Stamp::default() }
}

/// The kinds of files and their numbers in the type bits of `st_mode`.
const KINDS: [(Kind, u32); 7] = [
    (Kind::Fifo, 1),
    (Kind::CharDevice, 2),
    (Kind::Folder, 4),
    (Kind::BlockDevice, 6),
    (Kind::File, 8),
    (Kind::Symlink, 10),
    (Kind::Socket, 12),
];

fn kind_bits(kind: Kind) -> u32 {
    let (_, number) = KINDS.into_iter().find(|(known, _)| *known == kind).expect("every kind has a number");
    number << 12
}

/// The kind of file that a stamp is of.
pub(super) fn kind_of(stamp: &Stamp) -> Option<Kind> {
    KINDS.into_iter().find(|(_, number)| *number == stamp.mode >> 12).map(|(kind, _)| kind)
}

/// Turns rows into entries, and shares the owners between them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    owners: HashMap<Owner, Arc<Owner>>,
}

impl Entries {
    /// The entry of a row whose bundle is stored.
    pub(super) fn entry(&mut self, row: &Row, bundles: &Bundles) -> Result<Entry, CatalogueError> {
        let mut reader = Reader::new(&row.detail);
        let body = body(row, bundles, &mut reader)?;
        let user = reader.counted(limits::OWNER_NAME_BYTES_MAX, "user")?;
        let group = reader.counted(limits::OWNER_NAME_BYTES_MAX, "group")?;
        let owner = self.owner(row.stamp.uid, row.stamp.gid, user, group);
        let inconsistent = reader.u8("flags")? != 0;
        let count = reader.count(limits::ATTRIBUTES_MAX, "attributes")?;
        let attributes = (0..count).map(|_| attribute(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Entry {
            path: PathKey::from_bytes(row.path.clone()).map_err(|_| CatalogueError::Damaged)?,
            mode: row.stamp.mode & MODE_MAX,
            owner,
            modified: Time::from_nanoseconds(row.stamp.modified_ns),
            attributes,
            flags: Flags { inconsistent },
            body,
        })
    }

    fn owner(&mut self, uid: u32, gid: u32, user: &[u8], group: &[u8]) -> Arc<Owner> {
        let owner = Owner { uid, gid, user: user.to_vec(), group: group.to_vec() };
        Arc::clone(self.owners.entry(owner).or_insert_with_key(|owner| Arc::new(owner.clone())))
    }
}

fn body(row: &Row, bundles: &Bundles, reader: &mut Reader<'_>) -> Result<Body, CatalogueError> {
    Ok(match reader.u8("kind")? {
        0 => Body::File { bytes: row.stamp.bytes, content: content(row, bundles)? },
        1 => Body::Folder,
        2 => Body::Ancestor,
        3 => Body::Symlink { target: reader.counted(limits::LINK_TARGET_BYTES_MAX, "target")?.to_vec() },
        4 => {
            let first = reader.counted(limits::PATH_BYTES_MAX, "link")?.to_vec();
            Body::HardLink { first: PathKey::from_bytes(first).map_err(|_| CatalogueError::Damaged)? }
        }
        5 => Body::Fifo,
        6 => Body::Socket,
        7 => Body::CharDevice { major: reader.u32("device")?, minor: reader.u32("device")? },
        8 => Body::BlockDevice { major: reader.u32("device")?, minor: reader.u32("device")? },
        _ => return Err(reader.malformed("kind").into()),
    })
}

fn content(row: &Row, bundles: &Bundles) -> Result<Content, CatalogueError> {
    Ok(match &row.content {
        RowContent::None => Content::Empty,
        RowContent::Slice(place) => Content::Slice {
            bundle: *bundles.pointer(place.bundle).ok_or(CatalogueError::Damaged)?,
            offset: place.offset,
        },
        RowContent::Chunks(pointers, holes) => {
            Content::Chunks { pointers: pointers.clone(), holes: holes.clone() }
        }
        RowContent::List(root, height, holes) => {
            Content::List { root: *root, height: *height, holes: holes.clone() }
        }
    })
}

fn attribute(reader: &mut Reader<'_>) -> Result<Attribute, Malformed> {
    Ok(Attribute {
        name: reader.counted(limits::ATTRIBUTE_NAME_BYTES_MAX, "attribute")?.to_vec(),
        value: reader.counted(limits::ATTRIBUTE_VALUE_BYTES_MAX, "attribute")?.to_vec(),
    })
}
