//! One node of a tree or of a content list: what all of them have in common, and which there are.

use crate::id::ObjectId;
use crate::layout::Writer;
use crate::object::Pointer;
use crate::tree::entry::Entry;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// First byte of a leaf.
pub(crate) const LEAF: u8 = 1;
/// First byte of an inner node.
pub(crate) const INNER: u8 = 2;
/// First byte of a node of a content list.
pub(crate) const LIST: u8 = 3;

/// A node as bytes, ready to be sealed as an object of kind node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePlain<'a> {
    /// The plaintext.
    pub plain: &'a [u8],
    /// What the node points to, which stands plain in the object.
    pub references: &'a [ObjectId],
}

/// A node as values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Entries of a tree in path order; none only where the whole tree has none.
    Leaf(Vec<Entry>),
    /// Nodes of a tree in path order.
    Inner {
        /// 1 above leaves, and one more on every level.
        level: u8,
        /// What stands below; at least one.
        children: Vec<Child>,
    },
    /// Chunks of a large file in the order of the file, or nodes of the list of them.
    List {
        /// 0 where the pointers lead to chunks, and one more on every level.
        height: u8,
        /// Where they lead.
        pointers: Vec<Pointer>,
        /// Bytes of the file that lie below each pointer.
        bytes: Vec<u64>,
    },
}

/// A node of a tree as the node above it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Path of the first entry below.
    pub first: PathKey,
    /// The node.
    pub pointer: Pointer,
    /// Number of entries below.
    pub entries: u64,
    /// Bytes of all files below, holes included; `u64::MAX` if they are more.
    pub bytes: u64,
}

/// Writes the front that all nodes share: tag, and the lengths of what the node points to.
pub(crate) fn write_front(writer: &mut Writer, tag: u8, pointers: &[Pointer]) {
    writer.u8(tag);
    for pointer in pointers {
        writer.varint(u64::from(pointer.plain_bytes));
    }
}

/// Writes the end that all nodes share: the seeds. They come last because they do not compress.
pub(crate) fn write_seeds(writer: &mut Writer, pointers: &[Pointer]) {
    for pointer in pointers {
        writer.bytes(pointer.seed.as_bytes());
    }
}
