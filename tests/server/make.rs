//! Objects, records, parameters and slots that a server takes: it has no key to look into them.

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::DomainSecret;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
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

pub(crate) const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x22; 32]);

/// An object with its id.
pub(crate) type Sealed = (ObjectId, Vec<u8>);

fn object(kind: Kind, number: u64, references: &[ObjectId], sealed_bytes: usize) -> Sealed {
    let mut bytes = b"FKob\x01\x00".to_vec();
    bytes.extend(kind.number().to_le_bytes());
    bytes.extend(u32::try_from(references.len()).expect("few").to_le_bytes());
    bytes.extend(u32::try_from(sealed_bytes).expect("small").to_le_bytes());
    references.iter().for_each(|reference| bytes.extend(reference.as_bytes()));
    let mut sealed = vec![0; sealed_bytes];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut sealed);
    bytes.extend(sealed);
    (object_id(&bytes), bytes)
}

/// Some data; another number makes other data.
pub(crate) fn data(number: u64, sealed_bytes: usize) -> Sealed {
    object(Kind::Data, number, &[], sealed_bytes)
}

/// A node over these objects.
pub(crate) fn node(number: u64, references: &[ObjectId]) -> Sealed {
    object(Kind::Node, number, references, 60)
}

/// A few objects, each after those that it refers to, and the root over them.
pub(crate) fn tree(number: u64, leaves: u64, leaf_bytes: usize) -> (Vec<Sealed>, ObjectId) {
    let mut objects: Vec<Sealed> = (0..leaves).map(|leaf| data(number * 10_000 + leaf, leaf_bytes)).collect();
    let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| *id).collect();
    let root = node(number, &ids);
    let id = root.0;
    objects.push(root);
    (objects, id)
}

/// The parameters of a repository.
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

/// A key slot that anybody could guess.
pub(crate) fn slot(label: &str) -> Vec<u8> {
    let mut next = 0_u8;
    let mut random = |bytes: &mut [u8]| {
        next = next.wrapping_add(1);
        bytes.fill(next);
    };
    let secrets = Secrets::generate(&mut random);
    let cost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
    let secret = SlotSecret::Passphrase(b"passphrase");
    Slot::seal(&secrets, &secret, label, cost, &parameters(), random).encode()
}

/// The slot of the first epoch after the one that a repository begins in.
pub(crate) fn epoch_slot() -> Vec<u8> {
    let epoch = Epoch::FIRST.next().expect("there are many");
    let (secret, reader) = (DomainSecret::from_bytes([9; 32]), ReaderSecret::from_bytes([8; 32]));
    Slot::seal_epoch((epoch, &secret), &reader, &parameters(), |bytes| bytes.fill(7)).encode()
}

/// What a record of a series that begins says.
pub(crate) fn draft(series: &str, root: ObjectId) -> Draft {
    Draft {
        repository: REPOSITORY,
        series: Series::new(series).expect("a good name"),
        sequence: 0,
        previous: None,
        captured: Time::from_nanoseconds(5),
        status: Status::Complete,
        root,
        entries: 1,
        bytes: 1,
    }
}

/// The record behind `previous` in its series.
pub(crate) fn next(draft: &Draft, previous: SnapshotId, root: ObjectId) -> Draft {
    Draft { sequence: draft.sequence + 1, previous: Some(previous), root, ..draft.clone() }
}

/// A record, signed by the client with this seed.
pub(crate) fn record(draft: Draft, seed: [u8; 32]) -> Vec<u8> {
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
    let agent = AgentIdentity::from_bytes(&seed);
    let snapshot = Snapshot::sign(draft, &private, &reader, &agent, |bytes| bytes.fill(7));
    snapshot.expect("the labels are short").encode()
}

/// Name of a record.
pub(crate) fn snapshot_id(record: &[u8]) -> SnapshotId {
    SnapshotId::from_bytes(*blake3::hash(record).as_bytes())
}
