//! Consistency groups: runs that stand still together, and whose snapshots are committed all or none.

use std::time::Duration;

use farkeep_protocol::field::GroupId;

pub use farkeep_protocol::message::Stage;

/// A group that a run takes part in. Every member has a session of its own, here or on another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The same for all members, and for no other group.
    pub id: GroupId,
    /// How many members there are, 1 to 1024.
    pub members: u32,
    /// How long a member stands still at most, 1 ms to 10 minutes.
    pub limit: Duration,
}
