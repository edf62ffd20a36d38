//! The connections of a session while they live: a task that reads and one that writes for each.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::limits::HEARTBEAT_SECONDS;
use farkeep_protocol::limits::SILENCE_SECONDS_MAX;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Heartbeat;
use farkeep_protocol::message::Leave;
use farkeep_protocol::state::ClientState;
use farkeep_protocol::stream::FrameReader;
use farkeep_protocol::stream::FrameWriter;
use farkeep_protocol::stream::StreamError;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::error::RemoteError;
use super::preface::Io;
use super::preface::Preface;
use super::preface::Setback;
use super::request::Outgoing;

/// Frames that came and were not looked at. Each may be as large as an object.
const EVENTS_MAX: usize = 4;
/// How long the server may be silent, and how often that is looked at.
const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS_MAX);
const LOOK: Duration = Duration::from_secs(HEARTBEAT_SECONDS);
/// How long the other side is given to hear the last word.
const FAREWELL: Duration = Duration::from_secs(3);

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// A frame came.
    Frame(Kind, Vec<u8>),
    /// The connection can be given more to send.
    Idle(usize),
    /// The server takes no more requests.
    Leaving,
    /// The connection ended.
    Ended(Setback),
}

/// The connections of a session.
pub(super) struct Link {
    pub(super) events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
    lines: Vec<Line>,
    /// Connections that can be given more to send.
    idle: Vec<usize>,
    tasks: JoinSet<()>,
}

struct Line {
    frames: mpsc::Sender<Vec<Outgoing>>,
    state: Arc<Mutex<ClientState>>,
}

impl Link {
    pub(super) fn new() -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        Self { events, sender, lines: Vec::new(), idle: Vec::new(), tasks: JoinSet::new() }
    }

    /// Adds a connection on which the preface is over.
    pub(super) fn add(&mut self, preface: Preface) {
        let number = self.lines.len();
        let (frames, queue) = mpsc::channel(1);
        let state = Arc::new(Mutex::new(preface.state));
        self.tasks.spawn(read(preface.reader, Arc::clone(&state), self.sender.clone()));
        self.tasks.spawn(write(preface.writer, queue, number, self.sender.clone()));
        self.lines.push(Line { frames, state });
        self.idle.push(number);
    }

    /// Whether a connection can be given more to send.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// A connection can be given more to send.
    pub(super) fn rest(&mut self, number: usize) {
        self.idle.push(number);
    }

    /// Gives frames to a connection that is idle.
    pub(super) fn send(&mut self, frames: Vec<Outgoing>) {
        if let Some(line) = self.idle.pop().and_then(|number| self.lines.get(number)) {
            // One that has ended says so by an event.
            let _ = line.frames.try_send(frames);
        }
    }

    /// Ends the session in order: says goodbye, and waits a while until the server has said it too.
    pub(super) async fn leave(mut self) {
        let deadline = Instant::now() + FAREWELL;
        for line in self.lines.drain(..) {
            let may = line.state.lock().unwrap_or_else(PoisonError::into_inner).send(Kind::Goodbye);
            if may.is_ok() {
                let goodbye = vec![Outgoing::new(&Goodbye { reason: Leave::Finished })];
                let _ = timeout_at(deadline, line.frames.send(goodbye)).await;
            }
        }
        // Ends with the last task.
        drop(self.sender);
        while let Ok(Some(_)) = timeout_at(deadline, self.events.recv()).await {}
    }

    /// Tells the server what it did wrong, and ends the connections.
    pub(super) async fn accuse(mut self, error: &RemoteError) {
        let text = error.to_string();
        let fault = Fault { code: Code::MALFORMED, sequence: None, text: Text::beginning(&text) };
        if let Some(line) = self.lines.first() {
            let _ = timeout(FAREWELL, line.frames.send(vec![Outgoing::new(&fault)])).await;
        }
        self.lines.clear();
        self.events.close();
        let _ = timeout(FAREWELL, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

async fn read(
    mut reader: FrameReader<ReadHalf<Box<dyn Io>>>,
    state: Arc<Mutex<ClientState>>,
    events: mpsc::Sender<Event>,
) {
    let mut heard = Instant::now();
    let setback = loop {
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        let held_bytes = reader.held_bytes();
        let (kind, body) = match timeout(LOOK, reader.next(|kind| lock().awaits(kind))).await {
            Err(_) => {
                // A large frame may take its time, as long as it moves.
                if reader.held_bytes() > held_bytes {
                    heard = Instant::now();
                }
                if heard.elapsed() < SILENCE {
                    continue;
                }
                break Setback::Passing("the server fell silent".to_owned());
            }
            Ok(Err(error)) => break error.into(),
            Ok(Ok(frame)) => (frame.kind, frame.body.to_vec()),
        };
        if let Err(error) = lock().receive(kind) {
            break Setback::Final(RemoteError::broken(error.to_string()));
        }
        let event = match kind {
            Kind::Fault => break fault(&body),
            Kind::Goodbye if lock().is_ended() => break Setback::Passing("both said goodbye".to_owned()),
            Kind::Goodbye => Event::Leaving,
            kind => Event::Frame(kind, body),
        };
        if events.send(event).await.is_err() {
            return;
        }
        heard = Instant::now();
    };
    // Whoever does not listen any more knows that it has ended.
    let _ = events.send(Event::Ended(setback)).await;
}

fn fault(body: &[u8]) -> Setback {
    match Fault::decode(body) {
        Ok(fault) => Setback::Fault(fault.code, fault.text.as_str().to_owned()),
        Err(error) => error.into(),
    }
}

async fn write(
    mut writer: FrameWriter<WriteHalf<Box<dyn Io>>>,
    mut queue: mpsc::Receiver<Vec<Outgoing>>,
    number: usize,
    events: mpsc::Sender<Event>,
) {
    let failed: Option<StreamError> = loop {
        let written = match timeout(Duration::from_secs(HEARTBEAT_SECONDS), queue.recv()).await {
            Err(_) => beat(&mut writer).await,
            Ok(None) => break None,
            Ok(Some(frames)) => match send(&mut writer, &frames).await {
                Ok(()) if events.send(Event::Idle(number)).await.is_err() => break None,
                sent => sent,
            },
        };
        if let Err(error) = written {
            break Some(error);
        }
    };
    match failed {
        Some(error) => drop(events.send(Event::Ended(error.into())).await),
        // Nobody wants more to be said: the other side is told, and need not wait either. What is not heard any more need
        // not be said.
        None => drop(writer.finish().await),
    }
}

async fn beat(writer: &mut FrameWriter<WriteHalf<Box<dyn Io>>>) -> Result<(), StreamError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let time = Time::from_nanoseconds(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    writer.feed(&Heartbeat { time }).await?;
    writer.flush().await
}

async fn send(
    writer: &mut FrameWriter<WriteHalf<Box<dyn Io>>>,
    frames: &[Outgoing],
) -> Result<(), StreamError> {
    for frame in frames {
        writer.feed(&frame.body()).await?;
    }
    writer.flush().await
}
