//! Answers to requests that somebody waits for.

use std::collections::BTreeMap;

use farkeep_codec::id::ObjectId;
use farkeep_engine::Progress;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;
use farkeep_protocol::fault::Code;
use farkeep_protocol::kind::Body;
use farkeep_protocol::message;
use farkeep_protocol::message::FromServer;

use super::error::RemoteError;
use super::keeper;
use super::keeper::Came;
use super::reads::Outcome;
use super::request::ListedRecord;
use super::request::Request;
use crate::repository::store::Damage;
use crate::repository::store::Report;

/// Bytes of all records of one list. A million snapshots have less.
const LISTED_BYTES_MAX: usize = 1 << 30;
/// Key slots of a repository.
const SLOTS_MAX: usize = 4096;
/// Damages that one verification names.
const DAMAGE_MAX: usize = 10_000;

impl Request {
    /// The request as it is made again after a cut: what came of its answer is forgotten.
    pub(super) fn again(mut self) -> Self {
        match &mut self {
            Self::List { listed, bytes, .. } => {
                listed.clear();
                *bytes = 0;
            }
            Self::Slots { slots, .. } => slots.clear(),
            Self::Keep { came, .. } => **came = Came::default(),
            Self::Verify { report, .. } => *report = Report::default(),
            Self::AddSlot { attempts, .. } | Self::RemoveSlot { attempts, .. } => *attempts += 1,
            _ => {}
        }
        self
    }
}

/// What a Missing means.
pub(super) fn missing(id: Option<ObjectId>, code: Code) -> Outcome {
    match (code, id) {
        (Code::NOT_FOUND, _) => Outcome::Missing,
        (Code::DAMAGED_OBJECT, Some(id)) => Outcome::Failed(RemoteError::Damaged { id }),
        (code, _) => {
            let text = "an object cannot be sent".to_owned();
            Outcome::Failed(RemoteError::Refused { code, text })
        }
    }
}

/// Takes an answer, or a part of one.
pub(super) fn take(
    under_way: &mut BTreeMap<u64, Request>,
    message: FromServer<'_>,
) -> Result<(), RemoteError> {
    match message {
        FromServer::Listed(listed) => take_listed(under_way, &listed),
        FromServer::Slot(slot) => take_slot(under_way, &slot),
        FromServer::Places(places) => {
            let sequence = places.sequence.number();
            match under_way.remove(&sequence) {
                Some(Request::Locate { ids, reply }) if ids.len() == places.places.len() => {
                    let _ = reply.send(Ok(places.places.into_vec()));
                    Ok(())
                }
                other => Err(put_back(under_way, sequence, other, "it sends places that were not asked for")),
            }
        }
        FromServer::Used(used) => {
            let sequence = used.sequence.number();
            match under_way.remove(&sequence) {
                Some(Request::Usage { reply }) => {
                    let _ = reply.send(Ok(usage(&used)));
                    Ok(())
                }
                other => Err(put_back(under_way, sequence, other, "it tells a usage that was not asked for")),
            }
        }
        FromServer::Gathered(gathered) => {
            let sequence = gathered.sequence.number();
            match under_way.remove(&sequence) {
                Some(Request::Barrier { stage, reply, .. }) if stage == gathered.stage => {
                    let _ = reply.send(Ok(()));
                    Ok(())
                }
                other => {
                    Err(put_back(under_way, sequence, other, "it gathers a group that did not ask for it"))
                }
            }
        }
        FromServer::Verified(verified) => take_verified(under_way, &verified),
        other if keeper::sequence_of(&other).is_some() => take_kept(under_way, other),
        other => {
            Err(RemoteError::broken(format!("it sends {}, which was not asked for", other.kind().name())))
        }
    }
}

/// A request was carried out, or answered to the end.
pub(super) fn done(request: Request) -> Result<(), RemoteError> {
    match request {
        Request::Get { missing, .. } if missing.is_empty() => {}
        Request::List { listed, reply, .. } => drop(reply.send(Ok(listed))),
        Request::Slots { slots, reply } => drop(reply.send(Ok(slots))),
        Request::Keep { asked, came, reply } if !asked.is_answered_at_once() => drop(reply.send(Ok(*came))),
        Request::AddSlot { reply, .. } | Request::RemoveSlot { reply, .. } => drop(reply.send(Ok(()))),
        other => {
            let error = RemoteError::broken("it is done with a request that it did not answer");
            other.fail(error.clone());
            return Err(error);
        }
    }
    Ok(())
}

/// A request was not carried out. One that was made twice may have been carried out the first time.
pub(super) fn refused(request: Request, error: RemoteError) {
    match (request, error.code()) {
        (Request::AddSlot { attempts: 1.., reply, .. }, Some(Code::EXISTS))
        | (Request::RemoveSlot { attempts: 1.., reply, .. }, Some(Code::NOT_FOUND)) => {
            let _ = reply.send(Ok(()));
        }
        (request, _) => request.fail(error),
    }
}

fn take_kept(under_way: &mut BTreeMap<u64, Request>, message: FromServer<'_>) -> Result<(), RemoteError> {
    let sequence = keeper::sequence_of(&message).map_or(0, |sequence| sequence.number());
    let Some(Request::Keep { asked, came, .. }) = under_way.get_mut(&sequence) else {
        return Err(RemoteError::broken("it says of snapshots what was not asked"));
    };
    if keeper::take(asked, came, message)?
        && let Some(Request::Keep { came, reply, .. }) = under_way.remove(&sequence)
    {
        // Whoever does not wait any more does not want to know.
        let _ = reply.send(Ok(*came));
    }
    Ok(())
}

fn take_listed(
    under_way: &mut BTreeMap<u64, Request>,
    message: &message::Listed<'_>,
) -> Result<(), RemoteError> {
    let Some(Request::List { listed, bytes, .. }) = under_way.get_mut(&message.sequence.number()) else {
        return Err(RemoteError::broken("it lists snapshots that were not asked for"));
    };
    *bytes += message.record.len();
    if *bytes > LISTED_BYTES_MAX {
        return Err(RemoteError::broken("its list of snapshots has no end"));
    }
    if listed.last().is_some_and(|last| last.journal >= message.journal) {
        return Err(RemoteError::broken("its list of snapshots is out of order"));
    }
    listed.push(ListedRecord {
        journal: message.journal,
        received_ns: message.received.nanoseconds(),
        record: message.record.to_vec(),
    });
    Ok(())
}

fn take_slot(under_way: &mut BTreeMap<u64, Request>, message: &message::Slot<'_>) -> Result<(), RemoteError> {
    let Some(Request::Slots { slots, .. }) = under_way.get_mut(&message.sequence.number()) else {
        return Err(RemoteError::broken("it sends key slots that were not asked for"));
    };
    if slots.len() >= SLOTS_MAX {
        return Err(RemoteError::broken("its key slots have no end"));
    }
    slots.push((SlotId::from_bytes(*message.slot.as_bytes()), message.bytes.to_vec()));
    Ok(())
}

fn take_verified(
    under_way: &mut BTreeMap<u64, Request>,
    message: &message::Verified<'_>,
) -> Result<(), RemoteError> {
    let sequence = message.sequence.number();
    let Some(Request::Verify { report, progress, .. }) = under_way.get_mut(&sequence) else {
        return Err(RemoteError::broken("it verifies what was not asked for"));
    };
    report.bytes = message.bytes;
    let room = DAMAGE_MAX.saturating_sub(report.damage.len());
    report.damage.extend(message.damaged.iter().take(room).map(|damaged| Damage {
        what: "pack",
        name: "at the server".to_owned(),
        why: damaged.what.as_str().to_owned(),
        objects: damaged.object.into_iter().collect(),
    }));
    // Whoever does not look any more does not want to know.
    let _ = progress.send(Progress { bytes_done: message.bytes, bytes_total: message.bytes_total });
    if message.finished
        && let Some(Request::Verify { report, reply, .. }) = under_way.remove(&sequence)
    {
        let _ = reply.send(Ok(report));
    }
    Ok(())
}

fn usage(used: &message::Used) -> Usage {
    Usage {
        packs: used.packs,
        objects: used.objects,
        bytes: used.bytes,
        index_bytes: used.index_bytes,
        journal_bytes: used.journal_bytes,
        free_bytes: used.free_bytes,
    }
}

/// Leaves a request whose answer was wrong to be failed with the others.
fn put_back(
    under_way: &mut BTreeMap<u64, Request>,
    sequence: u64,
    request: Option<Request>,
    what: &'static str,
) -> RemoteError {
    if let Some(request) = request {
        under_way.insert(sequence, request);
    }
    RemoteError::broken(what)
}
