//! Criterion benches of single rooms, each named with the limit of the machine of reference.

mod codec;
mod collect;
mod disk;
mod sample;
mod store;

use criterion::criterion_group;
use criterion::criterion_main;

criterion_group!(
    rooms,
    codec::chunk,
    codec::seal,
    codec::open,
    codec::tree,
    disk::append,
    disk::fetch,
    store::put,
    store::index,
    store::parity,
    collect::mark
);
criterion_main!(rooms);
