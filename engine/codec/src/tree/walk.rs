//! Reads a tree in path order.

use crate::layout::Malformed;
use crate::object::Pointer;
use crate::tree::cursor::Cursor;
use crate::tree::cursor::Gap;
use crate::tree::cursor::Head;
use crate::tree::entry::Entry;
use crate::tree::node::Node;
use crate::tree::path::PathKey;

#[cfg(test)]
mod tests;

/// Hands out the entries of a tree in path order, with one node per level in memory.
///
/// `fetch` gives the node that a pointer leads to, opened and verified; it is asked for the nodes on the way and for
/// no others.
#[derive(Debug)]
pub struct Walk<F> {
    fetch: F,
    root: Pointer,
    cursor: Cursor,
    /// Path of the entry that was handed out last, unless the walk was moved since.
    last: Option<PathKey>,
    /// No key below this one lies ahead any more; no key at all if there is nothing here.
    ahead: Option<Vec<u8>>,
}

impl<F> Walk<F> {
    /// Stands in front of the first entry.
    pub fn new(root: Pointer, fetch: F) -> Self {
        Self { fetch, root, cursor: Cursor::new(root), last: None, ahead: Some(Vec::new()) }
    }

    /// The next entry; nothing behind the last one.
    ///
    /// # Errors
    /// What `fetch` says, and [`Malformed`] when a node is not the one that the node above it describes. The walk
    /// stands behind that node then: asked again, it goes on with what comes next, and [`gap`](Self::gap) says what it
    /// leaves out.
    pub fn next_entry<E>(&mut self) -> Result<Option<Entry>, E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        loop {
            if let Some(entry) = self.cursor.take_entry() {
                match &mut self.last {
                    Some(last) => last.clone_from(&entry.path),
                    None => self.last = Some(entry.path.clone()),
                }
                return Ok(Some(entry));
            }
            match self.cursor.head() {
                Head::End => return Ok(None),
                _ => self.cursor.open(&mut self.fetch)?,
            }
        }
    }

    /// What lies below the node that could not be read last.
    pub fn gap(&self) -> Option<&Gap> {
        self.cursor.gap()
    }

    /// Moves in front of the first entry at or behind `path`, forward or back.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry); the same call goes on behind the node that cannot be read.
    pub fn seek<E>(&mut self, path: &PathKey) -> Result<(), E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        let is_ahead = self.ahead.as_ref().is_some_and(|ahead| ahead.as_slice() <= path.as_bytes());
        if !is_ahead || self.last.as_ref().is_some_and(|last| last >= path) {
            self.cursor = Cursor::new(self.root);
        }
        self.last = None;
        self.ahead = Some(path.as_bytes().to_vec());
        self.advance(path.as_bytes())
    }

    /// Passes over all that lies below the folder that was handed out last, without fetching the nodes in between.
    /// Behind an entry that is no folder it does nothing.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry); the same call goes on behind the node that cannot be read.
    pub fn skip_folder<E>(&mut self) -> Result<(), E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        let Some(last) = &self.last else {
            return Ok(());
        };
        self.ahead = last.end_of_folder();
        if let Some(end) = self.ahead.clone() {
            return self.advance(&end);
        }
        while !matches!(self.cursor.head(), Head::End) {
            self.cursor.skip_node();
        }
        Ok(())
    }

    /// Moves forward to the first entry whose key is not below `bound`, as far as that is known without opening
    /// nodes that begin behind it.
    fn advance<E>(&mut self, bound: &[u8]) -> Result<(), E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        loop {
            match self.cursor.head() {
                Head::End => return Ok(()),
                Head::Entry(entry) if entry.path.as_bytes() >= bound => return Ok(()),
                Head::Entry(_) => drop(self.cursor.take_entry()),
                Head::Node(node) if node.child.first.as_bytes() >= bound => return Ok(()),
                Head::Node(node) if node.end.is_some_and(|end| end.as_bytes() <= bound) => {
                    self.cursor.skip_node();
                }
                Head::Root(_) | Head::Node(_) => self.cursor.open(&mut self.fetch)?,
            }
        }
    }
}
