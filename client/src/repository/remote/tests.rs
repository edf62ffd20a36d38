//! A client against a server that does not keep to what it should: every abuse ends in a typed error or without effect.

mod create;
mod cuts;
mod fake;
mod hostile;
mod slow;

use std::sync::Arc;
use std::sync::Mutex;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::object::Kind as ObjectKind;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::seal::Sealer;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Status;

use self::fake::Fake;
use self::fake::serve;
use super::*;

/// A repository at a server in memory.
struct World {
    secrets: Secrets,
    parameters: Parameters,
    fake: Arc<Mutex<Fake>>,
    reach: Reach,
}

impl World {
    fn new() -> Self {
        let mut next = 0_u8;
        let secrets = Secrets::generate(|bytes| {
            bytes.iter_mut().for_each(|byte| {
                next = next.wrapping_add(7);
                *byte = next;
            });
        });
        let parameters = Parameters {
            repository: farkeep_codec::id::RepositoryId::from_bytes([9; 32]),
            created: Time::from_nanoseconds(0),
            chunker: Chunker::FastCdcKeyed { min: 16 << 10, average: 64 << 10, max: 256 << 10 },
            image_chunk_bytes: 64 << 10,
            bundle_bytes_target: 16 << 10,
            compression: Compression::at_level(1),
            reader_public: secrets.reader.as_ref().map(ReaderSecret::public).expect("an owner"),
        };
        let (fake, reach) = serve(Fake::new(parameters.repository, parameters.encode()));
        Self { secrets, parameters, fake, reach }
    }

    /// Bends what the server says.
    fn bend(
        self,
        bend: impl FnMut(usize, farkeep_protocol::kind::Kind, &mut Vec<fake::Said>) + Send + 'static,
    ) -> Self {
        self.fake().bend = Box::new(bend);
        self
    }

    fn fake(&self) -> std::sync::MutexGuard<'_, Fake> {
        self.fake.lock().expect("no panic")
    }

    fn try_open(&self) -> Result<RemoteStore, RemoteError> {
        RemoteStore::over(self.reach.clone(), None)
    }

    fn open(&self) -> RemoteStore {
        self.try_open().expect("it opens")
    }

    /// A sealed object of so many bytes and its id.
    fn object(&self, number: u8, bytes: usize) -> (ObjectId, Vec<u8>) {
        let keys = DomainKeys::derive_all(&self.secrets.domain, self.parameters.repository);
        let mut plain = vec![0; bytes];
        blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut plain);
        let mut object = Vec::new();
        let seed = keys.seed(ObjectKind::Data, &plain);
        let mut sealer = Sealer::new(&keys, &self.parameters.compression);
        (sealer.seal(ObjectKind::Data, &seed, &[], &plain, &mut object), object)
    }

    /// The record of a snapshot with this root.
    fn record(&self, series: &str, root: ObjectId) -> Vec<u8> {
        self.record_of(self.parameters.repository, series, root)
    }

    fn record_of(
        &self,
        repository: farkeep_codec::id::RepositoryId,
        series: &str,
        root: ObjectId,
    ) -> Vec<u8> {
        let draft = Draft {
            repository,
            series: Series::new(series.to_owned()).expect("a name"),
            sequence: 0,
            previous: None,
            captured: Time::from_nanoseconds(1),
            status: Status::Complete,
            root,
            entries: 0,
            bytes: 0,
        };
        let private = Private {
            epoch: Epoch::FIRST,
            root_seed: Seed::from_bytes([0; 32]),
            root_bytes: 0,
            content: ContentId::from_bytes([0; 32]),
            counts: Counts::default(),
            host: String::new(),
            user: String::new(),
            program: String::new(),
            paths: Vec::new(),
            tags: Vec::new(),
        };
        let random = |bytes: &mut [u8]| bytes.fill(3);
        let reader = &self.parameters.reader_public;
        Snapshot::sign(draft, &private, reader, &self.secrets.agent, random).expect("it fits").encode()
    }
}

/// Bytes that the server says until a repository is open.
fn opened() -> usize {
    let world = World::new();
    let store = world.open();
    let said = world.fake().said.iter().sum();
    drop(store);
    said
}

/// What a fault at the wire is, wherever it came out.
fn remote<T: std::fmt::Debug>(result: Result<T, RepositoryError>) -> RemoteError {
    match result {
        Err(RepositoryError::Remote(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn is_broken(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Broken { .. })
}

#[test]
fn what_is_put_is_there_and_is_read() {
    let world = World::new();
    let store = world.open();
    let objects: Vec<(ObjectId, Vec<u8>)> = (0..40).map(|number| world.object(number, 100_000)).collect();
    for (id, object) in &objects {
        store.put(id, object).expect("there is room");
        store.put(id, object).expect("it is the same");
    }
    store.flush().expect("it is durable");
    let bytes: u64 = objects.iter().map(|(_, object)| object.len() as u64).sum();
    assert_eq!(store.stored(), Stored { bytes, objects: 40 });
    let pointers: Vec<Pointer> = objects
        .iter()
        .map(|(id, _)| Pointer {
            id: *id,
            seed: Seed::from_bytes([0; 32]),
            plain_bytes: 100_000,
            epoch: Epoch::FIRST,
        })
        .collect();
    store.soon(&pointers);
    let mut read = Vec::new();
    for (id, object) in &objects {
        store.object(id, &mut read).expect("it is there");
        assert_eq!(read, *object);
    }
    let (id, object) = &objects[0];
    store.put(id, object).expect("there is room");
    let record = world.record("a", *id);
    let committed = store.commit(&record, &[]).expect("it is committed");
    assert_eq!((committed.sequence, store.acknowledged()), (4, 4));
    assert_eq!(store.stored().objects, 40, "it was there");
    let series = Series::new("a".to_owned()).expect("a name");
    assert_eq!(store.newest_of(&series).expect("listed").map(|newest| newest.id), Some(committed.id));
    assert_eq!(store.usage().expect("told").objects, 2);
    assert_eq!(store.verify(Share::Everything, &|_| {}).expect("verified").bytes, 9);
    let unknown = ObjectId::from_bytes([1; 32]);
    assert_eq!(store.probe(&[*id, unknown]).expect("told"), [true, false]);
    assert!(matches!(
        store.object(&unknown, &mut read),
        Err(RepositoryError::Object(ObjectError::Missing { .. }))
    ));
}

/// What is assumed in vain is said before anything is committed, and a run that begins anew is not held up by it.
#[test]
fn what_is_assumed_in_vain_is_found_out() {
    let world = World::new();
    let store = world.open();
    let (id, object) = world.object(1, 100);
    store.put(&id, &object).expect("there is room");
    let missing = ObjectId::from_bytes([1; 32]);
    assert!(store.assume(&missing).expect("it is believed at first"));
    let record = world.record("a", id);
    let stale = store.commit(&record, &[]).expect_err("something is missing");
    assert!(matches!(stale, RepositoryError::Stale { id, objects: 1 } if id == missing), "{stale:?}");
    assert!(matches!(store.put(&id, &object), Err(RepositoryError::Stale { .. })));
    assert!(world.fake().records.is_empty());
    store.begin_anew();
    assert!(store.assume(&id).expect("it is there"));
    store.commit(&record, &[]).expect("nothing is missing");
}

#[test]
fn a_dry_run_counts_and_stores_nothing() {
    let world = World::new();
    let store = world.open();
    let (there, object) = world.object(1, 100);
    store.put(&there, &object).expect("there is room");
    store.flush().expect("it is durable");
    let before = store.stored().objects;
    store.count(&there, 5).expect("counted");
    store.count(&ObjectId::from_bytes([2; 32]), 7).expect("counted");
    store.settle().expect("all are known");
    assert_eq!(store.stored().objects - before, 1);
    assert_eq!(world.fake().objects.len(), 1);
}
