use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::tree::Body;
use crate::tree::PathKey;
use crate::tree::samples::Store;
use crate::tree::samples::entries;
use crate::tree::samples::plain_files;

type Change = (Option<Entry>, Option<Entry>);

fn changes(store: &mut Store, before: &[Entry], after: &[Entry]) -> Vec<Change> {
    let (before, after) = (store.build(before).pointer, store.build(after).pointer);
    store.fetched();
    let mut diff = diff(before, after, |pointer: &Pointer| store.fetch(pointer));
    std::iter::from_fn(|| diff.next_change::<Malformed>().expect("the trees are whole")).collect()
}

/// Both lists entry by entry.
fn naive(before: &[Entry], after: &[Entry]) -> Vec<Change> {
    let mut sides: BTreeMap<PathKey, Change> = BTreeMap::new();
    before.iter().for_each(|entry| sides.entry(entry.path.clone()).or_default().0 = Some(entry.clone()));
    after.iter().for_each(|entry| sides.entry(entry.path.clone()).or_default().1 = Some(entry.clone()));
    sides.into_values().filter(|(before, after)| before != after).collect()
}

/// Edits a list of entries, sorted as before.
fn edit(entries: &[Entry], edits: &[(Index, u8)]) -> Vec<Entry> {
    let mut edited = entries.to_vec();
    for (place, edit) in edits.iter().filter(|_| !entries.is_empty()) {
        let at = place.index(edited.len().max(1));
        match (edit % 3, edited.get_mut(at)) {
            (0, Some(entry)) => entry.mode ^= 0o111,
            (1, Some(_)) => drop(edited.remove(at)),
            (_, Some(entry)) => {
                let mut new = entry.clone();
                new.path = new.path.join(b"\x01new").expect("a short path");
                new.body = Body::Fifo;
                edited.push(new);
            }
            (_, None) => {}
        }
        edited.sort_by(|left, right| left.path.cmp(&right.path));
        edited.dedup_by(|left, right| left.path == right.path);
    }
    edited
}

proptest! {
    #[test]
    fn the_difference_is_the_naive_one(before in entries(40), after in entries(40)) {
        prop_assert_eq!(changes(&mut Store::default(), &before, &after), naive(&before, &after));
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(8))]

    #[test]
    fn the_cost_follows_the_change(edits in vec((any::<Index>(), any::<u8>()), 0..6), large in any::<bool>()) {
        let before = plain_files(if large { 30_000 } else { 2_000 });
        let after = edit(&before, &edits);
        let mut store = Store::default();
        prop_assert_eq!(changes(&mut store, &before, &after), naive(&before, &after));
        let fetched = store.fetched();
        let most = if edits.is_empty() { 0 } else { 6 + 10 * edits.len() };
        prop_assert!(fetched <= most, "{fetched} nodes read for {} edits", edits.len());
        prop_assert_eq!(changes(&mut store, &after, &before), naive(&after, &before));
    }

    #[test]
    fn trees_of_different_height_compare(few in 1..300_usize, from in any::<Index>()) {
        let all = plain_files(25_000);
        let from = from.index(all.len() - few);
        let part = &all[from..from + few];
        let mut store = Store::default();
        prop_assert!(changes(&mut store, part, &all) == naive(part, &all));
        prop_assert!(changes(&mut store, &all, part) == naive(&all, part));
        prop_assert!(changes(&mut store, &[], part) == naive(&[], part));
    }
}

#[test]
fn equal_trees_are_not_read() {
    let mut store = Store::default();
    let files = plain_files(1000);
    assert_eq!(changes(&mut store, &files, &files), []);
    assert_eq!(store.fetched(), 0);
}
