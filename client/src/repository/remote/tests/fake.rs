//! A server in memory that does what it should, unless a test bends what it says.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Writer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::fault::Refused;
use farkeep_protocol::field;
use farkeep_protocol::field::Bitmap;
use farkeep_protocol::field::JournalHash;
use farkeep_protocol::field::JournalHead;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Place;
use farkeep_protocol::field::Range;
use farkeep_protocol::field::Ranges;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Opened;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message;
use farkeep_protocol::message::Durability;
use farkeep_protocol::message::FromClient;
use farkeep_protocol::stream::FrameReader;
use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::io::WriteHalf;
use tokio::io::duplex;

use super::super::preface::Dial;
use super::super::preface::Io;
use super::super::preface::Setback;
use super::super::wire::Reach;

/// A frame that is going to be sent: its kind by number, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// What a frame says, honestly.
pub(super) fn say<'a>(message: &impl Body<'a>) -> Said {
    let mut writer = Writer::new();
    message.encode(&mut writer);
    Said { kind: message.kind().number(), body: writer.as_bytes().to_vec() }
}

impl Said {
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind == kind.number()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len()).expect("short");
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(&self.body);
        bytes
    }
}

/// Bends what the server says to one frame of the client: the number of the connection, from 0, what was asked, and what
/// would be answered.
pub(super) type Bend = Box<dyn FnMut(usize, Kind, &mut Vec<Said>) + Send>;

/// What the server keeps.
pub(super) struct Fake {
    pub(super) repository: RepositoryId,
    pub(super) parameters: Vec<u8>,
    pub(super) objects: HashMap<ObjectId, Vec<u8>>,
    pub(super) records: Vec<Vec<u8>>,
    pub(super) slots: Vec<([u8; 16], Vec<u8>)>,
    pub(super) head: u64,
    pub(super) bend: Bend,
    /// Whether it still knows the session when a connection comes back.
    pub(super) remembers: bool,
    /// So many puts are given up.
    pub(super) losses: usize,
    /// After so many bytes said on a connection it is cut; for each connection, from the first on.
    pub(super) cuts: Vec<usize>,
    /// After so many bytes heard.
    pub(super) deaf: Vec<usize>,
    /// Bytes said and heard on each connection.
    pub(super) said: Vec<usize>,
    acknowledged: u64,
    /// Whether there is a repository before one is made.
    pub(super) is_made: bool,
}

pub(super) const SESSION: SessionId = SessionId::from_bytes([7; 16]);

impl Fake {
    pub(super) fn new(repository: RepositoryId, parameters: Vec<u8>) -> Self {
        Self {
            repository,
            parameters,
            objects: HashMap::new(),
            records: Vec::new(),
            slots: Vec::new(),
            head: 3,
            bend: Box::new(|_, _, _| {}),
            remembers: true,
            losses: 0,
            cuts: Vec::new(),
            deaf: Vec::new(),
            said: Vec::new(),
            acknowledged: 0,
            is_made: true,
        }
    }

    fn opened(&self) -> Said {
        let hash = JournalHash::from_bytes([u8::try_from(self.head).expect("few records"); 32]);
        say(&Opened {
            repository: self.repository,
            rights: Rights::of(Role::Keeper).for_access(Access::Write),
            head: JournalHead { sequence: self.head, hash },
            parameters: &self.parameters,
        })
    }

    fn welcome(&self, acknowledged: u64) -> Said {
        say(&Welcome {
            version: 1,
            session: SESSION,
            time: Time::from_nanoseconds(1),
            role: Role::Keeper,
            credit_bytes: 1 << 20,
            credit_requests: 64,
            acknowledged,
            epoch: 0,
        })
    }

    fn hello(&mut self, hello: &Hello<'_>) -> Vec<Said> {
        match hello.purpose {
            Purpose::New => {
                self.acknowledged = 0;
                vec![self.welcome(0)]
            }
            Purpose::Resume(SESSION) if self.remembers => vec![self.welcome(self.acknowledged)],
            _ => {
                vec![fault(Code::SESSION_UNKNOWN)]
            }
        }
    }

    /// What an honest server answers.
    fn answer(&mut self, message: FromClient<'_>) -> Vec<Said> {
        let credit = say(&message::Credit { bytes: 0, requests: 1 });
        match message {
            FromClient::Hello(hello) => self.hello(&hello),
            FromClient::Create(_) if self.is_made => vec![fault(Code::EXISTS)],
            FromClient::Create(create) => {
                let made = Parameters::parse(create.parameters).expect("the client makes good ones");
                self.repository = made.repository;
                self.parameters = create.parameters.to_vec();
                self.slots.push((*create.slot.as_bytes(), create.slot_bytes.as_bytes().to_vec()));
                self.is_made = true;
                vec![self.opened()]
            }
            FromClient::Open(_) if !self.is_made => vec![fault(Code::REPOSITORY_UNKNOWN)],
            FromClient::Open(_) => vec![self.opened()],
            FromClient::Probe(probe) => {
                let known: Vec<bool> = probe.ids.iter().map(|id| self.objects.contains_key(id)).collect();
                let known = Bitmap::new(&known).expect("as many as were asked");
                vec![say(&message::Presence { sequence: probe.sequence, known }), credit]
            }
            FromClient::Put(put) if self.losses > 0 => {
                self.losses -= 1;
                let bytes = u32::try_from(put.object.len() + 40).expect("short");
                vec![refuse(put.sequence, Code::LOST), say(&message::Credit { bytes, requests: 1 })]
            }
            FromClient::Put(put) => {
                self.objects.insert(put.id, put.object.to_vec());
                self.acknowledged = put.sequence.number();
                let bytes = u32::try_from(put.object.len() + 40).expect("short");
                let ranges = Ranges::new(vec![Range { first: put.sequence, count: 1 }]).expect("one");
                vec![say(&message::Durable { ranges }), say(&message::Credit { bytes, requests: 1 })]
            }
            FromClient::Flush(flush) => vec![say(&message::Done { sequence: flush.sequence }), credit],
            FromClient::Commit(commit) if !self.has_root(commit.record) => {
                let bytes = u32::try_from(commit.record.len() + 9).expect("short");
                let code = Code::MISSING_REFERENCES;
                vec![refuse(commit.sequence, code), say(&message::Credit { bytes, requests: 1 })]
            }
            FromClient::Commit(commit) => {
                let already = self.records.iter().any(|record| record == commit.record);
                if !already {
                    self.records.push(commit.record.to_vec());
                    self.head += 1;
                }
                vec![say(&message::Committed {
                    sequence: commit.sequence,
                    snapshot: SnapshotId::from_bytes(*blake3::hash(commit.record).as_bytes()),
                    journal: self.head,
                    received: Time::from_nanoseconds(2),
                    durability: Durability::Local,
                    already,
                })]
            }
            FromClient::Get(get) => self.get(&get),
            FromClient::Locate(locate) => {
                let place =
                    |id: &ObjectId| self.objects.get(id).map(|_| Place { pack: 0, offset: 0, bytes: 1 });
                let places = List::new(locate.ids.iter().map(place).collect()).expect("as many");
                vec![say(&message::Places { sequence: locate.sequence, places }), credit]
            }
            FromClient::List(list) => {
                let mut said: Vec<Said> = (1..)
                    .zip(&self.records)
                    .map(|(journal, record)| {
                        let received = Time::from_nanoseconds(2);
                        say(&message::Listed { sequence: list.sequence, journal, received, record })
                    })
                    .collect();
                said.extend([say(&message::Done { sequence: list.sequence }), credit]);
                said
            }
            FromClient::Slots(slots) => {
                let slot = |(slot, bytes): &([u8; 16], Vec<u8>)| {
                    let slot = field::SlotId::from_bytes(*slot);
                    say(&message::Slot { sequence: slots.sequence, slot, bytes })
                };
                let mut said: Vec<Said> = self.slots.iter().map(slot).collect();
                said.extend([say(&message::Done { sequence: slots.sequence }), credit]);
                said
            }
            FromClient::Usage(usage) => vec![say(&message::Used {
                sequence: usage.sequence,
                packs: 1,
                objects: 2,
                bytes: 3,
                index_bytes: 4,
                journal_bytes: 5,
                free_bytes: 6,
            })],
            FromClient::Verify(verify) => vec![say(&message::Verified {
                sequence: verify.sequence,
                packs: 1,
                objects: 1,
                bytes: 9,
                bytes_total: 9,
                finished: true,
                damaged: List::new(Vec::new()).expect("none"),
            })],
            FromClient::Goodbye(_) => vec![say(&message::Goodbye { reason: message::Leave::Finished })],
            _ => Vec::new(),
        }
    }

    fn has_root(&self, record: &[u8]) -> bool {
        let record = Snapshot::parse(record).expect("the client makes good ones");
        self.objects.contains_key(&record.root)
    }

    fn get(&self, get: &message::Get) -> Vec<Said> {
        let mut said: Vec<Said> = (0..)
            .zip(get.ids.iter())
            .map(|(index, id)| match self.objects.get(id) {
                Some(object) => say(&message::Object { sequence: get.sequence, index, object }),
                None => say(&message::Missing { sequence: get.sequence, index, code: Code::NOT_FOUND }),
            })
            .collect();
        said.extend([
            say(&message::Done { sequence: get.sequence }),
            say(&message::Credit { bytes: 0, requests: 1 }),
        ]);
        said
    }
}

fn fault(code: Code) -> Said {
    say(&Fault { code, sequence: None, text: Text::beginning("no") })
}

pub(super) fn refuse(sequence: Sequence, code: Code) -> Said {
    say(&Refused { sequence, code, text: Text::beginning("no") })
}

/// Starts a server, and says how it is reached.
pub(super) fn serve(fake: Fake) -> (Arc<Mutex<Fake>>, Reach) {
    let fake = Arc::new(Mutex::new(fake));
    let (sender, connections) = channel::<DuplexStream>();
    let served = Arc::clone(&fake);
    std::thread::spawn(move || run(&served, &connections));
    let dial: Dial = Arc::new(move || {
        let sender = sender.clone();
        Box::pin(async move {
            let (ours, theirs) = duplex(4 << 10);
            sender.send(theirs).map_err(|_| Setback::Passing("the server has ended".to_owned()))?;
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    });
    let reach = Reach {
        dial,
        server: "fake".to_owned(),
        repository: "main".to_owned(),
        access: Access::Write,
        retry_for: Duration::from_secs(60),
        pause: Duration::from_millis(1),
        connections: 1,
        cancel: Arc::default(),
    };
    (fake, reach)
}

fn run(fake: &Mutex<Fake>, connections: &Receiver<DuplexStream>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (number, stream) in connections.iter().enumerate() {
        // A client that goes away ends a connection as a cut does.
        let _ = runtime.block_on(talk(fake, number, stream));
    }
}

async fn talk(fake: &Mutex<Fake>, number: usize, stream: DuplexStream) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let limit = fake.lock().expect("no panic").deaf.get(number).copied().unwrap_or(usize::MAX);
    let mut reader = FrameReader::new(tokio::io::AsyncReadExt::take(read, limit as u64));
    fake.lock().expect("no panic").said.push(0);
    while let Ok(frame) = reader.next(|_| true).await {
        let message = FromClient::decode(frame.kind, frame.body).expect("the client keeps to the protocol");
        let said = {
            let mut fake = fake.lock().expect("no panic");
            let mut said = fake.answer(message);
            (fake.bend)(number, frame.kind, &mut said);
            said
        };
        let is_end = frame.kind == Kind::Goodbye || said.iter().any(|said| said.is(Kind::Fault));
        for said in &said {
            tell(fake, number, &mut write, &said.bytes()).await?;
        }
        if is_end {
            break;
        }
    }
    write.shutdown().await
}

async fn tell(
    fake: &Mutex<Fake>,
    number: usize,
    write: &mut WriteHalf<DuplexStream>,
    bytes: &[u8],
) -> io::Result<()> {
    let room = {
        let mut fake = fake.lock().expect("no panic");
        let cut = fake.cuts.get(number).copied().unwrap_or(usize::MAX);
        let said = &mut fake.said[number];
        let room = cut.saturating_sub(*said).min(bytes.len());
        *said += room;
        room
    };
    write.write_all(&bytes[..room]).await?;
    if room < bytes.len() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

/// The number of the request that a frame answers.
pub(super) fn sequence(said: &Said) -> Sequence {
    let bytes = said.body.first_chunk().expect("it has a number");
    Sequence::new(u64::from_le_bytes(*bytes)).expect("from 1")
}
