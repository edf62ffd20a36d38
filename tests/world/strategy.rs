//! Trees by chance.

use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::*;

use super::Body;
use super::Contents;
use super::Item;
use super::Link;
use super::Tree;
use super::is_root;

/// A tree with every kind of entry that whoever runs the tests may make.
pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let leaf = item(body());
    let root = leaf.prop_recursive(4, 40, 8, |inner| item(folder(inner)));
    let link =
        (any::<usize>(), any::<usize>(), name()).prop_map(|(file, folder, name)| Link { file, folder, name });
    let root = (folder(root), metadata()).prop_map(|(body, metadata)| with(body, metadata));
    (root, vec(link, 0..4)).prop_map(|(root, links)| Tree { root, links })
}

/// Few different ones, so that names repeat between folders; some that sort around the separator; any bytes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = vec(any::<u8>().prop_filter("no separator", |byte| !matches!(byte, 0 | b'/')), 1..20);
    let names = prop_oneof![
        2 => "[ab]{1,2}".prop_map(String::into_bytes),
        1 => "a[-.! ~\u{1}]b".prop_map(String::into_bytes),
        1 => "a{255}".prop_map(String::into_bytes),
        2 => any_bytes,
    ];
    names.prop_filter("a name", |name| !matches!(name.as_slice(), b"." | b".."))
}

fn folder(inner: impl Strategy<Value = Item>) -> impl Strategy<Value = Body> {
    btree_map(name(), inner, 0..8).prop_map(|items: BTreeMap<Vec<u8>, Item>| Body::Folder(items))
}

fn body() -> BoxedStrategy<Body> {
    let devices = if is_root() { 1 } else { 0 };
    prop_oneof![
        8 => contents().prop_map(Body::File),
        2 => vec(1..=255_u8, 1..60).prop_map(Body::Symlink),
        1 => Just(Body::Fifo),
        1 => Just(Body::Socket),
        1 => Just(Body::Folder(BTreeMap::new())),
        devices => (0..256_u32, 0..256_u32).prop_map(|(major, minor)| Body::CharDevice(major, minor)),
        devices => (0..256_u32, 0..256_u32).prop_map(|(major, minor)| Body::BlockDevice(major, minor)),
    ]
    .boxed()
}

fn contents() -> impl Strategy<Value = Contents> {
    let small = (0..4_u64, 0..6_000_usize).prop_map(|(seed, bytes)| Contents::Noise { seed, bytes });
    let large = (0..4_u64, 120_000..400_000_usize).prop_map(|(seed, bytes)| Contents::Noise { seed, bytes });
    prop_oneof![
        4 => vec(any::<u8>(), 0..40).prop_map(Contents::Text),
        4 => small,
        2 => large,
        1 => (any::<u64>(), vec(0..8_u64, 0..3)).prop_map(|(seed, places)| Contents::Sparse { seed, places }),
    ]
}

type Metadata = (u32, i64, (u32, u32), Vec<(String, Vec<u8>)>);

fn metadata() -> impl Strategy<Value = Metadata> {
    let attribute = ("user\\.[a-z]{1,5}", vec(any::<u8>(), 0..60));
    let time = prop_oneof![Just(0), Just(-1), -2_000_000_000..8_000_000_000_i64]
        .prop_flat_map(|seconds| (Just(seconds), 0..1_000_000_000_i64));
    let time = time.prop_map(|(seconds, nanoseconds)| seconds * 1_000_000_000 + nanoseconds);
    (0..0o10_000_u32, time, (0..5_000_u32, 0..5_000_u32), vec(attribute, 0..2))
}

fn item(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Item> {
    (body, metadata()).prop_map(|(body, metadata)| with(body, metadata))
}

fn with(body: Body, (mode, modified_ns, owner, attributes): Metadata) -> Item {
    // Whoever is not root must be able to read what they made.
    let mode = match (&body, is_root()) {
        (_, true) => mode,
        (Body::Folder(_), false) => mode | 0o700,
        (_, false) => mode & 0o1777 | 0o400,
    };
    let may_have = matches!(body, Body::Folder(_) | Body::File(_));
    Item { mode, modified_ns, owner, attributes: if may_have { attributes } else { Vec::new() }, body }
}
