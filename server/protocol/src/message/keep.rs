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
use crate::field::Within;
use crate::field::choice;
use crate::field::optional;
use crate::field::table;
use crate::kind::message;
use crate::limits::FREED_SNAPSHOTS_MAX;
use crate::limits::NAME_BYTES_MAX;
use crate::limits::POLICIES_MAX;
use crate::limits::POLICY_BYTES_MAX;
use crate::limits::REASON_BYTES_MAX;
use crate::limits::REASONS_MAX;
use crate::limits::RECORD_BYTES_MAX;
use crate::limits::SETTINGS_BYTES_MAX;
use crate::limits::TEXT_BYTES_MAX;
use crate::limits::THOUSANDTHS;
use crate::limits::TOKENS_MAX;
use crate::limits::WAITED_FOR_MAX;

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
    /// A record that takes the place of another one: the same point in time, with a tree that was laid anew.
    Replace<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// The snapshot that goes.
        old: SnapshotId,
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
        /// Bytes that none before it in the answer reaches.
        added_bytes: u64,
        /// Bytes that no other snapshot reaches.
        unique_bytes: u64,
    }
}

message! {
    /// What does each series cost?
    SeriesSizes {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// One of them costs that.
    SeriesSized<'a> {
        /// The request.
        sequence: Sequence,
        /// Its name.
        series: Text<'a, SERIES_BYTES_MAX>,
        /// Snapshots of it that were not purged.
        snapshots: u64,
        /// Bytes that no series with a smaller name reaches.
        added_bytes: u64,
        /// Bytes that no other series reaches.
        unique_bytes: u64,
    }
}

message! {
    /// That much belongs to several snapshots, or to several series.
    SharedIs {
        /// The request.
        sequence: Sequence,
        /// Bytes of it.
        bytes: u64,
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

choice! {
    /// What becomes of what was forgotten.
    Purge {
        /// Snapshots are purged whose grace is over, and that nobody holds.
        WhenOver = 1,
        /// Snapshots are purged that nobody holds, and objects go that belong to no snapshot yet.
        AtOnce = 2,
    }
}

optional! {
    Within<0, THOUSANDTHS>;
}

message! {
    /// Remove what nobody needs any more, or say what would be removed.
    Collect {
        /// Number of the request.
        sequence: Sequence,
        /// Whether to carry it out.
        act: Act,
        /// What becomes of what was forgotten.
        purge: Purge,
        /// Seconds after which it stops by itself; 0 for as long as it takes.
        seconds_max: u64,
        /// Bytes that it may read and write each second; 0 for no limit.
        bytes_per_second: u64,
        /// Part of the time in which it may work.
        work_thousandths: Within<1, THOUSANDTHS>,
        /// Dead bytes of data that may stay, measured by the live ones; otherwise as the settings say.
        garbage_thousandths: Option<Within<0, THOUSANDTHS>>,
    }
}

choice! {
    /// What a collection is doing.
    Step {
        /// Another one is under way on this server. Counts nothing.
        Queued = 1,
        /// The journal says what is purged. Counts snapshots.
        Begun = 2,
        /// Nodes are read. Counts nodes.
        Marking = 3,
        /// The objects of packs are compared with what is needed. Counts objects.
        Sorting = 4,
        /// It is decided what goes. Counts packs.
        Condemned = 5,
        /// What survives is copied. Counts bytes.
        Copying = 6,
        /// Sessions are waited for that began before. Counts them.
        Waiting = 7,
        /// Everything is ready to be removed. Counts packs.
        Settled = 8,
        /// Something was removed. Counts packs.
        Removed = 9,
    }
}

message! {
    /// How far a collection is.
    Collecting<'a> {
        /// The request.
        sequence: Sequence,
        /// What it is doing.
        step: Step,
        /// How much of it is done.
        done: u64,
        /// Of how much.
        total: u64,
        /// Bytes that were copied so far.
        moved_bytes: u64,
        /// Bytes of packs that are gone so far.
        removed_bytes: u64,
        /// Clients whose sessions are waited for.
        waits_for: List<Text<'a, NAME_BYTES_MAX>, 0, WAITED_FOR_MAX>,
    }
}

message! {
    /// Give up the collections that this session asked for before.
    Stop {
        /// Number of the request.
        sequence: Sequence,
    }
}

choice! {
    /// How a collection ended.
    Outcome {
        /// Everything was done that was planned.
        Complete = 1,
        /// Somebody stopped it, or its time was over.
        Stopped = 2,
        /// It was stopped while it waited for sessions.
        Waited = 3,
        /// Readers of other processes are in the way.
        Readers = 4,
        /// The disk had no room for what survives.
        Full = 5,
    }
}

table! {
    /// Records that stay although a collection was to remove their packs.
    Kept {
        /// Somebody turned out to need them.
        reprieved: u64,
        /// They are needed, and were given up because they are damaged beyond parity.
        quarantined: u64,
        /// They are needed, and the disk does not read them.
        unread: u64,
    }
}

message! {
    /// What a collection did.
    Collected {
        /// The request.
        sequence: Sequence,
        /// How it ended.
        outcome: Outcome,
        /// Sessions that count on what was to be removed.
        sessions: u32,
        /// Snapshots that can be restored no more.
        purged: u64,
        /// Nodes that were read.
        nodes_read: u64,
        /// Packs that are gone.
        packs_removed: u64,
        /// Bytes of them.
        bytes_removed: u64,
        /// Nodes that are gone from packs that stay.
        nodes_struck: u64,
        /// Objects that were copied.
        objects_moved: u64,
        /// Bytes of them.
        bytes_moved: u64,
        /// Records that stay although their packs were to go.
        kept: Kept,
        /// Dead bytes that were left.
        bytes_left: u64,
    }
}

table! {
    /// Packs with which the same would be done.
    Packs {
        /// Their number.
        packs: u64,
        /// Bytes of their files.
        file_bytes: u64,
        /// Bytes of objects in them that are needed.
        live_bytes: u64,
        /// Bytes of objects in them that are not.
        dead_bytes: u64,
    }
}

message! {
    /// What a collection would do.
    CollectionIs {
        /// The request.
        sequence: Sequence,
        /// Packs that would go.
        removed: Packs,
        /// Packs that would stay without their dead nodes.
        struck: Packs,
        /// Packs that would go once what is needed of them was copied.
        emptied: Packs,
        /// Bytes that would be copied.
        moved_bytes: u64,
        /// Bytes by which the repository would become smaller.
        freed_bytes: u64,
        /// Dead bytes that would be left.
        left_bytes: u64,
    }
}

message! {
    /// How did the repository grow?
    History {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// What one day brought.
    Grown {
        /// The request.
        sequence: Sequence,
        /// The beginning of the day, in UTC.
        day: Time,
        /// Bytes that packs became longer by.
        stored_bytes: u64,
        /// Bytes of packs that were removed.
        removed_bytes: u64,
        /// Snapshots that came.
        snapshots: u64,
        /// Snapshots that were forgotten.
        forgotten: u64,
        /// Snapshots that were purged.
        purged: u64,
    }
}
