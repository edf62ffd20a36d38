//! The slices of bundles that one stretch of paths needs, in all snapshots, and the hashes of what lies in them.

use std::collections::HashSet;
use std::sync::OnceLock;

use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;

use super::super::CheckError;
use super::super::content;
use super::super::damage::Damages;
use super::super::objects::ObjectNumber;
use super::Data;
use crate::repository::Fetcher;

/// A small file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slice {
    pub(super) bundle: ObjectNumber,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// Slices, each once, bundle by bundle, with the hashes of their contents.
#[derive(Debug, Default)]
pub(super) struct Window {
    slices: Vec<Slice>,
    hashes: Vec<OnceLock<ContentHash>>,
}

/// Collects the slices of a stretch of one tree.
struct Collector<'a, 'w> {
    data: &'a Data<'a>,
    fetcher: Fetcher<'a>,
    /// Leaves of which everything from the start of the window on was collected.
    leaves: &'w mut HashSet<ObjectId>,
    slices: &'w mut Vec<Slice>,
    room: usize,
}

impl Window {
    /// Collects from path `from` on, and says where the window ends; nothing where it holds all the rest.
    pub(super) fn collect(
        data: &Data<'_>,
        roots: &[Pointer],
        from: &PathKey,
        damages: &Damages<'_>,
    ) -> Result<(Self, Option<PathKey>), CheckError> {
        let mut slices = Vec::new();
        let mut leaves = HashSet::new();
        let mut end: Option<PathKey> = None;
        for root in roots {
            damages.check_cancelled()?;
            let free = data.limits.slices_max.saturating_sub(slices.len());
            let room = slices.len() + (free / 2).max(data.limits.slices_least);
            let mut collector = Collector {
                data,
                fetcher: data.repository.fetcher(),
                leaves: &mut leaves,
                slices: &mut slices,
                room,
            };
            // Whoever comes after may end the window earlier. What was collected beyond that is opened once more.
            if let Some(full) = collector.collect(root, from, end.as_ref()) {
                end = Some(full);
            }
        }
        slices.sort_unstable();
        slices.dedup();
        let hashes = slices.iter().map(|_| OnceLock::new()).collect();
        Ok((Self { slices, hashes }, end))
    }

    /// Whether any slice lies in the bundle.
    pub(super) fn has_slices_of(&self, bundle: ObjectNumber) -> bool {
        !self.slices_of(bundle).1.is_empty()
    }

    /// The slices of a bundle, and the place of the first of them.
    pub(super) fn slices_of(&self, bundle: ObjectNumber) -> (usize, &[Slice]) {
        let start = self.slices.partition_point(|slice| slice.bundle < bundle);
        let slices = self.slices.get(start..).unwrap_or_default();
        let count = slices.partition_point(|slice| slice.bundle == bundle);
        (start, slices.get(..count).unwrap_or_default())
    }

    /// Remembers the hash of the slice at this place.
    pub(super) fn remember(&self, place: usize, hash: ContentHash) {
        if let Some(slot) = self.hashes.get(place) {
            // A bundle is opened once in a window, and twice would give the same.
            let _ = slot.set(hash);
        }
    }

    /// The hash of what lies in a slice; nothing where the bundle did not open.
    pub(super) fn hash(&self, slice: &Slice) -> Option<&ContentHash> {
        let at = self.slices.binary_search(slice).ok()?;
        self.hashes.get(at)?.get()
    }
}

impl Collector<'_, '_> {
    /// Collects what lies in `from..end`, and says where the window became full. Nodes that do not open are passed over:
    /// they are damage already, and the digest of their snapshot will not come to an end.
    fn collect(&mut self, root: &Pointer, from: &PathKey, end: Option<&PathKey>) -> Option<PathKey> {
        let mut ahead = vec![*root];
        while let Some(pointer) = ahead.pop() {
            if self.leaves.contains(&pointer.id) {
                continue;
            }
            match self.fetcher.node(&pointer) {
                Ok(Node::Leaf(entries)) => {
                    if let Some(full) = self.leaf(&entries, from, end) {
                        return Some(full);
                    }
                    self.leaves.insert(pointer.id);
                }
                Ok(Node::Inner { children, .. }) => {
                    let behind = |at: usize| children.get(at + 1).is_none_or(|next| next.first > *from);
                    let wanted = children
                        .iter()
                        .enumerate()
                        .filter(|(at, child)| behind(*at) && end.is_none_or(|end| child.first < *end));
                    let wanted: Vec<Pointer> = wanted.map(|(_, child)| child.pointer).collect();
                    ahead.extend(wanted.into_iter().rev());
                }
                Ok(Node::List { .. }) | Err(_) => {}
            }
        }
        None
    }

    fn leaf(&mut self, entries: &[Entry], from: &PathKey, end: Option<&PathKey>) -> Option<PathKey> {
        let inside = |entry: &&Entry| entry.path >= *from && end.is_none_or(|end| entry.path < *end);
        for entry in entries.iter().filter(inside) {
            if self.slices.len() >= self.room {
                return Some(entry.path.clone());
            }
            self.slices.extend(slice_of(self.data, entry));
        }
        None
    }
}

/// The place of a small file.
pub(super) fn slice_of(data: &Data<'_>, entry: &Entry) -> Option<Slice> {
    let Content::Slice { bundle, offset } = content(entry)? else { return None };
    let bundle = data.objects.number(&bundle.id)?;
    Some(Slice { bundle, offset: *offset, bytes: u32::try_from(entry.content_bytes()).ok()? })
}

#[cfg(test)]
mod tests;
