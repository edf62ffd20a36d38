//! The part of a snapshot that is restored, and where each entry of it goes.

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;

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

    /// What is done with an entry.
    pub(super) fn judge(&self, entry: &Entry) -> Wanted {
        self.selection.judge(&entry.path, shape_of(entry))
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
