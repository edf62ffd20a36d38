//! What a client asks for, taken out of the frame that it came in.

use std::num::NonZeroU64;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::time::Time;
use farkeep_engine::Care;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Turn;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Purge;
use farkeep_engine::collect::Young;
use farkeep_engine::collect::pace::Limits;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::fault::Retry;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::frame::Frame;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message;
use farkeep_protocol::message::Act;
use farkeep_protocol::message::FromClient;
use farkeep_protocol::message::Stage;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) sequence: Sequence,
    pub(super) kind: Kind,
    /// Length of the body that it came in.
    pub(super) body_bytes: usize,
    pub(super) ask: Ask,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    Probe {
        ids: Vec<ObjectId>,
    },
    Put {
        id: ObjectId,
        object: Vec<u8>,
    },
    Flush,
    Commit {
        group: Option<GroupId>,
        record: Vec<u8>,
        /// What may be known of the snapshot's tags, if the client tells it.
        tags: Option<Vec<TagToken>>,
        /// The snapshot whose place it takes.
        replaces: Option<SnapshotId>,
    },
    Barrier {
        group: GroupId,
        members: u32,
        deadline_ms: u32,
        stage: Stage,
    },
    Get {
        ids: Vec<ObjectId>,
    },
    Locate {
        ids: Vec<ObjectId>,
    },
    List {
        newest: u32,
        prefix: String,
    },
    Slots,
    AddSlot {
        slot: SlotId,
        bytes: Vec<u8>,
    },
    RemoveSlot {
        slot: SlotId,
    },
    Usage,
    Verify {
        share: u32,
    },
    Forget {
        snapshot: SnapshotId,
        reason: String,
    },
    Hold {
        snapshot: SnapshotId,
        until: Time,
    },
    Settings,
    SetSettings {
        bytes: Vec<u8>,
    },
    Retain {
        act: Act,
        policies: Vec<Vec<u8>>,
    },
    Recover {
        snapshot: SnapshotId,
        reason: String,
    },
    ListAll {
        prefix: String,
    },
    Newest {
        series: String,
    },
    Thaw {
        reason: String,
    },
    Sizes,
    SeriesSizes,
    Verifications,
    Freed {
        snapshots: Vec<SnapshotId>,
    },
    Collect {
        act: Act,
        options: CollectOptions,
    },
    Stop,
    History,
    Scrub {
        options: PatrolOptions,
    },
    PlanRepair,
    Repair {
        wanted: Wanted,
    },
    /// Part of the protocol, and not of this server.
    Unsupported,
    /// To send objects, beside too many others.
    TooMany,
}

/// What is to be repaired.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) packs: Vec<PackId>,
    pub(super) files: bool,
    pub(super) index: bool,
}

/// What came in a frame.
#[derive(Debug)]
pub(super) enum Came {
    Request(Request),
    /// A request whose object, the last so many bytes of the frame, is still where it was read.
    Put {
        sequence: Sequence,
        id: ObjectId,
        body_bytes: usize,
        object_bytes: usize,
    },
    Grant {
        bytes: u32,
    },
    Heartbeat,
    Goodbye,
    /// The client ends the connection.
    Fault {
        is_final: bool,
    },
    /// A follower tells how far it is, and nothing follows here.
    Adopted,
}

impl Came {
    /// Reads a frame of a session.
    pub(super) fn decode(frame: &Frame<'_>) -> Result<Self, Malformed> {
        let (sequence, ask) = match FromClient::decode(frame.kind, frame.body)? {
            FromClient::Grant(grant) => return Ok(Self::Grant { bytes: grant.bytes }),
            FromClient::Heartbeat(_) => return Ok(Self::Heartbeat),
            FromClient::Goodbye(_) => return Ok(Self::Goodbye),
            FromClient::Adopted(_) => return Ok(Self::Adopted),
            FromClient::Fault(fault) => {
                let is_final = fault.code.retry() == Retry::Never;
                return Ok(Self::Fault { is_final });
            }
            FromClient::Probe(m) => (m.sequence, Ask::Probe { ids: m.ids.into_vec() }),
            FromClient::Put(m) => {
                let (body_bytes, object_bytes) = (frame.body.len(), m.object.len());
                return Ok(Self::Put { sequence: m.sequence, id: m.id, body_bytes, object_bytes });
            }
            FromClient::Flush(m) => (m.sequence, Ask::Flush),
            FromClient::Commit(m) => (
                m.sequence,
                Ask::Commit { group: m.group, record: m.record.to_vec(), tags: None, replaces: None },
            ),
            FromClient::CommitMarked(m) => {
                let tags: Vec<TagToken> = m.tokens.iter().map(|token| TagToken(*token.as_bytes())).collect();
                if !tags.is_sorted_by(|one, next| one < next) {
                    return Err(Malformed { what: "CommitMarked, tokens: their order", offset: 0 });
                }
                (
                    m.sequence,
                    Ask::Commit {
                        group: m.group,
                        record: m.record.to_vec(),
                        tags: Some(tags),
                        replaces: None,
                    },
                )
            }
            FromClient::Replace(m) => {
                let (record, replaces) = (m.record.to_vec(), Some(m.old));
                (m.sequence, Ask::Commit { group: None, record, tags: None, replaces })
            }
            FromClient::Barrier(m) => {
                let (members, deadline_ms) = (m.members.number(), m.deadline_ms.number());
                (m.sequence, Ask::Barrier { group: m.group, members, deadline_ms, stage: m.stage })
            }
            FromClient::Get(m) => (m.sequence, Ask::Get { ids: m.ids.into_vec() }),
            FromClient::Locate(m) => (m.sequence, Ask::Locate { ids: m.ids.into_vec() }),
            FromClient::List(m) => {
                (m.sequence, Ask::List { newest: m.newest, prefix: m.prefix.as_str().to_owned() })
            }
            FromClient::Slots(m) => (m.sequence, Ask::Slots),
            FromClient::AddSlot(m) => (m.sequence, Ask::AddSlot { slot: m.slot, bytes: m.bytes.to_vec() }),
            FromClient::RemoveSlot(m) => (m.sequence, Ask::RemoveSlot { slot: m.slot }),
            FromClient::Usage(m) => (m.sequence, Ask::Usage),
            FromClient::Verify(m) => (m.sequence, Ask::Verify { share: m.share.number() }),
            FromClient::Follow(m) => (m.sequence, Ask::Unsupported),
            FromClient::Hello(_) | FromClient::Enroll(_) | FromClient::Open(_) | FromClient::Create(_) => {
                return Err(Malformed { what: "kind: it does not belong into a session", offset: 0 });
            }
            keepers => kept(keepers)?,
        };
        Ok(Self::Request(Request { sequence, kind: frame.kind, body_bytes: frame.body.len(), ask }))
    }
}

/// What a keeper asks for.
fn kept(asked: FromClient<'_>) -> Result<(Sequence, Ask), Malformed> {
    Ok(match asked {
        FromClient::Forget(m) => {
            (m.sequence, Ask::Forget { snapshot: m.snapshot, reason: m.reason.as_str().to_owned() })
        }
        FromClient::Hold(m) => (m.sequence, Ask::Hold { snapshot: m.snapshot, until: m.until }),
        FromClient::Settings(m) => (m.sequence, Ask::Settings),
        FromClient::SetSettings(m) => {
            (m.sequence, Ask::SetSettings { bytes: m.settings.as_bytes().to_vec() })
        }
        FromClient::Retain(m) => {
            let policies = m.policies.iter().map(|policy| policy.as_bytes().to_vec()).collect();
            (m.sequence, Ask::Retain { act: m.act, policies })
        }
        FromClient::Recover(m) => {
            (m.sequence, Ask::Recover { snapshot: m.snapshot, reason: m.reason.as_str().to_owned() })
        }
        FromClient::ListAll(m) => (m.sequence, Ask::ListAll { prefix: m.prefix.as_str().to_owned() }),
        FromClient::Newest(m) => (m.sequence, Ask::Newest { series: m.series.as_str().to_owned() }),
        FromClient::Thaw(m) => (m.sequence, Ask::Thaw { reason: m.reason.as_str().to_owned() }),
        FromClient::Sizes(m) => (m.sequence, Ask::Sizes),
        FromClient::SeriesSizes(m) => (m.sequence, Ask::SeriesSizes),
        FromClient::Verifications(m) => (m.sequence, Ask::Verifications),
        FromClient::Freed(m) => (m.sequence, Ask::Freed { snapshots: m.snapshots.into_vec() }),
        FromClient::Collect(m) => (m.sequence, Ask::Collect { act: m.act, options: options(&m) }),
        FromClient::Stop(m) => (m.sequence, Ask::Stop),
        FromClient::History(m) => (m.sequence, Ask::History),
        FromClient::Scrub(m) => (m.sequence, Ask::Scrub { options: scrub(&m) }),
        FromClient::PlanRepair(m) => (m.sequence, Ask::PlanRepair),
        FromClient::Repair(m) => {
            let wanted = Wanted { packs: m.packs.into_vec(), files: m.files, index: m.index };
            (m.sequence, Ask::Repair { wanted })
        }
        _ => return Err(Malformed { what: "kind: it is no request", offset: 0 }),
    })
}

/// How a client wants a repository to be collected.
fn options(asked: &message::Collect) -> CollectOptions {
    let thousandths = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let (purge, young) = match asked.purge {
        message::Purge::WhenOver => (Purge::WhenOver, Young::Stays),
        message::Purge::AtOnce => (Purge::AtOnce, Young::Goes),
    };
    CollectOptions {
        purge,
        young,
        garbage_thousandths: asked.garbage_thousandths.map(|part| thousandths(part.number())),
        time_max: (asked.seconds_max > 0).then(|| Duration::from_secs(asked.seconds_max)),
        limits: Limits {
            bytes_per_second: NonZeroU64::new(asked.bytes_per_second),
            work_thousandths: thousandths(asked.work_thousandths.number()),
        },
        ..CollectOptions::default()
    }
}

/// How a client wants a repository to be scrubbed.
fn scrub(asked: &message::Scrub) -> PatrolOptions {
    PatrolOptions {
        turn: Turn::All,
        care: Care::Report,
        time_max: (asked.seconds_max > 0).then(|| Duration::from_secs(asked.seconds_max)),
        limits: Limits { bytes_per_second: NonZeroU64::new(asked.bytes_per_second), ..Limits::NONE },
        by: String::new(),
    }
}
