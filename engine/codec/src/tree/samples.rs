//! Entries, trees and a store of nodes for the tests of this room.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::sample::select;

use crate::id::ObjectId;
use crate::id::RepositoryId;
use crate::id::Seed;
use crate::key::DomainKeys;
use crate::key::DomainSecret;
use crate::key::Epoch;
use crate::layout::Malformed;
use crate::limits::PLAIN_BYTES_MAX;
use crate::object::Pointer;
use crate::time::Time;
use crate::tree::Attribute;
use crate::tree::Body;
use crate::tree::Builder;
use crate::tree::Content;
use crate::tree::Entry;
use crate::tree::Flags;
use crate::tree::Hole;
use crate::tree::Node;
use crate::tree::NodePlain;
use crate::tree::Owner;
use crate::tree::PathKey;
use crate::tree::Root;

pub(crate) fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([7; 32]), RepositoryId::from_bytes([1; 32]))
}

pub(crate) fn path(slashes: &str) -> PathKey {
    PathKey::from_slashes(slashes.as_bytes()).expect("tests name valid paths")
}

/// A pointer to nothing; equal numbers give equal pointers.
pub(crate) fn pointer(number: u64, plain_bytes: u32) -> Pointer {
    let hash = *blake3::hash(&number.to_le_bytes()).as_bytes();
    let seed = *blake3::hash(&hash).as_bytes();
    Pointer { id: ObjectId::from_bytes(hash), seed: Seed::from_bytes(seed), plain_bytes, epoch: Epoch::FIRST }
}

pub(crate) fn owner() -> Arc<Owner> {
    Arc::new(Owner { uid: 1000, gid: 100, user: b"ann".to_vec(), group: b"users".to_vec() })
}

pub(crate) fn entry(path: PathKey, body: Body) -> Entry {
    Entry {
        path,
        mode: 0o644,
        owner: owner(),
        modified: Time::from_nanoseconds(1_760_000_000_000_000_000),
        attributes: Vec::new(),
        flags: Flags::default(),
        body,
    }
}

/// Many small files in a few bundles, as a first backup lays them.
pub(crate) fn plain_files(count: u64) -> Vec<Entry> {
    let file = |number: u64| {
        let bundle = pointer(number / 500, 500 * 1000);
        let offset = u32::try_from(number % 500 * 1000).expect("bundles are short");
        let content = Content::Slice { bundle, offset };
        let name = format!("home/{:03}/f{number:06}.txt", number / 100);
        entry(path(&name), Body::File { bytes: 1000, content })
    };
    (0..count).map(file).collect()
}

/// Nodes by what leads to them, with a count of the reads.
#[derive(Default)]
pub(crate) struct Store {
    nodes: HashMap<Pointer, (Vec<u8>, Vec<ObjectId>)>,
    fetched: Cell<usize>,
}

impl Store {
    pub(crate) fn put(&mut self, node: NodePlain<'_>) -> Result<Pointer, Infallible> {
        let mut bytes = node.plain.to_vec();
        node.references.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
        let hash = *blake3::hash(&bytes).as_bytes();
        let plain_bytes = u32::try_from(node.plain.len()).expect("nodes are short");
        assert!(node.plain.len() <= PLAIN_BYTES_MAX, "a node that no object can hold");
        let pointer = Pointer {
            id: ObjectId::from_bytes(hash),
            seed: Seed::from_bytes(hash),
            plain_bytes,
            epoch: Epoch::FIRST,
        };
        self.nodes.insert(pointer, (node.plain.to_vec(), node.references.to_vec()));
        Ok(pointer)
    }

    pub(crate) fn fetch(&self, pointer: &Pointer) -> Result<Node, Malformed> {
        self.fetched.set(self.fetched.get() + 1);
        let missing = Malformed { what: "pointer to nothing", offset: 0 };
        let (plain, references) = self.nodes.get(pointer).ok_or(missing)?;
        Node::decode(plain, references, Epoch::FIRST)
    }

    pub(crate) fn build(&mut self, entries: &[Entry]) -> Root {
        let mut builder = Builder::new(&keys());
        let mut sink = |node: NodePlain<'_>| self.put(node);
        for entry in entries {
            builder.push(entry.clone(), &mut sink).expect("the entries are valid and in order");
        }
        builder.finish(&mut sink).expect("the store takes everything")
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Number of reads since this was last asked.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.take()
    }
}

/// Sorted entries of every kind, up to `most` of them.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    btree_map(any_path(), any_rest(), 0..=most).prop_map(|rests: BTreeMap<PathKey, Rest>| {
        let paths: Vec<PathKey> = rests.keys().cloned().collect();
        let put_together =
            |(index, (path, rest)): (usize, (PathKey, Rest))| rest.into_entry(path, &paths[..index]);
        rests.into_iter().enumerate().map(put_together).collect()
    })
}

pub(crate) fn any_path() -> impl Strategy<Value = PathKey> {
    let common = select(vec!["a", "ab", "b", "b.c", "b.h", "file0001.txt", "file0002.txt", " ", "é", "..."]);
    let component = prop_oneof![
        6 => common.prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..6),
        1 => vec(select(b"x\x01\xff".to_vec()), 250..256),
    ];
    let valid = |names: Vec<Vec<u8>>| PathKey::from_components(names).ok();
    vec(component, 0..5).prop_filter_map("components can be names", valid)
}

/// An entry without its path.
#[derive(Debug, Clone)]
struct Rest {
    mode: u32,
    owner: Arc<Owner>,
    modified: i64,
    attributes: Vec<Attribute>,
    flags: Flags,
    body: AnyBody,
}

#[derive(Debug, Clone)]
enum AnyBody {
    Ready(Body),
    HardLink(usize),
}

impl Rest {
    /// The entry with this path. `before` are the paths that a hard link can name.
    fn into_entry(self, path: PathKey, before: &[PathKey]) -> Entry {
        let body = match self.body {
            AnyBody::Ready(body) => body,
            AnyBody::HardLink(number) => match before.get(number % before.len().max(1)) {
                Some(first) if *first != PathKey::root() => Body::HardLink { first: first.clone() },
                _ => Body::Fifo,
            },
        };
        let bare = body == Body::Ancestor;
        Entry {
            path,
            mode: self.mode,
            owner: self.owner,
            modified: Time::from_nanoseconds(if bare { 0 } else { self.modified }),
            attributes: if bare { Vec::new() } else { self.attributes },
            flags: if bare { Flags::default() } else { self.flags },
            body,
        }
    }
}

fn any_rest() -> impl Strategy<Value = Rest> {
    let mode = prop_oneof![Just(0o644), Just(0o755), 0..=0o7777_u32];
    let modified = prop_oneof![
        4 => (0..50_i64).prop_map(|second| (1_700_000_000 + second) * 1_000_000_000),
        2 => (0..50_i64).prop_map(|second| second * 1_000_000_000 + 123_456_789),
        2 => any::<i64>(),
        1 => select(vec![i64::MIN, -1, 0, i64::MAX]),
    ];
    let flags = any::<bool>().prop_map(|inconsistent| Flags { inconsistent });
    let parts = (mode, any_owner(), modified, any_attributes(), flags, any_body());
    parts.prop_map(|(mode, owner, modified, attributes, flags, body)| Rest {
        mode,
        owner,
        modified,
        attributes,
        flags,
        body,
    })
}

fn any_owner() -> impl Strategy<Value = Arc<Owner>> {
    let known = select(vec![owner(), Arc::default()]);
    let other = (any::<u32>(), any::<u32>(), vec(any::<u8>(), 0..4), vec(any::<u8>(), 0..4))
        .prop_map(|(uid, gid, user, group)| Arc::new(Owner { uid, gid, user, group }));
    prop_oneof![8 => known, 1 => other]
}

fn any_attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let name =
        select(vec!["user.a", "user.b", "security.capability"]).prop_map(|name| name.as_bytes().to_vec());
    let value = prop_oneof![Just(b"same".to_vec()), vec(any::<u8>(), 0..20)];
    let set = btree_map(name, value, 0..3)
        .prop_map(|set| set.into_iter().map(|(name, value)| Attribute { name, value }).collect());
    prop_oneof![5 => Just(Vec::new()), 1 => set]
}

fn any_body() -> impl Strategy<Value = AnyBody> {
    let file = (any_content(), any::<bool>()).prop_map(|((bytes, content), image)| {
        if image { Body::Image { bytes, content } } else { Body::File { bytes, content } }
    });
    let slice = (0..6_u64, 0..900_u32, 1..=100_u64).prop_map(|(number, offset, bytes)| {
        let content = Content::Slice { bundle: pointer(number, 1000), offset };
        Body::File { bytes, content }
    });
    let target = vec(1..=255_u8, 1..30).prop_map(|target| Body::Symlink { target });
    let device = (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(|(major, minor, block)| {
        if block { Body::BlockDevice { major, minor } } else { Body::CharDevice { major, minor } }
    });
    let bare = select(vec![Body::Folder, Body::Ancestor, Body::Fifo, Body::Socket]);
    let ready = prop_oneof![4 => slice, 4 => file, 1 => target, 1 => device, 2 => bare];
    prop_oneof![8 => ready.prop_map(AnyBody::Ready), 1 => any::<usize>().prop_map(AnyBody::HardLink)]
}

/// A length and a content of that length.
fn any_content() -> impl Strategy<Value = (u64, Content)> {
    let chunks = (vec((0..30_u64, 1..5_u32), 0..=8), any_holes()).prop_map(|(chunks, gaps)| {
        let pointers: Vec<Pointer> =
            chunks.into_iter().map(|(number, bytes)| pointer(number, bytes)).collect();
        let stored = pointers.iter().map(|pointer| u64::from(pointer.plain_bytes)).sum();
        let (bytes, holes) = with_holes(stored, &gaps);
        if bytes == 0 { (0, Content::Empty) } else { (bytes, Content::Chunks { pointers, holes }) }
    });
    let list = (0..30_u64, 0..=16_u8, 1..u64::from(u32::MAX), any_holes()).prop_map(
        |(number, height, stored, gaps)| {
            let (bytes, holes) = with_holes(stored, &gaps);
            (bytes, Content::List { root: pointer(100 + number, 5000), height, holes })
        },
    );
    let large = Just((u64::MAX, Content::List { root: pointer(99, 1), height: 0, holes: Vec::new() }));
    prop_oneof![1 => Just((0, Content::Empty)), 4 => chunks, 2 => list, 1 => large]
}

fn any_holes() -> impl Strategy<Value = Vec<(u64, u64)>> {
    option::of(vec((0..4_u64, 1..1_000_000_u64), 1..5)).prop_map(Option::unwrap_or_default)
}

/// Lays holes into a file with `stored` bytes, as far as there are bytes to keep them apart.
fn with_holes(stored: u64, gaps: &[(u64, u64)]) -> (u64, Vec<Hole>) {
    let mut holes: Vec<Hole> = Vec::new();
    let (mut left, mut end) = (stored, 0);
    for (gap, bytes) in gaps {
        if *gap > left || (*gap == 0 && end > 0) {
            continue;
        }
        left -= gap;
        holes.push(Hole { offset: end + gap, bytes: *bytes });
        end += gap + bytes;
    }
    (end + left, holes)
}
