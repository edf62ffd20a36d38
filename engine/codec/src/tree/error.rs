//! Why a tree is not built.

use thiserror::Error;

use crate::tree::entry::InvalidEntry;
use crate::tree::path::PathKey;

/// Why a tree or a list could not be built further.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError<E> {
    /// The format cannot hold the entry.
    #[error("cannot put an entry into the tree")]
    Invalid(#[from] InvalidEntry),
    /// The entry does not come behind the one before it.
    #[error("entry {path} comes after {last}")]
    Order {
        /// The entry that went in before.
        last: PathKey,
        /// The entry that was to go in.
        path: PathKey,
    },
    /// A pointer that no object can have was to go into a content list.
    #[error("cannot put a pointer into a content list: {what}")]
    Pointer {
        /// The rule that it breaks.
        what: &'static str,
    },
    /// The sink did not take a node.
    #[error("cannot store a node of the tree")]
    Sink(#[source] E),
}
