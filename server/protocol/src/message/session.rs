//! What keeps a session going, and the answers that many requests share.

use farkeep_codec::time::Time;

use crate::field::Sequence;
use crate::field::choice;
use crate::kind::message;

message! {
    /// The server may send more.
    Grant {
        /// So many bytes more.
        bytes: u32,
    }
}

message! {
    /// The client may send more.
    Credit {
        /// So many bytes more.
        bytes: u32,
        /// So many requests more.
        requests: u32,
    }
}

message! {
    /// A request was carried out, or answered to the end.
    Done {
        /// The request.
        sequence: Sequence,
    }
}

message! {
    /// The sender is alive.
    Heartbeat {
        /// Its clock.
        time: Time,
    }
}

choice! {
    /// Why a side leaves.
    Leave {
        /// It has what it wanted.
        Finished = 1,
        /// It is being stopped.
        Stopping = 2,
        /// Nothing happened for a long time.
        Idle = 3,
    }
}

message! {
    /// The sender wants to end the session in order: what was asked is still answered.
    Goodbye {
        /// Why.
        reason: Leave,
    }
}
