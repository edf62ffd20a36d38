//! What an agent tells of its work.

use super::runs::Remembered;

/// What an agent tells of its work.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run of a job ended.
    Ended {
        /// Name of the job.
        job: String,
        /// How it went.
        remembered: Box<Remembered>,
    },
    /// Points that waited in the spool were brought to a server.
    Brought {
        /// How many.
        points: u64,
        /// How many wait yet.
        waiting: u64,
    },
}
