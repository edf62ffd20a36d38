//! The tree: one ordered map from path to entry, cut into nodes at content-defined borders.
//!
//! A snapshot is not an object per folder but one sorted list of entries, cut into leaves by a keyed hash of the
//! paths and indexed by inner nodes up to one root: a prolly tree, after Noms
//! (<https://github.com/attic-labs/noms/blob/master/doc/intro.md#prolly-trees-probabilistic-b-trees>). The nodes are
//! a function of the entries alone, never of the history by which they came, so unchanged parts of two snapshots
//! are equal objects. FORMAT.md, "Tree".

pub use builder::Builder;
pub use builder::Root;
pub use cursor::Gap;
pub use diff::Diff;
pub use diff::diff;
pub use digest::ContentDigest;
pub use entry::Attribute;
pub use entry::Body;
pub use entry::Content;
pub use entry::Entry;
pub use entry::Flags;
pub use entry::Hole;
pub use entry::InvalidEntry;
pub use entry::Owner;
pub use error::BuildError;
pub use list::ListBuilder;
pub use list::ListWalk;
pub use node::Child;
pub use node::Node;
pub use node::NodePlain;
pub use path::NotAPath;
pub use path::PathKey;
pub use walk::Walk;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use encode::encode;

mod path;
mod entry;
mod error;
mod border;
mod table;
mod names;
mod node;
mod leaf;
mod inner;
mod list;
mod decode;
#[cfg(any(test, feature = "fuzzing"))]
mod encode;
mod builder;
mod cursor;
mod walk;
mod diff;
mod digest;
#[cfg(test)]
mod samples;
