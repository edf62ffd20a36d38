//! Which paths of which snapshots damage touches.
//!
//! Only looked for when there is damage. Parts of trees in which nothing is lost are passed over when another snapshot
//! has them too.

use std::collections::HashSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;

use super::CheckError;
use super::Finding;
use super::content;
use super::damage::Damages;
use crate::repository::Extent;
use crate::repository::Fetcher;
use crate::repository::Point;
use crate::repository::Repository;

/// Looks for paths that are lost.
pub(super) struct Lost<'a> {
    repository: &'a Repository,
    fetcher: Fetcher<'a>,
    /// Nodes below which nothing is lost, whatever the rest of the tree.
    sound: HashSet<ObjectId>,
    /// Paths of the present snapshot whose contents are lost, and which may have further names.
    firsts: HashSet<PathKey>,
    count: u64,
}

/// Whether something is lost in a part of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// No.
    Sound,
    /// Not here, but it has further names of files that lie elsewhere.
    Depends,
    /// Yes.
    Touched,
}

/// A part of a tree as the node above it describes it.
struct Part {
    pointer: Pointer,
    first: PathKey,
    end: Option<PathKey>,
    entries: u64,
}

impl<'a> Lost<'a> {
    pub(super) fn new(repository: &'a Repository) -> Self {
        let fetcher = repository.fetcher();
        Self { repository, fetcher, sound: HashSet::new(), firsts: HashSet::new(), count: 0 }
    }

    /// Number of entries that are lost, over all snapshots.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Names what is lost in one snapshot.
    pub(super) fn look_in(&mut self, point: &Point, damages: &mut Damages<'_>) -> Result<(), CheckError> {
        self.firsts.clear();
        let (first, entries) = (PathKey::root(), point.record.entries);
        let whole = Part { pointer: point.root(), first, end: None, entries };
        self.visit(point.id, &whole, damages).map(|_| ())
    }

    fn visit(
        &mut self,
        snapshot: SnapshotId,
        part: &Part,
        damages: &mut Damages<'_>,
    ) -> Result<State, CheckError> {
        damages.check_cancelled()?;
        if self.sound.contains(&part.pointer.id) {
            return Ok(State::Sound);
        }
        let node = if damages.has(&part.pointer.id) { None } else { self.fetcher.node(&part.pointer).ok() };
        let state = match node {
            Some(Node::Inner { children, .. }) => {
                let mut state = State::Sound;
                for (at, child) in children.iter().enumerate() {
                    let end = children
                        .get(at + 1)
                        .map_or_else(|| part.end.clone(), |next| Some(next.first.clone()));
                    let (first, entries) = (child.first.clone(), child.entries);
                    let below = Part { pointer: child.pointer, first, end, entries };
                    state = state.max(self.visit(snapshot, &below, damages)?);
                }
                state
            }
            Some(Node::Leaf(entries)) => {
                let states = entries.iter().map(|entry| self.entry(snapshot, entry, damages));
                states.max().unwrap_or(State::Sound)
            }
            Some(Node::List { .. }) | None => {
                self.count += part.entries;
                damages.tell_lost(Finding::Lost {
                    snapshot,
                    path: part.first.clone(),
                    extent: Extent::Range { end: part.end.clone(), entries: Some(part.entries) },
                });
                State::Touched
            }
        };
        if state == State::Sound {
            self.sound.insert(part.pointer.id);
        }
        Ok(state)
    }

    fn entry(&mut self, snapshot: SnapshotId, entry: &Entry, damages: &mut Damages<'_>) -> State {
        let state = match &entry.body {
            Body::HardLink { first } if self.firsts.contains(first) => State::Touched,
            Body::HardLink { .. } => State::Depends,
            _ if content(entry).is_some_and(|content| self.is_lost(content, damages)) => State::Touched,
            _ => State::Sound,
        };
        if state == State::Touched {
            self.count += 1;
            self.firsts.insert(entry.path.clone());
            damages.tell_lost(Finding::Lost { snapshot, path: entry.path.clone(), extent: Extent::Path });
        }
        state
    }

    fn is_lost(&self, content: &Content, damages: &Damages<'_>) -> bool {
        match content {
            Content::Empty => false,
            Content::Slice { bundle, .. } => damages.has(&bundle.id),
            Content::Chunks { pointers, .. } => pointers.iter().any(|chunk| damages.has(&chunk.id)),
            Content::List { .. } => self
                .repository
                .chunks(content)
                .any(|chunk| chunk.map_or(true, |chunk| damages.has(&chunk.id))),
        }
    }
}
