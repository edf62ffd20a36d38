use std::sync::Arc;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Status;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::References;
use farkeep_engine::SlotId;
use farkeep_engine::SystemClock;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::bridge::Lease;
use crate::config::Quota;
use crate::observe::Observer;
use crate::observe::Recorder;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x22; 32]);

fn reader() -> ReaderSecret {
    ReaderSecret::from_bytes([0xe0; 32])
}

/// An engine that asks of nobody what a snapshot refers to.
pub(crate) fn engine() -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let parameters = Parameters {
        repository: REPOSITORY,
        created: Time::from_nanoseconds(1),
        chunker: Chunker::FastCdcKeyed { min: 1 << 18, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 1 << 20,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: reader().public(),
    };
    let disk = RealDisk::open(folder.path(), Backend::Auto).expect("it is there");
    let options = Options {
        references: References::Elsewhere,
        ..Options::new(IndexKind::Memory).expect("there are random numbers")
    };
    let slot = (SlotId::from_bytes([1; 16]), &[1][..]);
    let engine = Engine::create(Arc::new(disk), &parameters.encode(), slot, options).expect("it is empty");
    (folder, engine)
}

/// The record of an agent's series at this place, which is right as the first one only.
pub(crate) fn order(engine: &Engine, agent: u8, series: &str, sequence: u64) -> Vec<Commit> {
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
    let draft = Draft {
        repository: REPOSITORY,
        series: Series::new(series).expect("a good name"),
        sequence,
        previous: None,
        captured: Time::from_nanoseconds(5),
        status: Status::Complete,
        root: ObjectId::from_bytes([agent; 32]),
        entries: 1,
        bytes: 1,
    };
    let agent = AgentIdentity::from_bytes(&[agent; 32]);
    let record = Snapshot::sign(draft, &private, &reader().public(), &agent, |bytes| bytes.fill(9));
    let record = record.expect("it is short").encode();
    vec![Commit {
        record,
        tags: None,
        replaces: None,
        agent: Some(*agent.public().as_bytes()),
        session: Arc::new(engine.begin()),
    }]
}

fn codes(outcomes: &[Result<Vec<CommittedAt>, Failure>]) -> Vec<Option<Code>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().map(|failure| failure.code)).collect()
}

#[test]
fn orders_of_many_sessions_are_one_sync() {
    let (_folder, engine) = engine();
    let orders: Vec<_> = (1..=5).map(|agent| order(&engine, agent, &format!("host {agent}"), 0)).collect();
    let committed: Vec<CommittedAt> =
        commit_all(&engine, &orders).into_iter().flat_map(|outcome| outcome.expect("it is right")).collect();
    assert_eq!(committed.len(), 5);
    assert!(committed.iter().all(|at| at.received == committed[0].received), "one moment: {committed:?}");
    assert!(committed.is_sorted_by_key(|at| at.sequence));
    let again = commit_all(&engine, &orders);
    assert!(again.iter().flatten().flatten().all(|at| at.already), "the same records, the same answers");
}

#[test]
fn an_order_that_fails_harms_no_other() {
    let (_folder, engine) = engine();
    let orders =
        [order(&engine, 1, "host 1", 0), order(&engine, 2, "host 2", 7), order(&engine, 3, "host 3", 0)];
    assert_eq!(codes(&commit_all(&engine, &orders)), [None, Some(Code::SERIES_MOVED), None]);
    assert_eq!(engine.snapshots().expect("they can be read").len(), 2);
}

#[test]
fn of_two_who_begin_one_series_at_once_one_has_it() {
    let (_folder, engine) = engine();
    let orders = [order(&engine, 1, "host", 0), order(&engine, 2, "host", 0)];
    assert_eq!(codes(&commit_all(&engine, &orders)), [None, Some(Code::SERIES_OF_ANOTHER)]);
}

/// What a session was told holds for as long as anything of it is left: its own lease, a worker's, a commit on its way.
#[test]
fn a_lease_is_pinned_until_the_last_of_it_is_gone() {
    let (_folder, engine) = engine();
    let observer = Arc::new(Observer::new(Recorder::new().0, Arc::new(SystemClock)));
    let repository = Repository::new("main", engine, Quota::default(), observer).expect("it is open");
    let repository = Arc::new(repository);
    let (orders, _committer) = unbounded_channel();
    let lease = Lease::new(&repository, orders.clone(), || {});
    let other = Lease::new(&repository, orders, || {});
    assert_eq!(repository.engine.pins(), [(0, 2)]);
    let worker = lease.clone();
    drop(lease);
    assert_eq!(repository.engine.pins(), [(0, 2)]);
    let session = worker.session();
    drop(worker);
    assert_eq!(repository.engine.pins(), [(0, 2)]);
    drop(session);
    assert_eq!(repository.engine.pins(), [(0, 1)]);
    drop(other);
    assert_eq!(repository.engine.pins(), []);
}
