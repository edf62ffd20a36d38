use super::*;
use crate::Engine;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::create;
use crate::store::tests::data;
use crate::store::tests::node;
use crate::store::tests::put_tree;

/// Commits a snapshot of a tree with these leaves.
fn commit(engine: &Engine, series: &str, numbers: std::ops::Range<u64>) -> SnapshotId {
    let record = Recorder::new(series).record(put_tree(engine, numbers));
    engine.commit(&engine.begin(), &record).expect("committed").id
}

fn leaves_bytes(numbers: std::ops::Range<u64>) -> u64 {
    numbers.map(|number| data(number, 700).1.len() as u64).sum()
}

fn node_bytes(numbers: std::ops::Range<u64>) -> u64 {
    let leaves: Vec<ObjectId> = numbers.clone().map(|number| data(number, 700).0).collect();
    node(numbers.start, &leaves).1.len() as u64
}

#[test]
fn what_nothing_else_reaches_is_what_a_snapshot_costs() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let first = commit(&engine, "a", 0..4);
    let second = commit(&engine, "b", 2..8);
    let third = commit(&engine, "c", 7..9);
    let sizes = sizes(&engine.store, &[vec![first], vec![second], vec![third]]).expect("all is there");
    let unique = |node, leaves| node_bytes(node) + leaves_bytes(leaves);
    let size = |added_bytes, unique_bytes| Size { added_bytes, unique_bytes };
    assert_eq!(sizes.groups[0], size(unique(0..4, 0..4), unique(0..4, 0..2)));
    assert_eq!(sizes.groups[1], size(unique(2..8, 4..8), unique(2..8, 4..7)));
    assert_eq!(sizes.groups[2], size(unique(7..9, 8..9), unique(7..9, 8..9)));
    assert_eq!((sizes.shared_bytes, sizes.is_estimated), (leaves_bytes(2..4) + leaves_bytes(7..8), false));
    // Together they share nothing between them.
    let both = super::sizes(&engine.store, &[vec![first, second], vec![third]]).expect("all is there");
    assert_eq!(both.groups[0].unique_bytes, unique(0..4, 0..2) + unique(2..8, 2..7));
    let freed = freed(&engine.store, &[first, second]).expect("all is there");
    assert_eq!((freed.bytes, freed.is_estimated), (both.groups[0].unique_bytes, false));
    let alone: Vec<u64> = freed.each.iter().map(|size| size.unique_bytes).collect();
    assert_eq!(alone, [sizes.groups[0].unique_bytes, sizes.groups[1].unique_bytes]);
    assert_eq!(freed.bytes, alone.iter().sum::<u64>() + leaves_bytes(2..4));
    let all = super::freed(&engine.store, &[third, first, second]).expect("all is there");
    assert_eq!(all.bytes, sizes.groups.iter().map(|size| size.added_bytes).sum::<u64>());
    assert_eq!(super::freed(&engine.store, &[]).expect("nothing"), Freed::default());
    // The order changes what was added by whom, and not what is unique.
    let back = super::sizes(&engine.store, &[vec![third], vec![second], vec![first]]).expect("all is there");
    let unique: Vec<u64> = back.groups.iter().rev().map(|size| size.unique_bytes).collect();
    assert_eq!(unique, sizes.groups.iter().map(|size| size.unique_bytes).collect::<Vec<_>>());
    assert_eq!(
        super::sizes(&engine.store, &[vec![]]).expect("nothing"),
        Sizes { groups: vec![Size::default()], ..Sizes::default() }
    );
}

#[test]
fn nodes_below_a_shared_one_are_shared() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let below = put_tree(&engine, 0..3);
    let over = |series: &str, number: u64| {
        let (root, bytes) = node(number, &[below]);
        engine.put(&engine.begin(), &root, &bytes).expect("its references are there");
        let record = Recorder::new(series).record(root);
        engine.commit(&engine.begin(), &record).expect("committed").id
    };
    let ids = [over("a", 100), over("b", 101), over("c", 102)];
    let sizes = sizes(&engine.store, &ids.map(|id| vec![id])).expect("all is there");
    assert_eq!(sizes.shared_bytes, node_bytes(0..3) + leaves_bytes(0..3));
    assert!(sizes.groups.iter().all(|size| size.unique_bytes == node(100, &[below]).1.len() as u64));
}

#[test]
fn a_part_of_many_objects_tells_of_all() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let id = commit(&engine, "a", 0..400);
    let whole = sizes(&engine.store, &[vec![id]]).expect("all is there").groups[0].unique_bytes;
    let part = in_parts(&engine.store, &[vec![id]], 4).expect("all is there");
    let estimated = part.groups[0].unique_bytes;
    assert!(part.is_estimated && estimated != whole, "only a part is looked at");
    assert!(estimated.abs_diff(whole) * 4 < whole, "{estimated} for {whole}");
}
