//! A place in a tree: between two entries, with the nodes behind it not yet opened.
//!
//! The walk and the diff both stand on this. A cursor opens a node only when it is told to, so whoever moves it
//! decides what is fetched. Every node is held against what the node above it says: a tree that was put together
//! wrongly is refused, not followed.

use crate::layout::Malformed;
use crate::object::Pointer;
use crate::tree::entry::Entry;
use crate::tree::node::Child;
use crate::tree::node::Node;
use crate::tree::path::PathKey;

/// A place in one tree. Memory is one node per level.
#[derive(Debug)]
pub(crate) struct Cursor {
    root: Option<Pointer>,
    levels: Vec<Frame>,
    entries: std::vec::IntoIter<Entry>,
    /// What lies below the node that could not be opened last.
    gap: Option<Gap>,
}

/// A part of a tree that is out of reach, since the node that holds it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first path in it.
    pub first: PathKey,
    /// The first path behind it, if anything is.
    pub end: Option<PathKey>,
    /// Number of entries in it, which nobody knows when it is the whole tree.
    pub entries: Option<u64>,
}

/// An inner node that is open: what of it lies ahead.
#[derive(Debug)]
struct Frame {
    level: u8,
    children: std::vec::IntoIter<Child>,
    /// First key behind the node, if anything is.
    end: Option<PathKey>,
}

/// What lies at the cursor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Head<'a> {
    /// The top node, not opened yet.
    Root(&'a Pointer),
    /// A node, not opened yet.
    Node(NodeHead<'a>),
    /// An entry of the open leaf.
    Entry(&'a Entry),
    /// Nothing more.
    End,
}

/// A node that lies at the cursor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeHead<'a> {
    /// 0 for a leaf.
    pub(crate) level: u8,
    /// What the node above says of it.
    pub(crate) child: &'a Child,
    /// First key behind the node, if anything is.
    pub(crate) end: Option<&'a PathKey>,
}

impl Cursor {
    /// In front of everything.
    pub(crate) fn new(root: Pointer) -> Self {
        Self { root: Some(root), levels: Vec::new(), entries: Vec::new().into_iter(), gap: None }
    }

    /// What lies at the cursor.
    pub(crate) fn head(&self) -> Head<'_> {
        if let Some(root) = &self.root {
            return Head::Root(root);
        }
        if let Some(entry) = self.entries.as_slice().first() {
            return Head::Entry(entry);
        }
        let open =
            self.levels.iter().rev().find_map(|frame| Some((frame, frame.children.as_slice().first()?)));
        open.map_or(Head::End, |(frame, child)| {
            Head::Node(NodeHead { level: frame.level - 1, child, end: frame.end_of_first() })
        })
    }

    /// Moves behind the entry that lies at the cursor and hands it out, if it is an entry.
    pub(crate) fn take_entry(&mut self) -> Option<Entry> {
        if self.root.is_some() { None } else { self.entries.next() }
    }

    /// Moves behind the node that lies at the cursor, without opening it; from an open leaf, behind the leaf.
    pub(crate) fn skip_node(&mut self) {
        let in_leaf = self.root.is_none() && !self.entries.as_slice().is_empty();
        self.entries = Vec::new().into_iter();
        if self.root.take().is_none() && !in_leaf {
            self.take_child();
        }
    }

    /// Opens the node that lies at the cursor, so that what it holds lies there. Does nothing at an entry. A node that
    /// does not open is behind the cursor then, and [`gap`](Self::gap) says what lies below it.
    pub(crate) fn open<E: From<Malformed>>(
        &mut self,
        fetch: &mut impl FnMut(&Pointer) -> Result<Node, E>,
    ) -> Result<(), E> {
        let root = self.root.take();
        if root.is_none() && !self.entries.as_slice().is_empty() {
            return Ok(());
        }
        let wanted = if root.is_some() { None } else { self.take_child() };
        let Some(pointer) = root.or(wanted.as_ref().map(|wanted| wanted.child.pointer)) else {
            return Ok(());
        };
        let opened = fetch(&pointer).and_then(|node| self.enter(node, wanted.as_ref()).map_err(E::from));
        if opened.is_err() {
            self.gap = Some(wanted.map_or_else(Gap::everything, Gap::from));
        }
        opened
    }

    /// What lies below the node that could not be opened last.
    pub(crate) fn gap(&self) -> Option<&Gap> {
        self.gap.as_ref()
    }

    /// Takes the next child out of the innermost frame that has one.
    fn take_child(&mut self) -> Option<Wanted> {
        loop {
            let frame = self.levels.last_mut()?;
            if let Some(child) = frame.children.next() {
                let end = frame.children.as_slice().first().map(|next| &next.first).or(frame.end.as_ref());
                return Some(Wanted { level: frame.level - 1, child, end: end.cloned() });
            }
            self.levels.pop();
        }
    }

    fn enter(&mut self, node: Node, wanted: Option<&Wanted>) -> Result<(), Malformed> {
        if let Some(wanted) = wanted {
            wanted.hold_against(&node)?;
        }
        match node {
            Node::Leaf(entries) => self.entries = entries.into_iter(),
            Node::Inner { level, children } => {
                let end = wanted.and_then(|wanted| wanted.end.clone());
                self.levels.push(Frame { level, children: children.into_iter(), end });
            }
            Node::List { .. } => return Err(misplaced("tree: content list in place of a node")),
        }
        Ok(())
    }
}

impl Gap {
    fn everything() -> Self {
        Self { first: PathKey::root(), end: None, entries: None }
    }
}

impl From<Wanted> for Gap {
    fn from(wanted: Wanted) -> Self {
        Self { first: wanted.child.first, end: wanted.end, entries: Some(wanted.child.entries) }
    }
}

impl Frame {
    fn end_of_first(&self) -> Option<&PathKey> {
        self.children.as_slice().get(1).map(|next| &next.first).or(self.end.as_ref())
    }
}

/// A node as the one above describes it.
struct Wanted {
    level: u8,
    child: Child,
    end: Option<PathKey>,
}

impl Wanted {
    fn hold_against(&self, node: &Node) -> Result<(), Malformed> {
        let (level, first, last, entries, bytes) = match node {
            Node::Leaf(leaf) => (
                0,
                leaf.first().map(|entry| &entry.path),
                leaf.last().map(|entry| &entry.path),
                leaf.len() as u64,
                saturating_sum(leaf.iter().map(Entry::content_bytes)),
            ),
            Node::Inner { level, children } => (
                *level,
                children.first().map(|child| &child.first),
                children.last().map(|child| &child.first),
                saturating_sum(children.iter().map(|child| child.entries)),
                saturating_sum(children.iter().map(|child| child.bytes)),
            ),
            Node::List { .. } => return Err(misplaced("tree: content list in place of a node")),
        };
        if level != self.level {
            return Err(misplaced("tree: node of a wrong level"));
        }
        if first != Some(&self.child.first) || self.end.as_ref().is_some_and(|end| last >= Some(end)) {
            return Err(misplaced("tree: node with paths of another"));
        }
        if entries != self.child.entries || bytes != self.child.bytes {
            return Err(misplaced("tree: node with another number of entries or bytes"));
        }
        Ok(())
    }
}

fn saturating_sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}

fn misplaced(what: &'static str) -> Malformed {
    Malformed { what, offset: 0 }
}
