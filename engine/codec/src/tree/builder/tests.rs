use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::layout::Malformed;
use crate::tree::Body;
use crate::tree::Content;
use crate::tree::Walk;
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
    assert!(matches!(top, crate::tree::Node::Inner { level: 2, .. }), "{top:?}");
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
