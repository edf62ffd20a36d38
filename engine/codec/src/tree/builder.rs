//! Builds a tree from entries in path order.

use crate::id::ObjectId;
use crate::key::DomainKeys;
use crate::layout::Writer;
use crate::object::Pointer;
use crate::tree::border;
use crate::tree::entry::Entry;
use crate::tree::error::BuildError;
use crate::tree::inner;
use crate::tree::leaf;
use crate::tree::leaf::LeafWriter;
use crate::tree::node::Child;
use crate::tree::node::NodePlain;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// The whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its top node: an inner node, or the only leaf.
    pub pointer: Pointer,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all files, holes included; `u64::MAX` if they are more.
    pub bytes: u64,
}

/// Takes entries in path order and hands out nodes as they are full, leaves first.
///
/// Memory is one node per level, however many entries there are.
#[derive(Debug)]
pub struct Builder {
    keys: DomainKeys,
    leaf: LeafWriter,
    leaf_first: PathKey,
    leaf_bytes: u64,
    last: Option<PathKey>,
    levels: Vec<Level>,
    buffer: Writer,
    references: Vec<ObjectId>,
}

/// The inner node that is being filled on one level.
#[derive(Debug, Default)]
struct Level {
    children: Vec<Child>,
    keys_bytes: usize,
}

impl Builder {
    /// A tree without entries.
    pub fn new(keys: &DomainKeys) -> Self {
        Self {
            keys: keys.clone(),
            leaf: LeafWriter::new(),
            leaf_first: PathKey::root(),
            leaf_bytes: 0,
            last: None,
            levels: Vec::new(),
            buffer: Writer::new(),
            references: Vec::new(),
        }
    }

    /// The next entry in path order. A full node goes to `sink`, which seals it and gives its pointer back.
    ///
    /// # Errors
    /// [`BuildError::Order`] and [`BuildError::Invalid`] leave the tree as it was, so the caller may go on without
    /// the entry; [`BuildError::Sink`] ends the building.
    pub fn push<E>(
        &mut self,
        entry: Entry,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<(), BuildError<E>> {
        entry.check()?;
        if let Some(last) = self.last.as_ref().filter(|last| **last >= entry.path) {
            return Err(BuildError::Order { last: last.clone(), path: entry.path });
        }
        let entries = self.leaf.entries();
        let has_room = leaf::has_room(entries, self.leaf.weight_bytes(), entry.weight_bytes());
        if !has_room || border::LEAF.ends_before(entries, || self.keys.border(entry.path.as_bytes())) {
            let child = self.write_leaf(sink)?;
            self.push_child(1, child, sink)?;
        }
        if self.leaf.entries() == 0 {
            self.leaf_first.clone_from(&entry.path);
        }
        self.leaf_bytes = self.leaf_bytes.saturating_add(entry.content_bytes());
        self.leaf.push(&entry);
        self.last = Some(entry.path);
        Ok(())
    }

    /// Ends the tree.
    ///
    /// # Errors
    /// [`BuildError::Sink`] with what the sink says.
    pub fn finish<E>(
        mut self,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<Root, BuildError<E>> {
        let mut top = self.write_leaf(sink)?;
        let mut level = 1;
        while level <= self.levels.len() {
            self.push_child(level, top, sink)?;
            top = self.write_inner(level, sink)?;
            level += 1;
        }
        Ok(Root { pointer: top.pointer, entries: top.entries, bytes: top.bytes })
    }

    /// Puts a node into the one that is being filled on `level`, which counts from 1, above the leaves.
    fn push_child<E>(
        &mut self,
        level: usize,
        child: Child,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<(), BuildError<E>> {
        if self.levels.len() < level {
            self.levels.push(Level::default());
        }
        let key_bytes = child.first.as_bytes().len();
        let filled = self.level(level);
        let has_room = inner::has_room(filled.children.len(), filled.keys_bytes, key_bytes);
        let items = filled.children.len();
        if !has_room || border::INNER.ends_before(items, || self.inner_hash(level, &child.first)) {
            let full = self.write_inner(level, sink)?;
            self.push_child(level + 1, full, sink)?;
        }
        let filled = self.level(level);
        filled.keys_bytes += key_bytes;
        filled.children.push(child);
        Ok(())
    }

    fn level(&mut self, level: usize) -> &mut Level {
        self.levels.get_mut(level - 1).expect("levels are made from below, one by one")
    }

    /// What decides whether an inner node ends before the child with this first key. Two zero bytes in a row stand
    /// in no path, so the hash is independent of the one by which the leaf began.
    fn inner_hash(&self, level: usize, first: &PathKey) -> u64 {
        self.keys.border(&[first.as_bytes(), &[0, 0, level_byte(level)]].concat())
    }

    /// Writes the leaf, and empties it.
    fn write_leaf<E>(
        &mut self,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<Child, BuildError<E>> {
        self.buffer.clear();
        self.leaf.write(&mut self.buffer);
        self.references.clear();
        self.references.extend(self.leaf.pointers().iter().map(|pointer| pointer.id));
        let node = NodePlain { plain: self.buffer.as_bytes(), references: &self.references };
        let child = Child {
            pointer: sink(node).map_err(BuildError::Sink)?,
            first: std::mem::take(&mut self.leaf_first),
            entries: self.leaf.entries() as u64,
            bytes: std::mem::take(&mut self.leaf_bytes),
        };
        self.leaf.clear();
        Ok(child)
    }

    /// Writes the inner node of one level, and empties it.
    fn write_inner<E>(
        &mut self,
        level: usize,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<Child, BuildError<E>> {
        let Level { children, .. } = std::mem::take(self.level(level));
        self.buffer.clear();
        inner::write(&mut self.buffer, level_byte(level), &children);
        self.references.clear();
        self.references.extend(children.iter().map(|child| child.pointer.id));
        let node = NodePlain { plain: self.buffer.as_bytes(), references: &self.references };
        let pointer = sink(node).map_err(BuildError::Sink)?;
        Ok(Child {
            pointer,
            entries: children.iter().map(|child| child.entries).sum(),
            bytes: children.iter().fold(0, |sum, child| child.bytes.saturating_add(sum)),
            first: children.into_iter().next().map(|child| child.first).unwrap_or_default(),
        })
    }
}

fn level_byte(level: usize) -> u8 {
    u8::try_from(level)
        .expect("every level has at most half as many nodes as the one below, and one at the end")
}
