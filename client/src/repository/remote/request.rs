//! Requests as they wait, are under way and may have to be made again, each with whoever waits for the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::sync::mpsc::SyncSender;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Writer;
use farkeep_engine::Committed;
use farkeep_engine::Progress;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::field;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::field::Place;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Unfit;
use farkeep_protocol::field::Within;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::limits::TOKENS_MAX;
use farkeep_protocol::message::AddSlot;
use farkeep_protocol::message::Barrier;
use farkeep_protocol::message::Commit;
use farkeep_protocol::message::CommitMarked;
use farkeep_protocol::message::Flush;
use farkeep_protocol::message::Get;
use farkeep_protocol::message::List;
use farkeep_protocol::message::Locate;
use farkeep_protocol::message::Probe;
use farkeep_protocol::message::Put;
use farkeep_protocol::message::RemoveSlot;
use farkeep_protocol::message::Replace;
use farkeep_protocol::message::Slots;
use farkeep_protocol::message::Usage as AskUsage;
use farkeep_protocol::message::Verify;

use super::error::RemoteError;
use super::keeper::Asked;
use super::keeper::Came;
use crate::repository::group::Group;
use crate::repository::group::Stage;
use crate::repository::store::Report;

/// Whoever waits for one answer.
pub(super) type Reply<T> = SyncSender<Result<T, RemoteError>>;

/// A snapshot as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedRecord {
    pub(super) journal: u64,
    pub(super) received_ns: i64,
    pub(super) record: Vec<u8>,
}

/// Number of a batch of things that are asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchNumber(pub(super) u64);

/// A request that is or will be under way.
#[derive(Debug)]
pub(super) enum Request {
    /// Which objects of a batch are there.
    Probe { batch: BatchNumber, ids: Vec<ObjectId> },
    /// Store an object.
    Put { id: ObjectId, object: Arc<Vec<u8>> },
    /// Make durable what was put.
    Flush { reply: Reply<()> },
    /// Commit a snapshot, or put it into the place of another one.
    Commit {
        record: Arc<Vec<u8>>,
        tags: Vec<TagToken>,
        group: Option<GroupId>,
        replaces: Option<SnapshotId>,
        reply: Reply<Committed>,
    },
    /// Wait until all members of a group are as far.
    Barrier { group: Group, stage: Stage, reply: Reply<()> },
    /// Which objects are there, for somebody who waits.
    Ask { ids: Vec<ObjectId>, reply: Reply<Vec<bool>> },
    /// Send objects. Those that were answered are taken off `missing`, which holds indices in `ids`.
    Get { ids: Vec<ObjectId>, missing: BTreeSet<usize> },
    /// Where objects lie.
    Locate { ids: Vec<ObjectId>, reply: Reply<Vec<Option<Place>>> },
    /// List snapshots.
    List {
        newest: u32,
        prefix: String,
        listed: Vec<ListedRecord>,
        bytes: usize,
        reply: Reply<Vec<ListedRecord>>,
    },
    /// List key slots.
    Slots { slots: Vec<(SlotId, Vec<u8>)>, reply: Reply<Vec<(SlotId, Vec<u8>)>> },
    /// Add a key slot.
    AddSlot { slot: SlotId, bytes: Arc<Vec<u8>>, attempts: u32, reply: Reply<()> },
    /// Remove a key slot.
    RemoveSlot { slot: SlotId, attempts: u32, reply: Reply<()> },
    /// How much is stored.
    Usage { reply: Reply<Usage> },
    /// Decide or tell what is kept.
    Keep { asked: Asked, came: Box<Came>, reply: Reply<Came> },
    /// Verify what is stored.
    Verify { share: u32, report: Report, progress: Sender<Progress>, reply: Reply<Report> },
}

/// A frame that is going to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    kind: Kind,
    front: Writer,
    payload: Option<Arc<Vec<u8>>>,
}

impl Outgoing {
    /// A frame whose message has no payload of its own.
    pub(super) fn new<'a>(message: &impl Body<'a>) -> Self {
        let mut front = Writer::new();
        message.encode(&mut front);
        Self { kind: message.kind(), front, payload: None }
    }

    fn carrying<'a>(message: &impl Body<'a>, payload: &Arc<Vec<u8>>) -> Self {
        let mut front = Writer::new();
        message.encode_front(&mut front);
        Self { kind: message.kind(), front, payload: Some(Arc::clone(payload)) }
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Length of its body in bytes.
    pub(super) fn body_bytes(&self) -> usize {
        self.front.len() + self.payload.as_ref().map_or(0, |payload| payload.len())
    }

    /// The frame as a stream takes it.
    pub(super) fn body(&self) -> OutgoingBody<'_> {
        OutgoingBody(self)
    }
}

/// A frame as a stream takes it.
pub(super) struct OutgoingBody<'a>(&'a Outgoing);

impl<'a> Body<'a> for OutgoingBody<'a> {
    fn kind(&self) -> Kind {
        self.0.kind
    }

    fn encode_front(&self, writer: &mut Writer) {
        writer.bytes(self.0.front.as_bytes());
    }

    fn payload(&self) -> &'a [u8] {
        self.0.payload.as_ref().map_or(&[], |payload| payload.as_slice())
    }
}

impl Request {
    /// Whether the length of its body counts against the credit.
    pub(super) fn is_charged(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Commit { .. } | Self::AddSlot { .. })
    }

    /// Its frame under this number, in this version of the protocol. Whoever makes requests keeps within the limits of the protocol.
    pub(super) fn frame(&self, sequence: Sequence, version: u16) -> Result<Outgoing, Unfit> {
        Ok(match self {
            Self::Probe { ids, .. } | Self::Ask { ids, .. } => {
                Outgoing::new(&Probe { sequence, ids: Ids::new(ids.clone())? })
            }
            Self::Put { id, object } => {
                Outgoing::carrying(&Put { sequence, id: *id, object: object.as_slice() }, object)
            }
            Self::Flush { .. } => Outgoing::new(&Flush { sequence }),
            Self::Commit { record, replaces: Some(old), .. } => {
                Outgoing::carrying(&Replace { sequence, old: *old, record: record.as_slice() }, record)
            }
            Self::Commit { record, tags, group, .. }
                if version >= CommitMarked::KIND.since() && tags.len() <= TOKENS_MAX =>
            {
                let tokens = tags.iter().map(|TagToken(token)| field::TagToken::from_bytes(*token));
                let tokens = Ids::new(tokens.collect())?;
                let record_bytes = record.as_slice();
                let commit = CommitMarked { sequence, group: *group, tokens, record: record_bytes };
                Outgoing::carrying(&commit, record)
            }
            Self::Commit { record, group, .. } => {
                Outgoing::carrying(&Commit { sequence, group: *group, record: record.as_slice() }, record)
            }
            Self::Barrier { group: Group { id, members, limit }, stage, .. } => Outgoing::new(&Barrier {
                sequence,
                group: *id,
                members: Within::new(*members)?,
                deadline_ms: Within::new(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX))?,
                stage: *stage,
            }),
            Self::Get { ids, .. } => Outgoing::new(&Get { sequence, ids: Ids::new(ids.clone())? }),
            Self::Locate { ids, .. } => Outgoing::new(&Locate { sequence, ids: Ids::new(ids.clone())? }),
            Self::List { newest, prefix, .. } => {
                Outgoing::new(&List { sequence, newest: *newest, prefix: Text::new(prefix)? })
            }
            Self::Slots { .. } => Outgoing::new(&Slots { sequence }),
            Self::AddSlot { slot, bytes, .. } => {
                let slot = field::SlotId::from_bytes(*slot.as_bytes());
                Outgoing::carrying(&AddSlot { sequence, slot, bytes: bytes.as_slice() }, bytes)
            }
            Self::RemoveSlot { slot, .. } => {
                let slot = field::SlotId::from_bytes(*slot.as_bytes());
                Outgoing::new(&RemoveSlot { sequence, slot })
            }
            Self::Keep { asked, .. } => asked.frame(sequence)?,
            Self::Usage { .. } => Outgoing::new(&AskUsage { sequence }),
            Self::Verify { share, .. } => Outgoing::new(&Verify { sequence, share: Within::new(*share)? }),
        })
    }

    /// Tells whoever waits that it failed. What nobody waits for is failed where it is counted.
    pub(super) fn fail(self, error: RemoteError) {
        // Whoever does not wait any more does not want to know.
        match self {
            Self::Probe { .. } | Self::Put { .. } | Self::Get { .. } => {}
            Self::Flush { reply } | Self::AddSlot { reply, .. } | Self::RemoveSlot { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            Self::Commit { reply, .. } => drop(reply.send(Err(error))),
            Self::Barrier { reply, .. } => drop(reply.send(Err(error))),
            Self::Ask { reply, .. } => drop(reply.send(Err(error))),
            Self::Locate { reply, .. } => drop(reply.send(Err(error))),
            Self::List { reply, .. } => drop(reply.send(Err(error))),
            Self::Slots { reply, .. } => drop(reply.send(Err(error))),
            Self::Keep { reply, .. } => drop(reply.send(Err(error))),
            Self::Usage { reply } => drop(reply.send(Err(error))),
            Self::Verify { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
