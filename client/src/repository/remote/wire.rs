//! The thread of a session: it owns the connections, takes what is asked, and makes new connections after a cut.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_engine::ChainHash;
use farkeep_engine::Position;
use farkeep_engine::SlotId;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::Name;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Create;
use farkeep_protocol::hello::Open;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Welcome;
use tokio::runtime;
use tokio::sync::mpsc;

use super::error::RemoteError;
use super::link::Event;
use super::link::Link;
use super::preface::Dial;
use super::preface::OpenedRepository;
use super::preface::Preface;
use super::preface::Setback;
use super::puts::Item;
use super::reads::Outcome;
use super::reads::Waiter;
use super::request::Request;
use super::session::Session;
use super::shared::Shared;

/// Bytes of frames that a connection is given at a time.
const GIVEN_BYTES: usize = 512 << 10;
/// The first pause before a new connection is tried; each is twice as long as the one before.
pub(super) const PAUSE_LEAST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// How often a pause looks whether it is still wanted.
const STEP: Duration = Duration::from_millis(50);
/// How long a first connection is tried again that was cut before the session began.
const FIRST_SECONDS: u64 = 10;

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Something for the lane of the puts.
    Lane(Item),
    /// Anything else.
    Ask(Request),
    /// Objects that somebody waits for.
    Want { ids: Vec<ObjectId>, sink: Sender<(usize, Outcome)> },
    /// Objects that will be wanted.
    Soon(Vec<Pointer>),
}

/// How and for what a server is reached.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) dial: Dial,
    /// The server, for messages.
    pub(super) server: String,
    pub(super) repository: String,
    pub(super) access: Access,
    /// How long a cut connection is tried to be made again.
    pub(super) retry_for: Duration,
    /// The first pause before it is tried.
    pub(super) pause: Duration,
    pub(super) connections: usize,
    /// Set from outside to end the trying.
    pub(super) cancel: Arc<AtomicBool>,
}

/// A repository that is to be made.
pub(in crate::repository) struct New {
    pub(in crate::repository) parameters: Vec<u8>,
    pub(in crate::repository) slot: SlotId,
    pub(in crate::repository) slot_bytes: Vec<u8>,
}

/// A session and its thread.
pub(super) struct Started {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) opened: OpenedRepository,
    pub(super) thread: JoinHandle<()>,
}

type Answer = Result<(Arc<Shared>, OpenedRepository), RemoteError>;

/// Begins a session, and waits until the repository is open.
pub(super) fn start(reach: Reach, new: Option<New>) -> Result<Started, RemoteError> {
    let (commands, queue) = mpsc::unbounded_channel();
    let (answer, answered) = sync_channel(1);
    let thread = std::thread::Builder::new().name("farkeep-wire".to_owned());
    let server = reach.server.clone();
    let unreachable =
        |error: std::io::Error| RemoteError::Unreachable { server: server.clone(), why: error.to_string() };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(unreachable)?;
    let thread =
        thread.spawn(move || runtime.block_on(run(reach, new, queue, answer))).map_err(unreachable)?;
    let (shared, opened) = answered.recv().map_err(|_| RemoteError::Ended)??;
    Ok(Started { commands, shared, opened, thread })
}

async fn run(
    reach: Reach,
    new: Option<New>,
    commands: mpsc::UnboundedReceiver<Command>,
    answer: SyncSender<Answer>,
) {
    let (preface, welcome, opened) = match first(&reach, new.as_ref()).await {
        Ok(begun) => begun,
        Err(error) => {
            let _ = answer.send(Err(error));
            return;
        }
    };
    drop(new);
    let shared = Arc::new(Shared::new(position(&opened)));
    let mut session = Session::new(Arc::clone(&shared));
    let first_credit = session.first_credit();
    if let Err(error) = session.begin(&welcome, first_credit) {
        let _ = answer.send(Err(error));
        return;
    }
    if answer.send(Ok((shared, opened.clone()))).is_err() {
        return;
    }
    let mut link = Link::new();
    link.add(preface);
    let mut wire = Wire { reach, session, id: welcome.session, opened, commands };
    wire.widen(&mut link).await;
    wire.live(link).await;
}

/// The first connection. What the server refuses is not tried again, nor one that cannot be reached at all.
async fn first(
    reach: &Reach,
    new: Option<&New>,
) -> Result<(Preface, Welcome, OpenedRepository), RemoteError> {
    let begun = Instant::now();
    let patience = reach.retry_for.min(Duration::from_secs(FIRST_SECONDS));
    let mut pause = reach.pause;
    let mut was_cut = false;
    loop {
        let unreachable = |why: String| RemoteError::Unreachable { server: reach.server.clone(), why };
        let io = (reach.dial)().await.map_err(|setback| match setback {
            Setback::Final(error) => error,
            other => unreachable(other.why()),
        })?;
        let credit = super::session::RECEIVED_BYTES_MAX;
        let setback = match begin(reach, new, io, credit).await {
            Ok(begun) => return Ok(begun),
            // It may be the one that was made before the answer was cut off.
            Err(Setback::Fault(Code::EXISTS, text)) if was_cut => {
                let exists = Setback::Fault(Code::EXISTS, text);
                let io = (reach.dial)().await.map_err(|setback| unreachable(setback.why()))?;
                match begin(reach, None, io, credit).await {
                    Ok(begun) if new.is_some_and(|new| new.parameters == begun.2.parameters) => {
                        return Ok(begun);
                    }
                    Ok(_) => exists,
                    Err(setback) => setback,
                }
            }
            Err(setback) => setback,
        };
        was_cut = true;
        match setback {
            Setback::Passing(why) if begun.elapsed() + pause > patience || reach.is_cancelled() => {
                return Err(unreachable(why));
            }
            Setback::Passing(_) => tokio::time::sleep(pause).await,
            Setback::Fault(code, text) => return Err(RemoteError::Refused { code, text }),
            Setback::Final(error) => return Err(error),
        }
        pause *= 2;
    }
}

/// Begins a session on a connection.
async fn begin(
    reach: &Reach,
    new: Option<&New>,
    io: Box<dyn super::preface::Io>,
    credit: u32,
) -> Result<(Preface, Welcome, OpenedRepository), Setback> {
    let unfit = |_| Setback::Final(RemoteError::broken("it is asked for a repository without a name"));
    let (mut preface, welcome) = Preface::greet(io, Purpose::New, credit).await?;
    let repository = Name::new(&reach.repository).map_err(unfit)?;
    let opened = match new {
        None => preface.open(&Open { repository, access: reach.access }).await?,
        Some(new) => {
            let slot = field::SlotId::from_bytes(*new.slot.as_bytes());
            let slot_bytes = Counted::new(&new.slot_bytes).map_err(unfit)?;
            preface.open(&Create { repository, slot, slot_bytes, parameters: &new.parameters }).await?
        }
    };
    Ok((preface, welcome, opened))
}

fn position(opened: &OpenedRepository) -> Position {
    let chain = ChainHash::from_bytes(*opened.head.hash.as_bytes());
    Position { sequence: opened.head.sequence, chain }
}

/// How the connections of a session ended.
enum End {
    /// Nobody asks any more.
    Finished,
    /// They were cut.
    Cut(String),
    /// The server is not spoken with any more.
    Failed(RemoteError),
}

/// The thread's own.
struct Wire {
    reach: Reach,
    session: Session,
    id: SessionId,
    opened: OpenedRepository,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Wire {
    /// Serves the session to its end, over as many connections as it takes.
    async fn live(&mut self, mut link: Link) {
        loop {
            let failure = match self.serve(&mut link).await {
                End::Finished => return link.leave().await,
                End::Failed(error) => {
                    link.accuse(&error).await;
                    error
                }
                End::Cut(why) => {
                    drop(link);
                    match self.reconnect(why).await {
                        Ok(again) => {
                            link = again;
                            continue;
                        }
                        Err(error) => error,
                    }
                }
            };
            return self.refuse(failure).await;
        }
    }

    /// Passes frames to and fro until the connections end.
    async fn serve(&mut self, link: &mut Link) -> End {
        let mut is_leaving = false;
        let freed = Arc::clone(self.session.shared.freed());
        loop {
            if !is_leaving && let Err(error) = self.give(link) {
                return End::Failed(error);
            }
            if is_leaving && !self.session.is_waiting() {
                return End::Cut("the server is being stopped".to_owned());
            }
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => return End::Finished,
                    Some(command) => {
                        self.take(command);
                        // Whatever else was asked meanwhile goes into the same frames.
                        while let Ok(command) = self.commands.try_recv() {
                            self.take(command);
                        }
                    }
                },
                event = link.events.recv() => match event {
                    None => return End::Cut("the connections have ended".to_owned()),
                    Some(Event::Idle(number)) => link.rest(number),
                    Some(Event::Leaving) => is_leaving = true,
                    Some(Event::Frame(kind, body)) => {
                        if let Err(error) = self.session.receive(kind, body) {
                            return End::Failed(error);
                        }
                    }
                    Some(Event::Ended(setback)) => {
                        return match setback.final_error() {
                            Ok(error) => End::Failed(error),
                            Err(why) => End::Cut(why),
                        };
                    }
                },
                () = freed.wait() => self.session.collect_freed(),
            }
        }
    }

    /// Gives frames to the connections that wait for some.
    fn give(&mut self, link: &mut Link) -> Result<(), RemoteError> {
        while link.has_idle() {
            let mut frames = Vec::new();
            let mut bytes = 0;
            while bytes < GIVEN_BYTES
                && let Some(frame) = self.session.next_frame()?
            {
                bytes += frame.body_bytes();
                frames.push(frame);
            }
            if frames.is_empty() {
                return Ok(());
            }
            link.send(frames);
        }
        Ok(())
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Lane(item) => self.session.puts.add(item),
            Command::Ask(request) => self.session.ask(request),
            Command::Soon(pointers) => self.session.reads.soon(&pointers),
            Command::Want { ids, sink } => {
                for (index, id) in ids.into_iter().enumerate() {
                    self.session.reads.want(id, Waiter { sink: sink.clone(), index });
                }
            }
        }
    }

    /// Makes new connections after a cut, with longer and longer pauses.
    async fn reconnect(&mut self, mut why: String) -> Result<Link, RemoteError> {
        tracing::debug!("the connection to {} was cut: {why}", self.reach.server);
        let begun = Instant::now();
        let mut pause = self.reach.pause;
        loop {
            let waited = self.pause(jittered(pause)).await;
            if !waited || begun.elapsed() > self.reach.retry_for {
                let (server, seconds) = (self.reach.server.clone(), begun.elapsed().as_secs());
                return Err(RemoteError::Lost { server, seconds, why });
            }
            pause = (pause * 2).min(PAUSE_MOST);
            match self.again().await {
                Ok(link) => {
                    tracing::debug!("the connection to {} is there again", self.reach.server);
                    return Ok(link);
                }
                Err(setback) => why = setback.final_error().map_or_else(Ok, Err)?,
            }
        }
    }

    /// Waits, unless nobody wants the connection any more.
    async fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            if self.reach.is_cancelled() || self.commands.is_closed() {
                return false;
            }
            tokio::time::sleep(STEP.min(pause)).await;
        }
        true
    }

    /// Resumes the session, or begins another where the server does not know it any more.
    async fn again(&mut self) -> Result<Link, Setback> {
        let credit = self.session.first_credit();
        let io = (self.reach.dial)().await?;
        let preface = match Preface::greet(io, Purpose::Resume(self.id), credit).await {
            Ok((preface, welcome)) => {
                self.session.begin(&welcome, credit).map_err(Setback::Final)?;
                preface
            }
            Err(Setback::Fault(Code::SESSION_UNKNOWN, _)) => {
                let io = (self.reach.dial)().await?;
                let (preface, welcome, opened) = begin(&self.reach, None, io, credit).await?;
                self.compare(&opened).map_err(Setback::Final)?;
                self.session.begin_anew(&welcome, credit).map_err(Setback::Final)?;
                self.id = welcome.session;
                preface
            }
            Err(other) => return Err(other),
        };
        let mut link = Link::new();
        link.add(preface);
        self.widen(&mut link).await;
        Ok(link)
    }

    /// Whether the repository is the one that was opened before, and no earlier state of it.
    fn compare(&self, opened: &OpenedRepository) -> Result<(), RemoteError> {
        let (head, before) = (position(opened), self.session.shared.head());
        if opened.repository != self.opened.repository || opened.parameters != self.opened.parameters {
            return Err(RemoteError::Replaced);
        }
        let seen = self.session.shared.acknowledged();
        if head.sequence < seen || (head.sequence == before.sequence && head.chain != before.chain) {
            return Err(RemoteError::RolledBack { seen, found: head.sequence });
        }
        self.session.shared.set_head(head);
        Ok(())
    }

    /// Adds the further connections of the session. One that is not to be had is done without.
    async fn widen(&mut self, link: &mut Link) {
        for _ in 1..self.reach.connections {
            let stripe = match (self.reach.dial)().await {
                Ok(io) => Preface::greet(io, Purpose::Stripe(self.id), 0).await,
                Err(setback) => Err(setback),
            };
            match stripe {
                Ok((preface, _)) => link.add(preface),
                Err(setback) => tracing::debug!("no further connection: {}", setback.why()),
            }
        }
    }

    /// Answers everything with the reason why nothing is asked any more.
    async fn refuse(&mut self, error: RemoteError) {
        self.session.fail(&error);
        while let Some(command) = self.commands.recv().await {
            self.take(command);
            self.session.fail(&error);
        }
    }
}

impl Reach {
    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// Half of the pause, and a random part of the other half, so that many clients do not come back as one.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without a random number it is half of it.
    let _ = getrandom::fill(&mut byte);
    pause / 2 + pause.mul_f64(f64::from(byte[0]) / 512.0)
}
