//! What a node that follows another one asks for and is told: the journal, as it lies on the disk.

use farkeep_codec::time::Time;

use crate::field::JournalHead;
use crate::field::Sequence;
use crate::field::Signature;
use crate::field::Within;
use crate::kind::message;
use crate::limits::EVENTS_BYTES_MAX;
use crate::limits::EVENTS_MAX;

message! {
    /// Send the journal from here on, for as long as the session lives.
    Follow {
        /// Number of the request.
        sequence: Sequence,
        /// The last record that the follower has.
        after: JournalHead,
    }
}

message! {
    /// Here are records of the journal.
    Events<'a> {
        /// The request.
        sequence: Sequence,
        /// Number of the first of them.
        first: u64,
        /// How many there are.
        count: Within<1, EVENTS_MAX>,
        ;
        /// The records, one behind the other, as they lie on the disk.
        records: [EVENTS_BYTES_MAX],
    }
}

message! {
    /// The journal is as far as this. Comes at least with each heartbeat, so that silence is never taken for rest.
    Position {
        /// The request.
        sequence: Sequence,
        /// End of the journal.
        head: JournalHead,
        /// The sender's clock.
        time: Time,
        /// The sender's signature of it.
        signature: Signature,
    }
}

message! {
    /// The follower has everything up to here, durable and verified.
    Adopted {
        /// The last record of it.
        head: JournalHead,
    }
}
