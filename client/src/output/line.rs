//! Every line that a run can print: the fields are the JSON, the `human` text is what a person reads instead.
//!
//! The names and meanings of the fields are an interface. Fields may be added; one that changes its meaning raises
//! [`JSON_VERSION`](super::JSON_VERSION).

mod agent;
mod backup;
mod care;
mod check;
mod collection;
mod enrolment;
mod entry;
mod key;
mod repository;
mod restore;
mod retention;
mod rewrite;
mod snapshot;

pub use self::agent::Brought;
pub use self::agent::Job;
pub use self::agent::Spool;
pub use self::backup::Backup;
pub use self::backup::Inconsistent;
pub use self::backup::LostPacks;
pub use self::backup::Unreadable;
pub use self::care::Repair;
pub use self::care::RepairStep;
pub use self::care::Scrub;
pub use self::care::ScrubStatus;
pub use self::check::Check;
pub use self::check::Damage;
pub use self::check::DamagedPath;
pub use self::collection::Collection;
pub use self::collection::CollectionPlan;
pub use self::collection::IndexRebuilt;
pub use self::collection::PacksPlanned;
pub use self::enrolment::Enrolled;
pub use self::entry::Change;
pub use self::entry::Difference;
pub use self::entry::Differences;
pub use self::entry::Dump;
pub use self::entry::Entry;
pub use self::entry::Kind;
pub use self::entry::Listing;
pub use self::entry::Match;
pub use self::key::AgentCode;
pub use self::key::Completions;
pub use self::key::Key;
pub use self::key::KeyChange;
pub use self::key::KeyRotation;
pub use self::key::Recovery;
pub use self::repository::Failure;
pub use self::repository::Growth;
pub use self::repository::Repository;
pub use self::repository::SeriesSize;
pub use self::repository::Shared;
pub use self::repository::Stats;
pub use self::restore::NoMatch;
pub use self::restore::Removed;
pub use self::restore::Restore;
pub use self::restore::RestoreProblem;
pub use self::retention::Freed;
pub use self::retention::Judged;
pub use self::retention::Policy;
pub use self::retention::Retention;
pub use self::retention::Settings;
pub use self::retention::SnapshotChange;
pub use self::rewrite::Copied;
pub use self::rewrite::Copies;
pub use self::rewrite::Erased;
pub use self::rewrite::Replaced;
pub use self::rewrite::Rewriting;
pub use self::rewrite::StillHeld;
pub use self::snapshot::Snapshot;
pub use super::text::Named;

#[cfg(test)]
mod tests;
