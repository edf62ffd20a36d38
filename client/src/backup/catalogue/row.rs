//! One row of the catalogue: an entry of the tree, the stat that proves it unchanged, and where its contents lie.

use farkeep_codec::id::ContentHash;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Hole;

use super::block::pointer;
use super::block::write_pointer;
use super::table::BundleNumber;

/// What the stat of a file, folder or other thing must still be for its row to be taken over unread.
///
/// The fields are those that the kernel changes with contents or metadata. For folders size and number of links
/// are left 0, since they follow from the folder's own contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// Inode number.
    pub(crate) inode: u64,
    /// Device that holds the inode.
    pub(crate) device: u64,
    /// Time of the last change of the inode, nanoseconds since 1970.
    pub(crate) changed_ns: i64,
    /// Time of the last change of the contents, nanoseconds since 1970.
    pub(crate) modified_ns: i64,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Type and permission bits as in `st_mode`.
    pub(crate) mode: u32,
    /// Number of the owner.
    pub(crate) uid: u32,
    /// Number of the group.
    pub(crate) gid: u32,
    /// Number of hard links.
    pub(crate) links: u32,
}

/// Bytes of an encoded stamp.
const STAMP_BYTES: usize = 56;

impl Stamp {
    fn encode(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        let (words, halves) = bytes.split_at_mut(40);
        let long = [
            self.inode,
            self.device,
            self.changed_ns.cast_unsigned(),
            self.modified_ns.cast_unsigned(),
            self.bytes,
        ];
        for (place, word) in words.as_chunks_mut::<8>().0.iter_mut().zip(long) {
            *place = word.to_le_bytes();
        }
        let short = [self.mode, self.uid, self.gid, self.links];
        for (place, half) in halves.as_chunks_mut::<4>().0.iter_mut().zip(short) {
            *place = half.to_le_bytes();
        }
        bytes
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            inode: reader.u64("inode")?,
            device: reader.u64("device")?,
            changed_ns: reader.i64("change time")?,
            modified_ns: reader.i64("modification time")?,
            bytes: reader.u64("size")?,
            mode: reader.u32("mode")?,
            uid: reader.u32("user")?,
            gid: reader.u32("group")?,
            links: reader.u32("links")?,
        })
    }
}

/// Where a small file lies: its offset in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The bundle, by its number in the table of bundles.
    pub(crate) bundle: BundleNumber,
    /// Offset in bytes in the bundle's plaintext.
    pub(crate) offset: u32,
    /// Whether another row owns the slice: it is counted there, and not here.
    pub(crate) borrowed: bool,
}

/// Contents of a regular file, and nothing for everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowContent {
    /// No contents: an empty file, or not a file.
    None,
    /// A slice of a bundle.
    Slice(Placement),
    /// Chunks in the order of the file.
    Chunks(Vec<Pointer>, Vec<Hole>),
    /// A list of chunks that is long enough for nodes of its own: its root and height.
    List(Pointer, u8, Vec<Hole>),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Bytes of the path key.
    pub(crate) path: Vec<u8>,
    /// The stat when the contents were read.
    pub(crate) stamp: Stamp,
    /// Whether the stat can be trusted: not when the inode changed just before or while it was read, since a
    /// change within the same tick of the file system's clock would not show.
    pub(crate) settled: bool,
    /// What the tree's entry says beyond path and stat: owner names, attributes, type with its details, flags.
    /// Encoded, since an unchanged row carries it over as it is.
    pub(crate) detail: Vec<u8>,
    /// Hash of the contents of a regular file that is not empty.
    pub(crate) hash: Option<ContentHash>,
    /// Where the contents lie.
    pub(crate) content: RowContent,
}

const SETTLED: u8 = 1;
const HASHED: u8 = 2;
const BORROWED: u8 = 4;

impl Row {
    /// Writes the row behind one whose path is `before`.
    pub(super) fn encode(&self, before: &[u8], out: &mut Writer) {
        let shared = before.iter().zip(&self.path).take_while(|(a, b)| a == b).count();
        out.count(shared).counted(self.path.get(shared..).unwrap_or_default());
        out.bytes(&self.stamp.encode());
        let borrowed = matches!(self.content, RowContent::Slice(Placement { borrowed: true, .. }));
        out.u8(if self.settled { SETTLED } else { 0 }
            | if self.hash.is_some() { HASHED } else { 0 }
            | if borrowed { BORROWED } else { 0 });
        if let Some(hash) = &self.hash {
            out.bytes(hash.as_bytes());
        }
        out.counted(&self.detail);
        match &self.content {
            RowContent::None => {
                out.u8(0);
            }
            RowContent::Slice(place) => {
                out.u8(1).u32(place.bundle.0).u32(place.offset);
            }
            RowContent::Chunks(pointers, holes) => {
                out.u8(2).count(pointers.len());
                pointers.iter().for_each(|chunk| write_pointer(chunk, out));
                encode_holes(holes, out);
            }
            RowContent::List(root, height, holes) => {
                out.u8(3);
                write_pointer(root, out);
                out.u8(*height);
                encode_holes(holes, out);
            }
        }
    }

    /// Reads the row behind the one that `self` holds now, into the same memory.
    pub(super) fn decode_next(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let shared = reader.count(self.path.len(), "shared part of a path")?;
        self.path.truncate(shared);
        self.path.extend_from_slice(reader.counted(usize::MAX, "path")?);
        self.stamp = Stamp::decode(reader)?;
        let flags = reader.u8("flags of a row")?;
        self.settled = flags & SETTLED != 0;
        self.hash = match flags & HASHED {
            0 => None,
            _ => Some(ContentHash::from_bytes(reader.array("hash")?)),
        };
        self.detail.clear();
        self.detail.extend_from_slice(reader.counted(usize::MAX, "detail")?);
        self.content = match reader.u8("content")? {
            0 => RowContent::None,
            1 => RowContent::Slice(Placement {
                bundle: BundleNumber(reader.u32("bundle")?),
                offset: reader.u32("offset")?,
                borrowed: flags & BORROWED != 0,
            }),
            2 => {
                let count = reader.count(reader.remaining(), "chunks")?;
                let pointers = (0..count).map(|_| pointer(reader)).collect::<Result<_, _>>()?;
                RowContent::Chunks(pointers, decode_holes(reader)?)
            }
            3 => RowContent::List(pointer(reader)?, reader.u8("height")?, decode_holes(reader)?),
            _ => return Err(reader.malformed("content")),
        };
        Ok(())
    }

    /// A row to decode into.
    pub(super) fn blank() -> Self {
        Self {
            path: Vec::new(),
            stamp: Stamp::default(),
            settled: false,
            detail: Vec::new(),
            hash: None,
            content: RowContent::None,
        }
    }
}

fn encode_holes(holes: &[Hole], out: &mut Writer) {
    out.count(holes.len());
    for hole in holes {
        out.varint(hole.offset).varint(hole.bytes);
    }
}

fn decode_holes(reader: &mut Reader<'_>) -> Result<Vec<Hole>, Malformed> {
    let count = reader.count(reader.remaining(), "holes")?;
    (0..count).map(|_| Ok(Hole { offset: reader.varint("hole")?, bytes: reader.varint("hole")? })).collect()
}
