//! Bytes of inner nodes.

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::INNER_CHILDREN_MAX;
use crate::limits::INNER_KEYS_BYTES_MAX;
use crate::limits::TREE_LEVELS_MAX;
use crate::object::Pointer;
use crate::tree::names::NameReader;
use crate::tree::names::NameWriter;
use crate::tree::node;
use crate::tree::node::Child;
use crate::tree::node::Node;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// Writes an inner node from its children, which the builder keeps within the limits of the format.
pub(crate) fn write(writer: &mut Writer, level: u8, children: &[Child]) {
    let pointers: Vec<Pointer> = children.iter().map(|child| child.pointer).collect();
    let mut names = NameWriter::default();
    for child in children {
        names.push(child.first.as_bytes());
    }
    node::write_front(writer, node::INNER, &pointers);
    writer.u8(level);
    names.write(writer);
    for child in children {
        writer.varint(child.entries);
    }
    for child in children {
        writer.varint(child.bytes);
    }
    node::write_seeds(writer, &pointers);
}

/// Whether an inner node with `children` children whose first keys have `keys_bytes` bytes has room for one more
/// with a key of `key_bytes`. Two it always has room for, so that every level is shorter than the one below.
pub(crate) fn has_room(children: usize, keys_bytes: usize, key_bytes: usize) -> bool {
    children < 2 || (children < INNER_CHILDREN_MAX && keys_bytes + key_bytes <= INNER_KEYS_BYTES_MAX)
}

/// Reads what follows the front of an inner node, to the end.
pub(crate) fn read(mut reader: Reader<'_>, pointers: &[Pointer]) -> Result<Node, Malformed> {
    let level = reader.u8("inner node level")?;
    if !(1..=TREE_LEVELS_MAX).contains(&level) || pointers.is_empty() {
        return Err(reader.malformed("inner node level"));
    }
    let mut names = NameReader::read(&mut reader, pointers.len())?;
    let mut children: Vec<Child> = Vec::with_capacity(pointers.len().min(INNER_CHILDREN_MAX));
    let mut keys_bytes = 0;
    for pointer in pointers {
        let key_bytes = names.next_bytes();
        if !has_room(children.len(), keys_bytes, key_bytes) {
            return Err(reader.malformed("inner node size"));
        }
        keys_bytes += key_bytes;
        let above = children.last().map(|child| &child.first);
        let first: PathKey = names.next(above).ok_or(reader.malformed("inner node key"))?;
        children.push(Child { first, pointer: *pointer, entries: 0, bytes: 0 });
    }
    let mut total = 0_u64;
    for child in &mut children {
        child.entries = reader.varint("inner node entries")?;
        let sum = total.checked_add(child.entries).filter(|_| child.entries > 0);
        total = sum.ok_or(reader.malformed("inner node entries"))?;
    }
    for child in &mut children {
        child.bytes = reader.varint("inner node bytes")?;
    }
    reader.finish()?;
    Ok(Node::Inner { level, children })
}
