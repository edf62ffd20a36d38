//! What keepers ask for and are told since version 2: what is kept, why and for how long.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::limits::SERIES_BYTES_MAX;
use farkeep_codec::time::Time;

use crate::field::Counted;
use crate::field::GroupId;
use crate::field::List;
use crate::field::PublicKeyBytes;
use crate::field::Sequence;
use crate::field::TagToken;
use crate::field::Text;
use crate::field::choice;
use crate::field::optional;
use crate::field::table;
use crate::kind::message;
use crate::limits::FREED_SNAPSHOTS_MAX;
use crate::limits::POLICIES_MAX;
use crate::limits::POLICY_BYTES_MAX;
use crate::limits::REASON_BYTES_MAX;
use crate::limits::REASONS_MAX;
use crate::limits::RECORD_BYTES_MAX;
use crate::limits::SETTINGS_BYTES_MAX;
use crate::limits::TEXT_BYTES_MAX;
use crate::limits::TOKENS_MAX;

message! {
    /// A Commit that also says which tags the snapshot has, as far as the server may know.
    CommitMarked<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// The consistency group that it is part of.
        group: Option<GroupId>,
        /// One for each tag, in ascending order.
        tokens: List<TagToken, 0, TOKENS_MAX>,
        ;
        /// The snapshot record, in its envelope.
        record: [RECORD_BYTES_MAX],
    }
}

message! {
    /// What did the keepers decide about the repository?
    Settings {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// That.
    SettingsAre<'a> {
        /// The request.
        sequence: Sequence,
        /// As FORMAT.md has them.
        settings: Counted<'a, SETTINGS_BYTES_MAX>,
    }
}

message! {
    /// This holds from here on.
    SetSettings<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// As FORMAT.md has them.
        settings: Counted<'a, SETTINGS_BYTES_MAX>,
    }
}

choice! {
    /// Whether a plan is carried out.
    Act {
        /// Nothing is changed.
        Plan = 1,
        /// What no rule keeps is forgotten.
        Execute = 2,
    }
}

choice! {
    /// What becomes of a snapshot.
    Fate {
        /// It stays.
        Keep = 1,
        /// It goes.
        Forget = 2,
        /// It would go if anything could be deleted, but the clock is not believed.
        Frozen = 3,
    }
}

message! {
    /// Apply policies to all snapshots that are on the list.
    Retain<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Whether to carry it out.
        act: Act,
        /// The policies, as FORMAT.md has them; none for those of the settings.
        policies: List<Counted<'a, POLICY_BYTES_MAX>, 0, POLICIES_MAX>,
    }
}

message! {
    /// What becomes of one of the snapshots.
    Planned<'a> {
        /// The request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// When the server received it.
        received: Time,
        /// What it is of.
        series: Text<'a, SERIES_BYTES_MAX>,
        /// What becomes of it.
        fate: Fate,
        /// Why it stays, or the pattern of the policy none of whose rules keeps it.
        why: List<Text<'a, TEXT_BYTES_MAX>, 0, REASONS_MAX>,
    }
}

message! {
    /// Put a forgotten snapshot on the list again.
    Recover<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// Why, for the journal.
        reason: Text<'a, REASON_BYTES_MAX>,
    }
}

message! {
    /// Which snapshots are there, forgotten ones included?
    ListAll<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// What the names of the series begin with.
        prefix: Text<'a, SERIES_BYTES_MAX>,
    }
}

table! {
    /// When a snapshot was forgotten.
    Forgotten {
        /// Then.
        at: Time,
        /// Until when it can be recovered for certain.
        until: Time,
    }
}

optional! {
    Forgotten;
}

message! {
    /// Here is one of the snapshots.
    ListedToo<'a> {
        /// The request.
        sequence: Sequence,
        /// Number of the journal record that holds it.
        journal: u64,
        /// When the server received it.
        received: Time,
        /// When it was forgotten, if it was.
        forgotten: Option<Forgotten>,
        /// Until when it is held, which may be over.
        held_until: Time,
        ;
        /// The snapshot record, in its envelope.
        record: [RECORD_BYTES_MAX],
    }
}

message! {
    /// Which is the newest record of a series, forgotten, gone or not?
    Newest<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// The series.
        series: Text<'a, SERIES_BYTES_MAX>,
    }
}

table! {
    /// The record that the next one of its series follows.
    NewestRecord {
        /// Name of the record.
        snapshot: SnapshotId,
        /// Its number in the series.
        number: u64,
        /// When its run began, by the clock of the host.
        captured: Time,
        /// When the server received it.
        received: Time,
        /// Root of its tree.
        root: ObjectId,
        /// Public key of the agent that signed it.
        agent: PublicKeyBytes,
    }
}

optional! {
    NewestRecord;
}

message! {
    /// That one.
    NewestIs {
        /// The request.
        sequence: Sequence,
        /// The record, if there is any.
        newest: Option<NewestRecord>,
    }
}

message! {
    /// Believe the clock again that decides what is deleted.
    Thaw<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Why, for the journal.
        reason: Text<'a, REASON_BYTES_MAX>,
    }
}

message! {
    /// What does each snapshot cost?
    Sizes {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// One of them costs that.
    Sized {
        /// The request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// Bytes that no snapshot received before it reaches.
        added_bytes: u64,
        /// Bytes that no other snapshot reaches.
        unique_bytes: u64,
        /// Whether only a part of the objects was counted.
        estimated: bool,
    }
}

message! {
    /// What would be free without these snapshots?
    Freed {
        /// Number of the request.
        sequence: Sequence,
        /// The snapshots.
        snapshots: List<SnapshotId, 1, FREED_SNAPSHOTS_MAX>,
    }
}

message! {
    /// That much.
    FreedIs {
        /// The request.
        sequence: Sequence,
        /// Bytes that no other snapshot reaches.
        bytes: u64,
        /// Whether only a part of the objects was counted.
        estimated: bool,
    }
}
