//! The store as a client sees it: putting objects, and asking the index for ids.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use farkeep_benches::limits;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::seal::Sealer;
use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::ParityEncoders;
use farkeep_engine::Presence;
use farkeep_engine::Share;
use farkeep_engine::SlotId;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::limits::PARITY_THOUSANDTHS;
use tempfile::TempDir;

use crate::sample;

const OBJECTS: usize = 256;
const OBJECT_BYTES: usize = 256 << 10;
const IDS: usize = 100_000;

/// Objects of a quarter MiB into an empty repository, verified on the way, durable at the end.
pub(crate) fn put(criterion: &mut Criterion) {
    let data = sample::noise(OBJECTS * OBJECT_BYTES);
    let objects = sealed(data.chunks(OBJECT_BYTES));
    let mut group = criterion.benchmark_group("put");
    group.throughput(Throughput::BytesDecimal(data.len() as u64)).sample_size(10);
    group.bench_function(BenchmarkId::new("new objects", limits::APPEND), |bench| {
        let put = |(_folder, engine): (TempDir, Engine)| {
            let session = engine.begin();
            for (id, object) in &objects {
                engine.put(&session, id, object).expect("a sound object is taken");
            }
            engine.flush().expect("the disk takes it");
        };
        bench.iter_batched(repository, put, BatchSize::PerIteration);
    });
    group.finish();
}

/// A window of parity at a time, as a pack is written; and a whole repository checked, parity included, from the system's
/// cache and on two threads.
pub(crate) fn parity(criterion: &mut Criterion) {
    const THOUSANDTHS: u16 = 10;
    let data = sample::noise(OBJECTS * OBJECT_BYTES);
    let mut group = criterion.benchmark_group("pack/parity");
    group.throughput(Throughput::BytesDecimal(data.len() as u64)).sample_size(10);
    let encoders = ParityEncoders::default();
    group.bench_function(BenchmarkId::new("encode", limits::PARITY), |bench| {
        bench.iter(|| {
            let mut encoder = encoders.encoder(THOUSANDTHS).expect("it is not none");
            data.chunks(OBJECT_BYTES).for_each(|object| encoder.write(object));
            let parity = encoder.finish(|part| {
                black_box(part);
                Ok::<_, ()>(())
            });
            black_box(parity.expect("nobody fails"))
        });
    });
    for (what, parity_thousandths) in [("check without parity", 0), ("check", THOUSANDTHS)] {
        let (_folder, engine) = repository_with(parity_thousandths);
        let session = engine.begin();
        for (id, object) in sealed(data.chunks(OBJECT_BYTES)) {
            engine.put(&session, &id, &object).expect("a sound object is taken");
        }
        engine.flush().expect("the disk takes it");
        group.bench_function(BenchmarkId::new(what, limits::CHECK), |bench| {
            bench.iter(|| {
                let report = engine.verify(Share::Everything, &|_| {}).expect("it can be checked");
                assert_eq!(report.damage_count, 0);
            });
        });
    }
    group.finish();
}

/// A thousand ids at a time, of which all or none are there. The index was closed and opened in between, so that it
/// is asked and not the memory of the session; it is far smaller than the one that the limits were taken from.
pub(crate) fn index(criterion: &mut Criterion) {
    let contents: Vec<[u8; 8]> = (0..IDS as u64).map(u64::to_le_bytes).collect();
    let (folder, engine) = repository();
    let mut known = Vec::with_capacity(IDS);
    for (id, object) in sealed(contents.iter().map(<[u8; 8]>::as_slice)) {
        engine.put(&engine.begin(), &id, &object).expect("a sound object is taken");
        known.push(id);
    }
    engine.flush().expect("the disk takes it");
    drop(engine);
    let engine = opened(folder.path());
    let session = engine.begin();
    let unknown: Vec<ObjectId> = (0..IDS as u64).map(|n| blended(known[0], n)).collect();
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(1_000)).sample_size(20);
    for (what, limit, ids, expected) in [
        ("hit", limits::INDEX_HIT, &known, Presence::Known),
        ("miss", limits::INDEX_MISS, &unknown, Presence::Unknown),
    ] {
        let mut batches = ids.chunks(1_000).cycle();
        group.bench_function(BenchmarkId::new(what, limit), |bench| {
            bench.iter(|| {
                let answers = engine
                    .probe(&session, batches.next().expect("the batches begin again"))
                    .expect("it answers");
                assert!(answers.iter().all(|answer| *answer == expected));
                black_box(answers.len())
            });
        });
    }
    group.finish();
}

fn sealed<'a>(plain: impl Iterator<Item = &'a [u8]>) -> Vec<(ObjectId, Vec<u8>)> {
    let keys = sample::keys();
    let mut sealer = Sealer::new(&keys, &sample::parameters().compression);
    let seal = |plain: &[u8]| {
        let mut object = Vec::new();
        let seed = keys.seed(Kind::Data, plain);
        (sealer.seal(Kind::Data, &seed, &[], plain, &mut object), object)
    };
    plain.map(seal).collect()
}

/// An id that no object has.
fn blended(id: ObjectId, number: u64) -> ObjectId {
    let mut bytes = *id.as_bytes();
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    ObjectId::from_bytes(bytes)
}

fn repository() -> (TempDir, Engine) {
    repository_with(PARITY_THOUSANDTHS)
}

fn repository_with(parity_thousandths: u16) -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let disk =
        RealDisk::create(&folder.path().join("repository"), Backend::Auto).expect("a folder can be made");
    let slot = (SlotId::from_bytes([4; 16]), b"a slot that nobody opens".as_slice());
    let options = Options { parity_thousandths, ..options(folder.path()) };
    let engine = Engine::create(Arc::new(disk), &sample::parameters().encode(), slot, options);
    (folder, engine.expect("an empty folder becomes a repository"))
}

fn opened(folder: &Path) -> Engine {
    let disk = RealDisk::open(&folder.join("repository"), Backend::Auto).expect("the repository is there");
    let access = Access::Write { holder: "a bench".to_owned() };
    Engine::open(Arc::new(disk), access, options(folder)).expect("the repository opens")
}

fn options(folder: &Path) -> Options {
    Options::new(IndexKind::Rocks(folder.join("index"))).expect("the system has random numbers")
}
