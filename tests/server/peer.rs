//! A client that says exactly what it is told to, right or wrong.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::layout::Writer;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Name;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Create;
use farkeep_protocol::hello::Enroll;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Magic;
use farkeep_protocol::hello::Open;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Token;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::Commit;
use farkeep_protocol::message::Flush;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::Probe;
use farkeep_protocol::message::Put;
use farkeep_protocol::stream::FrameReader;
use farkeep_protocol::stream::StreamError;
use farkeep_protocol::tls;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Beyond this a test has hung. No test measures it.
pub(crate) const HUNG: Duration = Duration::from_secs(60);

/// The public key of the client with this seed.
pub(crate) fn public(seed: [u8; 32]) -> PublicKey {
    PublicKey::from_bytes(*AgentIdentity::from_bytes(&seed).public().as_bytes())
}

/// One connection.
pub(crate) struct Peer {
    reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
}

/// What came, without the bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came: the server said so, or went away without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Fault(Code),
    Closed,
}

impl Came {
    pub(crate) fn message(&self) -> FromServer<'_> {
        FromServer::decode(self.kind, &self.body).expect("a server keeps to its tables")
    }
}

impl Peer {
    /// Connects as the client with this seed, to the server with that key.
    pub(crate) async fn connect(address: SocketAddr, server: PublicKey, seed: [u8; 32]) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(tls::client(&seed, server).expect("a key")));
        let stream = connector.connect(tls::server_name(), stream).await?;
        let (source, writer) = tokio::io::split(stream);
        Ok(Self { reader: FrameReader::new(source), writer })
    }

    /// Sends bytes that need not be a frame.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    /// Sends a frame.
    pub(crate) async fn send<'a>(&mut self, message: &impl Body<'a>) -> io::Result<()> {
        self.send_bytes(&frame(message)).await
    }

    /// The next message other than a heartbeat.
    pub(crate) async fn hear(&mut self) -> Result<Came, Over> {
        loop {
            let next = timeout(HUNG, self.reader.next(|_| true)).await.expect("the server answers");
            let came = match next {
                Ok(frame) => Came { kind: frame.kind, body: frame.body.to_vec() },
                Err(StreamError::Frame(error)) => panic!("the server broke a rule: {error}"),
                Err(_) => return Err(Over::Closed),
            };
            match came.message() {
                FromServer::Heartbeat(_) => {}
                FromServer::Fault(fault) => return Err(Over::Fault(fault.code)),
                _ => return Ok(came),
            }
        }
    }

    /// Waits for the end, whatever comes before it.
    pub(crate) async fn end(&mut self) -> Over {
        loop {
            if let Err(over) = self.hear().await {
                return over;
            }
        }
    }

    pub(crate) async fn hello(&mut self, purpose: Purpose) -> io::Result<()> {
        self.send(&hello(purpose)).await
    }

    /// Begins a session.
    pub(crate) async fn hello_new(&mut self) -> Welcome {
        self.hello(Purpose::New).await.expect("sent");
        self.welcome().await.expect("the client is known")
    }

    pub(crate) async fn welcome(&mut self) -> Result<Welcome, Over> {
        let came = self.hear().await?;
        match came.message() {
            FromServer::Welcome(welcome) => Ok(welcome),
            other => panic!("no Welcome: {other:?}"),
        }
    }

    /// Whether the server does not know the client.
    pub(crate) async fn is_turned_away(&mut self) -> bool {
        self.hello(Purpose::New).await.expect("sent");
        self.welcome().await == Err(Over::Fault(Code::NOT_ENROLLED))
    }

    pub(crate) async fn open(&mut self, name: &str) -> Result<Came, Over> {
        self.open_for(name, Access::Write).await
    }

    pub(crate) async fn open_for(&mut self, name: &str, access: Access) -> Result<Came, Over> {
        let repository = Name::new(name).expect("a name");
        // A server that ends the connection may do so before it has read this.
        drop(self.send(&Open { repository, access }).await);
        self.hear().await
    }

    pub(crate) async fn create(&mut self, name: &str, parameters: &[u8], slot: &[u8]) -> Result<Came, Over> {
        let repository = Name::new(name).expect("a name");
        let slot_bytes = Counted::new(slot).expect("short");
        let slot = SlotId::from_bytes([1; 16]);
        drop(self.send(&Create { repository, slot, slot_bytes, parameters }).await);
        self.hear().await
    }

    pub(crate) async fn enroll(&mut self, token: &Token, name: &str) -> Result<Came, Over> {
        self.hello(Purpose::Enroll).await.expect("sent");
        self.send(&Enroll { token: token.clone(), name: Name::new(name).expect("a name") })
            .await
            .expect("sent");
        self.hear().await
    }
}

/// A Hello as it should be.
pub(crate) fn hello(purpose: Purpose) -> Hello<'static> {
    let credit_bytes = if matches!(purpose, Purpose::Stripe(_)) { 0 } else { 1 << 20 };
    Hello {
        magic: Magic,
        versions: Versions::OURS,
        purpose,
        credit_bytes,
        epoch: 0,
        program: Text::new("test").expect("short"),
    }
}

/// The bytes of a message's frame.
pub(crate) fn frame<'a>(message: &impl Body<'a>) -> Vec<u8> {
    let mut body = Writer::new();
    message.encode(&mut body);
    raw(message.kind().number(), body.as_bytes())
}

/// The bytes of a frame that nobody has looked at.
pub(crate) fn raw(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("not that long");
    [&length.to_le_bytes()[..], &kind.to_le_bytes(), &[0, 0], body].concat()
}

/// A session on one connection, with the numbers of its requests.
pub(crate) struct Session {
    pub(crate) peer: Peer,
    next: u64,
}

impl Session {
    /// A session that was just opened on this connection.
    pub(crate) fn over(peer: Peer) -> Self {
        Self { peer, next: 1 }
    }

    /// A session that goes on behind that number.
    pub(crate) fn behind(peer: Peer, acknowledged: u64) -> Self {
        Self { peer, next: acknowledged + 1 }
    }

    /// The number of the next request.
    pub(crate) fn number(&mut self) -> Sequence {
        self.next += 1;
        Sequence::new(self.next - 1).expect("numbers begin at 1")
    }

    pub(crate) async fn put(&mut self, id: ObjectId, object: &[u8]) -> Sequence {
        let sequence = self.number();
        // Whether the server still listens, its answer says.
        drop(self.peer.send(&Put { sequence, id, object }).await);
        sequence
    }

    pub(crate) async fn flush(&mut self) -> Sequence {
        let sequence = self.number();
        drop(self.peer.send(&Flush { sequence }).await);
        sequence
    }

    pub(crate) async fn commit(&mut self, record: &[u8]) -> Sequence {
        let sequence = self.number();
        drop(self.peer.send(&Commit { sequence, group: None, record }).await);
        sequence
    }

    pub(crate) async fn probe(&mut self, ids: &[ObjectId]) -> Vec<bool> {
        let sequence = self.number();
        let ids = List::new(ids.to_vec()).expect("not too many");
        self.peer.send(&Probe { sequence, ids }).await.expect("sent");
        loop {
            let came = self.peer.hear().await.expect("it is answered");
            if let FromServer::Presence(presence) = came.message() {
                assert_eq!(presence.sequence, sequence);
                return presence.known.iter().collect();
            }
        }
    }

    /// Waits for the answer to one request, and gives what came until then.
    pub(crate) async fn until(&mut self, sequence: Sequence) -> Result<Answered, Over> {
        let mut answered = Answered::default();
        loop {
            let came = self.peer.hear().await?;
            if answered.learn(&came, sequence) {
                return Ok(answered);
            }
        }
    }

    /// Puts objects, and waits until they are durable or refused.
    pub(crate) async fn store(&mut self, objects: &[(ObjectId, Vec<u8>)]) -> Result<Answered, Over> {
        for (id, object) in objects {
            self.put(*id, object).await;
        }
        let flush = self.flush().await;
        self.until(flush).await
    }

    /// Answers the goodbye of the server.
    pub(crate) async fn leave_quietly(mut self) {
        self.peer.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
        assert_eq!(self.peer.end().await, Over::Closed);
    }

    /// Ends the session in order.
    pub(crate) async fn leave(self) {
        assert_eq!(self.part().await.end().await, Over::Closed);
    }

    /// Says goodbye and hears it. The connection is not closed yet.
    pub(crate) async fn part(mut self) -> Peer {
        self.peer.send(&Goodbye { reason: Leave::Finished }).await.expect("sent");
        loop {
            match self.peer.hear().await {
                Ok(came) if came.kind == Kind::Goodbye => break,
                Ok(_) => {}
                Err(over) => panic!("the session ended without a goodbye: {over:?}"),
            }
        }
        self.peer
    }
}

/// What a client was told.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) durable: Vec<u64>,
    pub(crate) refused: Vec<(u64, Code)>,
    pub(crate) last: Option<Came>,
    pub(crate) all: Vec<Came>,
}

impl Answered {
    /// Takes in what came, and says whether it ends the answer to that request.
    fn learn(&mut self, came: &Came, sequence: Sequence) -> bool {
        self.all.push(came.clone());
        let ends = match came.message() {
            FromServer::Durable(durable) => {
                for range in durable.ranges.iter() {
                    self.durable.extend(range.first.number()..=range.last().expect("few"));
                }
                false
            }
            FromServer::Refused(refused) => {
                self.refused.push((refused.sequence.number(), refused.code));
                refused.sequence == sequence
            }
            FromServer::Done(done) => done.sequence == sequence,
            FromServer::Committed(committed) => committed.sequence == sequence,
            FromServer::Gathered(gathered) => gathered.sequence == sequence,
            FromServer::Used(used) => used.sequence == sequence,
            FromServer::Places(places) => places.sequence == sequence,
            FromServer::Presence(presence) => presence.sequence == sequence,
            FromServer::Collected(collected) => collected.sequence == sequence,
            FromServer::CollectionIs(plan) => plan.sequence == sequence,
            FromServer::Scrubbed(scrubbed) => scrubbed.sequence == sequence,
            FromServer::Repaired(repaired) => repaired.sequence == sequence,
            FromServer::Verified(verified) => verified.sequence == sequence && verified.finished,
            _ => false,
        };
        if ends {
            self.last = Some(came.clone());
        }
        ends
    }

    /// The code with which that request was refused.
    pub(crate) fn code(&self, sequence: Sequence) -> Option<Code> {
        let of = |(number, code): &(u64, Code)| (*number == sequence.number()).then_some(*code);
        self.refused.iter().find_map(of)
    }

    /// The snapshot that was committed.
    pub(crate) fn committed(&self) -> Option<farkeep_protocol::message::Committed> {
        match self.last.as_ref()?.message() {
            FromServer::Committed(committed) => Some(committed),
            _ => None,
        }
    }
}

/// The session with that id, taken up again.
pub(crate) async fn resume(mut peer: Peer, session: SessionId) -> Result<(Session, Welcome), Over> {
    peer.hello(Purpose::Resume(session)).await.expect("sent");
    let welcome = peer.welcome().await?;
    Ok((Session::behind(peer, welcome.acknowledged), welcome))
}
