//! Following every tree from its root, each node once.
//!
//! A node proves its own bytes; that it is the one which the node above describes (level, first path, number of entries,
//! bytes) is checked on every way that leads to it, also where the node itself is known already. A node that cannot be
//! read is damage, and the walk goes on beside it.

use std::collections::HashMap;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Child;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;

use super::CheckError;
use super::damage::Damages;
use super::objects::Objects;
use super::objects::Role;
use crate::progress::Progress;
use crate::repository::Fetcher;
use crate::repository::Repository;

/// What is known of all trees that were followed.
pub(super) struct Graph<'a> {
    fetcher: Fetcher<'a>,
    progress: &'a Progress,
    nodes: HashMap<ObjectId, Facts>,
    objects: Objects,
}

/// What a node turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Facts {
    Tree { level: u8, first: Option<PathKey>, entries: u64, bytes: u64 },
    List { height: u8, bytes: u64 },
}

/// What the way to a node promises.
enum Claim {
    /// The root of a snapshot of so many entries and bytes.
    Root { entries: u64, bytes: u64 },
    /// A child of an inner node of a tree.
    Child { level: u8, child: Child },
    /// A node of a content list, over so many bytes of the file.
    List { height: u8, bytes: u64 },
}

impl<'a> Graph<'a> {
    pub(super) fn new(repository: &'a Repository, progress: &'a Progress) -> Self {
        Self { fetcher: repository.fetcher(), progress, nodes: HashMap::new(), objects: Objects::default() }
    }

    /// Number of nodes that were read.
    pub(super) fn nodes(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// The data objects that the trees need.
    pub(super) fn into_objects(self) -> Objects {
        self.objects
    }

    /// Follows one tree.
    pub(super) fn follow(
        &mut self,
        root: &Pointer,
        entries: u64,
        bytes: u64,
        damages: &mut Damages<'_>,
    ) -> Result<(), CheckError> {
        let mut ahead = vec![(*root, Claim::Root { entries, bytes })];
        while let Some((pointer, claim)) = ahead.pop() {
            damages.check_cancelled()?;
            if damages.has(&pointer.id) {
                continue;
            }
            if !self.nodes.contains_key(&pointer.id) {
                match self.fetcher.node_on_the_way(&pointer) {
                    Ok(node) => self.take(&pointer, &node, &mut ahead, damages),
                    Err(error) => {
                        damages.object(&pointer.id, error)?;
                        continue;
                    }
                }
            }
            if self.nodes.get(&pointer.id).is_some_and(|facts| !claim.fits(facts)) {
                damages.broken(&pointer.id, "the node is not the one that the node above describes");
            }
        }
        Ok(())
    }

    /// Remembers a node that was read, and what lies below it.
    fn take(
        &mut self,
        pointer: &Pointer,
        node: &Node,
        ahead: &mut Vec<(Pointer, Claim)>,
        damages: &mut Damages<'_>,
    ) {
        self.progress.add_entries(1);
        let facts = match node {
            Node::Leaf(entries) => {
                for entry in entries {
                    self.content_of(entry, ahead, damages);
                }
                Facts::leaf(entries)
            }
            Node::Inner { level, children } => {
                let claim =
                    |child: &Child| Claim::Child { level: level.saturating_sub(1), child: child.clone() };
                ahead.extend(children.iter().rev().map(|child| (child.pointer, claim(child))));
                Facts::inner(*level, children)
            }
            Node::List { height, pointers, bytes } => {
                for (pointer, bytes) in pointers.iter().zip(bytes) {
                    match height.checked_sub(1) {
                        Some(height) => ahead.push((*pointer, Claim::List { height, bytes: *bytes })),
                        None => self.data(pointer, Role::Chunk, damages),
                    }
                }
                let bytes = bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
                Facts::List { height: *height, bytes }
            }
        };
        self.nodes.insert(pointer.id, facts);
    }

    fn content_of(&mut self, entry: &Entry, ahead: &mut Vec<(Pointer, Claim)>, damages: &mut Damages<'_>) {
        let Some(content) = super::content(entry) else { return };
        match content {
            Content::Empty => {}
            Content::Slice { bundle, .. } => self.data(bundle, Role::Bundle, damages),
            Content::Chunks { pointers, .. } => {
                for pointer in pointers {
                    self.data(pointer, Role::Chunk, damages);
                }
            }
            Content::List { root, height, holes } => {
                let hollow = holes.iter().fold(0_u64, |sum, hole| sum.saturating_add(hole.bytes));
                let bytes = entry.content_bytes().saturating_sub(hollow);
                ahead.push((*root, Claim::List { height: *height, bytes }));
            }
        }
    }

    fn data(&mut self, pointer: &Pointer, role: Role, damages: &mut Damages<'_>) {
        if self.objects.insert(pointer, role).is_err() {
            damages.broken(&pointer.id, "two entries disagree about what the object holds");
        }
    }
}

impl Facts {
    fn leaf(entries: &[Entry]) -> Self {
        Self::Tree {
            level: 0,
            first: entries.first().map(|entry| entry.path.clone()),
            entries: entries.len() as u64,
            bytes: entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.content_bytes())),
        }
    }

    fn inner(level: u8, children: &[Child]) -> Self {
        Self::Tree {
            level,
            first: children.first().map(|child| child.first.clone()),
            entries: children.iter().fold(0, |sum, child| sum.saturating_add(child.entries)),
            bytes: children.iter().fold(0, |sum, child| sum.saturating_add(child.bytes)),
        }
    }
}

impl Claim {
    fn fits(&self, facts: &Facts) -> bool {
        match (self, facts) {
            (Self::Root { entries, bytes }, Facts::Tree { entries: found, bytes: found_bytes, .. }) => {
                entries == found && bytes == found_bytes
            }
            (Self::Child { level, child }, Facts::Tree { level: found, first, entries, bytes }) => {
                level == found
                    && first.as_ref() == Some(&child.first)
                    && *entries == child.entries
                    && *bytes == child.bytes
            }
            (Self::List { height, bytes }, Facts::List { height: found, bytes: found_bytes }) => {
                height == found && bytes == found_bytes
            }
            _ => false,
        }
    }
}
