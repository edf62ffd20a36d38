use std::convert::Infallible;

use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::layout::Malformed;
use crate::tree::Body;
use crate::tree::Content;
use crate::tree::Node;
use crate::tree::Walk;
use crate::tree::encode;
use crate::tree::samples::Store;
use crate::tree::samples::entries;
use crate::tree::samples::entry;
use crate::tree::samples::keys;
use crate::tree::samples::path;
use crate::tree::samples::plain_files;
use crate::tree::samples::pointer;

fn read(store: &Store, root: &Root) -> Vec<Entry> {
    let mut walk = Walk::new(root.pointer, |pointer: &Pointer| store.fetch(pointer));
    std::iter::from_fn(|| walk.next_entry::<Malformed>().expect("the tree is whole")).collect()
}

proptest! {
    #[test]
    fn a_tree_gives_its_entries_back(entries in entries(60)) {
        let mut store = Store::default();
        let root = store.build(&entries);
        prop_assert_eq!(root.entries, entries.len() as u64);
        let bytes = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.content_bytes()));
        prop_assert_eq!(root.bytes, bytes);
        prop_assert_eq!(read(&store, &root), entries);
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(12))]

    /// However the entries came to be what they are, the tree is the same, and a chain of edits shares its nodes.
    #[test]
    fn the_tree_is_a_function_of_its_entries(places in proptest::array::uniform5(proptest::prelude::any::<Index>())) {
        let mut store = Store::default();
        let entries = plain_files(30_000);
        let root = store.build(&entries);
        let mut other = entries.clone();
        for place in &places {
            let at = place.index(other.len());
            let mut near = other.remove(at);
            near.path = near.path.join(b"moved").expect("a short path");
            other.insert(at, near);
            let nodes = store.len();
            store.build(&other);
            proptest::prop_assert!(store.len() - nodes <= 8, "{} nodes changed by one edit", store.len() - nodes);
        }
        let nodes = store.len();
        for at in places.iter().rev().map(|place| place.index(entries.len())) {
            other[at] = entries[at].clone();
        }
        prop_assert_eq!(store.build(&other), root);
        prop_assert_eq!(store.len(), nodes);
    }
}

#[test]
fn many_entries_make_several_levels() {
    let mut store = Store::default();
    let entries = plain_files(60_000);
    let root = store.build(&entries);
    assert_eq!((root.entries, root.bytes), (60_000, 60_000_000));
    let top = store.fetch(&root.pointer).expect("the root is there");
    assert!(matches!(top, Node::Inner { level: 2, .. }), "{top:?}");
    assert!(read(&store, &root) == entries);
}

#[test]
fn insertions_and_removals_change_few_nodes() {
    let mut store = Store::default();
    let mut entries = plain_files(30_000);
    store.build(&entries);
    let mut changed = 0;
    for number in 0..40_usize {
        let nodes = store.len();
        let at = number * 700 + 13;
        if number % 2 == 0 {
            entries.remove(at);
        } else {
            let name = entries[at].path.join(b"below").expect("a short path");
            entries.insert(at + 1, entry(name, Body::Fifo));
        }
        store.build(&entries);
        changed += store.len() - nodes;
    }
    assert!(changed <= 40 * 4, "{changed} nodes changed by 40 edits");
}

#[test]
fn no_entries_make_one_leaf() {
    let mut store = Store::default();
    let root = store.build(&[]);
    assert_eq!((root.entries, root.bytes, store.len()), (0, 0, 1));
    assert_eq!(read(&store, &root), []);
}

#[test]
fn an_entry_out_of_place_is_refused_and_the_rest_goes_on() {
    let mut store = Store::default();
    let mut sink = |node: NodePlain<'_>| store.put(node);
    let mut builder = Builder::new(&keys());
    let fifo = |name| entry(path(name), Body::Fifo);
    builder.push(fifo("b"), &mut sink).expect("the first entry");
    let again = builder.push(fifo("b"), &mut sink).expect_err("the same path");
    assert_eq!(again.to_string(), "entry /b comes after /b");
    assert!(matches!(builder.push(fifo("a"), &mut sink), Err(BuildError::Order { .. })));
    let mut invalid = fifo("c");
    invalid.mode = 0o10_000;
    assert!(matches!(builder.push(invalid, &mut sink), Err(BuildError::Invalid(_))));
    builder.push(fifo("c"), &mut sink).expect("the next entry");
    let root = builder.finish(&mut sink).expect("the store takes everything");
    assert_eq!(read(&store, &root), [fifo("b"), fifo("c")]);
}

#[test]
fn heavy_entries_do_not_overfill_a_leaf() {
    let mut store = Store::default();
    let link = |number: u32| {
        let target = vec![b'x'; 64 << 10];
        entry(path(&format!("{number:04}")), Body::Symlink { target })
    };
    let links: Vec<Entry> = (0..100).map(link).collect();
    let root = store.build(&links);
    assert!(store.len() > 6, "{} nodes for 6.4 MB of targets", store.len());
    assert!(read(&store, &root) == links);
}

#[test]
fn long_paths_still_make_a_tree() {
    let folder = PathKey::from_components(vec![b"y".repeat(255); 2000]).expect("a long path");
    let file = |number: u32| {
        let name = folder.join(format!("{number}").as_bytes()).expect("room for a name");
        let content = Content::Slice { bundle: pointer(1, 100), offset: number };
        entry(name, Body::File { bytes: 1, content })
    };
    let files: Vec<Entry> = (10..35).map(file).collect();
    let mut store = Store::default();
    let root = store.build(&files);
    assert!(read(&store, &root) == files);
}

/// The nodes of a tree in the order in which they are handed out, as bytes and as what they say.
fn nodes(entries: &[Entry]) -> (Root, Vec<Vec<u8>>, Vec<Node>) {
    let mut store = Store::default();
    let (mut plains, mut pointers) = (Vec::new(), Vec::new());
    let mut builder = Builder::new(&keys());
    let mut sink = |node: NodePlain<'_>| {
        plains.push(node.plain.to_vec());
        let pointer = store.put(node)?;
        pointers.push(pointer);
        Ok::<_, Infallible>(pointer)
    };
    for entry in entries {
        builder.push(entry.clone(), &mut sink).expect("the entries are valid and in order");
    }
    let root = builder.finish(&mut sink).expect("the sink takes everything");
    let nodes = pointers.iter().map(|pointer| store.fetch(pointer).expect("just put")).collect();
    (root, plains, nodes)
}

/// How many items each node has, by the words of FORMAT.md, "Where nodes end".
fn lengths_by_the_rule(hashes: impl Iterator<Item = u64>, rule: [u64; 5]) -> Vec<u64> {
    let [shortest, middle, longest, strict, generous] = rule;
    let mut lengths = vec![0];
    for hash in hashes {
        let last = lengths.last_mut().expect("there is a first node");
        let below = u64::MAX / if *last < middle { strict } else { generous };
        if *last >= longest || (*last >= shortest && hash < below) {
            lengths.push(1);
        } else {
            *last += 1;
        }
    }
    lengths
}

/// FORMAT.md, "Where nodes end": which entries and which children stand together, and the bytes that they make.
#[test]
fn golden_trees() {
    let hash = |plains: &[Vec<u8>]| blake3::hash(&plains.concat()).to_string();
    let (_, plains, _) = nodes(&[]);
    assert_eq!(hash(&plains), "7784b17d1d8ff658cfe8f0e111316a964c95233a486ccbdfaf86539c9e3e3a30");
    let (_, plains, _) = nodes(&plain_files(2));
    assert_eq!(hash(&plains), "cce6f8a927d078690c3a2621e47e0b15f28ed79e73f6de4677ef1bfafcff7427");

    let entries = plain_files(60_000);
    let (root, plains, nodes) = nodes(&entries);
    let (mut leaves, mut firsts, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    for (plain, node) in plains.iter().zip(&nodes) {
        assert_eq!(*plain, encode(node).0, "its bytes are those that the tables of nodes give");
        match node {
            Node::Leaf(entries) => {
                leaves.push(entries.len() as u64);
                firsts.push(entries.first().expect("no leaf is empty here").path.clone());
            }
            Node::Inner { level, children } => inner.push((*level, leaves.len(), children.len() as u64)),
            Node::List { .. } => panic!("these files have no content lists"),
        }
    }
    let keys = keys();
    let hashes = entries.iter().map(|entry| keys.border(entry.path.as_bytes()));
    assert_eq!(leaves, lengths_by_the_rule(hashes, [128, 320, 1024, 384, 96]));
    assert_eq!(leaves[..12], [474, 365, 314, 570, 320, 459, 444, 180, 177, 350, 604, 991]);
    let hashes = firsts.iter().map(|first| keys.border(&[first.as_bytes(), &[0, 0, 1]].concat()));
    assert_eq!(lengths_by_the_rule(hashes, [24, 56, 256, 64, 16]), [86, 94, 3]);
    // Level, leaves that were handed out before, children.
    assert_eq!(inner, [(1, 87, 86), (1, 181, 94), (1, 183, 3), (2, 183, 3)]);
    assert_eq!(hash(&plains), "c3b294407d42ddfc9e9191f0dd81c0e6c18d8f2bbb420cb9d0afddbf8f9a9b70");
    let id = root.pointer.id.to_string();
    assert_eq!(id, "38f52185c87c3be6e4526ff7237e52be1e009039777263f006fd0f1bb3c2a83c");
}
