use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::tree::Body;
use crate::tree::Child;
use crate::tree::NodePlain;
use crate::tree::encode;
use crate::tree::samples::Store;
use crate::tree::samples::any_path;
use crate::tree::samples::entries;
use crate::tree::samples::entry;
use crate::tree::samples::path;
use crate::tree::samples::plain_files;

fn rest<F: FnMut(&Pointer) -> Result<Node, Malformed>>(walk: &mut Walk<F>) -> Vec<Entry> {
    std::iter::from_fn(|| walk.next_entry().expect("the tree is whole")).collect()
}

proptest! {
    #[test]
    fn seek_finds_what_is_at_or_behind(entries in entries(40), targets in proptest::array::uniform3(any_path())) {
        let mut store = Store::default();
        let root = store.build(&entries).pointer;
        let mut walk = Walk::new(root, |pointer: &Pointer| store.fetch(pointer));
        for target in targets {
            walk.seek(&target).expect("the tree is whole");
            let expected = entries.iter().find(|entry| entry.path >= target).cloned();
            prop_assert_eq!(walk.next_entry::<Malformed>(), Ok(expected));
        }
        walk.seek(&PathKey::root()).expect("the tree is whole");
        prop_assert_eq!(rest(&mut walk), entries);
    }

    #[test]
    fn a_skipped_folder_leaves_the_others(entries in entries(40), at in proptest::prelude::any::<Index>()) {
        proptest::prop_assume!(!entries.is_empty());
        let mut store = Store::default();
        let root = store.build(&entries).pointer;
        let mut walk = Walk::new(root, |pointer: &Pointer| store.fetch(pointer));
        let folder = entries[at.index(entries.len())].path.clone();
        let mut found = Vec::new();
        while let Some(entry) = walk.next_entry::<Malformed>().expect("the tree is whole") {
            if entry.path == folder {
                walk.skip_folder::<Malformed>().expect("the tree is whole");
            }
            found.push(entry);
        }
        let inside = |entry: &Entry| entry.path != folder && entry.path.starts_with(&folder);
        let expected: Vec<Entry> = entries.iter().filter(|entry| !inside(entry)).cloned().collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_large_tree_is_read_where_it_is_asked_for() {
    let mut store = Store::default();
    let mut files = plain_files(40_000);
    let folders = (0..400).map(|number| entry(path(&format!("home/{number:03}")), Body::Folder));
    files.extend(folders);
    files.push(entry(path("home"), Body::Folder));
    files.sort_by(|left, right| left.path.cmp(&right.path));
    let root = store.build(&files).pointer;
    let nodes = store.len();
    let mut walk = Walk::new(root, |pointer: &Pointer| store.fetch(pointer));
    assert!(rest(&mut walk) == files);
    assert_eq!(store.fetched(), nodes);

    for number in [0, 17, 20_000, 39_999, 5_000] {
        let target = path(&format!("home/{:03}/f{number:06}.txt", number / 100));
        walk.seek(&target).expect("the tree is whole");
        let found = walk.next_entry::<Malformed>().expect("the tree is whole");
        assert_eq!(found.map(|entry| entry.path), Some(target));
        assert!(store.fetched() <= 3, "one node per level");
    }

    walk.seek(&path("home/100")).expect("the tree is whole");
    walk.next_entry::<Malformed>().expect("the tree is whole");
    walk.skip_folder::<Malformed>().expect("the tree is whole");
    let next = walk.next_entry::<Malformed>().expect("the tree is whole");
    assert_eq!(next.map(|entry| entry.path), Some(path("home/101")));
    walk.seek(&path("home/100/f010050.txt")).expect("the tree is whole");
    let back = walk.next_entry::<Malformed>().expect("the tree is whole");
    assert_eq!(back.map(|entry| entry.path), Some(path("home/100/f010050.txt")));

    walk.seek(&path("home")).expect("the tree is whole");
    walk.next_entry::<Malformed>().expect("the tree is whole");
    store.fetched();
    walk.skip_folder::<Malformed>().expect("the tree is whole");
    assert_eq!(walk.next_entry::<Malformed>(), Ok(None));
    assert!(store.fetched() <= 3, "{} nodes read to pass over everything", store.fetched());
}

#[test]
fn skipping_the_root_folder_skips_everything() {
    let mut store = Store::default();
    let all = [entry(PathKey::root(), Body::Folder), entry(path("a"), Body::Fifo)];
    let root = store.build(&all).pointer;
    let mut walk = Walk::new(root, |pointer: &Pointer| store.fetch(pointer));
    assert_eq!(walk.next_entry::<Malformed>(), Ok(Some(all[0].clone())));
    walk.skip_folder::<Malformed>().expect("nothing to read");
    assert_eq!(walk.next_entry::<Malformed>(), Ok(None));
    walk.seek::<Malformed>(&path("a")).expect("the tree is whole");
    assert_eq!(walk.next_entry::<Malformed>(), Ok(Some(all[1].clone())));
}

#[test]
fn what_fetch_says_comes_through() {
    let root = Store::default().build(&[]).pointer;
    let empty = Store::default();
    let mut walk = Walk::new(root, |pointer: &Pointer| empty.fetch(pointer));
    assert_eq!(walk.next_entry().map_err(|error: Malformed| error.what), Err("pointer to nothing"));
}

/// Every node in turn is gone: what it holds is named by its borders and number, and everything else is read.
#[test]
fn a_walk_goes_on_behind_what_cannot_be_read() {
    let mut store = Store::default();
    let files = plain_files(12_000);
    let root = store.build(&files).pointer;
    let mut nodes = vec![root];
    let mut at = 0;
    while let Some(pointer) = nodes.get(at).copied() {
        if let Node::Inner { children, .. } = store.fetch(&pointer).expect("the tree is whole") {
            nodes.extend(children.iter().map(|child| child.pointer));
        }
        at += 1;
    }
    assert!(nodes.len() > 20, "{} nodes", nodes.len());
    let middle = path("home/060");
    for gone in &nodes {
        let fetch = |pointer: &Pointer| match pointer == gone {
            true => Err(Malformed { what: "gone", offset: 0 }),
            false => store.fetch(pointer),
        };
        for from in [PathKey::root(), middle.clone()] {
            let mut walk = Walk::new(root, fetch);
            let mut gaps = Vec::new();
            let mut found = Vec::new();
            while walk.seek(&from).is_err() {
                gaps.push(walk.gap().cloned().expect("there was an error"));
            }
            loop {
                match walk.next_entry::<Malformed>() {
                    Ok(Some(entry)) => found.push(entry),
                    Ok(None) => break,
                    Err(_) => gaps.push(walk.gap().cloned().expect("there was an error")),
                }
            }
            assert!(gaps.len() <= 1, "{gaps:?}");
            let hidden = |entry: &&Entry| {
                let inside = |gap: &Gap| {
                    gap.first <= entry.path && gap.end.as_ref().is_none_or(|end| entry.path < *end)
                };
                gaps.iter().any(inside)
            };
            let missing = files.iter().filter(hidden).count() as u64;
            assert_eq!(
                gaps.iter().filter_map(|gap| gap.entries).sum::<u64>(),
                if *gone == root { 0 } else { missing }
            );
            let rest: Vec<&Entry> =
                files.iter().filter(|entry| entry.path >= from && !hidden(entry)).collect();
            assert!(found.iter().eq(rest), "without the node of {gaps:?}");
        }
    }
}

#[test]
fn a_folder_is_passed_over_also_where_its_end_cannot_be_read() {
    let mut store = Store::default();
    let mut files = plain_files(12_000);
    files.push(entry(path("home"), Body::Folder));
    files.extend((0..120).map(|number| entry(path(&format!("home/{number:03}")), Body::Folder)));
    files.sort_by(|left, right| left.path.cmp(&right.path));
    let root = store.build(&files).pointer;
    let Ok(Node::Inner { children, .. }) = store.fetch(&root) else { panic!("it has leaves") };
    for gone in &children {
        let fetch = |pointer: &Pointer| match *pointer == gone.pointer {
            true => Err(Malformed { what: "gone", offset: 0 }),
            false => store.fetch(pointer),
        };
        for number in [0, 3, 60] {
            let folder = path(&format!("home/{number:03}"));
            let mut walk = Walk::new(root, fetch);
            if walk.seek(&folder).is_err() {
                continue;
            }
            assert_eq!(
                walk.next_entry::<Malformed>().map(|entry| entry.map(|entry| entry.path)),
                Ok(Some(folder))
            );
            while walk.skip_folder::<Malformed>().is_err() {}
            let next = loop {
                if let Ok(next) = walk.next_entry::<Malformed>() {
                    break next.expect("there are more folders").path;
                }
            };
            let expected = files.iter().map(|entry| &entry.path).find(|at| {
                let behind = **at > path(&format!("home/{number:03}/f999999.txt"));
                let hidden = walk
                    .gap()
                    .is_some_and(|gap| gap.first <= **at && gap.end.as_ref().is_none_or(|end| *at < end));
                behind && !hidden
            });
            assert_eq!(Some(&next), expected);
        }
    }
}

#[test]
fn a_tree_put_together_wrongly_is_not_followed() {
    let mut store = Store::default();
    let put = |store: &mut Store, node: Node| {
        let (plain, references) = encode(&node);
        store.put(NodePlain { plain: &plain, references: &references }).expect("the store takes everything")
    };
    let leaf = |names: &[&str]| Node::Leaf(names.iter().map(|name| entry(path(name), Body::Fifo)).collect());
    let (ab, cd) = (put(&mut store, leaf(&["a", "b"])), put(&mut store, leaf(&["c", "d"])));
    let child = |first: &str, pointer, entries, bytes| Child { first: path(first), pointer, entries, bytes };
    let good = vec![child("a", ab, 2, 0), child("c", cd, 2, 0)];
    let wrong = [
        (1, vec![child("a", ab, 2, 0), child("b", cd, 2, 0)], "tree: node with paths of another"),
        (1, vec![child("a", ab, 2, 0), child("b", ab, 2, 0)], "tree: node with paths of another"),
        (1, vec![child("a", ab, 3, 0)], "tree: node with another number of entries or bytes"),
        (1, vec![child("a", ab, 2, 1)], "tree: node with another number of entries or bytes"),
        (2, vec![child("a", ab, 2, 0)], "tree: node of a wrong level"),
    ];
    let outcome = |store: &Store, root| {
        let mut walk = Walk::new(root, |pointer: &Pointer| store.fetch(pointer));
        loop {
            match walk.next_entry::<Malformed>() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error.what),
            }
        }
    };
    let root = put(&mut store, Node::Inner { level: 1, children: good });
    assert_eq!(outcome(&store, root), None);
    for (level, children, expected) in wrong {
        let root = put(&mut store, Node::Inner { level, children });
        assert_eq!(outcome(&store, root), Some(expected));
    }
    let list = Node::List { height: 0, pointers: vec![ab], bytes: vec![u64::from(ab.plain_bytes)] };
    let root = put(&mut store, list);
    assert_eq!(outcome(&store, root), Some("tree: content list in place of a node"));
}
