//! A small repository to test with, and what every test of the store needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::object::Kind;
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

use crate::Access;
use crate::Engine;
use crate::IndexKind;
use crate::ManualClock;
use crate::Options;
use crate::SlotId;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::journal::Event;
use crate::journal::JournalWriter;
use crate::journal::Tail;
use crate::store::Catalogue;
use crate::store::checkpoint::Read;
use crate::store::checkpoint::replay_all;

mod concurrency;
mod crash;
mod damage;
mod full;
mod index;
mod laws;
mod lost;
mod mend;
mod model;
mod replace;
mod session;
mod twice;

pub(crate) const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x22; 32]);
pub(crate) const SLOT: SlotId = SlotId::from_bytes([0x51; 16]);
pub(crate) const SLOT_BYTES: &[u8] = b"a key slot";

/// An object of that kind; objects with different numbers have different bytes.
pub(crate) fn object(kind: Kind, number: u64, references: &[ObjectId], sealed_bytes: usize) -> Vec<u8> {
    let sealed_bytes = sealed_bytes.max(40);
    let mut bytes = b"FKob\x01\x00".to_vec();
    bytes.extend(kind.number().to_le_bytes());
    bytes.extend(u32::try_from(references.len()).expect("few").to_le_bytes());
    bytes.extend(u32::try_from(sealed_bytes).expect("small").to_le_bytes());
    references.iter().for_each(|reference| bytes.extend(reference.as_bytes()));
    let mut sealed = vec![0; sealed_bytes];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut sealed);
    bytes.extend(sealed);
    bytes
}

pub(crate) fn data(number: u64, sealed_bytes: usize) -> (ObjectId, Vec<u8>) {
    let bytes = object(Kind::Data, number, &[], sealed_bytes);
    (object_id(&bytes), bytes)
}

pub(crate) fn node(number: u64, references: &[ObjectId]) -> (ObjectId, Vec<u8>) {
    let bytes = object(Kind::Node, number, references, 60);
    (object_id(&bytes), bytes)
}

pub(crate) fn parameters() -> Vec<u8> {
    let parameters = Parameters {
        repository: REPOSITORY,
        created: Time::from_nanoseconds(1),
        chunker: Chunker::FastCdcKeyed { min: 1 << 18, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 1 << 20,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: ReaderSecret::from_bytes([0xe0; 32]).public(),
    };
    parameters.encode()
}

/// Small packs and segments, so that a few objects fill them.
pub(crate) fn options(seed: u8) -> Options {
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(1_000)));
    Options {
        pack_bytes: 32 << 10,
        journal_segment_bytes: 6 << 10,
        reserve_bytes: 64 << 10,
        parity_thousandths: 0,
        ..Options::seeded(IndexKind::Memory, clock, [seed; 32])
    }
}

pub(crate) fn create(disk: &SimulatedDisk) -> Result<Engine, StoreError> {
    create_with(disk, options(1))
}

pub(crate) fn create_with(disk: &SimulatedDisk, options: Options) -> Result<Engine, StoreError> {
    Engine::create(Arc::new(disk.clone()), &parameters(), (SLOT, SLOT_BYTES), options)
}

pub(crate) fn open(disk: &SimulatedDisk, seed: u8) -> Result<Engine, StoreError> {
    open_with(Arc::new(disk.clone()), options(seed))
}

pub(crate) fn open_with(disk: Arc<dyn Disk>, options: Options) -> Result<Engine, StoreError> {
    Engine::open(disk, Access::Write { holder: "a test".to_owned() }, options)
}

pub(crate) fn read(disk: &SimulatedDisk) -> Result<Engine, StoreError> {
    Engine::open(Arc::new(disk.clone()), Access::Read, options(0))
}

/// Adds events to the journal of a repository that nobody has open, and says what is known behind them.
pub(crate) fn append(disk: Arc<dyn Disk>, events: &[Event], now: Time) -> Result<Catalogue, StoreError> {
    let parameters = Parameters::parse(&parameters()).expect("they are good");
    let Read { heads, replay, .. } = replay_all(&*disk, &parameters, Tail::IsStill)?;
    let again = Arc::clone(&disk);
    let (mut writer, _) = JournalWriter::resume(disk, REPOSITORY, 1 << 20, &heads, &replay).expect("resumed");
    let Ok(written) = writer.write(events, now) else { panic!("there is room") };
    writer.sync(&written).expect("synced");
    writer.publish(written).expect("published");
    replay_all(&*again, &parameters, Tail::IsStill).map(|read| read.catalogue)
}

/// Records of one series, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    series: Series,
    sequence: u64,
    previous: Option<SnapshotId>,
}

impl Recorder {
    pub(crate) fn new(series: &str) -> Self {
        Self { series: Series::new(series).expect("a good name"), sequence: 0, previous: None }
    }

    /// A record that follows those that were taken.
    pub(crate) fn record(&self, root: ObjectId) -> Vec<u8> {
        let draft = Draft {
            repository: REPOSITORY,
            series: self.series.clone(),
            sequence: self.sequence,
            previous: self.previous,
            captured: Time::from_nanoseconds(5),
            status: Status::Complete,
            root,
            entries: 1,
            bytes: 1,
        };
        sign(draft)
    }

    /// Goes on behind the newest record of the series, whoever took it.
    pub(crate) fn behind(self, engine: &Engine) -> Self {
        let newest = engine.store.catalogue().newest(&self.series);
        let (previous, sequence) = newest.map_or((None, 0), |newest| (Some(newest.id), newest.sequence + 1));
        Self { previous, sequence, ..self }
    }

    /// The next record follows this one.
    pub(crate) fn follow(&mut self, id: SnapshotId) {
        self.previous = Some(id);
    }

    /// Notes that the record was committed.
    pub(crate) fn taken(&mut self, record: &[u8]) {
        self.sequence += 1;
        self.previous = Some(SnapshotId::from_bytes(*object_id(record).as_bytes()));
    }
}

pub(crate) fn sign(draft: Draft) -> Vec<u8> {
    let private = Private {
        epoch: Epoch::FIRST,
        root_seed: Seed::from_bytes([0x55; 32]),
        root_bytes: 1,
        content: ContentId::from_bytes([0x66; 32]),
        counts: Counts { files: 1, folders: 0, symlinks: 0, hard_links: 0, others: 0 },
        host: "host".to_owned(),
        user: "user".to_owned(),
        program: "test".to_owned(),
        paths: Vec::new(),
        tags: Vec::new(),
    };
    let reader = ReaderSecret::from_bytes([0xe0; 32]).public();
    let agent = AgentIdentity::from_bytes(&[0xa0; 32]);
    let snapshot = Snapshot::sign(draft, &private, &reader, &agent, |bytes| bytes.fill(7));
    snapshot.expect("the labels are short").encode()
}

/// Puts a small tree: a few data objects and a root over them. Returns the root.
pub(crate) fn put_tree(engine: &Engine, numbers: std::ops::Range<u64>) -> ObjectId {
    let leaves: Vec<ObjectId> = numbers
        .clone()
        .map(|number| {
            let (id, bytes) = data(number, 700);
            engine.put(&engine.begin(), &id, &bytes).expect("it is a good object");
            id
        })
        .collect();
    let (root, bytes) = node(numbers.start, &leaves);
    engine.put(&engine.begin(), &root, &bytes).expect("its references are there");
    root
}

/// Closes all packs that were opened to read, as reading enough others does.
pub(crate) fn close_packs(engine: &Engine) {
    engine.store.readers.forget_removed(&Catalogue::new(REPOSITORY));
}

/// All objects of a repository of whose snapshots one knows the trees, read and verified.
pub(crate) fn expect_readable(engine: &Engine, objects: &BTreeMap<ObjectId, Vec<u8>>) {
    let mut bytes = Vec::new();
    for (id, wanted) in objects {
        engine.object(id, &mut bytes).expect("the object is there");
        assert_eq!(bytes, *wanted);
    }
}
