//! One node of a tree or of a content list: what all of them have in common, and which there are.

use crate::id::ObjectId;
use crate::id::Seed;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::object::Pointer;
use crate::tree::entry::Entry;
use crate::tree::entry::pointer_fault;
use crate::tree::inner;
use crate::tree::leaf;
use crate::tree::list;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// First byte of a leaf.
pub(crate) const LEAF: u8 = 1;
/// First byte of an inner node.
pub(crate) const INNER: u8 = 2;
/// First byte of a node of a content list.
pub(crate) const LIST: u8 = 3;

/// Bytes of a seed in the table at the end of a node.
const SEED_BYTES: usize = 32;

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

impl Node {
    /// Reads a node from its plaintext and the references of its object.
    ///
    /// What is accepted encodes to the same bytes again. Memory stays in proportion to the bytes, within the weight
    /// that [`limits`](crate::limits) gives to a leaf and an inner node.
    ///
    /// # Errors
    /// [`Malformed`] when a rule of FORMAT.md, "Tree", is broken.
    pub fn decode(plain: &[u8], references: &[ObjectId]) -> Result<Self, Malformed> {
        let body_bytes =
            SEED_BYTES.checked_mul(references.len()).and_then(|seeds| plain.len().checked_sub(seeds));
        let (body, seeds) = body_bytes
            .and_then(|bytes| plain.split_at_checked(bytes))
            .ok_or(Malformed { what: "node seeds", offset: 0 })?;
        let mut reader = Reader::new(body);
        let tag = reader.u8("node tag")?;
        let pointers = read_pointers(&mut reader, references, seeds)?;
        match tag {
            LEAF => leaf::read(reader, &pointers).map(Self::Leaf),
            INNER => inner::read(reader, &pointers),
            LIST => list::read(reader, &pointers),
            _ => Err(Malformed { what: "node tag", offset: 0 }),
        }
    }
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

fn read_pointers(
    reader: &mut Reader<'_>,
    references: &[ObjectId],
    seeds: &[u8],
) -> Result<Vec<Pointer>, Malformed> {
    let (seeds, _) = seeds.as_chunks::<SEED_BYTES>();
    let mut pointers = Vec::with_capacity(references.len());
    for (id, seed) in references.iter().zip(seeds) {
        let plain_bytes = reader.varint_u32("node plaintext length")?;
        let pointer = Pointer { id: *id, seed: Seed::from_bytes(*seed), plain_bytes };
        if pointer_fault(&pointer).is_some() {
            return Err(reader.malformed("node plaintext length"));
        }
        pointers.push(pointer);
    }
    Ok(pointers)
}
