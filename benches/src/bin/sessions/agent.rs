//! An agent that speaks the protocol by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
use farkeep_codec::object::Kind as ObjectKind;
use farkeep_codec::object::object_id;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;
use farkeep_protocol::credit::Window;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::Name;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Within;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Create;
use farkeep_protocol::hello::Enroll;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Magic;
use farkeep_protocol::hello::Open;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Body;
use farkeep_protocol::message::Act;
use farkeep_protocol::message::Collect;
use farkeep_protocol::message::Commit;
use farkeep_protocol::message::Flush;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Heartbeat;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::Outcome;
use farkeep_protocol::message::Purge;
use farkeep_protocol::message::Put;
use farkeep_protocol::stream::FrameReader;
use farkeep_protocol::stream::FrameWriter;
use farkeep_protocol::tls;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::net::TcpStream;
use tokio::time::interval;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes that the server may have under way to an agent, which asks for none.
const CREDIT_BYTES: u32 = 1 << 20;
/// Silence after which an agent says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A client that the server knows.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    address: SocketAddr,
    server: PublicKey,
    number: u64,
}

impl Identity {
    fn seed(&self) -> [u8; 32] {
        *blake3::hash(&self.number.to_le_bytes()).as_bytes()
    }
}

/// Makes a client known.
pub(crate) async fn enrol(offer: &EnrolmentString, name: &str, number: u64) -> Result<Identity> {
    let address = format!("{}:{}", offer.host, offer.port).parse()?;
    let identity = Identity { address, server: offer.server, number };
    let mut agent = Agent::connect(&identity).await?;
    agent.say(&hello(Purpose::Enroll)?).await?;
    agent.say(&Enroll { token: offer.token.clone(), name: Name::new(name)? }).await?;
    agent.hear(|heard| matches!(heard, FromServer::Enrolled(_)).then_some(())).await?;
    Ok(identity)
}

/// A session on one connection, or what is going to be one.
pub(crate) struct Agent {
    reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
    window: Window,
    next: Sequence,
    /// Objects of no two agents are alike.
    number: u64,
    made: u64,
    durable: u64,
}

impl Agent {
    /// A connection on which nothing was said.
    pub(crate) async fn connect(identity: &Identity) -> Result<Self> {
        let stream = TcpStream::connect(identity.address).await?;
        stream.set_nodelay(true)?;
        let config = tls::client(&identity.seed(), identity.server)?;
        let connector = TlsConnector::from(Arc::new(config));
        let (source, target) = tokio::io::split(connector.connect(tls::server_name(), stream).await?);
        Ok(Self {
            reader: FrameReader::new(source),
            writer: FrameWriter::new(target),
            window: Window::new(0, 0),
            next: Sequence::FIRST,
            number: identity.number,
            made: 0,
            durable: 0,
        })
    }

    /// A session that may store into `main`.
    pub(crate) async fn open(identity: &Identity) -> Result<Self> {
        let mut agent = Self::connect(identity).await?;
        agent.greet().await?;
        agent.say(&Open { repository: Name::new("main")?, access: Access::Write }).await?;
        agent.opened().await?;
        // What it is told apart by from other sessions of the same client.
        let mut tag = [0; 8];
        getrandom::fill(&mut tag).map_err(|error| anyhow!("no random numbers: {error}"))?;
        agent.number = u64::from_le_bytes(tag);
        Ok(agent)
    }

    /// Makes a repository.
    pub(crate) async fn create(mut self, name: &str) -> Result<()> {
        self.greet().await?;
        let (parameters, slot) = repository();
        let (repository, slot_bytes) = (Name::new(name)?, Counted::new(&slot).context("a long slot")?);
        let slot = SlotId::from_bytes([1; 16]);
        self.say(&Create { repository, slot, slot_bytes, parameters: &parameters }).await?;
        self.opened().await?;
        self.leave().await
    }

    async fn greet(&mut self) -> Result<()> {
        self.say(&hello(Purpose::New)?).await?;
        let credit = |heard: &FromServer<'_>| match heard {
            FromServer::Welcome(welcome) => Some((welcome.credit_bytes, welcome.credit_requests)),
            _ => None,
        };
        let (bytes, requests) = self.hear(credit).await?;
        self.window = Window::new(bytes, requests);
        Ok(())
    }

    async fn opened(&mut self) -> Result<()> {
        self.hear(|heard| matches!(heard, FromServer::Opened(_)).then_some(())).await
    }

    /// Puts so many objects of that length as fast as credit allows, and waits until they are durable.
    pub(crate) async fn upload(&mut self, objects: u64, object_bytes: usize) -> Result<()> {
        let mut object = template(object_bytes);
        let (before, mut left) = (self.durable, objects);
        let mut flushed = None;
        while flushed.is_none() || self.durable < before + objects {
            while left > 0 && self.window.has_bytes() && self.window.has_requests() {
                self.put(&mut object).await?;
                left -= 1;
            }
            if left == 0 && flushed.is_none() && self.window.has_requests() {
                let sequence = self.number()?;
                self.writer.feed(&Flush { sequence }).await?;
                flushed = Some(sequence);
            }
            self.writer.flush().await?;
            self.hear(|_| Some(())).await?;
        }
        Ok(())
    }

    /// The same, and tells the ids.
    pub(crate) async fn store(&mut self, objects: u64, object_bytes: usize) -> Result<Vec<ObjectId>> {
        let mut object = template(object_bytes);
        let first = self.made + 1;
        self.upload(objects, object_bytes).await?;
        (first..first + objects).map(|at| self.mark(&mut object, at)).collect()
    }

    /// Commits a snapshot that needs these objects.
    pub(crate) async fn commit(&mut self, identity: &Identity, needed: &[ObjectId]) -> Result<()> {
        let (root, node) = sealed(ObjectKind::Node, needed, 0);
        let put = Put { sequence: self.number()?, id: root, object: &node };
        self.window.charge_bytes(body_bytes(&put))?;
        self.say(&put).await?;
        let record = record(&identity.seed(), root)?;
        let commit = Commit { sequence: self.number()?, group: None, record: &record };
        self.say(&commit).await?;
        self.hear(|heard| matches!(heard, FromServer::Committed(_)).then_some(())).await
    }

    /// Has the server collect at once, working that part of the time: how it ended, and what was copied, in bytes.
    pub(crate) async fn collect(&mut self, work_thousandths: u16) -> Result<(Outcome, u64)> {
        let collect = Collect {
            sequence: self.number()?,
            act: Act::Execute,
            purge: Purge::AtOnce,
            seconds_max: 0,
            bytes_per_second: 0,
            work_thousandths: Within::new(work_thousandths.into()).context("a part of a thousand")?,
            garbage_thousandths: None,
        };
        self.say(&collect).await?;
        let collected = |heard: &FromServer<'_>| match heard {
            FromServer::Collected(collected) => Some((collected.outcome, collected.bytes_moved)),
            _ => None,
        };
        self.hear_for_long(collected).await
    }

    /// Ends the session, so that nothing waits for it.
    pub(crate) async fn leave(mut self) -> Result<()> {
        self.say(&Goodbye { reason: Leave::Finished }).await?;
        self.hear(|heard| matches!(heard, FromServer::Goodbye(_)).then_some(())).await
    }

    async fn put(&mut self, object: &mut [u8]) -> Result<()> {
        self.made += 1;
        let id = self.mark(object, self.made)?;
        let put = Put { sequence: self.number()?, id, object };
        self.window.charge_bytes(body_bytes(&put))?;
        Ok(self.writer.feed(&put).await?)
    }

    /// Makes an object out of a template, the one of that number.
    fn mark(&self, object: &mut [u8], at: u64) -> Result<ObjectId> {
        let end = object.last_chunk_mut::<8>().context("a template is longer")?;
        *end = self.number.wrapping_add(at).to_le_bytes();
        Ok(object_id(object))
    }

    /// The number of the next request, for which there is credit.
    fn number(&mut self) -> Result<Sequence> {
        self.window.charge_request()?;
        let number = self.next;
        self.next = number.next();
        Ok(number)
    }

    async fn say<'a>(&mut self, message: &impl Body<'a>) -> Result<()> {
        self.writer.feed(message).await?;
        Ok(self.writer.flush().await?)
    }

    /// Hears until something is what is waited for.
    async fn hear<T>(&mut self, awaited: impl Fn(&FromServer<'_>) -> Option<T>) -> Result<T> {
        loop {
            let frame = self.reader.next(|_| true).await?;
            let heard = FromServer::decode(frame.kind, frame.body)?;
            match &heard {
                FromServer::Credit(credit) => self.window.grant(credit.bytes, credit.requests),
                FromServer::Durable(durable) => {
                    self.durable += durable.ranges.iter().map(|range| range.count).sum::<u64>();
                }
                FromServer::Refused(refused) => bail!("a request was refused: {refused:?}"),
                FromServer::Fault(fault) => bail!("the server ended the session: {fault:?}"),
                _ => {}
            }
            if let Some(found) = awaited(&heard) {
                return Ok(found);
            }
        }
    }

    /// Does nothing but say from time to time that it is alive, until the future is dropped.
    pub(crate) async fn idle(&mut self) -> Result<()> {
        self.hear_for_long(|_| None).await
    }

    /// Hears until something is what is waited for, and says from time to time that it is alive.
    async fn hear_for_long<T>(&mut self, awaited: impl Fn(&FromServer<'_>) -> Option<T>) -> Result<T> {
        let mut beats = interval(HEARTBEAT);
        loop {
            tokio::select! {
                heard = self.hear(&awaited) => return heard,
                _ = beats.tick() => {}
            }
            self.say(&Heartbeat { time: Time::from_nanoseconds(0) }).await?;
        }
    }
}

fn hello(purpose: Purpose) -> Result<Hello<'static>> {
    let program = Text::new("farkeep-benches").context("a short text")?;
    let credit_bytes = CREDIT_BYTES;
    Ok(Hello { magic: Magic, versions: Versions::OURS, purpose, credit_bytes, epoch: 0, program })
}

fn body_bytes(put: &Put<'_>) -> usize {
    size_of::<u64>() + size_of::<ObjectId>() + put.object.len()
}

/// An object of about so many bytes that looks as if it was sealed; each agent puts its own end to it. FORMAT.md, "Objects".
fn template(object_bytes: usize) -> Vec<u8> {
    sealed(ObjectKind::Data, &[], object_bytes).1
}

fn sealed(kind: ObjectKind, references: &[ObjectId], object_bytes: usize) -> (ObjectId, Vec<u8>) {
    const SEALED_BYTES_MIN: usize = 64;
    let mut sealed = vec![0; object_bytes.max(SEALED_BYTES_MIN)];
    blake3::Hasher::new().finalize_xof().fill(&mut sealed);
    let length = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    let mut object = b"FKob\x01\x00".to_vec();
    object.extend(kind.number().to_le_bytes());
    object.extend(length(references.len()));
    object.extend(length(sealed.len()));
    references.iter().for_each(|id| object.extend(id.as_bytes()));
    object.extend(&sealed);
    (object_id(&object), object)
}

/// The record of a snapshot that nobody is going to open.
fn record(seed: &[u8; 32], root: ObjectId) -> Result<Vec<u8>> {
    let draft = Draft {
        repository: REPOSITORY,
        series: Series::new("bench")?,
        sequence: 0,
        previous: None,
        captured: Time::from_nanoseconds(1),
        status: Status::Complete,
        root,
        entries: 1,
        bytes: 1,
    };
    let private = Private {
        epoch: Epoch::FIRST,
        root_seed: Seed::from_bytes([5; 32]),
        root_bytes: 1,
        content: ContentId::from_bytes([6; 32]),
        counts: Counts::default(),
        host: String::new(),
        user: String::new(),
        program: String::new(),
        paths: Vec::new(),
        tags: Vec::new(),
    };
    let agent = AgentIdentity::from_bytes(seed);
    let signed = Snapshot::sign(draft, &private, &reader().public(), &agent, |bytes| bytes.fill(7));
    Ok(signed?.encode())
}

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([1; 32]);

fn reader() -> ReaderSecret {
    ReaderSecret::from_bytes([2; 32])
}

/// Parameters and a key slot of a repository that nobody is going to open.
fn repository() -> (Vec<u8>, Vec<u8>) {
    let parameters = Parameters {
        repository: REPOSITORY,
        created: Time::from_nanoseconds(1),
        chunker: Chunker::FastCdcKeyed { min: 1 << 18, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 1 << 20,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: reader().public(),
    };
    let parameters = parameters.encode();
    let secrets = Secrets::generate(|bytes| bytes.fill(3));
    let cost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
    let slot = Slot::seal(&secrets, &SlotSecret::Passphrase(b"bench"), "bench", cost, &parameters, |bytes| {
        bytes.fill(4);
    });
    (parameters, slot.encode())
}
