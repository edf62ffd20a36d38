//! The lane on which a backup runs: what it assumes and what it puts, in the order in which it does.
//!
//! Everything is asked for in batches first, and many batches are under way at a time; what is not there is put, in
//! order, so that a node comes after what it refers to. Nothing waits for an answer but a flush and a commit, which
//! stand in the same lane. Bytes stay in memory until the server says that they are durable.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Snapshot;
use farkeep_engine::Committed;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::limits::PROBE_IDS_MAX;

use super::error::RemoteError;
use super::request::BatchNumber;
use super::request::Reply;
use super::request::Request;
use super::shared::Shared;

/// Bytes of objects that are worth a probe while others are under way.
const PROBED_BYTES: usize = 1 << 20;
/// Bytes that a thing in the lane takes beside its object.
const ITEM_BYTES: usize = 128;
/// How often the server may give up what was put, one time after the other, before it is given up itself.
const LOSSES_MAX: u32 = 16;

/// Something in the lane.
#[derive(Debug)]
pub(super) enum Item {
    /// An object to store if it is not there.
    Put { id: ObjectId, object: Arc<Vec<u8>> },
    /// An object that should be there.
    Assume { id: ObjectId },
    /// An object to count if it is not there.
    Count { id: ObjectId, bytes: u64 },
    /// Make durable what stands before it.
    Flush { reply: Reply<()> },
    /// Commit once everything before it is stored.
    Commit {
        record: Arc<Vec<u8>>,
        tags: Vec<TagToken>,
        group: Option<GroupId>,
        replaces: Option<SnapshotId>,
        reply: Reply<Committed>,
    },
    /// Answer once all before it is known to be there or not.
    Settle { reply: Reply<()> },
}

impl Item {
    /// Bytes that it takes while it waits.
    pub(super) fn cost(&self) -> usize {
        ITEM_BYTES
            + match self {
                Self::Put { object, .. } => object.len(),
                Self::Commit { record, .. } => record.len(),
                _ => 0,
            }
    }

    fn id(&self) -> Option<ObjectId> {
        match self {
            Self::Put { id, .. } | Self::Assume { id } | Self::Count { id, .. } => Some(*id),
            Self::Flush { .. } | Self::Commit { .. } | Self::Settle { .. } => None,
        }
    }
}

/// Things that are asked for together.
#[derive(Debug)]
struct Batch {
    number: BatchNumber,
    items: Vec<Item>,
    /// For each id among them, whether it is there.
    known: Option<Vec<bool>>,
}

/// The lane.
#[derive(Debug)]
pub(super) struct Puts {
    shared: Arc<Shared>,
    /// Not asked for yet.
    fresh: VecDeque<Item>,
    fresh_bytes: usize,
    /// Asked for, in order.
    batches: VecDeque<Batch>,
    batches_begun: u64,
    /// To be sent, in order.
    ready: VecDeque<Request>,
    /// Objects that are in the lane, or put and not durable.
    pending: HashSet<ObjectId>,
    /// Requests of this lane that are under way.
    under_way: usize,
    /// Given up by the server, by the numbers that they had.
    again: BTreeMap<u64, Request>,
    losses: u32,
}

impl Puts {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            fresh: VecDeque::new(),
            fresh_bytes: 0,
            batches: VecDeque::new(),
            batches_begun: 0,
            ready: VecDeque::new(),
            pending: HashSet::new(),
            under_way: 0,
            again: BTreeMap::new(),
            losses: 0,
        }
    }

    /// Adds something at the end of the lane.
    pub(super) fn add(&mut self, item: Item) {
        let is_pending = match &item {
            Item::Put { id, .. } => !self.pending.insert(*id),
            Item::Assume { id } => self.pending.contains(id),
            _ => false,
        };
        if is_pending {
            self.shared.release(item.cost());
            return;
        }
        self.fresh_bytes += item.cost();
        self.fresh.push_back(item);
    }

    /// The next probe, if one is worth its while.
    pub(super) fn probe(&mut self) -> Option<Request> {
        while !self.fresh.is_empty() {
            let is_asking = self.batches.iter().any(|batch| batch.known.is_none());
            let is_much = self.fresh_bytes >= PROBED_BYTES || self.fresh.len() >= PROBE_IDS_MAX;
            if is_asking && !is_much {
                return None;
            }
            let count = self.fresh.len().min(PROBE_IDS_MAX);
            let items: Vec<Item> = self.fresh.drain(..count).collect();
            self.fresh_bytes -= items.iter().map(Item::cost).sum::<usize>();
            let ids: Vec<ObjectId> = items.iter().filter_map(Item::id).collect();
            let number = BatchNumber(self.batches_begun);
            self.batches_begun += 1;
            if !ids.is_empty() {
                self.batches.push_back(Batch { number, items, known: None });
                return Some(Request::Probe { batch: number, ids });
            }
            self.batches.push_back(Batch { number, items, known: Some(Vec::new()) });
            self.resolve();
        }
        None
    }

    /// The server said which objects of a batch are there.
    pub(super) fn known(&mut self, number: BatchNumber, known: Vec<bool>) {
        if let Some(batch) = self.batches.iter_mut().find(|batch| batch.number == number) {
            batch.known = Some(known);
        }
        self.resolve();
    }

    /// The next request of the lane; those that carry bytes only where there is credit for them.
    pub(super) fn request(&mut self, has_bytes: bool) -> Option<Request> {
        if !self.again.is_empty() {
            // What the server gave up goes first, in its old order, once it is known what else it gave up.
            if self.under_way > 0 {
                return None;
            }
            self.losses += 1;
            let again = std::mem::take(&mut self.again);
            again.into_values().rev().for_each(|request| self.ready.push_front(request));
        }
        if self.losses > LOSSES_MAX {
            self.fail(&RemoteError::broken("it gives up again and again what was put"));
        }
        if !has_bytes && self.ready.front().is_some_and(Request::is_charged) {
            return None;
        }
        let request = self.ready.pop_front()?;
        self.under_way += 1;
        Some(request)
    }

    /// A put is durable.
    pub(super) fn durable(&mut self, id: &ObjectId, object: &[u8]) {
        self.under_way -= 1;
        self.losses = 0;
        self.drop_put(id, object.len());
    }

    /// The server says that it committed. Not every server that says so has what was put before.
    pub(super) fn committed(&mut self) -> Result<(), RemoteError> {
        self.under_way -= 1;
        match self.shared.failure().or_else(|| self.shared.stale()) {
            Some(error) => Err(error),
            None if self.again.is_empty() => Ok(()),
            None => Err(RemoteError::broken("it commits a snapshot of what it gave up")),
        }
    }

    /// A flush was answered.
    pub(super) fn answered(&mut self) {
        self.under_way -= 1;
    }

    /// A request of the lane was refused.
    pub(super) fn refused(&mut self, sequence: u64, request: Request, error: RemoteError) {
        self.under_way -= 1;
        let code = error.code();
        let follows_loss = code == Some(Code::MISSING_REFERENCES) && !self.again.is_empty();
        if code == Some(Code::LOST) || follows_loss {
            self.again.insert(sequence, request);
            return;
        }
        let error = match (code, &request) {
            (Some(Code::MISSING_REFERENCES), Request::Put { id, .. }) => {
                self.shared.add_stale(*id);
                self.shared.stale().unwrap_or(error)
            }
            (Some(Code::MISSING_REFERENCES), Request::Commit { record, .. }) => {
                // Else something was taken over from a run before that was lost since.
                let root = Snapshot::parse(record).map(|snapshot| snapshot.root);
                if let (None, None, Ok(root)) = (self.shared.failure(), self.shared.stale(), root) {
                    self.shared.add_stale(root);
                }
                self.shared.failure().or_else(|| self.shared.stale()).unwrap_or(error)
            }
            _ => error,
        };
        match request {
            Request::Put { id, object } => {
                self.drop_put(&id, object.len());
                // A run that assumed in vain begins anew; any other reason holds for the next objects too.
                if !matches!(error, RemoteError::Stale { .. }) {
                    self.fail(&error);
                }
            }
            other => other.fail(error),
        }
    }

    /// The connections were cut: requests of the lane without an answer are made again, in their order.
    pub(super) fn cut(&mut self, unanswered: BTreeMap<u64, Request>) {
        self.under_way = 0;
        self.again.extend(unanswered);
        let again = std::mem::take(&mut self.again);
        again.into_values().rev().for_each(|request| self.ready.push_front(request));
    }

    /// Nothing is stored any more.
    pub(super) fn fail(&mut self, error: &RemoteError) {
        self.shared.fail(error.clone());
        for request in self.ready.drain(..).chain(std::mem::take(&mut self.again).into_values()) {
            request.fail(error.clone());
        }
        let waiting = self.batches.drain(..).flat_map(|batch| batch.items);
        for item in waiting.chain(self.fresh.drain(..)) {
            self.shared.release(item.cost());
            match item {
                Item::Flush { reply } | Item::Settle { reply } => drop(reply.send(Err(error.clone()))),
                Item::Commit { reply, .. } => drop(reply.send(Err(error.clone()))),
                Item::Put { .. } | Item::Assume { .. } | Item::Count { .. } => {}
            }
        }
        self.fresh_bytes = 0;
        self.pending.clear();
    }

    /// Takes what is decided off the front.
    fn resolve(&mut self) {
        while self.batches.front().is_some_and(|batch| batch.known.is_some()) {
            let Some(Batch { items, known: Some(known), .. }) = self.batches.pop_front() else { return };
            let mut known = known.into_iter();
            for item in items {
                let is_there = item.id().is_none() || known.next() == Some(true);
                self.decide(item, is_there);
            }
        }
    }

    fn decide(&mut self, item: Item, is_there: bool) {
        let cost = item.cost();
        match item {
            Item::Put { id, object } if is_there => self.drop_put(&id, object.len()),
            Item::Put { id, object } => {
                self.shared.count(object.len() as u64);
                self.ready.push_back(Request::Put { id, object });
            }
            Item::Assume { id } if !is_there => {
                self.shared.add_stale(id);
                self.shared.release(cost);
            }
            Item::Count { bytes, .. } if !is_there => {
                self.shared.count(bytes);
                self.shared.release(cost);
            }
            Item::Assume { .. } | Item::Count { .. } => self.shared.release(cost),
            Item::Settle { reply } => {
                let _ = reply.send(self.shared.stale().map_or(Ok(()), Err));
                self.shared.release(cost);
            }
            Item::Flush { reply } => {
                if self.under_way == 0 && self.ready.is_empty() && self.again.is_empty() {
                    let _ = reply.send(Ok(()));
                } else {
                    self.ready.push_back(Request::Flush { reply });
                }
                self.shared.release(cost);
            }
            Item::Commit { record, tags, group, replaces, reply } => {
                match self.shared.stale() {
                    Some(stale) => drop(reply.send(Err(stale))),
                    None => {
                        self.ready.push_back(Request::Commit { record, tags, group, replaces, reply });
                    }
                }
                self.shared.release(cost);
            }
        }
    }

    fn drop_put(&mut self, id: &ObjectId, object_bytes: usize) {
        self.pending.remove(id);
        self.shared.release(ITEM_BYTES + object_bytes);
    }
}
