//! The task that owns a session. It never waits for anything but the next thing to happen.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use farkeep_protocol::credit::Overdrawn;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::limits::CONNECTIONS_MAX;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Leave;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;

use super::House;
use super::Phase;
use super::answer::Answer;
use super::answer::committed;
use super::credit::Intake;
use super::credit::Outflow;
use super::event::Attached;
use super::event::EVENTS_WAITING_MAX;
use super::event::Ending;
use super::event::Event;
use super::event::News;
use super::event::Ties;
use super::event::Way;
use super::line::Line;
use super::line::LineId;
use super::line::Outbox;
use super::numbers::Numbers;
use super::numbers::sequence;
use super::puts::Ordered;
use super::puts::Puts;
use super::request::Ask;
use super::request::Request;
use super::sessions::Place;
use super::stops::Stops;
use crate::bridge::Account;
use crate::bridge::Failure;
use crate::bridge::Lease;
use crate::bridge::Member;
use crate::bridge::Reply;
use crate::bridge::Seat;
use crate::observe::Held;
use crate::registry::Client;
use crate::registry::Standing;

/// Requests that are worked on at a time, puts apart.
const WORKERS: usize = 4;
/// Room in [units](super::line::units) for requests that no credit is charged for.
const REQUEST_UNITS: usize = 4 << 10;

/// Who opened a session, and what it may do.
pub(super) struct Owner {
    pub(super) key: PublicKey,
    pub(super) client: Arc<Client>,
    pub(super) account: Arc<Account>,
    pub(super) rights: Rights,
    /// A place among the sessions of the client.
    pub(super) _seat: Seat,
    /// One more in the figures.
    pub(super) _counted: Held,
}

/// A session.
pub(super) struct Session {
    pub(super) house: Arc<House>,
    pub(super) owner: Owner,
    pub(super) place: Place,
    pub(super) lease: Lease,
    events: mpsc::Receiver<Event>,
    news: mpsc::UnboundedReceiver<News>,
    pub(super) news_sender: mpsc::UnboundedSender<News>,
    pub(super) ties: Ties,
    pub(super) lines: BTreeMap<LineId, Line>,
    next_line: u64,
    pub(super) numbers: Numbers,
    pub(super) intake: Intake,
    /// Counts how often numbers began anew.
    pub(super) incarnation: u64,
    /// Requests that are carried out in the order of their numbers.
    pub(super) queue: BTreeMap<u64, Ordered>,
    pub(super) puts: Puts,
    /// Requests that were not answered, puts apart.
    pub(super) open: BTreeMap<u64, LineId>,
    pub(super) workers: Arc<Semaphore>,
    pub(super) verifying: Arc<Semaphore>,
    pub(super) stops: Stops,
    /// A connection that waits to resume the session.
    rejoining: Option<(Outbox, Reply<Attached>)>,
    /// When the session ends if no connection comes.
    ends: Option<Instant>,
    is_over: bool,
    /// Connections on which the client has said goodbye and waits for an answer, once the session is over.
    farewell: Vec<Outbox>,
}

impl Session {
    /// A session with its first connection.
    pub(super) fn begin(
        house: Arc<House>,
        owner: Owner,
        place: Place,
        lease: Lease,
        credits: (u32, u32),
        outbox: Outbox,
    ) -> (Self, Attached) {
        let (credit_bytes, outflow_bytes) = credits;
        let requests = house.config.limits.session_requests;
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (news_sender, news) = mpsc::unbounded_channel();
        let ties = Ties {
            events: sender,
            outflow: Arc::new(Outflow::new(outflow_bytes)),
            requests: Arc::new(Semaphore::new(REQUEST_UNITS)),
            account: Arc::clone(&owner.account),
        };
        place.fill(owner.key, ties.events.clone());
        let mut session = Self {
            house,
            owner,
            place,
            lease,
            events,
            news,
            news_sender,
            ties,
            lines: BTreeMap::new(),
            next_line: 0,
            numbers: Numbers::from(1, requests),
            intake: Intake::new(credit_bytes, requests),
            incarnation: 0,
            queue: BTreeMap::new(),
            puts: Puts::default(),
            open: BTreeMap::new(),
            workers: Arc::new(Semaphore::new(WORKERS)),
            verifying: Arc::new(Semaphore::new(1)),
            stops: Stops::default(),
            rejoining: None,
            ends: None,
            is_over: false,
            farewell: Vec::new(),
        };
        let line = session.add_line(outbox);
        let ties = session.ties.clone();
        (session, Attached { line, ties, credit_bytes, acknowledged: 0 })
    }

    /// Lives until the session ends.
    pub(super) async fn run(mut self) {
        let mut clients = self.house.clients.watch();
        let mut phase = self.house.phase.subscribe();
        // What changed before is looked at too.
        self.check_standing();
        self.enter(*phase.borrow_and_update());
        while !self.is_over {
            let ends = self.ends.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                Some(news) = self.news.recv() => self.learn(news),
                Ok(()) = clients.changed() => self.check_standing(),
                Ok(()) = phase.changed() => {
                    let now = *phase.borrow_and_update();
                    self.enter(now);
                }
                Some(event) = self.events.recv() => self.take(event),
                () = sleep_until(ends), if self.ends.is_some() => self.is_over = true,
            }
            self.advance();
            self.settle();
        }
        self.place.hide();
        self.house.groups.gone(self.member());
        self.turn_away().await;
        // What the engine has begun is seen to its end, so that it is counted right.
        while self.puts.is_busy() {
            match self.news.recv().await {
                Some(news) => self.learn(news),
                None => break,
            }
        }
        // Whoever hears the last goodbye finds nothing left of the session.
        let farewell = std::mem::take(&mut self.farewell);
        drop(self);
        for outbox in farewell {
            drop(outbox.tell(Answer::goodbye(Leave::Finished)));
        }
    }

    /// Tells those who come too late that the session is over.
    async fn turn_away(&mut self) {
        self.events.close();
        // Also those who are about to say so at this moment.
        while let Some(event) = self.events.recv().await {
            if let Event::Attach { reply, .. } = event {
                reply.send(Err(Failure::new(Code::SESSION_UNKNOWN, "the session has ended")));
            }
        }
    }

    /// What it is to consistency groups.
    pub(super) fn member(&self) -> Member {
        Member { session: self.place.id, client: *self.owner.key.as_bytes() }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Attach { outbox, way, reply } => self.attach(outbox, way, reply),
            Event::Request { line, request, room } => self.request(line, request, room),
            Event::Goodbye { line } => {
                if let Some(line) = self.lines.get_mut(&line) {
                    line.is_leaving = true;
                    self.hurry();
                }
            }
            Event::Ended { line, how } => self.line_ended(line, how),
        }
    }

    fn learn(&mut self, news: News) {
        match news {
            News::Taken { outcome } => self.taken(outcome),
            News::Synced { ticket, outcome } => self.synced(ticket, outcome),
            News::Flushed { incarnation, number, outcome } => {
                let done = |sequence| FromServer::Done(farkeep_protocol::message::Done { sequence });
                let answer = outcome.map(|()| done(sequence(number)));
                self.answered(incarnation, number, answer.map(Some));
            }
            News::Committed { incarnation, number, outcome } => {
                let poison = outcome.as_ref().err().filter(|failure| failure.is_poison()).cloned();
                let answer = outcome.map(|at| Some(committed(sequence(number), &at)));
                self.answered(incarnation, number, answer);
                if let Some(failure) = poison {
                    self.fail(failure, None);
                }
            }
            News::Gathered { incarnation, number, answer } => {
                self.answered(incarnation, number, answer.map(Some));
            }
            News::Finished { incarnation, number } => self.answered(incarnation, number, Ok(None)),
        }
    }

    fn add_line(&mut self, outbox: Outbox) -> LineId {
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.lines.insert(id, Line::new(outbox));
        self.ends = None;
        id
    }

    fn attach(&mut self, outbox: Outbox, way: Way, reply: Reply<Attached>) {
        if *self.house.phase.borrow() != Phase::Running {
            let stopping = Failure::new(Code::SERVER_STOPPING, "the server is being stopped");
            return reply.send(Err(stopping));
        }
        match way {
            Way::Resume => {
                self.interrupt();
                self.rejoining = Some((outbox, reply));
                self.hurry();
            }
            Way::Stripe if self.lines.is_empty() => {
                let text = "the session has no connection: resume it";
                reply.send(Err(Failure::new(Code::SESSION_UNKNOWN, text)));
            }
            Way::Stripe if self.lines.len() >= CONNECTIONS_MAX => {
                let text = format!("a session has at most {CONNECTIONS_MAX} connections");
                reply.send(Err(Failure::new(Code::SERVER_FULL, text)));
            }
            Way::Stripe => {
                let line = self.add_line(outbox);
                let ties = self.ties.clone();
                reply.send(Ok(Attached { line, ties, credit_bytes: 0, acknowledged: 0 }));
            }
        }
    }

    /// Ends all connections, and forgets what the client is going to ask again.
    fn interrupt(&mut self) {
        for line in std::mem::take(&mut self.lines).into_values() {
            drop(line.outbox.tell(Answer::Close));
        }
        self.incarnation += 1;
        // Numbers are given out again.
        self.stops = Stops::default();
        self.open.clear();
        let missing = self.numbers.missing();
        self.queue.retain(|number, ordered| *number < missing && matches!(ordered, Ordered::Put { .. }));
    }

    /// Takes back a connection that waits for it, once everything that came before is durable or refused.
    fn rejoin(&mut self) {
        if self.rejoining.is_none() || self.puts.is_busy() || !self.queue.is_empty() {
            return;
        }
        let Some((outbox, reply)) = self.rejoining.take() else { return };
        let acknowledged = self.puts.acknowledged(self.numbers.missing());
        let requests = self.house.config.limits.session_requests;
        let credit_bytes = self.house.sessions.share_bytes();
        self.puts.begin_anew();
        self.numbers = Numbers::from(acknowledged + 1, requests);
        self.intake = Intake::new(credit_bytes, requests);
        let line = self.add_line(outbox);
        reply.send(Ok(Attached { line, ties: self.ties.clone(), credit_bytes, acknowledged }));
    }

    fn line_ended(&mut self, id: LineId, how: Ending) {
        let Some(line) = self.lines.remove(&id) else { return };
        let is_in_order = how == Ending::InOrder || line.is_leaving;
        if how == Ending::Final || is_in_order && self.lines.is_empty() && self.rejoining.is_none() {
            for line in std::mem::take(&mut self.lines).into_values() {
                drop(line.outbox.tell(Answer::Close));
            }
            self.is_over = true;
        } else if self.lines.is_empty() && self.rejoining.is_none() {
            if *self.house.phase.borrow() != Phase::Running {
                // Nobody can come back to it.
                self.is_over = true;
                return;
            }
            tracing::debug!("a session waits to be resumed");
            self.ends = Some(Instant::now() + self.house.config.deadlines.resume);
        }
    }

    /// A request came: it is counted, then allowed, then carried out.
    fn request(&mut self, id: LineId, request: Request, room: Option<OwnedSemaphorePermit>) {
        let Request { sequence, kind, body_bytes, ask } = request;
        let number = sequence.number();
        let Some(line) = self.lines.get_mut(&id) else { return };
        let is_rising = number > line.last;
        line.last = number;
        line.unanswered += 1;
        let charged_bytes = kind.is_charged().then_some(body_bytes);
        if let Err(Overdrawn) = self.intake.charge(charged_bytes) {
            return self.fail(Failure::new(Code::CREDIT, Overdrawn.to_string()), Some(sequence));
        }
        let taken = self.numbers.take(number).map_err(|wrong| wrong.to_string());
        if let Err(text) = taken.and(is_rising.then_some(()).ok_or("numbers rise on a connection".to_owned()))
        {
            return self.fail(Failure::new(Code::SEQUENCE, text), Some(sequence));
        }
        let is_allowed = self.owner.rights.allow(kind);
        if let Ask::Put { id: object_id, object } = ask {
            self.puts.came(number);
            let put = Ordered::Put { line: id, id: object_id, object, body_bytes };
            match is_allowed {
                true => drop(self.queue.insert(number, put)),
                false => {
                    self.intake.free_bytes(body_bytes);
                    self.refuse_put(number, id, role(kind.name()));
                }
            }
            return;
        }
        self.open.insert(number, id);
        if !is_allowed {
            self.intake.free_bytes(charged_bytes.unwrap_or(0));
            return self.answered(self.incarnation, number, Err(role(kind.name())));
        }
        self.begin_request(id, sequence, ask, body_bytes, room);
    }

    /// A request that is no put was answered: here, or by whoever worked on it.
    pub(super) fn answered(
        &mut self,
        incarnation: u64,
        number: u64,
        answer: Result<Option<FromServer<'static>>, Failure>,
    ) {
        if incarnation != self.incarnation {
            return;
        }
        let Some(line) = self.open.remove(&number) else { return };
        self.intake.free_request();
        let answer = match answer {
            Ok(None) => None,
            Ok(Some(message)) => Some(Answer::Plain(message)),
            Err(failure) => Some(Answer::Refused { sequence: sequence(number), failure }),
        };
        self.answer(line, answer);
    }

    /// One request of a connection was answered.
    pub(super) fn answer(&mut self, id: LineId, answer: Option<Answer>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.unanswered = line.unanswered.saturating_sub(1);
        if let Some(answer) = answer {
            self.tell(id, answer);
        }
    }

    /// Sends something on a connection. One that does not take it is cut.
    pub(super) fn tell(&mut self, id: LineId, answer: Answer) {
        let Some(line) = self.lines.get(&id) else { return };
        if line.outbox.tell(answer).is_err() {
            tracing::debug!("a client does not read its answers");
            self.line_ended(id, Ending::Cut);
        }
    }

    /// Ends the session with a fault.
    pub(super) fn fail(&mut self, failure: Failure, sequence: Option<Sequence>) {
        tracing::info!(%failure, "a session is ended");
        for line in std::mem::take(&mut self.lines).into_values() {
            drop(line.outbox.tell(Answer::Fault { sequence, failure: failure.clone() }));
        }
        if let Some((_, reply)) = self.rejoining.take() {
            reply.send(Err(failure));
        }
        self.is_over = true;
    }

    /// Says what is due after whatever has happened.
    fn settle(&mut self) {
        self.rejoin();
        if let Some(main) = self.lines.keys().next().copied()
            && let Some(credit) = self.intake.due(self.house.sessions.share_bytes())
        {
            self.tell(main, Answer::Plain(FromServer::Credit(credit)));
        }
        let is_due = |line: &Line| line.is_leaving && !line.is_left && line.unanswered == 0;
        let due: BTreeSet<LineId> =
            self.lines.iter().filter(|(_, line)| is_due(line)).map(|(id, _)| *id).collect();
        let mut others = self.lines.iter().filter(|(id, _)| !due.contains(id)).map(|(_, line)| line);
        if !due.is_empty() && self.rejoining.is_none() && others.all(|line| line.is_leaving && line.is_left) {
            let last = due.iter().filter_map(|id| self.lines.get(id));
            self.farewell = last.map(|line| line.outbox.clone()).collect();
            self.is_over = true;
            return;
        }
        for id in due {
            self.leave(id, Leave::Finished);
        }
    }

    fn leave(&mut self, id: LineId, reason: Leave) {
        if let Some(line) = self.lines.get_mut(&id)
            && !line.is_left
        {
            line.is_left = true;
            self.tell(id, Answer::goodbye(reason));
        }
    }

    /// Whether the client still is what it was when the session began.
    fn check_standing(&mut self) {
        let failure = match self.house.clients.standing(&self.owner.key) {
            Standing::Known(client) if client.role != self.owner.client.role => {
                Failure::new(Code::ROLE, "the role of this client has changed")
            }
            Standing::Known(client) if !client.repositories.iter().any(|name| name == self.lease.name()) => {
                Failure::new(Code::REPOSITORY_UNKNOWN, "the repository is not open to this client any more")
            }
            Standing::Known(_) => return,
            Standing::Revoked | Standing::Unknown => {
                Failure::new(Code::REVOKED, "the key of this client was revoked")
            }
        };
        self.fail(failure, None);
    }

    fn enter(&mut self, phase: Phase) {
        match phase {
            Phase::Running => {}
            Phase::Draining if self.lines.is_empty() && self.rejoining.is_none() => self.is_over = true,
            Phase::Draining => {
                let lines: Vec<LineId> = self.lines.keys().copied().collect();
                lines.into_iter().for_each(|id| self.leave(id, Leave::Stopping));
                self.hurry();
            }
            Phase::Over => {
                self.fail(Failure::new(Code::SERVER_STOPPING, "the server is being stopped"), None);
            }
        }
    }
}

fn role(what: &str) -> Failure {
    Failure::new(Code::ROLE, format!("{what} is not allowed to this client here"))
}
