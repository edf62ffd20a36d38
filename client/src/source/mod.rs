//! Reads the user's files; nothing else does.
//!
//! A backup starts at [`Roots`], walks them in path order with a [`Walker`] that obeys [`Rules`], and reads of each
//! [`Found`] entry what a snapshot holds: [`Contents`], attributes, link target, and the owner's names from
//! [`Accounts`]. Everything is opened relative to the folder that it was found in, never by its path.

pub(crate) use attributes::path_in_proc;
pub(crate) use contents::read_fully;

pub use accounts::Accounts;
pub use contents::Contents;
pub use contents::Piece;
pub use contents::ReadError;
pub use contents::Steadiness;
pub use found::Doing;
pub use found::Found;
pub use found::Place;
pub use found::Role;
pub use found::Unreadable;
pub use roots::Missing;
pub use roots::RootError;
pub use roots::Roots;
pub use roots::key_of;
pub use roots::path_of;
pub use roots::paths_in_list;
pub use rules::Caches;
pub use rules::IGNORE_FILE;
pub use rules::Mounts;
pub use rules::RuleError;
pub use rules::Rules;
pub use rules::Selection;
pub use rules::Shape;
pub use rules::Wanted;
pub use small::Small;
pub use small::SmallFile;
pub use small::SmallFiles;
pub use stat::DeviceNumber;
pub use stat::FileId;
pub use stat::Kind;
pub use stat::Stat;
pub use walk::Amount;
pub use walk::Effort;
pub use walk::Walker;
pub use write_back::write_back_delay;

mod stat;
mod folder;
mod accounts;
pub mod attributes;
mod contents;
mod rules;
mod roots;
mod found;
mod walk;
mod small;
mod write_back;
