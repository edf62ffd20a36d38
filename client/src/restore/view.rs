//! The part of a snapshot that is restored, and where each entry of it goes.

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;

use crate::source::Kind;
use crate::source::Selection;
use crate::source::Shape;
use crate::source::Wanted;

/// Which entries are restored, and to which paths of the target.
pub(super) struct View {
    /// What goes to the target's top; the name of a single file is kept.
    subtree: PathKey,
    shape: Shape,
    selection: Selection,
}

impl View {
    /// Everything at and below `subtree`, which is a folder or one file, as far as it is selected.
    pub(super) fn new(subtree: PathKey, shape: Shape, selection: Selection) -> Self {
        Self { subtree, shape, selection }
    }

    /// The first path of the snapshot that may belong to the view.
    pub(super) fn first(&self) -> &PathKey {
        &self.subtree
    }

    /// Where an entry goes; `None` when it lies outside the subtree.
    pub(super) fn place(&self, path: &PathKey) -> Option<PathKey> {
        if !path.starts_with(&self.subtree) {
            return None;
        }
        let kept = match self.shape {
            Shape::Folder => self.subtree.components().count(),
            Shape::Other => self.subtree.components().count().saturating_sub(1),
        };
        PathKey::from_components(path.components().skip(kept)).ok()
    }

    /// Whether all of the subtree is restored.
    pub(super) fn is_everything(&self) -> bool {
        self.selection.is_everything()
    }

    /// What of a part of the tree belongs to the subtree, by its number of entries where all of it does.
    pub(super) fn clip(&self, gap: &Gap) -> Option<Gap> {
        let top = &self.subtree;
        let begins_behind = gap.first > *top && !gap.first.starts_with(top);
        if begins_behind || gap.end.as_ref().is_some_and(|end| end <= top) {
            return None;
        }
        let end = gap.end.clone().filter(|end| end.starts_with(top));
        let is_inside = gap.first >= *top && (end.is_some() || *top == PathKey::root());
        let first = gap.first.clone().max(top.clone());
        Some(Gap { first, end, entries: gap.entries.filter(|_| is_inside) })
    }

    /// What is done with an entry.
    pub(super) fn judge(&self, entry: &Entry) -> Wanted {
        self.selection.judge(&entry.path, shape_of(entry))
    }

    /// What is done with something at a path of the target that the snapshot does not have.
    pub(super) fn judge_extra(&self, path: &PathKey, kind: Kind) -> Wanted {
        let from = self.subtree.components().chain(path.components());
        let shape = if kind == Kind::Folder { Shape::Folder } else { Shape::Other };
        // What has no place in a snapshot cannot be selected in one.
        PathKey::from_components(from).map_or(Wanted::No, |from| self.selection.judge(&from, shape))
    }

    /// Whether the entry at a path, which is a file, is restored.
    pub(super) fn has_file(&self, path: &PathKey) -> bool {
        self.place(path).is_some() && self.selection.judge(path, Shape::Other) == Wanted::Yes
    }
}

/// Whether an entry is a folder.
pub(super) fn shape_of(entry: &Entry) -> Shape {
    match entry.body {
        Body::Folder | Body::Ancestor => Shape::Folder,
        _ => Shape::Other,
    }
}
