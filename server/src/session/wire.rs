//! A connection of a session: frames come, answers go, and neither may stand still.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::layout::Malformed;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Retry;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::frame::Frame;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::state::ServerState;
use farkeep_protocol::stream::FrameReader;
use farkeep_protocol::stream::FrameWriter;
use farkeep_protocol::stream::StreamError;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::io::copy;
use tokio::io::sink;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio::time::timeout;

use super::answer::Answer;
use super::event::Attached;
use super::event::Ending;
use super::event::Event;
use super::event::Ties;
use super::line::LineId;
use super::line::Outbox;
use super::line::units;
use super::pace::Pace;
use super::pace::Verdict;
use super::request::Ask;
use super::request::Came;
use super::request::Request;
use crate::bridge::Failure;
use crate::config::Config;
use crate::observe::Observer;

/// Both directions of a connection, and how far it is.
pub(super) struct Wire<S> {
    pub(super) reader: FrameReader<Metered<ReadHalf<S>>>,
    pub(super) writer: FrameWriter<WriteHalf<S>>,
    pub(super) state: SharedState,
    pub(super) config: Arc<Config>,
    pub(super) observer: Arc<Observer>,
}

/// How far a connection is, for both of its directions.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedState(Arc<Mutex<ServerState>>);

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().expect("nothing panics while it looks at a state")
    }
}

/// Counts what it reads.
#[derive(Debug)]
pub(super) struct Metered<R> {
    source: R,
    bytes: u64,
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.source).poll_read(context, buffer))?;
        self.bytes += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

/// Why a connection is ended by whoever reads it.
struct Stop {
    how: Ending,
    last: Last,
}

/// What the client is told last.
enum Last {
    Nothing,
    /// What the session has said already: it is over.
    Said,
    Fault(Option<Sequence>, Failure),
}

impl Stop {
    fn quietly(how: Ending) -> Self {
        Self { how, last: Last::Nothing }
    }

    fn with(sequence: Option<Sequence>, failure: Failure) -> Self {
        let is_final = failure.code.retry() == Retry::Never;
        let how = if is_final { Ending::Final } else { Ending::Cut };
        Self { how, last: Last::Fault(sequence, failure) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, config: Arc<Config>, observer: Arc<Observer>) -> Self {
        let (source, target) = tokio::io::split(stream);
        let reader = FrameReader::new(Metered { source, bytes: 0 });
        Self { reader, writer: FrameWriter::new(target), state: SharedState::default(), config, observer }
    }

    /// Carries frames and answers until the connection ends, and tells the session how.
    pub(super) async fn run(self, attached: &Attached, outbox: Outbox, answers: mpsc::Receiver<Answer>) {
        let Self { mut reader, writer, state, config, observer } = self;
        let (line, ties) = (attached.line, &attached.ties);
        let read = read(&mut reader, &state, (&config, &observer), line, ties);
        let write = write(writer, &state, (&config, &observer), answers);
        tokio::pin!(write);
        let how = tokio::select! {
            stop = read => {
                let is_told = !matches!(stop.last, Last::Nothing);
                if let Last::Fault(sequence, failure) = stop.last {
                    tracing::info!(%failure, "a connection is ended");
                    drop(outbox.tell(Answer::Fault { sequence, failure }));
                }
                drop(outbox);
                if is_told {
                    // It may wait behind other answers, if the client reads them.
                    drop(timeout(config.deadlines.step, &mut write).await);
                }
                stop.how
            }
            how = &mut write => how,
        };
        drop(ties.events.send(Event::Ended { line, how }).await);
        linger(reader, &config).await;
    }

    /// Ends a connection on which there is nothing more to say.
    pub(super) async fn finish(self) {
        let Self { reader, writer, config, .. } = self;
        drop(timeout(config.deadlines.step, writer.finish()).await);
        linger(reader, &config).await;
    }
}

/// Longest time that a connection is read on behind its end.
const LINGER: Duration = Duration::from_secs(5);

/// Reads what is still on its way, for a moment, and looks at nothing of it. A connection that is closed on top of
/// what nobody has read is reset, and what was said last may never arrive.
async fn linger<R: AsyncRead + Unpin>(reader: FrameReader<R>, config: &Config) {
    let mut source = reader.into_source();
    drop(timeout(LINGER.min(config.deadlines.step), copy(&mut source, &mut sink())).await);
}

/// Reads until there is a reason to stop.
async fn read<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<Metered<R>>,
    state: &SharedState,
    (config, observer): (&Config, &Observer),
    line: LineId,
    ties: &Ties,
) -> Stop {
    let mut pace = Pace::new(config, Instant::now());
    let tick = pace.tick();
    loop {
        let next = reader.next(|kind| state.lock().awaits(kind));
        let came = match timeout(tick, next).await {
            Ok(Ok(frame)) => {
                observer.counters.received(frame.kind, frame.body.len());
                came(&frame, state)
            }
            Ok(Err(error)) => return broken(&error, state),
            Err(_) => {
                let (bytes, is_inside) = (reader.source().bytes, reader.is_inside());
                if !is_inside {
                    reader.shrink();
                }
                match pace.look(Instant::now(), bytes, is_inside) {
                    Verdict::Moves => continue,
                    Verdict::Silent => return Stop::with(None, failure(Code::DEADLINE, "nothing was heard")),
                    Verdict::Slow => {
                        return Stop::with(None, failure(Code::TOO_SLOW, "a frame came too slowly"));
                    }
                }
            }
        };
        pace.frame();
        let stop = match came {
            Ok(came) => take(came, reader, line, ties).await,
            Err(stop) => Some(stop),
        };
        if let Some(stop) = stop {
            return stop;
        }
        if state.lock().is_ended() {
            return Stop::quietly(Ending::InOrder);
        }
    }
}

fn failure(code: Code, text: &str) -> Failure {
    Failure::new(code, text)
}

fn came(frame: &Frame<'_>, state: &SharedState) -> Result<Came, Stop> {
    let malformed = |malformed: Malformed| {
        let sequence = frame.sequence().ok().flatten();
        Stop::with(sequence, Failure::new(Code::MALFORMED, malformed.to_string()))
    };
    state
        .lock()
        .receive(frame.kind)
        .map_err(|error| Stop::with(None, Failure::new(Code::UNEXPECTED_MESSAGE, error.to_string())))?;
    Came::decode(frame).map_err(malformed)
}

/// What the end of a stream means.
fn broken(error: &StreamError, state: &SharedState) -> Stop {
    match error.code() {
        Some(code) => Stop::with(None, Failure::new(code, error.to_string())),
        None if state.lock().is_ended() => Stop::quietly(Ending::InOrder),
        None => Stop::quietly(Ending::Cut),
    }
}

/// Passes on what came from this reader.
async fn take<R: AsyncRead + Unpin>(
    came: Came,
    reader: &mut FrameReader<R>,
    line: LineId,
    ties: &Ties,
) -> Option<Stop> {
    let event = match came {
        Came::Heartbeat => return None,
        Came::Grant { bytes } => {
            ties.outflow.grant(bytes);
            return None;
        }
        Came::Fault { is_final } => {
            return Some(Stop::quietly(if is_final { Ending::Final } else { Ending::Cut }));
        }
        Came::Adopted => {
            return Some(Stop::with(None, failure(Code::ROLE, "nothing was sent that could be adopted")));
        }
        Came::Goodbye => Event::Goodbye { line },
        Came::Request(request) => admit(request, line, ties).await,
        Came::Put { sequence, id, body_bytes, object_bytes } => {
            // Not copied: of what many clients put at once, memory holds each byte once.
            let ask = Ask::Put { id, object: reader.take_end(object_bytes) };
            admit(Request { sequence, kind: Kind::Put, body_bytes, ask }, line, ties).await
        }
    };
    // A session that is gone has sent its reason on the way out.
    ties.events.send(event).await.err().map(|_| Stop { how: Ending::Cut, last: Last::Said })
}

/// Waits until a client that asks too fast may ask again, and for room for a request that costs no credit. A Get must not wait: the room that it waits for may be held by
/// others that wait for what the client says behind it.
async fn admit(mut request: Request, line: LineId, ties: &Ties) -> Event {
    let delay = ties.account.delay(Instant::now());
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let units = units(request.body_bytes);
    let requests = Arc::clone(&ties.requests);
    let room = match &request.ask {
        _ if request.kind.is_charged() => None,
        Ask::Get { .. } | Ask::List { .. } | Ask::ListAll { .. } | Ask::Slots => {
            let room = requests.try_acquire_many_owned(units).ok();
            if room.is_none() {
                request.ask = Ask::TooMany;
            }
            room
        }
        _ => requests.acquire_many_owned(units).await.ok(),
    };
    Event::Request { line, request, room }
}

/// Writes answers until the last one.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    state: &SharedState,
    (config, observer): (&Config, &Observer),
    mut answers: mpsc::Receiver<Answer>,
) -> Ending {
    loop {
        let answer = match timeout(config.deadlines.heartbeat, answers.recv()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ending::Cut,
            Err(_) => {
                writer.shrink();
                Answer::heartbeat(observer.now())
            }
        };
        let mut next = Some(answer);
        while let Some(answer) = next {
            let Some(kind) = answer.kind() else { return finish(writer, config, Ending::Cut).await };
            let sent = state.lock().send(kind);
            if let Err(error) = sent {
                // After the end nothing is said, whatever was on its way.
                tracing::debug!(%error, "an answer came too late");
                return finish(writer, config, Ending::InOrder).await;
            }
            if let Some(code) = answer.code() {
                observer.counters.fault(code);
            }
            let limit = patience(config, answer.payload_bytes());
            if !matches!(timeout(limit, answer.feed(&mut writer)).await, Ok(Ok(()))) {
                return Ending::Cut;
            }
            if kind == Kind::Fault {
                return finish(writer, config, Ending::Final).await;
            }
            if state.lock().is_ended() {
                return finish(writer, config, Ending::InOrder).await;
            }
            next = answers.try_recv().ok();
        }
        if !matches!(timeout(patience(config, 0), writer.flush()).await, Ok(Ok(()))) {
            return Ending::Cut;
        }
    }
}

/// Writes what is left, and ends the connection as TLS does.
async fn finish<W: AsyncWrite + Unpin>(writer: FrameWriter<W>, config: &Config, how: Ending) -> Ending {
    drop(timeout(config.deadlines.step, writer.finish()).await);
    how
}

/// How long a client may take for so many bytes.
fn patience(config: &Config, bytes: usize) -> Duration {
    let seconds = bytes as u64 / config.rates.progress_bytes.max(1);
    config.deadlines.progress.saturating_add(Duration::from_secs(seconds))
}
