//! What an agent asks for and is told: objects go up, a snapshot is committed.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::limits::OBJECT_BYTES_MAX;
use farkeep_codec::time::Time;

use crate::field::Bitmap;
use crate::field::GroupId;
use crate::field::List;
use crate::field::Ranges;
use crate::field::Sequence;
use crate::field::Within;
use crate::field::choice;
use crate::kind::message;
use crate::limits::GROUP_DEADLINE_MS_MAX;
use crate::limits::GROUP_MEMBERS_MAX;
use crate::limits::PROBE_IDS_MAX;
use crate::limits::RECORD_BYTES_MAX;

message! {
    /// Which of these objects are there?
    Probe {
        /// Number of the request.
        sequence: Sequence,
        /// The objects.
        ids: List<ObjectId, 1, PROBE_IDS_MAX>,
    }
}

message! {
    /// These objects are there, and stay at least until the session ends.
    Presence {
        /// The request.
        sequence: Sequence,
        /// For each id of the request, whether it is there.
        known: Bitmap,
    }
}

message! {
    /// Here is an object.
    Put<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// The name that its bytes have.
        id: ObjectId,
        ;
        /// The sealed object, as it lies on the disk.
        object: [OBJECT_BYTES_MAX],
    }
}

message! {
    /// The puts among these requests are durable.
    Durable {
        /// The requests. Those that are no puts are not spoken of.
        ranges: Ranges,
    }
}

message! {
    /// Make durable what was put by requests of lower numbers, now.
    Flush {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// Make this snapshot durable, once all requests of lower numbers are answered.
    Commit<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// The consistency group that it is part of.
        group: Option<GroupId>,
        ;
        /// The snapshot record, in its envelope.
        record: [RECORD_BYTES_MAX],
    }
}

choice! {
    /// Where a snapshot is durable.
    Durability {
        /// At this node.
        Local = 1,
        /// At a peer too.
        Replicated = 2,
    }
}

message! {
    /// The snapshot is durable.
    Committed {
        /// The request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// Number of the journal record that holds it.
        journal: u64,
        /// When the server received it.
        received: Time,
        /// Where it is durable by now.
        durability: Durability,
        /// Whether it was there before this request.
        already: bool,
    }
}

choice! {
    /// How far a member of a consistency group is.
    Stage {
        /// What it is to capture stands still.
        Frozen = 1,
        /// It has captured it.
        Captured = 2,
        /// It has failed, and with it the group.
        Failed = 3,
    }
}

message! {
    /// This member of a consistency group is as far; tell when all are.
    Barrier {
        /// Number of the request.
        sequence: Sequence,
        /// The group.
        group: GroupId,
        /// How many members it has.
        members: Within<1, GROUP_MEMBERS_MAX>,
        /// Milliseconds after which the member goes on without the others.
        deadline_ms: Within<1, GROUP_DEADLINE_MS_MAX>,
        /// How far.
        stage: Stage,
    }
}

message! {
    /// All members of the group are as far.
    Gathered {
        /// The request.
        sequence: Sequence,
        /// How far.
        stage: Stage,
    }
}
