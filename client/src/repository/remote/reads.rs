//! Objects on their way from the server: those that somebody waits for, and those that will be wanted soon.
//!
//! What is wanted soon is asked for ahead, as far as memory allows, and kept until it is taken, once. What nobody takes
//! gives way as soon as somebody waits for something else.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_protocol::limits::GET_IDS_MAX;

use super::error::RemoteError;
use super::request::Request;
use super::shared::Delivered;

/// Bytes that are asked for ahead and kept.
const AHEAD_BYTES_MAX: u64 = 24 << 20;
/// Objects that are noted as wanted soon. What is noted beyond is asked for when it is wanted.
const SOON_MAX: usize = 64 << 10;
/// Objects that are asked for together ahead of time.
const AHEAD_IDS_MAX: usize = 256;

/// What became of an object.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It came.
    Came(Arc<Delivered>),
    /// The server does not have it.
    Missing,
    /// Something else.
    Failed(RemoteError),
}

/// Whoever waits for an object among several.
#[derive(Debug, Clone)]
pub(super) struct Waiter {
    pub(super) sink: Sender<(usize, Outcome)>,
    pub(super) index: usize,
}

/// An object that is asked for or about to be.
#[derive(Debug, Default)]
struct Flight {
    waiters: Vec<Waiter>,
    /// Bytes that it was expected to have when it was asked for ahead.
    expected_bytes: u64,
}

/// Objects on their way.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Wanted now, and not asked for.
    wanted: VecDeque<ObjectId>,
    soon: VecDeque<(ObjectId, u32)>,
    flights: HashMap<ObjectId, Flight>,
    kept: HashMap<ObjectId, Arc<Delivered>>,
    /// The order in which those that are kept came; ids of some that were taken stand among them.
    order: VecDeque<ObjectId>,
    kept_bytes: u64,
    expected_bytes: u64,
    waiters: usize,
}

impl Reads {
    /// Somebody waits for an object.
    pub(super) fn want(&mut self, id: ObjectId, waiter: Waiter) {
        if let Some(kept) = self.take(&id) {
            // Whoever does not wait any more does not want it.
            let _ = waiter.sink.send((waiter.index, Outcome::Came(kept)));
            return;
        }
        self.waiters += 1;
        let wanted = &mut self.wanted;
        let flight = self.flights.entry(id).or_insert_with(|| {
            wanted.push_back(id);
            Flight::default()
        });
        flight.waiters.push(waiter);
    }

    /// These objects are going to be wanted.
    pub(super) fn soon(&mut self, pointers: &[Pointer]) {
        let room = SOON_MAX.saturating_sub(self.soon.len());
        self.soon.extend(pointers.iter().take(room).map(|pointer| (pointer.id, pointer.plain_bytes)));
    }

    /// The next request: what is wanted first, then what may be.
    pub(super) fn request(&mut self) -> Option<Request> {
        let count = self.wanted.len().min(GET_IDS_MAX);
        let ids: Vec<ObjectId> = if count > 0 { self.wanted.drain(..count).collect() } else { self.ahead() };
        if ids.is_empty() {
            return None;
        }
        let missing: BTreeSet<usize> = (0..ids.len()).collect();
        Some(Request::Get { ids, missing })
    }

    /// An object came, or will not.
    pub(super) fn arrived(&mut self, id: &ObjectId, outcome: Outcome) {
        let Some(flight) = self.flights.remove(id) else { return };
        self.expected_bytes -= flight.expected_bytes;
        self.waiters -= flight.waiters.len();
        if flight.waiters.is_empty() {
            // That something which nobody waits for yet cannot be had is said when somebody does.
            if let Outcome::Came(object) = outcome {
                self.kept_bytes += object.body_bytes() as u64;
                self.order.push_back(*id);
                self.kept.insert(*id, object);
            }
            return;
        }
        for waiter in flight.waiters {
            let _ = waiter.sink.send((waiter.index, outcome.clone()));
        }
    }

    /// The connections were cut: these objects are asked for again.
    pub(super) fn cut(&mut self, unanswered: impl Iterator<Item = ObjectId>) {
        self.wanted.extend(unanswered);
    }

    /// Whether anybody waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiters > 0
    }

    /// Lets go of what nobody took, the oldest first, until so many bytes are left.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        while self.kept_bytes > bytes {
            let Some(oldest) = self.order.pop_front() else { return };
            self.take(&oldest);
        }
    }

    /// Nothing comes any more.
    pub(super) fn fail(&mut self, error: &RemoteError) {
        self.wanted.clear();
        self.soon.clear();
        for (_, flight) in self.flights.drain() {
            for waiter in flight.waiters {
                let _ = waiter.sink.send((waiter.index, Outcome::Failed(error.clone())));
            }
        }
        self.waiters = 0;
        self.expected_bytes = 0;
    }

    fn take(&mut self, id: &ObjectId) -> Option<Arc<Delivered>> {
        let kept = self.kept.remove(id)?;
        self.kept_bytes -= kept.body_bytes() as u64;
        if self.order.len() > 2 * self.kept.len() + AHEAD_IDS_MAX {
            let kept = &self.kept;
            self.order.retain(|id| kept.contains_key(id));
        }
        Some(kept)
    }

    /// What is wanted soon and has room, if it is worth a request.
    fn ahead(&mut self) -> Vec<ObjectId> {
        let mut ids = Vec::new();
        if self.expected_bytes + self.kept_bytes > AHEAD_BYTES_MAX / 2 {
            return ids;
        }
        while ids.len() < AHEAD_IDS_MAX
            && let Some((id, bytes)) = self.soon.front().copied()
        {
            let bytes = u64::from(bytes);
            let has_room = self.expected_bytes + self.kept_bytes + bytes <= AHEAD_BYTES_MAX;
            if !has_room && self.expected_bytes + self.kept_bytes > 0 {
                break;
            }
            self.soon.pop_front();
            if self.kept.contains_key(&id) || self.flights.contains_key(&id) {
                continue;
            }
            self.flights.insert(id, Flight { waiters: Vec::new(), expected_bytes: bytes });
            self.expected_bytes += bytes;
            ids.push(id);
        }
        ids
    }
}
