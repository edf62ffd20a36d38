use std::collections::HashSet;
use std::ops::ControlFlow;

use farkeep_codec::id::SnapshotId;

use super::*;
use crate::collect::mark::Question;
use crate::collect::mark::mark;
use crate::collect::pace::Limits;
use crate::collect::tests::commit;
use crate::collect::tests::create;
use crate::collect::tests::put;
use crate::collect::tests::references;
use crate::disk::SimulatedDisk;
use crate::store::tests::Recorder;
use crate::store::tests::data;
use crate::store::tests::node;

/// The trees in the order in which a restore of each reads them, by way of the whole graph.
fn walk(
    objects: &crate::collect::tests::Objects,
    root: ObjectId,
    order: &mut Vec<ObjectId>,
    seen: &mut HashSet<ObjectId>,
) {
    if seen.insert(root) {
        order.push(root);
        references(&objects[&root]).into_iter().for_each(|below| walk(objects, below, order, seen));
    }
}

#[test]
fn objects_are_ranked_as_the_newest_trees_need_them_series_by_series() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut objects: crate::collect::tests::Objects = (0..12).map(|number| data(number, 900)).collect();
    let leaf = |number: u64| data(number, 900).0;
    let first = node(1, &[leaf(7), leaf(2), leaf(9)]);
    let second = node(2, &[leaf(4), leaf(2), leaf(0)]);
    let older = node(3, &[leaf(11), leaf(3)]);
    let a = node(10, &[second.0, first.0]);
    let b = node(11, &[first.0, leaf(5), older.0]);
    let old = node(12, &[older.0, leaf(8), leaf(1)]);
    objects.extend([first, second, older, a.clone(), b.clone(), old.clone()]);
    put(&engine, &objects);
    let mut recorder = Recorder::new("host:/b");
    commit(&engine, &mut recorder, old.0);
    commit(&engine, &mut recorder, b.0);
    commit(&engine, &mut Recorder::new("host:/a"), a.0);

    let survey = engine.store.survey().expect("there");
    let roots = [old.0, b.0, a.0].map(|root| (SnapshotId::from_bytes([1; 32]), root)).into();
    let question =
        Question { survey: &survey, roots, young: survey.sequence, memory_bytes: 1 << 20, seed: 7 };
    let watch = |_| ControlFlow::Continue(());
    let mut work = Work::new(Limits::NONE, None, &watch);
    let Ok(marked) = mark(&engine.store, &question, &mut work) else { panic!("nothing is damaged") };
    let all: BTreeSet<u32> = survey.packs.keys().copied().collect();
    let Ok(order) = Order::new(&engine.store, &marked, all.clone(), &mut work) else {
        panic!("nothing fails")
    };
    assert!(order.covers(&all));

    let (mut expected, mut seen) = (Vec::new(), HashSet::new());
    walk(&objects, a.0, &mut expected, &mut seen);
    walk(&objects, b.0, &mut expected, &mut seen);
    let mut ranked: Vec<(u32, ObjectId)> =
        objects.keys().filter_map(|id| Some((order.of(id)?, *id))).collect();
    ranked.sort_unstable();
    assert_eq!(ranked.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), expected);

    // Of some packs alone the order is the same, without the others.
    let data: BTreeSet<u32> = survey
        .packs
        .iter()
        .filter(|(_, pack)| pack.kind == farkeep_codec::object::Kind::Data)
        .map(|(number, _)| *number)
        .collect();
    let Ok(of_data) = Order::new(&engine.store, &marked, data.clone(), &mut work) else {
        panic!("nothing fails")
    };
    assert!(of_data.covers(&data) && !of_data.covers(&all));
    let mut ranked: Vec<(u32, ObjectId)> =
        objects.keys().filter_map(|id| Some((of_data.of(id)?, *id))).collect();
    ranked.sort_unstable();
    expected.retain(|id| references(&objects[id]).is_empty());
    assert_eq!(ranked.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), expected);
}
