//! A client that has something to store and does not give up: it resumes as the specification says, and remembers
//! what it was told.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::Share;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Retry;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Get;
use farkeep_protocol::message::Goodbye;
use farkeep_protocol::message::Leave;
use farkeep_protocol::message::List;
use tokio::time::timeout;

use crate::server::host::KEEPER;
use crate::server::make;
use crate::server::make::Sealed;
use crate::server::peer::Came;
use crate::server::peer::Over;
use crate::server::peer::Peer;
use crate::server::peer::Session;

/// Connections after which an errand does not get on. Far more than any test cuts.
const CONNECTIONS_MAX: usize = 200;

/// Something to store: a few objects, and a snapshot over them.
pub(crate) struct Errand {
    /// What it is called when it fails; the name of its series too.
    name: String,
    server: PublicKey,
    /// Silence after which a connection is taken for cut.
    silence: Duration,
    objects: Vec<Sealed>,
    record: Vec<u8>,
    session: Option<SessionId>,
    /// Puts of the session that were not acknowledged, by number.
    numbers: BTreeMap<u64, ObjectId>,
    durable: BTreeSet<ObjectId>,
    is_sent: bool,
    is_committed: bool,
    is_done: bool,
}

impl Errand {
    /// Another number stores other objects.
    pub(crate) fn new(name: &str, number: u64, server: PublicKey) -> Self {
        let (mut objects, below) = make::tree(number, 3, 40);
        let root = make::node(number + (1 << 40), &[below, objects[0].0]);
        let record = make::record(make::draft(name, root.0), KEEPER);
        objects.push(root);
        Self {
            name: name.to_owned(),
            server,
            silence: Duration::from_secs(60),
            objects,
            record,
            session: None,
            numbers: BTreeMap::new(),
            durable: BTreeSet::new(),
            is_sent: false,
            is_committed: false,
            is_done: false,
        }
    }

    /// The same, less patient.
    pub(crate) fn patient_for(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    pub(crate) fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// Everything is stored, and was looked at.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Runs until everything is stored and looked at, over as many connections as it takes; says how many.
    pub(crate) async fn run(&mut self, address: SocketAddr) -> usize {
        for connection in 1..=CONNECTIONS_MAX {
            match self.attempt(address).await {
                Ok(()) => return connection,
                Err(over) => self.expect_typed(over),
            }
        }
        panic!("{}: it does not get on", self.name);
    }

    /// One connection. Says whether there is a server to be tried again.
    pub(crate) async fn try_once(&mut self, address: SocketAddr) -> bool {
        match self.attempt(address).await {
            Ok(()) => true,
            Err(over) => {
                self.expect_typed(over);
                over != Over::Closed
            }
        }
    }

    /// A connection ends because it was cut, or with a fault after which another try helps.
    fn expect_typed(&mut self, over: Over) {
        match over {
            Over::Closed => {}
            Over::Fault(Code::SESSION_UNKNOWN) if self.session.is_some() => {
                self.session = None;
                self.numbers.clear();
            }
            Over::Fault(code) => assert_ne!(code.retry(), Retry::Never, "{}: {code:?}", self.name),
        }
    }

    /// One connection, from its beginning to its end.
    pub(crate) async fn attempt(&mut self, address: SocketAddr) -> Result<(), Over> {
        let connect = Peer::connect(address, self.server, KEEPER);
        let Ok(Ok(peer)) = timeout(self.silence, connect).await else { return Err(Over::Closed) };
        let begin = timeout(self.silence, self.begin(peer));
        let mut session = begin.await.unwrap_or(Err(Over::Closed))?;
        self.store(&mut session).await?;
        self.look(&mut session).await?;
        drop(session.peer.send(&Goodbye { reason: Leave::Finished }).await);
        while self.hear(&mut session).await?.kind != Kind::Goodbye {}
        self.is_done = true;
        Ok(())
    }

    async fn begin(&mut self, mut peer: Peer) -> Result<Session, Over> {
        // Whether this arrives, the answer says.
        drop(peer.hello(self.session.map_or(Purpose::New, Purpose::Resume)).await);
        let welcome = peer.welcome().await?;
        if self.session.is_none() {
            peer.open("main").await?;
            self.session = Some(welcome.session);
            return Ok(Session::over(peer));
        }
        self.numbers.split_off(&(welcome.acknowledged + 1));
        self.durable.extend(std::mem::take(&mut self.numbers).into_values());
        Ok(Session::behind(peer, welcome.acknowledged))
    }

    /// Sends what is not acknowledged without waiting for anything, and waits for all of it then.
    async fn store(&mut self, session: &mut Session) -> Result<(), Over> {
        let mut open = BTreeSet::new();
        for (id, object) in &self.objects {
            if !self.durable.contains(id) {
                let number = session.put(*id, object).await.number();
                self.numbers.insert(number, *id);
            }
        }
        if self.durable.len() < self.objects.len() {
            open.insert(session.flush().await.number());
        }
        if !self.is_committed {
            self.is_sent = true;
            open.insert(session.commit(&self.record).await.number());
        }
        while !open.is_empty() {
            match self.hear(session).await?.message() {
                FromServer::Done(done) => drop(open.remove(&done.sequence.number())),
                FromServer::Committed(committed) => {
                    assert_eq!(committed.snapshot, self.snapshot(), "{}", self.name);
                    self.is_committed = true;
                    open.remove(&committed.sequence.number());
                }
                _ => {}
            }
        }
        assert_eq!(self.durable.len(), self.objects.len(), "{}: a Flush names all puts before it", self.name);
        Ok(())
    }

    /// What was stored is listed, and comes back.
    async fn look(&mut self, session: &mut Session) -> Result<(), Over> {
        let list = session.number();
        let prefix = Text::new(&self.name).expect("short");
        drop(session.peer.send(&List { sequence: list, newest: 0, prefix }).await);
        let get = session.number();
        let ids = Ids::new(self.objects.iter().map(|(id, _)| *id).collect()).expect("few");
        drop(session.peer.send(&Get { sequence: get, ids }).await);
        let (mut records, mut objects) = (Vec::new(), BTreeMap::new());
        let mut open = BTreeSet::from([list, get]);
        while !open.is_empty() {
            match self.hear(session).await?.message() {
                FromServer::Done(done) => drop(open.remove(&done.sequence)),
                FromServer::Listed(listed) => records.push(listed.record.to_vec()),
                FromServer::Object(object) => drop(objects.insert(object.index, object.object.to_vec())),
                FromServer::Missing(missing) => panic!("{}: {missing:?}", self.name),
                _ => {}
            }
        }
        assert_eq!(records, [self.record.as_slice()], "{}", self.name);
        let stored = self.objects.iter().map(|(_, object)| object);
        assert!(stored.eq(objects.values()), "{}: other objects came back", self.name);
        Ok(())
    }

    /// The next message. What was acknowledged is remembered.
    async fn hear(&mut self, session: &mut Session) -> Result<Came, Over> {
        let came = timeout(self.silence, session.peer.hear()).await.unwrap_or(Err(Over::Closed))?;
        match came.message() {
            FromServer::Durable(durable) => {
                for range in durable.ranges.iter() {
                    for number in range.first.number()..=range.last().expect("few") {
                        let id = self.numbers.remove(&number);
                        self.durable.insert(id.expect("what is durable was put, and said once"));
                    }
                }
            }
            FromServer::Refused(refused) => {
                assert_ne!(refused.code.retry(), Retry::Never, "{}: {refused:?}", self.name);
                return Err(Over::Fault(refused.code));
            }
            _ => {}
        }
        Ok(came)
    }

    fn snapshot(&self) -> SnapshotId {
        make::snapshot_id(&self.record)
    }
}

/// The repository, opened anew, holds what was acknowledged, and nothing that was not sent.
pub(crate) fn expect_kept<'a>(repository: &Path, errands: impl IntoIterator<Item = &'a Errand>) {
    let errands: Vec<&Errand> = errands.into_iter().collect();
    let disk = RealDisk::open(repository, Backend::Auto).expect("it is there");
    let options = Options::new(IndexKind::Rocks(repository.join("index"))).expect("random numbers");
    let engine = Engine::open(Arc::new(disk), Access::Read, options).expect("it is good");
    let listed = engine.snapshots().expect("the journal is good");
    let listed: BTreeSet<SnapshotId> = listed.iter().map(|listed| listed.id).collect();
    let sent = errands.iter().filter(|errand| errand.is_sent).map(|errand| errand.snapshot()).collect();
    assert!(listed.is_subset(&sent), "a snapshot is listed that nobody sent");
    let mut read = Vec::new();
    let mut object_count = 0;
    for errand in errands {
        let name = &errand.name;
        let is_listed = listed.contains(&errand.snapshot());
        assert!(is_listed || !errand.is_committed, "{name}: an acknowledged snapshot is lost");
        for (id, object) in &errand.objects {
            if is_listed || errand.durable.contains(id) {
                engine.object(id, &mut read).unwrap_or_else(|error| panic!("{name}: {id:?}: {error}"));
                assert_eq!(&read, object, "{name}");
            }
        }
        object_count += errand.objects.len() as u64;
    }
    let report = engine.verify(Share::Everything, &|_| {}).expect("it can be checked");
    assert_eq!((report.damage_count, report.damage), (0, vec![]));
    assert!(report.objects <= object_count, "something is stored that nobody sent");
}
