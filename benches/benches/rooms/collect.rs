//! What a mark does in memory for each object, once it has read the nodes and the summaries.

use std::hint::black_box;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use farkeep_benches::limits;
use farkeep_codec::id::ObjectId;
use farkeep_engine::collect::bits::Bits;
use farkeep_engine::collect::live::LiveFilter;
use farkeep_engine::collect::nodes::NodeTable;

const NODES: u32 = 10_000;
const DATA: u32 = 1_000_000;
/// Of a node, to data.
const REFERENCES: usize = 100;
const SEED: u64 = 5;

/// A million objects of data below ten thousand nodes, all of them live: what the nodes refer to is looked up and noted, then
/// the summaries of all data are gone through.
pub(crate) fn mark(criterion: &mut Criterion) {
    let nodes: Vec<ObjectId> = (0..NODES).map(id).collect();
    let data: Vec<ObjectId> = (NODES..NODES + DATA).map(id).collect();
    let mut table = NodeTable::new(nodes.len(), SEED);
    (0..).zip(&nodes).for_each(|(number, id)| table.insert(id, number));
    let mut group = criterion.benchmark_group("collect");
    group.throughput(Throughput::Elements(u64::from(DATA))).sample_size(10);
    group.bench_function(BenchmarkId::new("mark", limits::FILTER), |bench| {
        let empty = || (Bits::new(), LiveFilter::new(u64::from(DATA), SEED));
        let mark = |(mut bits, mut filter): (Bits, LiveFilter)| {
            for (node, references) in nodes.iter().zip(data.chunks(REFERENCES)) {
                for id in references.iter().chain([node]) {
                    match table.find(id).next() {
                        Some(number) => {
                            bits.insert(number);
                        }
                        None => filter.insert(id),
                    }
                }
            }
            for (number, id) in (NODES..).zip(&data) {
                if filter.may_contain(id) {
                    bits.insert(number);
                }
            }
            assert_eq!(bits.count(), u64::from(NODES + DATA));
            black_box(bits.memory_bytes())
        };
        bench.iter_batched(empty, mark, BatchSize::PerIteration);
    });
    group.finish();
}

fn id(number: u32) -> ObjectId {
    ObjectId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}
