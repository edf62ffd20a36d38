//! The beginning of a connection: TLS, Hello, and what follows until requests can be made.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::layout::Malformed;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::fault::Retry;
use farkeep_protocol::field::JournalHead;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Enroll;
use farkeep_protocol::hello::Enrolled;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Magic;
use farkeep_protocol::hello::Opened;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::identity::ALPN;
use farkeep_protocol::identity::Host;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::limits::PREFACE_SECONDS_MAX;
use farkeep_protocol::limits::VERSION_LEAST;
use farkeep_protocol::limits::VERSION_MOST;
use farkeep_protocol::state::ClientState;
use farkeep_protocol::stream::FrameReader;
use farkeep_protocol::stream::FrameWriter;
use farkeep_protocol::stream::StreamError;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::RemoteError;
use super::tls;

/// How long the other side is waited for at each step.
const PATIENCE: Duration = Duration::from_secs(PREFACE_SECONDS_MAX);

/// What carries bytes both ways.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Dialling = Pin<Box<dyn Future<Output = Result<Box<dyn Io>, Setback>> + Send>>;

/// Makes one more connection to the server.
pub(super) type Dial = Arc<dyn Fn() -> Dialling + Send + Sync>;

/// Why a connection did not get on.
#[derive(Debug)]
pub(super) enum Setback {
    /// It may get on later.
    Passing(String),
    /// The server said why not.
    Fault(Code, String),
    /// It will not.
    Final(RemoteError),
}

impl Setback {
    /// Why not, for people.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Passing(why) => why.clone(),
            Self::Fault(code, text) => format!("{text} ({code})"),
            Self::Final(error) => error.to_string(),
        }
    }

    /// The error, if waiting does not help.
    pub(super) fn final_error(self) -> Result<RemoteError, String> {
        match self {
            Self::Fault(code, text) if code.retry() == Retry::Never => {
                Ok(RemoteError::Refused { code, text })
            }
            Self::Final(error) => Ok(error),
            other => Err(other.why()),
        }
    }
}

impl From<StreamError> for Setback {
    fn from(error: StreamError) -> Self {
        match error.code() {
            Some(_) => Self::Final(RemoteError::broken(error.to_string())),
            None => Self::Passing(error.to_string()),
        }
    }
}

impl From<Malformed> for Setback {
    fn from(error: Malformed) -> Self {
        Self::Final(RemoteError::broken(error.to_string()))
    }
}

/// How a server is reached: by TCP, and TLS with this key.
///
/// # Errors
/// When the key cannot be used.
pub(super) fn dial(
    host: &Host,
    port: u16,
    identity: &AgentIdentity,
    server: PublicKey,
) -> Result<Dial, RemoteError> {
    let shown = format!("{host}:{port}");
    let unreachable = |why: String| RemoteError::Unreachable { server: shown.clone(), why };
    let tls = tls::connector(identity, server).map_err(|error| unreachable(error.to_string()))?;
    let host = host.as_str().to_owned();
    let name = shown.clone();
    Ok(Arc::new(move || {
        let (tls, host, name) = (tls.clone(), host.clone(), name.clone());
        Box::pin(async move {
            let tcp = within(TcpStream::connect((host.as_str(), port))).await?;
            tcp.set_nodelay(true).map_err(passing)?;
            let stream = match timeout(PATIENCE, tls.connect(tls::server_name(), tcp)).await {
                Err(_) => return Err(Setback::Passing("the server does not answer".to_owned())),
                Ok(Err(error)) if tls::is_other_key(&error) => {
                    return Err(Setback::Final(RemoteError::WrongServer { server: name }));
                }
                Ok(stream) => stream.map_err(passing)?,
            };
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                return Err(Setback::Final(RemoteError::broken("it does not speak farkeep/1")));
            }
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped by")]
fn passing(error: io::Error) -> Setback {
    Setback::Passing(error.to_string())
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, Setback> {
    match timeout(PATIENCE, work).await {
        Err(_) => Err(Setback::Passing("the server does not answer".to_owned())),
        Ok(done) => done.map_err(passing),
    }
}

/// What the server said of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenedRepository {
    pub(super) repository: RepositoryId,
    pub(super) rights: Rights,
    pub(super) head: JournalHead,
    pub(super) parameters: Vec<u8>,
}

/// What the server made of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) repositories: Vec<String>,
}

/// A connection on which no request was made yet.
pub(super) struct Preface {
    pub(super) reader: FrameReader<ReadHalf<Box<dyn Io>>>,
    pub(super) writer: FrameWriter<WriteHalf<Box<dyn Io>>>,
    pub(super) state: ClientState,
}

impl Preface {
    /// Says Hello, and waits for the Welcome.
    pub(super) async fn greet(
        io: Box<dyn Io>,
        purpose: Purpose,
        credit_bytes: u32,
    ) -> Result<(Self, Welcome), Setback> {
        let mut preface = Self::begin(io, purpose, credit_bytes).await?;
        let body = preface.answer(Kind::Welcome).await?;
        let welcome = Welcome::decode(&body)?;
        let broken = |what: &str| Err(Setback::Final(RemoteError::broken(what)));
        if !(VERSION_LEAST..=VERSION_MOST).contains(&welcome.version) {
            return broken("it chose a version that was not offered");
        }
        preface.state.agree(welcome.version);
        match purpose {
            Purpose::Resume(session) | Purpose::Stripe(session) if welcome.session != session => {
                broken("it welcomes to another session than the one that was asked for")
            }
            Purpose::New if welcome.acknowledged != 0 => broken("it acknowledges what was never sent"),
            _ => Ok((preface, welcome)),
        }
    }

    /// Shows a token, under which the host becomes known.
    pub(super) async fn enroll(io: Box<dyn Io>, enroll: &Enroll<'_>) -> Result<Admitted, Setback> {
        let mut preface = Self::begin(io, Purpose::Enroll, 0).await?;
        preface.send(enroll).await?;
        let body = preface.answer(Kind::Enrolled).await?;
        let enrolled = Enrolled::decode(&body)?;
        let repositories = enrolled.repositories.iter().map(|name| name.as_str().to_owned()).collect();
        let name = enrolled.name.as_str().to_owned();
        Ok(Admitted { role: enrolled.role, name, repositories })
    }

    /// Opens or makes the repository.
    pub(super) async fn open<'a>(&mut self, message: &impl Body<'a>) -> Result<OpenedRepository, Setback> {
        self.send(message).await?;
        let body = self.answer(Kind::Opened).await?;
        let opened = Opened::decode(&body)?;
        Ok(OpenedRepository {
            repository: opened.repository,
            rights: opened.rights,
            head: opened.head,
            parameters: opened.parameters.to_vec(),
        })
    }

    async fn begin(io: Box<dyn Io>, purpose: Purpose, credit_bytes: u32) -> Result<Self, Setback> {
        let (read, write) = tokio::io::split(io);
        let (reader, writer) = (FrameReader::new(read), FrameWriter::new(write));
        let mut preface = Self { reader, writer, state: ClientState::new(purpose) };
        let hello = Hello {
            magic: Magic,
            versions: Versions::OURS,
            purpose,
            credit_bytes,
            epoch: 0,
            program: Text::beginning(concat!("farkeep ", env!("CARGO_PKG_VERSION"))),
        };
        preface.writer.feed(&hello).await?;
        preface.writer.flush().await?;
        Ok(preface)
    }

    async fn send<'a>(&mut self, message: &impl Body<'a>) -> Result<(), Setback> {
        self.state
            .send(message.kind())
            .map_err(|error| Setback::Final(RemoteError::broken(error.to_string())))?;
        self.writer.feed(message).await?;
        Ok(self.writer.flush().await?)
    }

    /// The body of the answer, which is of this kind or a Fault.
    async fn answer(&mut self, kind: Kind) -> Result<Vec<u8>, Setback> {
        let state = self.state.clone();
        let next = self.reader.next(|kind| state.awaits(kind));
        let frame = match timeout(PATIENCE, next).await {
            Err(_) => return Err(Setback::Passing("the server does not answer".to_owned())),
            Ok(frame) => frame?,
        };
        if frame.kind == Kind::Fault {
            let fault = Fault::decode(frame.body)?;
            return Err(Setback::Fault(fault.code, fault.text.to_string()));
        }
        if frame.kind != kind {
            return Err(Setback::Final(RemoteError::broken(format!("it sent {}", frame.kind.name()))));
        }
        let body = frame.body.to_vec();
        self.state.receive(kind).map_err(|error| Setback::Final(RemoteError::broken(error.to_string())))?;
        Ok(body)
    }
}
