//! What readers and administrators ask for and are told: snapshots, objects, key slots, the state of the store.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::limits::OBJECT_BYTES_MAX;
use farkeep_codec::limits::SERIES_BYTES_MAX;
use farkeep_codec::time::Time;

use crate::fault::Code;
use crate::field;
use crate::field::Field;
use crate::field::Place;
use crate::field::Sequence;
use crate::field::SlotId;
use crate::field::Text;
use crate::field::Within;
use crate::kind::message;
use crate::limits::DAMAGED_MAX;
use crate::limits::GET_IDS_MAX;
use crate::limits::REASON_BYTES_MAX;
use crate::limits::RECORD_BYTES_MAX;
use crate::limits::SHARE_WHOLE;
use crate::limits::SLOT_BYTES_MAX;
use crate::limits::TEXT_BYTES_MAX;

message! {
    /// Send these objects, in any order.
    Get {
        /// Number of the request.
        sequence: Sequence,
        /// The objects.
        ids: field::List<ObjectId, 1, GET_IDS_MAX>,
    }
}

message! {
    /// Here is one of the objects.
    Object<'a> {
        /// The request.
        sequence: Sequence,
        /// Which of its ids, from 0.
        index: u32,
        ;
        /// The sealed object, as it lies on the disk.
        object: [OBJECT_BYTES_MAX],
    }
}

message! {
    /// One of the objects cannot be sent.
    Missing {
        /// The request.
        sequence: Sequence,
        /// Which of its ids, from 0.
        index: u32,
        /// Why not.
        code: Code,
    }
}

message! {
    /// Where do these objects lie?
    Locate {
        /// Number of the request.
        sequence: Sequence,
        /// The objects.
        ids: field::List<ObjectId, 1, GET_IDS_MAX>,
    }
}

message! {
    /// There they lie, so that they can be asked for in the order in which the disk has them.
    Places {
        /// The request.
        sequence: Sequence,
        /// For each id of the request its place, if it is there.
        places: field::List<Option<Place>, 1, GET_IDS_MAX>,
    }
}

message! {
    /// Which snapshots are there?
    List<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Of each series so many at most, the newest; 0 for all.
        newest: u32,
        /// What the names of the series begin with.
        prefix: Text<'a, SERIES_BYTES_MAX>,
    }
}

message! {
    /// Here is one of the snapshots.
    Listed<'a> {
        /// The request.
        sequence: Sequence,
        /// Number of the journal record that holds it.
        journal: u64,
        /// When the server received it.
        received: Time,
        ;
        /// The snapshot record, in its envelope.
        record: [RECORD_BYTES_MAX],
    }
}

message! {
    /// Send the key slots.
    Slots {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// Here is one of the key slots.
    Slot<'a> {
        /// The request.
        sequence: Sequence,
        /// Its name.
        slot: SlotId,
        ;
        /// The key slot, in its envelope.
        bytes: [SLOT_BYTES_MAX],
    }
}

message! {
    /// Add a key slot.
    AddSlot<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Its name.
        slot: SlotId,
        ;
        /// The key slot, in its envelope.
        bytes: [SLOT_BYTES_MAX],
    }
}

message! {
    /// Remove a key slot.
    RemoveSlot {
        /// Number of the request.
        sequence: Sequence,
        /// Its name.
        slot: SlotId,
    }
}

message! {
    /// How much is stored?
    Usage {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// That much.
    Used {
        /// The request.
        sequence: Sequence,
        /// Packs.
        packs: u64,
        /// Objects in all packs.
        objects: u64,
        /// Bytes of all packs.
        bytes: u64,
        /// Bytes of the index.
        index_bytes: u64,
        /// Bytes of the journal.
        journal_bytes: u64,
        /// Bytes that are free on the file system.
        free_bytes: u64,
    }
}

message! {
    /// Verify what is stored.
    Verify {
        /// Number of the request.
        sequence: Sequence,
        /// Share of the packs to read in full, in parts of a million. Summaries are verified of all of them.
        share: Within<0, SHARE_WHOLE>,
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged<'a> {
    /// The object that is lost by it, if it is one.
    pub object: Option<ObjectId>,
    /// What it is, for people.
    pub what: Text<'a, TEXT_BYTES_MAX>,
}

impl<'a> Field<'a> for Damaged<'a> {
    const BYTES_MIN: usize = 2;
    const BYTES_MAX: usize =
        <Option<ObjectId> as Field<'a>>::BYTES_MAX + <Text<'a, TEXT_BYTES_MAX> as Field<'a>>::BYTES_MAX;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed> {
        Ok(Self { object: Field::read(reader, what)?, what: Field::read(reader, what)? })
    }

    fn write(&self, writer: &mut Writer) {
        self.object.write(writer);
        self.what.write(writer);
    }
}

message! {
    /// How far the verification is. Comes again and again, the last time with `finished`.
    Verified<'a> {
        /// The request.
        sequence: Sequence,
        /// Packs that were read so far.
        packs: u64,
        /// Objects that were verified so far.
        objects: u64,
        /// Bytes that were read so far.
        bytes: u64,
        /// Bytes that are going to be read.
        bytes_total: u64,
        /// Whether this is all.
        finished: bool,
        /// What was found since the message before.
        damaged: field::List<Damaged<'a>, 0, DAMAGED_MAX>,
    }
}

message! {
    /// Take a snapshot off the list.
    Forget<'a> {
        /// Number of the request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// Why, for the journal.
        reason: Text<'a, REASON_BYTES_MAX>,
    }
}

message! {
    /// Keep a snapshot at least until then.
    Hold {
        /// Number of the request.
        sequence: Sequence,
        /// Name of the snapshot.
        snapshot: SnapshotId,
        /// Until when, by the server's clock.
        until: Time,
    }
}
