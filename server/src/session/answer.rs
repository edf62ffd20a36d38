//! What the server sends, with the bytes that it consists of.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::CollectProgress;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::fault::Refused;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::limits::DAMAGED_MAX;
use farkeep_protocol::limits::REASONS_MAX;
use farkeep_protocol::limits::WAITED_FOR_MAX;
use farkeep_protocol::message::Collecting;
use farkeep_protocol::message::Committed;
use farkeep_protocol::message::Damaged;
use farkeep_protocol::message::Durability;
use farkeep_protocol::message::Fate;
use farkeep_protocol::message::Forgotten;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Heartbeat;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::Listed;
use farkeep_protocol::message::ListedToo;
use farkeep_protocol::message::Object;
use farkeep_protocol::message::Planned;
use farkeep_protocol::message::RepairAct;
use farkeep_protocol::message::RepairStep;
use farkeep_protocol::message::SeriesSized;
use farkeep_protocol::message::SettingsAre;
use farkeep_protocol::message::Slot;
use farkeep_protocol::message::Step;
use farkeep_protocol::message::Verified;
use farkeep_protocol::stream::FrameWriter;
use farkeep_protocol::stream::StreamError;
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;

use crate::bridge::CommittedAt;
use crate::bridge::Failure;

/// What the server sends.
#[derive(Debug)]
pub(super) enum Answer {
    /// A message without bytes of its own.
    Plain(FromServer<'static>),
    Refused {
        sequence: Sequence,
        failure: Failure,
    },
    /// Nothing follows it.
    Fault {
        sequence: Option<Sequence>,
        failure: Failure,
    },
    Object {
        sequence: Sequence,
        index: u32,
        object: Vec<u8>,
        /// Room on the way to the client, given back when the object was written.
        room: OwnedSemaphorePermit,
    },
    Listed {
        sequence: Sequence,
        journal: u64,
        received: Time,
        record: Vec<u8>,
        room: OwnedSemaphorePermit,
    },
    Slot {
        sequence: Sequence,
        slot: SlotId,
        bytes: Vec<u8>,
    },
    SettingsAre {
        sequence: Sequence,
        settings: Vec<u8>,
    },
    Planned {
        sequence: Sequence,
        id: SnapshotId,
        series: String,
        received: Time,
        fate: Fate,
        why: Vec<String>,
    },
    ListedToo {
        sequence: Sequence,
        journal: u64,
        received: Time,
        forgotten: Option<Forgotten>,
        held_until: Time,
        record: Vec<u8>,
        room: OwnedSemaphorePermit,
    },
    SeriesSized {
        sequence: Sequence,
        series: String,
        snapshots: u64,
        added_bytes: u64,
        unique_bytes: u64,
    },
    RepairStep {
        sequence: Sequence,
        act: RepairAct,
        pack: Option<PackId>,
        count: u64,
        path: String,
        what: String,
    },
    Collecting {
        sequence: Sequence,
        step: Step,
        at: CollectProgress,
        waits_for: Vec<String>,
    },
    Verified {
        sequence: Sequence,
        read: Read,
        is_finished: bool,
        damaged: Vec<(Option<ObjectId>, String)>,
    },
    /// Nothing follows, not even an explanation.
    Close,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    pub(super) packs: u64,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) bytes_total: u64,
}

impl Answer {
    pub(super) fn goodbye(reason: Leave) -> Self {
        Self::Plain(FromServer::Goodbye(Goodbye { reason }))
    }

    pub(super) fn heartbeat(time: Time) -> Self {
        Self::Plain(FromServer::Heartbeat(Heartbeat { time }))
    }

    /// What it is; `None` if it is no message.
    pub(super) fn kind(&self) -> Option<Kind> {
        use farkeep_protocol::kind::Body;
        match self {
            Self::Plain(message) => Some(message.kind()),
            Self::Refused { .. } => Some(Refused::KIND),
            Self::Fault { .. } => Some(Fault::KIND),
            Self::Object { .. } => Some(Object::KIND),
            Self::Listed { .. } => Some(Listed::KIND),
            Self::Slot { .. } => Some(Slot::KIND),
            Self::SettingsAre { .. } => Some(SettingsAre::KIND),
            Self::Planned { .. } => Some(Planned::KIND),
            Self::ListedToo { .. } => Some(ListedToo::KIND),
            Self::SeriesSized { .. } => Some(SeriesSized::KIND),
            Self::RepairStep { .. } => Some(RepairStep::KIND),
            Self::Collecting { .. } => Some(Collecting::KIND),
            Self::Verified { .. } => Some(Verified::KIND),
            Self::Close => None,
        }
    }

    /// Why something was not done, if that is what it says.
    pub(super) fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { failure, .. } | Self::Fault { failure, .. } => Some(failure.code),
            _ => None,
        }
    }

    /// Bytes of its payload.
    pub(super) fn payload_bytes(&self) -> usize {
        match self {
            Self::Object { object, .. } => object.len(),
            Self::Listed { record, .. } | Self::ListedToo { record, .. } => record.len(),
            Self::Slot { bytes, .. } => bytes.len(),
            Self::SettingsAre { settings, .. } => settings.len(),
            _ => 0,
        }
    }

    /// Adds it to what is being written.
    pub(super) async fn feed<W: AsyncWrite + Unpin>(
        self,
        writer: &mut FrameWriter<W>,
    ) -> Result<(), StreamError> {
        match self {
            Self::Plain(message) => writer.feed(&message).await,
            Self::Refused { sequence, failure } => {
                let text = Text::beginning(&failure.text);
                writer.feed(&Refused { sequence, code: failure.code, text }).await
            }
            Self::Fault { sequence, failure } => {
                let text = Text::beginning(&failure.text);
                writer.feed(&Fault { code: failure.code, sequence, text }).await
            }
            Self::Object { sequence, index, object, room } => {
                let fed = writer.feed(&Object { sequence, index, object: &object }).await;
                drop(room);
                fed
            }
            Self::Listed { sequence, journal, received, record, room } => {
                let fed = writer.feed(&Listed { sequence, journal, received, record: &record }).await;
                drop(room);
                fed
            }
            Self::Slot { sequence, slot, bytes } => {
                writer.feed(&Slot { sequence, slot, bytes: &bytes }).await
            }
            Self::SettingsAre { sequence, settings } => {
                let settings = Counted::new(&settings).expect("the engine holds them to less");
                writer.feed(&SettingsAre { sequence, settings }).await
            }
            Self::Planned { sequence, id, series, received, fate, why } => {
                let why = why.iter().take(REASONS_MAX).map(|why| Text::beginning(why)).collect();
                let why = List::new(why).expect("no more were taken");
                let series = Text::beginning(&series);
                writer.feed(&Planned { sequence, snapshot: id, received, series, fate, why }).await
            }
            Self::ListedToo { sequence, journal, received, forgotten, held_until, record, room } => {
                let record = &record;
                let message = ListedToo { sequence, journal, received, forgotten, held_until, record };
                let fed = writer.feed(&message).await;
                drop(room);
                fed
            }
            Self::SeriesSized { sequence, series, snapshots, added_bytes, unique_bytes } => {
                let series = Text::beginning(&series);
                writer.feed(&SeriesSized { sequence, series, snapshots, added_bytes, unique_bytes }).await
            }
            Self::RepairStep { sequence, act, pack, count, path, what } => {
                let (path, what) = (Text::beginning(&path), Text::beginning(&what));
                writer.feed(&RepairStep { sequence, act, pack, count, path, what }).await
            }
            Self::Collecting { sequence, step, at, waits_for } => {
                let waits_for =
                    waits_for.iter().take(WAITED_FOR_MAX).map(|name| Text::beginning(name)).collect();
                let waits_for = List::new(waits_for).expect("no more were taken");
                let CollectProgress { done, total, moved_bytes, removed_bytes, .. } = at;
                let message =
                    Collecting { sequence, step, done, total, moved_bytes, removed_bytes, waits_for };
                writer.feed(&message).await
            }
            Self::Verified { sequence, read, is_finished: finished, damaged } => {
                let Read { packs, objects, bytes, bytes_total } = read;
                let damaged = named(&damaged);
                let message = Verified { sequence, packs, objects, bytes, bytes_total, finished, damaged };
                writer.feed(&message).await
            }
            Self::Close => Ok(()),
        }
    }
}

fn named(damaged: &[(Option<ObjectId>, String)]) -> List<Damaged<'_>, 0, DAMAGED_MAX> {
    let named = damaged.iter().map(|(object, what)| Damaged { object: *object, what: Text::beginning(what) });
    List::new(named.collect()).expect("whoever verifies names no more at a time")
}

/// The answer to a commit.
pub(super) fn committed(sequence: Sequence, at: &CommittedAt) -> FromServer<'static> {
    FromServer::Committed(Committed {
        sequence,
        snapshot: at.id,
        journal: at.sequence,
        received: at.received,
        durability: Durability::Local,
        already: at.already,
    })
}
