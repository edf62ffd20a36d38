//! How much of a tree damage takes: one path, or a part whose paths nobody can tell.

use farkeep_codec::tree::PathKey;

/// What is lost at a path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// The path itself.
    Path,
    /// Everything from the path on, since the node that lists it is damaged.
    Range {
        /// The first path behind it; nothing where there is none.
        end: Option<PathKey>,
        /// Number of entries, where the node above is there to tell it.
        entries: Option<u64>,
    },
}
