//! A repository behind a server: what is asked of it goes over the wire, and nothing that comes back is believed.
//!
//! A thread of its own owns the connections ([`wire`]). Putting hands an object over and returns; how much may wait is
//! bounded, and what was put stays in memory until the server says that it is durable, so that a cut connection costs
//! what was under way and no more.

mod answers;
mod care;
mod collect;
mod error;
mod keeper;
mod link;
mod pace;
mod preface;
mod puts;
mod reads;
mod request;
mod session;
mod shared;
mod tls;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;
use farkeep_engine::Committed;
use farkeep_engine::Listed;
use farkeep_engine::Lost;
use farkeep_engine::Newest;
use farkeep_engine::ObjectError;
use farkeep_engine::Position;
use farkeep_engine::Progress;
use farkeep_engine::Share;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::field::Name;
use farkeep_protocol::hello::Access as WireAccess;
use farkeep_protocol::hello::Enroll;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::limits::GET_IDS_MAX;
use farkeep_protocol::limits::GROUP_STORING;
use farkeep_protocol::limits::PROBE_IDS_MAX;
use farkeep_protocol::limits::SHARE_WHOLE;
use tokio::sync::mpsc::UnboundedSender;

use self::puts::Item;
use self::reads::Outcome;
use self::request::ListedRecord;
use self::request::Reply;
use self::request::Request;
use self::shared::Shared;
use self::wire::Command;
use self::wire::Reach;
use super::RepositoryError;
use super::access::Access;
use super::group::Group;
use super::group::Stage;
use super::keeper::Keeper;
use super::store::Place;
use super::store::Report;
use super::store::Store;
use super::store::Stored;
use crate::config::Address;
use crate::config::enrolment::Enrolment;

pub use self::error::RemoteError;
pub use self::pace::Pace;
pub(crate) use self::wire::jittered;

/// How long whoever waits for others waits before it looks whether it is told to end.
const LOOK: Duration = Duration::from_millis(100);

/// How much later than it should a server may say what became of a group: as long as a cut connection may be away.
const SLACK: Duration = Duration::from_secs(660);
/// Records that are under way into the places of others.
const REPLACED_AT_ONCE: usize = 64;

/// How a server is spoken with.
#[derive(Debug, Clone)]
pub struct Line {
    /// How long a connection that was cut is tried to be made again.
    pub retry_for: Duration,
    /// Connections of a session. Over a long fat network several carry more than one.
    pub connections: usize,
    /// How fast bytes go, over all connections together, and over all sessions that share it.
    pub pace: Pace,
    /// Set from outside when the trying is to end.
    pub cancel: Arc<AtomicBool>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            retry_for: Duration::from_secs(600),
            connections: 1,
            pace: Pace::default(),
            cancel: Arc::default(),
        }
    }
}

/// A session with a server.
pub(super) struct RemoteStore {
    parameters: Parameters,
    shared: Arc<Shared>,
    /// Always there until this is dropped.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
    /// Set from outside when waiting is to end.
    cancel: Arc<AtomicBool>,
}

/// A repository that is to be made: its parameters and its first key slot.
pub(super) use self::wire::New;

impl RemoteStore {
    /// Opens the repository, or makes it.
    pub(super) fn open(
        address: &Address,
        enrolment: &Enrolment,
        access: Access,
        line: &Line,
        new: Option<New>,
    ) -> Result<Self, RemoteError> {
        let dial = preface::dial(&address.host, address.port, &enrolment.identity, enrolment.server)?;
        Self::over(
            Reach {
                dial: line.pace.clone().hold(dial),
                server: format!("{}:{}", address.host, address.port),
                repository: address.repository.clone(),
                access: match access {
                    Access::Read => WireAccess::Read,
                    // Probing is a writer's right.
                    Access::Ask | Access::Write => WireAccess::Write,
                },
                retry_for: line.retry_for,
                pause: wire::PAUSE_LEAST,
                connections: line.connections,
                cancel: Arc::clone(&line.cancel),
            },
            new,
        )
    }

    fn over(reach: Reach, new: Option<New>) -> Result<Self, RemoteError> {
        let wants_store = reach.access == WireAccess::Write;
        let cancel = Arc::clone(&reach.cancel);
        let started = wire::start(reach, new)?;
        let store = |parameters| Self {
            parameters,
            shared: started.shared,
            commands: Some(started.commands),
            thread: Some(started.thread),
            cancel,
        };
        let parameters = Parameters::parse(&started.opened.parameters)
            .map_err(|error| RemoteError::broken(format!("parameters: {error}")))?;
        if parameters.repository != started.opened.repository {
            return Err(RemoteError::broken("its parameters are those of another repository"));
        }
        let rights = started.opened.rights;
        if wants_store && !rights.include(Rights::STORE) && !rights.include(Rights::KEEP) {
            return Err(RemoteError::Refused {
                code: farkeep_protocol::fault::Code::ROLE,
                text: "this host may read the repository, and not write to it".to_owned(),
            });
        }
        Ok(store(parameters))
    }

    fn send(&self, command: Command) {
        // A thread that has ended is noticed by whoever waits for the answer.
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    /// Puts something into the lane of the puts, once there is room for it.
    fn enqueue(&self, item: Item) -> Result<(), RepositoryError> {
        self.shared.claim(item.cost())?;
        self.send(Command::Lane(item));
        Ok(())
    }

    /// Asks, and waits for the answer.
    fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Command) -> Result<T, RemoteError> {
        let (reply, answer) = sync_channel(1);
        self.send(request(reply));
        answer.recv().unwrap_or_else(|_| Err(self.shared.failure().unwrap_or(RemoteError::Ended)))
    }

    /// Asks for what others have a part in, and waits for the answer until it is told to end, or `limit` is over.
    fn ask_others<T>(
        &self,
        limit: Duration,
        request: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, RemoteError> {
        let (reply, answer) = sync_channel(1);
        self.send(request(reply));
        let begun = Instant::now();
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if begun.elapsed() >= limit => {
                    return Err(RemoteError::broken("it does not say what became of a consistency group"));
                }
                Err(RecvTimeoutError::Timeout) if !self.cancel.load(Ordering::Relaxed) => {}
                Err(_) => return Err(self.shared.failure().unwrap_or(RemoteError::Ended)),
            }
        }
    }

    fn list(&self, newest: u32, prefix: &str) -> Result<Vec<Listed>, RepositoryError> {
        let records = self.ask(|reply| {
            let prefix = prefix.to_owned();
            Command::Ask(Request::List { newest, prefix, listed: Vec::new(), bytes: 0, reply })
        })?;
        Ok(records.iter().map(listed).collect::<Result<_, _>>()?)
    }

    /// Reads objects, and shows each as it comes, compared with its id.
    fn read(&self, ids: &[ObjectId], show: &mut dyn FnMut(usize, Result<&[u8], RepositoryError>)) {
        let (sink, came) = channel();
        let wanted = ids.to_vec();
        let mut missing = vec![true; ids.len()];
        self.send(Command::Want { ids: wanted, sink });
        for (index, outcome) in came {
            let (Some(id), Some(missing)) = (ids.get(index), missing.get_mut(index)) else { continue };
            *missing = false;
            match outcome {
                Outcome::Came(object) if *blake3::hash(object.payload()).as_bytes() == *id.as_bytes() => {
                    show(index, Ok(object.payload()));
                }
                Outcome::Came(_) => show(index, Err(RemoteError::Tampered { id: *id }.into())),
                Outcome::Missing => show(index, Err(ObjectError::Missing { id: *id }.into())),
                Outcome::Failed(error) => show(index, Err(error.into())),
            }
        }
        for index in missing.iter().enumerate().filter(|(_, missing)| **missing).map(|(index, _)| index) {
            show(index, Err(self.shared.failure().unwrap_or(RemoteError::Ended).into()));
        }
    }
}

impl Store for RemoteStore {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn keeper(&self) -> &dyn Keeper {
        self
    }

    fn is_spool(&self) -> bool {
        false
    }

    fn head(&self) -> Position {
        self.shared.head()
    }

    fn acknowledged(&self) -> u64 {
        self.shared.acknowledged()
    }

    fn lost(&self) -> Lost {
        // What a server lost it says of each object that is asked for.
        Lost::default()
    }

    fn slots(&self) -> Result<Vec<(SlotId, Vec<u8>)>, RepositoryError> {
        Ok(self.ask(|reply| Command::Ask(Request::Slots { slots: Vec::new(), reply }))?)
    }

    fn add_slot(&self, slot: SlotId, bytes: &[u8]) -> Result<(), RepositoryError> {
        let bytes = Arc::new(bytes.to_vec());
        Ok(self.ask(|reply| Command::Ask(Request::AddSlot { slot, bytes, attempts: 0, reply }))?)
    }

    fn remove_slot(&self, slot: SlotId) -> Result<(), RepositoryError> {
        Ok(self.ask(|reply| Command::Ask(Request::RemoveSlot { slot, attempts: 0, reply }))?)
    }

    fn probe(&self, ids: &[ObjectId]) -> Result<Vec<bool>, RepositoryError> {
        let mut known = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PROBE_IDS_MAX) {
            known.extend(self.ask(|reply| Command::Ask(Request::Ask { ids: ids.to_vec(), reply }))?);
        }
        Ok(known)
    }

    fn assume(&self, id: &ObjectId) -> Result<bool, RepositoryError> {
        self.enqueue(Item::Assume { id: *id })?;
        Ok(true)
    }

    fn may_be_stale(&self) -> bool {
        true
    }

    fn begin_anew(&self) {
        self.shared.begin_anew();
    }

    fn put(&self, id: &ObjectId, object: &[u8]) -> Result<(), RepositoryError> {
        self.enqueue(Item::Put { id: *id, object: Arc::new(object.to_vec()) })
    }

    fn count(&self, id: &ObjectId, bytes: u64) -> Result<(), RepositoryError> {
        self.enqueue(Item::Count { id: *id, bytes })
    }

    fn settle(&self) -> Result<(), RepositoryError> {
        Ok(self.ask(|reply| Command::Lane(Item::Settle { reply }))?)
    }

    fn stored(&self) -> Stored {
        self.shared.stored()
    }

    fn flush(&self) -> Result<(), RepositoryError> {
        Ok(self.ask(|reply| Command::Lane(Item::Flush { reply }))?)
    }

    fn commit(&self, record: &[u8], tags: &[TagToken]) -> Result<Committed, RepositoryError> {
        let (record, tags) = (Arc::new(record.to_vec()), tags.to_vec());
        Ok(self
            .ask(|reply| Command::Lane(Item::Commit { record, tags, group: None, replaces: None, reply }))?)
    }

    fn commit_with(
        &self,
        group: &Group,
        record: &[u8],
        tags: &[TagToken],
    ) -> Result<Committed, RepositoryError> {
        let (record, tags, group) = (Arc::new(record.to_vec()), tags.to_vec(), Some(group.id));
        Ok(self.ask_others(GROUP_STORING + SLACK, |reply| {
            Command::Lane(Item::Commit { record, tags, group, replaces: None, reply })
        })?)
    }

    /// Each by itself: what was replaced until one is refused stays so, and is found when it is asked for once more.
    fn replace(&self, records: &[(SnapshotId, Vec<u8>)]) -> Result<Vec<Committed>, RepositoryError> {
        let mut committed = Vec::with_capacity(records.len());
        for some in records.chunks(REPLACED_AT_ONCE) {
            let asked = some.iter().map(|(old, record)| {
                let (reply, answer) = sync_channel(1);
                let (record, replaces) = (Arc::new(record.clone()), Some(*old));
                let tags = Vec::new();
                self.send(Command::Lane(Item::Commit { record, tags, group: None, replaces, reply }));
                answer
            });
            // All are sent before the first answer is waited for.
            let asked: Vec<_> = asked.collect();
            for answer in asked {
                let gone = |_| Err(self.shared.failure().unwrap_or(RemoteError::Ended));
                committed.push(answer.recv().unwrap_or_else(gone)?);
            }
        }
        Ok(committed)
    }

    fn gather(&self, group: &Group, stage: Stage) -> Result<(), RepositoryError> {
        let group = *group;
        Ok(self.ask_others(group.limit + SLACK, |reply| {
            Command::Ask(Request::Barrier { group, stage, reply })
        })?)
    }

    fn snapshots(&self) -> Result<Vec<Listed>, RepositoryError> {
        self.list(0, "")
    }

    fn newest_of(&self, series: &Series) -> Result<Option<Newest>, RepositoryError> {
        // Asked together, so that a series of which nothing is listed any more costs no further round trip.
        let unlisted = self.ask_newest(series);
        let mut listed = self.list(1, series.as_str())?;
        // Others may have names that begin so.
        listed.retain(|listed| listed.record.series == *series);
        let newest = listed.into_iter().max_by_key(|listed| listed.record.sequence);
        let Some(Listed { id, record, received, .. }) = newest else {
            return self.newest_unlisted(&unlisted);
        };
        let refused = |why: String| RepositoryError::from(RemoteError::Record { why });
        if record.repository != self.parameters.repository {
            return Err(refused("it belongs to another repository".to_owned()));
        }
        record.verify().map_err(|error| refused(error.to_string()))?;
        let agent = *record.agent().as_bytes();
        let Draft { sequence, captured, root, .. } = *record;
        Ok(Some(Newest { id, sequence, captured, received, root, agent }))
    }

    fn locate(&self, ids: &[ObjectId]) -> Result<Vec<Option<Place>>, RepositoryError> {
        let mut places = Vec::with_capacity(ids.len());
        for ids in ids.chunks(GET_IDS_MAX) {
            let found = self.ask(|reply| Command::Ask(Request::Locate { ids: ids.to_vec(), reply }))?;
            places.extend(found.into_iter().map(|place| {
                place.map(|place| Place::Server {
                    pack: place.pack,
                    offset: place.offset,
                    bytes: place.bytes,
                })
            }));
        }
        Ok(places)
    }

    fn soon(&self, pointers: &[Pointer]) {
        if !pointers.is_empty() {
            self.send(Command::Soon(pointers.to_vec()));
        }
    }

    fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), RepositoryError> {
        let mut read = Ok(());
        self.read(std::slice::from_ref(id), &mut |_, came| {
            read = came.map(|bytes| {
                object.clear();
                object.extend_from_slice(bytes);
            });
        });
        read
    }

    fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        _: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], RepositoryError>),
    ) {
        let ids: Vec<ObjectId> = wanted.iter().map(|(id, _)| *id).collect();
        self.read(&ids, show);
    }

    fn verify(&self, share: Share, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, RepositoryError> {
        let share = match share {
            Share::Summaries => 0,
            Share::Everything => SHARE_WHOLE,
            Share::Sample { part, .. } => parts_of_a_million(part),
        };
        let (sender, steps) = channel();
        let (reply, answer) = sync_channel(1);
        let report = Report::default();
        self.send(Command::Ask(Request::Verify { share, report, progress: sender, reply }));
        // Ends when the request is answered, and with it the sender is gone.
        steps.into_iter().for_each(progress);
        let answer =
            answer.recv().unwrap_or_else(|_| Err(self.shared.failure().unwrap_or(RemoteError::Ended)));
        Ok(answer?)
    }

    fn usage(&self) -> Result<Usage, RepositoryError> {
        Ok(self.ask(|reply| Command::Ask(Request::Usage { reply }))?)
    }
}

impl Drop for RemoteStore {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// A record as the server lists it, parsed. Whether it holds is looked at by whoever uses it.
fn listed(record: &ListedRecord) -> Result<Listed, RemoteError> {
    let parsed = Snapshot::parse(&record.record)
        .map_err(|error| RemoteError::Record { why: crate::output::chain(&error) })?;
    Ok(Listed {
        id: SnapshotId::from_bytes(*blake3::hash(&record.record).as_bytes()),
        record: parsed,
        received: Time::from_nanoseconds(record.received_ns),
        sequence: record.journal,
    })
}

/// A share from 0 to 1 as the protocol has it, rounded up.
fn parts_of_a_million(part: f64) -> u32 {
    let parts = (part.clamp(0.0, 1.0) * f64::from(SHARE_WHOLE)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to a million, and whole"
    )]
    let parts = parts as u32;
    parts
}

/// Makes this host, which calls itself by this name, known to a server by an enrolment string.
///
/// # Errors
/// When the server does not take it, or is another one than the string says.
pub fn enroll(
    string: &EnrolmentString,
    name: &str,
    identity: AgentIdentity,
) -> Result<Enrolment, RemoteError> {
    let EnrolmentString { host, port, server, token } = string;
    let shown = format!("{host}:{port}");
    let unreachable = |why: String| RemoteError::Unreachable { server: shown.clone(), why };
    let unfit = |error: farkeep_protocol::field::Unfit| RemoteError::Refused {
        code: farkeep_protocol::fault::Code::MALFORMED,
        text: format!("{name:?} cannot be the name of a host: {error}"),
    };
    let enroll = Enroll { token: token.clone(), name: Name::new(name).map_err(unfit)? };
    let dial = preface::dial(host, *port, &identity, *server)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
    let admitted = runtime.block_on(async { preface::Preface::enroll(dial().await?, &enroll).await });
    let admitted = admitted.map_err(|setback| match setback {
        preface::Setback::Passing(why) => unreachable(why),
        preface::Setback::Fault(code, text) => RemoteError::Refused { code, text },
        preface::Setback::Final(error) => error,
    })?;
    Ok(Enrolment {
        host: host.clone(),
        port: *port,
        server: *server,
        identity,
        role: admitted.role,
        name: admitted.name,
        repositories: admitted.repositories,
        codes: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests;
