use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::collect::pace::Limits;
use crate::disk::SimulatedDisk;
use crate::store::tests::create_with;
use crate::store::tests::data;
use crate::store::tests::node;
use crate::store::tests::open_with;
use crate::store::tests::options;

const DATA: u64 = 3_000;
const BELOW: usize = 50;

/// A repository of which every other node is needed, with the data below it, and its needed root.
fn half() -> (crate::Engine, ObjectId, BTreeSet<ObjectId>) {
    let disk = SimulatedDisk::new(1);
    let options = |seed| crate::Options { pack_bytes: 1 << 20, ..options(seed) };
    drop(create_with(&disk, options(1)).expect("made"));
    let engine = open_with(Arc::new(disk), options(2)).expect("opened");
    let session = engine.begin();
    let put = |(id, bytes): (ObjectId, Vec<u8>)| {
        engine.put(&session, &id, &bytes).expect("put");
        id
    };
    let leaves: Vec<ObjectId> = (0..DATA).map(|number| put(data(number, 40))).collect();
    let (mut needed, mut branches) = (BTreeSet::new(), Vec::new());
    for (number, below) in (0..).zip(leaves.chunks(BELOW)) {
        let branch = put(node(number, below));
        if number % 2 == 0 {
            branches.push(branch);
            needed.extend(below);
        }
    }
    let root = put(node(1 << 20, &branches));
    needed.extend(branches);
    needed.insert(root);
    engine.flush().expect("durable");
    drop(session);
    (engine, root, needed)
}

fn marked_with(engine: &crate::Engine, root: ObjectId, memory_bytes: u64) -> Marked {
    let survey = engine.store.survey().expect("there");
    let roots = vec![(SnapshotId::from_bytes([1; 32]), root)];
    let question = Question { survey: &survey, roots, young: survey.sequence, memory_bytes, seed: 7 };
    let watch = |_| ControlFlow::Continue(());
    let mut work = Work::new(Limits::NONE, None, &watch);
    let Ok(marked) = mark(&engine.store, &question, &mut work) else { panic!("nothing is damaged") };
    marked
}

/// With little memory the id space is gone through in parts, and what is found is the same.
#[test]
fn a_mark_in_many_parts_finds_what_one_finds() {
    let (engine, root, needed) = half();
    let nodes = DATA / BELOW as u64 + 1;
    for (memory_bytes, parts) in [(1 << 20, 1), (4 << 10, 8)] {
        assert_eq!(Parts::fitting(DATA + nodes, memory_bytes / FILTER_PART).count(), parts);
        let marked = marked_with(&engine, root, memory_bytes);
        let mut by_chance = 0;
        for extent in marked.numbering.extents() {
            for (number, entry) in extent.entries(&engine.store).expect("read") {
                let is_needed = needed.contains(&entry.id);
                assert!(marked.needs(number) || !is_needed, "{parts} parts: {} is needed", entry.id);
                by_chance += u64::from(marked.needs(number) && !is_needed);
            }
        }
        assert!(by_chance < DATA / 100, "{parts} parts: {by_chance} stay by chance");
        assert_eq!(marked.nodes, nodes / 2 + 1, "each node that is needed is read once to find it");
        let live: u64 = marked.figures.iter().map(|pack| pack.live_objects).sum();
        assert_eq!(live, needed.len() as u64 + by_chance);
    }
}
