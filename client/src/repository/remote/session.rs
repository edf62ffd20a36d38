//! A session without its connections: what is asked next, and what an answer means.
//!
//! Nothing here waits or reads. It survives a cut: whatever was under way is asked again, on the next connection and
//! under new numbers. The server is not believed: what was not asked is not answered, and no answer is longer than the
//! credit that was given for it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_engine::Committed;
use farkeep_protocol::credit::Window;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::limits::VERSION_LEAST;
use farkeep_protocol::message;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Grant;

use super::answers;
use super::error::RemoteError;
use super::keeper;
use super::puts::Puts;
use super::reads::Outcome;
use super::reads::Reads;
use super::request::Outgoing;
use super::request::Reply;
use super::request::Request;
use super::shared::Delivered;
use super::shared::Shared;

/// Bytes that the server may have under way to the client.
pub(super) const RECEIVED_BYTES_MAX: u32 = 32 << 20;
/// Bytes worth a Grant.
const GRANTED_BYTES: u64 = RECEIVED_BYTES_MAX as u64 / 8;
/// Credit that no honest server gives.
const CREDIT_BYTES_MAX: u64 = 1 << 40;

/// What a session is asked for and how far that is.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    /// Of the protocol, as both sides agreed.
    version: u16,
    next: Sequence,
    credit: Window,
    /// Bytes of credit that were given on these connections.
    credit_bytes: u64,
    /// What the server may still send.
    received: Window,
    /// Bytes that came and were not granted again.
    held_bytes: u64,
    /// Bytes that nobody holds any more and that were not granted again.
    freed_bytes: u64,
    pub(super) puts: Puts,
    pub(super) reads: Reads,
    asked: VecDeque<Request>,
    under_way: BTreeMap<u64, Request>,
    /// Flushes that are done but for puts of which nobody said that they are durable.
    flushed: VecDeque<(u64, Reply<()>)>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            version: VERSION_LEAST,
            next: Sequence::FIRST,
            credit: Window::new(0, 0),
            credit_bytes: 0,
            received: Window::new(0, 0),
            held_bytes: 0,
            freed_bytes: 0,
            puts: Puts::new(&shared),
            reads: Reads::default(),
            asked: VecDeque::new(),
            under_way: BTreeMap::new(),
            flushed: VecDeque::new(),
            shared,
        }
    }

    /// What the server may send at first on new connections.
    pub(super) fn first_credit(&mut self) -> u32 {
        self.collect_freed();
        self.held_bytes = self.held_bytes.saturating_sub(std::mem::take(&mut self.freed_bytes));
        let left = u64::from(RECEIVED_BYTES_MAX).saturating_sub(self.held_bytes);
        u32::try_from(left).unwrap_or(RECEIVED_BYTES_MAX)
    }

    /// New connections are there, on which the server has credit for `first_credit` bytes. Whatever was under way on
    /// those before is asked again.
    pub(super) fn begin(&mut self, welcome: &Welcome, first_credit: u32) -> Result<(), RemoteError> {
        if welcome.acknowledged >= self.next.number() {
            return Err(RemoteError::broken("it acknowledges what was never sent"));
        }
        self.version = welcome.version;
        let unanswered = std::mem::take(&mut self.under_way);
        let mut lane = BTreeMap::new();
        for (sequence, request) in unanswered {
            match request {
                Request::Put { id, object } if sequence <= welcome.acknowledged => {
                    self.puts.durable(&id, &object);
                }
                Request::Put { .. } | Request::Flush { .. } | Request::Commit { .. } => {
                    lane.insert(sequence, request);
                }
                Request::Get { ids, missing } => {
                    self.reads.cut(missing.iter().filter_map(|index| ids.get(*index).copied()));
                }
                other => self.asked.push_back(other.again()),
            }
        }
        for (sequence, reply) in std::mem::take(&mut self.flushed) {
            lane.insert(sequence, Request::Flush { reply });
        }
        self.puts.cut(lane);
        let acknowledged = Sequence::new(welcome.acknowledged);
        self.next = acknowledged.map_or(Sequence::FIRST, Sequence::next);
        self.credit = Window::new(welcome.credit_bytes, welcome.credit_requests);
        self.credit_bytes = u64::from(welcome.credit_bytes);
        self.received = Window::new(first_credit, 0);
        self.held_bytes = u64::from(RECEIVED_BYTES_MAX - first_credit);
        Ok(())
    }

    /// A new session takes the place of one that the server does not know any more.
    pub(super) fn begin_anew(&mut self, welcome: &Welcome, first_credit: u32) -> Result<(), RemoteError> {
        self.begin(&Welcome { acknowledged: 0, ..welcome.clone() }, first_credit)
    }

    /// Asks for something that does not stand in the lane of the puts.
    pub(super) fn ask(&mut self, request: Request) {
        self.asked.push_back(request);
    }

    /// The next frame, if there is something to send and credit for it.
    pub(super) fn next_frame(&mut self) -> Result<Option<Outgoing>, RemoteError> {
        if let Some(grant) = self.grant() {
            return Ok(Some(Outgoing::new(&grant)));
        }
        if !self.credit.has_requests() {
            return Ok(None);
        }
        let Some(request) = self.pick() else { return Ok(None) };
        let sequence = self.next;
        let frame = match request.frame(sequence, self.version) {
            Ok(frame) if frame.kind().since() > self.version => {
                request.fail(keeper::too_old());
                return self.next_frame();
            }
            Ok(frame) => frame,
            Err(error) => {
                request.fail(RemoteError::Refused { code: Code::TOO_LARGE, text: error.to_string() });
                return self.next_frame();
            }
        };
        let overdrawn = |_| RemoteError::broken("its credit does not hold");
        self.credit.charge_request().map_err(overdrawn)?;
        if request.is_charged() {
            self.credit.charge_bytes(frame.body_bytes()).map_err(overdrawn)?;
        }
        self.under_way.insert(sequence.number(), request);
        self.next = sequence.next();
        Ok(Some(frame))
    }

    /// Whether the server owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Takes what the server sent.
    pub(super) fn receive(&mut self, kind: Kind, body: Vec<u8>) -> Result<(), RemoteError> {
        if kind.is_charged() {
            let overdrawn = |_| RemoteError::broken("it sends more than it has credit for");
            self.received.charge_bytes(body.len()).map_err(overdrawn)?;
            self.held_bytes += body.len() as u64;
        }
        if kind == Kind::Object {
            return self.object(body);
        }
        let bytes = body.len();
        let message =
            FromServer::decode(kind, &body).map_err(|error| RemoteError::broken(error.to_string()))?;
        let taken = self.message(message);
        if kind.is_charged() {
            self.freed_bytes += bytes as u64;
        }
        taken
    }

    /// Gives the server credit again for what nobody holds any more.
    pub(super) fn collect_freed(&mut self) {
        self.freed_bytes += self.shared.freed().take();
    }

    /// Nothing is answered any more.
    pub(super) fn fail(&mut self, error: &RemoteError) {
        self.puts.fail(error);
        self.reads.fail(error);
        let under_way = std::mem::take(&mut self.under_way).into_values();
        for request in under_way.chain(self.asked.drain(..)) {
            request.fail(error.clone());
        }
        for (_, reply) in self.flushed.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn pick(&mut self) -> Option<Request> {
        let has_bytes = self.credit.has_bytes();
        let may_go = has_bytes || !self.asked.front().is_some_and(Request::is_charged);
        if may_go && let Some(request) = self.asked.pop_front() {
            return Some(request);
        }
        self.reads.request().or_else(|| self.puts.probe()).or_else(|| self.puts.request(has_bytes))
    }

    fn grant(&mut self) -> Option<Grant> {
        if self.reads.is_awaited() && self.held_bytes > u64::from(RECEIVED_BYTES_MAX) / 2 {
            self.reads.shrink_to(GRANTED_BYTES);
            self.collect_freed();
        }
        if self.freed_bytes < GRANTED_BYTES {
            return None;
        }
        let freed = self.freed_bytes.min(self.held_bytes);
        self.freed_bytes = 0;
        self.held_bytes -= freed;
        let bytes = u32::try_from(freed).unwrap_or(u32::MAX);
        self.received.grant(bytes, 0);
        (bytes > 0).then_some(Grant { bytes })
    }

    fn object(&mut self, body: Vec<u8>) -> Result<(), RemoteError> {
        let object =
            message::Object::decode(&body).map_err(|error| RemoteError::broken(error.to_string()))?;
        let (sequence, index) = (object.sequence.number(), object.index);
        let front_bytes = body.len() - object.object.len();
        let delivered = Delivered::new(body, front_bytes, self.shared.freed());
        self.arrived(sequence, index, Outcome::Came(Arc::new(delivered)))
    }

    fn arrived(&mut self, sequence: u64, index: u32, outcome: Outcome) -> Result<(), RemoteError> {
        let Some(Request::Get { ids, missing }) = self.under_way.get_mut(&sequence) else {
            return Err(RemoteError::broken("it sends an object that was not asked for"));
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let id: ObjectId = match ids.get(index) {
            Some(id) if missing.remove(&index) => *id,
            _ => return Err(RemoteError::broken("it sends an object that was not asked for")),
        };
        self.reads.arrived(&id, outcome);
        Ok(())
    }

    fn message(&mut self, message: FromServer<'_>) -> Result<(), RemoteError> {
        match message {
            FromServer::Heartbeat(_) => Ok(()),
            FromServer::Credit(credit) => self.credit(&credit),
            FromServer::Durable(durable) => self.durable(&durable),
            FromServer::Missing(missing) => {
                let sequence = missing.sequence.number();
                let id = match self.under_way.get(&sequence) {
                    Some(Request::Get { ids, .. }) => {
                        usize::try_from(missing.index).ok().and_then(|index| ids.get(index).copied())
                    }
                    _ => None,
                };
                let outcome = answers::missing(id, missing.code);
                self.arrived(sequence, missing.index, outcome)
            }
            FromServer::Refused(refused) => {
                let error =
                    RemoteError::Refused { code: refused.code, text: refused.text.as_str().to_owned() };
                self.refused(refused.sequence.number(), error)
            }
            FromServer::Committed(committed) => self.committed(&committed),
            FromServer::Presence(presence) => self.presence(&presence),
            FromServer::Done(done) => self.done(done.sequence.number()),
            other => answers::take(&mut self.under_way, other),
        }
    }

    fn credit(&mut self, credit: &message::Credit) -> Result<(), RemoteError> {
        self.credit_bytes = self.credit_bytes.saturating_add(u64::from(credit.bytes));
        if self.credit_bytes > CREDIT_BYTES_MAX {
            return Err(RemoteError::broken("it gives credit without end"));
        }
        self.credit.grant(credit.bytes, credit.requests);
        Ok(())
    }

    fn durable(&mut self, durable: &message::Durable) -> Result<(), RemoteError> {
        for range in durable.ranges.iter() {
            let first = range.first.number();
            let last = range.last().filter(|last| *last < self.next.number());
            let last = last.ok_or(RemoteError::broken("it calls durable what was never sent"))?;
            let puts = self.under_way.range(first..=last);
            let puts = puts.filter(|(_, request)| matches!(request, Request::Put { .. }));
            let puts: Vec<u64> = puts.map(|(sequence, _)| *sequence).collect();
            for sequence in puts {
                if let Some(Request::Put { id, object }) = self.under_way.remove(&sequence) {
                    self.puts.durable(&id, &object);
                }
            }
        }
        self.end_flushes();
        Ok(())
    }

    /// Answers the flushes before which everything is durable.
    fn end_flushes(&mut self) {
        while let Some((sequence, _)) = self.flushed.front() {
            let before = self.under_way.range(..sequence);
            if before.into_iter().any(|(_, request)| matches!(request, Request::Put { .. })) {
                return;
            }
            if let Some((_, reply)) = self.flushed.pop_front() {
                self.puts.answered();
                let _ = reply.send(Ok(()));
            }
        }
    }

    fn done(&mut self, sequence: u64) -> Result<(), RemoteError> {
        match self.under_way.remove(&sequence) {
            Some(Request::Flush { reply }) => {
                self.flushed.push_back((sequence, reply));
                self.end_flushes();
                Ok(())
            }
            Some(request) => answers::done(request),
            None => Err(RemoteError::broken("it is done with what was not asked")),
        }
    }

    fn presence(&mut self, presence: &message::Presence) -> Result<(), RemoteError> {
        let known: Vec<bool> = presence.known.iter().collect();
        let request = self.under_way.remove(&presence.sequence.number());
        match request {
            Some(Request::Probe { batch, ids }) if ids.len() == known.len() => {
                self.puts.known(batch, known);
                Ok(())
            }
            Some(Request::Ask { ids, reply }) if ids.len() == known.len() => {
                let _ = reply.send(Ok(known));
                Ok(())
            }
            other => {
                self.put_back(presence.sequence.number(), other);
                Err(RemoteError::broken("it says of objects whether they are there that were not asked for"))
            }
        }
    }

    fn committed(&mut self, committed: &message::Committed) -> Result<(), RemoteError> {
        let sequence = committed.sequence.number();
        match self.under_way.remove(&sequence) {
            Some(Request::Commit { record, reply, .. })
                if committed.snapshot == SnapshotId::from_bytes(*blake3::hash(&record).as_bytes()) =>
            {
                self.shared.acknowledge(committed.journal);
                let (id, received) = (committed.snapshot, committed.received);
                let answer = Committed { id, sequence: committed.journal, received };
                // Whoever does not wait any more does not want to know.
                let _ = reply.send(self.puts.committed().map(|()| answer));
                Ok(())
            }
            other => {
                self.put_back(sequence, other);
                Err(RemoteError::broken("it commits another snapshot than the one it was sent"))
            }
        }
    }

    fn refused(&mut self, sequence: u64, error: RemoteError) -> Result<(), RemoteError> {
        match self.under_way.remove(&sequence) {
            Some(request @ (Request::Put { .. } | Request::Flush { .. } | Request::Commit { .. })) => {
                self.puts.refused(sequence, request, error);
                self.end_flushes();
            }
            Some(Request::Probe { .. }) => self.puts.fail(&error),
            Some(Request::Get { ids, missing }) => {
                for id in missing.iter().filter_map(|index| ids.get(*index)) {
                    self.reads.arrived(id, Outcome::Failed(error.clone()));
                }
            }
            Some(request) => answers::refused(request, error),
            None => return Err(RemoteError::broken("it refuses what was not asked")),
        }
        Ok(())
    }

    /// Leaves a request whose answer was wrong to be failed with the others.
    fn put_back(&mut self, sequence: u64, request: Option<Request>) {
        if let Some(request) = request {
            self.under_way.insert(sequence, request);
        }
    }
}
