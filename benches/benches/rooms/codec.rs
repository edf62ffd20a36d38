//! Chunking, sealing, opening, and the tree.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use farkeep_benches::limits;
use farkeep_benches::limits::Limit;
use farkeep_codec::chunk::Chunker;
use farkeep_codec::chunk::Tail;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::Epoch;
use farkeep_codec::layout::Malformed;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;
use farkeep_codec::seal::Sealer;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::NodePlain;
use farkeep_codec::tree::Root;
use farkeep_codec::tree::Walk;

use crate::sample;

const BUNDLE_BYTES: usize = 512 << 10;
const ENTRIES: u32 = 20_000;

/// Cut points, and the keyed hash that every chunk gets.
pub(crate) fn chunk(criterion: &mut Criterion) {
    let data = sample::noise(32 << 20);
    let keys = sample::keys();
    let chunker = Chunker::new(&keys, &sample::parameters());
    let mut group = criterion.benchmark_group("chunk");
    group.throughput(Throughput::BytesDecimal(data.len() as u64)).sample_size(20);
    group.bench_function(name("cut", limits::CHUNK), |bench| {
        bench.iter(|| {
            let mut rest = data.as_slice();
            while let Some(length) = chunker.cut(rest, Tail::End) {
                rest = &rest[length..];
            }
            black_box(rest.len())
        });
    });
    group.bench_function(name("hash", limits::HASH), |bench| {
        bench.iter(|| black_box(keys.seed(Kind::Data, &data)));
    });
    group.finish();
}

/// Seed, compression, encryption and id of one bundle.
pub(crate) fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for (what, limit, plain) in samples(limits::SEAL_TEXT, limits::SEAL_RANDOM) {
        let keys = sample::keys();
        let mut sealer = Sealer::new(&keys, &sample::parameters().compression);
        let mut object = Vec::new();
        group.throughput(Throughput::BytesDecimal(plain.len() as u64)).sample_size(20);
        group.bench_function(name(what, limit), |bench| {
            bench.iter(|| {
                object.clear();
                let seed = keys.seed(Kind::Data, &plain);
                black_box(sealer.seal(Kind::Data, &seed, &[], &plain, &mut object))
            });
        });
    }
    group.finish();
}

/// All the way back, with every verification.
pub(crate) fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    for (what, limit, plain) in samples(limits::OPEN_TEXT, limits::OPEN_RANDOM) {
        let keys = sample::keys();
        let mut sealer = Sealer::new(&keys, &sample::parameters().compression);
        let seed = keys.seed(Kind::Data, &plain);
        let mut object = Vec::new();
        let id = sealer.seal(Kind::Data, &seed, &[], &plain, &mut object);
        let plain_bytes = u32::try_from(plain.len()).expect("a bundle is short");
        let pointer = Pointer { id, seed, plain_bytes, epoch: Epoch::FIRST };
        let mut opened = Vec::new();
        group.throughput(Throughput::BytesDecimal(plain.len() as u64)).sample_size(20);
        group.bench_function(name(what, limit), |bench| {
            bench.iter(|| {
                opened.clear();
                sealer.open(&object, &pointer, &mut opened).expect("what was sealed opens");
                black_box(opened.len())
            });
        });
    }
    group.finish();
}

/// Building the nodes of a tree, decoding them, and walking through all of it.
pub(crate) fn tree(criterion: &mut Criterion) {
    let entries = sample::entries(ENTRIES);
    let (nodes, root) = built(&entries);
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Elements(entries.len() as u64)).sample_size(20);
    group.bench_function(name("encode", limits::ENTRIES), |bench| {
        bench.iter_batched(
            || entries.clone(),
            |entries| black_box(encoded(entries)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function(name("decode", limits::ENTRIES), |bench| {
        bench.iter(|| nodes.values().map(|stored| entries_in(&stored.node())).sum::<usize>());
    });
    group.bench_function(name("walk", limits::ENTRIES), |bench| {
        bench.iter(|| {
            let mut walk = Walk::new(root.pointer, |pointer: &Pointer| Ok(nodes[&pointer.id].node()));
            let mut count = 0_usize;
            while walk.next_entry::<Malformed>().expect("a built tree can be walked").is_some() {
                count += 1;
            }
            assert_eq!(count, entries.len());
        });
    });
    group.finish();
}

fn samples(text: Limit, random: Limit) -> [(&'static str, Limit, Vec<u8>); 2] {
    [("text", text, sample::text(BUNDLE_BYTES)), ("random", random, sample::noise(BUNDLE_BYTES))]
}

struct Stored {
    plain: Vec<u8>,
    references: Vec<ObjectId>,
}

impl Stored {
    fn node(&self) -> Node {
        Node::decode(&self.plain, &self.references, Epoch::FIRST).expect("a built node decodes")
    }
}

fn entries_in(node: &Node) -> usize {
    match node {
        Node::Leaf(entries) => entries.len(),
        _ => 0,
    }
}

/// Nodes go nowhere, but get the seed that a pointer needs: that much belongs to the tree.
fn encoded(entries: Vec<Entry>) -> Root {
    let keys = sample::keys();
    let mut sink = |node: NodePlain<'_>| {
        let seed = keys.seed(Kind::Node, node.plain);
        let plain_bytes = u32::try_from(node.plain.len()).expect("nodes are short");
        Ok::<_, Infallible>(Pointer {
            id: ObjectId::from_bytes(*seed.as_bytes()),
            seed,
            plain_bytes,
            epoch: Epoch::FIRST,
        })
    };
    let mut builder = Builder::new(&keys);
    for entry in entries {
        builder.push(entry, &mut sink).expect("made entries are in order");
    }
    builder.finish(&mut sink).expect("the sink takes everything")
}

fn built(entries: &[Entry]) -> (HashMap<ObjectId, Stored>, Root) {
    let keys = sample::keys();
    let mut nodes = HashMap::new();
    let mut sink = |node: NodePlain<'_>| {
        let seed = keys.seed(Kind::Node, node.plain);
        let id = ObjectId::from_bytes(*seed.as_bytes());
        nodes.insert(id, Stored { plain: node.plain.to_vec(), references: node.references.to_vec() });
        let plain_bytes = u32::try_from(node.plain.len()).expect("nodes are short");
        Ok::<_, Infallible>(Pointer { id, seed, plain_bytes, epoch: Epoch::FIRST })
    };
    let mut builder = Builder::new(&keys);
    for entry in entries {
        builder.push(entry.clone(), &mut sink).expect("made entries are in order");
    }
    let root = builder.finish(&mut sink).expect("the sink takes everything");
    (nodes, root)
}

fn name(what: &str, limit: Limit) -> BenchmarkId {
    BenchmarkId::new(what, limit)
}
