use std::collections::HashMap;

use farkeep_codec::object::Kind;

use super::*;
use crate::collect::plan::Aims;
use crate::collect::plan::PackFigures;
use crate::collect::plan::PackState;
use crate::collect::plan::plan;

fn at(pack: u32, offset: u32) -> RecordAt {
    RecordAt { pack, offset }
}

/// Data: pack 1 goes as a whole, pack 2 but for its record 10. Nodes: pack 3 goes, pack 4 stays; record 7 is alive in both.
fn condemned() -> Condemned {
    let nodes = |rest: Rest| DeadNodes { offsets: vec![5, 9], rest };
    Condemned {
        data: [(1, DeadData::All), (2, DeadData::At(vec![0, 20]))].into(),
        nodes: [(3, nodes(Rest::Leaves)), (4, nodes(Rest::Stays))].into(),
    }
}

const DEAD: [RecordAt; 7] = [
    RecordAt { pack: 1, offset: 3 },
    RecordAt { pack: 2, offset: 0 },
    RecordAt { pack: 2, offset: 20 },
    RecordAt { pack: 3, offset: 5 },
    RecordAt { pack: 3, offset: 9 },
    RecordAt { pack: 4, offset: 5 },
    RecordAt { pack: 4, offset: 9 },
];
const ALIVE: [RecordAt; 4] = [
    RecordAt { pack: 0, offset: 0 },
    RecordAt { pack: 2, offset: 10 },
    RecordAt { pack: 3, offset: 7 },
    RecordAt { pack: 4, offset: 7 },
];

#[test]
fn the_older_see_what_is_condemned_and_are_waited_for() {
    let mut ledger = Ledger::new(6);
    let older = [ledger.begin(), ledger.begin()];
    ledger.condemn(condemned());
    let younger = ledger.begin();
    assert_eq!((ledger.epoch(), older[0].epoch(), younger.epoch()), (7, 6, 7));
    for record in DEAD {
        assert!(ledger.sees(older[0], record) && !ledger.sees(younger, record), "{record:?}");
    }
    for record in ALIVE {
        assert!(ledger.sees(older[0], record) && ledger.sees(younger, record), "{record:?}");
    }
    let all = [1, 2, 3].into();
    for (ended, pin) in (0..).zip(older) {
        assert_eq!(ledger.waits_for(), 2 - ended);
        assert_eq!(ledger.remove(&all), None);
        ledger.end(pin);
    }
    let removal = ledger.remove(&all).expect("the younger one is not waited for");
    assert_eq!(removal, Removal { packs: vec![1, 2, 3], nodes: vec![at(4, 5), at(4, 9)] });
    assert_eq!(ledger.remove(&all), None, "nothing is condemned any more");
    ledger.end(younger);
    assert_eq!(ledger, Ledger::new(7));
}

/// A node must not outlive what it refers to, whichever packs are ready.
#[test]
fn dead_nodes_go_with_the_first_packs() {
    let mut ledger = Ledger::new(0);
    ledger.condemn(condemned());
    let younger = ledger.begin();
    let first = ledger.remove(&[1].into()).expect("nobody is waited for");
    assert_eq!(first.packs, [1]);
    assert_eq!(first.nodes, [at(3, 5), at(3, 9), at(4, 5), at(4, 9)]);
    assert!(!ledger.sees(younger, at(2, 0)), "it is still condemned");
    let second = ledger.remove(&[2, 3].into()).expect("nobody is waited for");
    assert_eq!(second, Removal { packs: vec![2, 3], nodes: Vec::new() });
    assert_eq!(ledger.condemned(), None);
}

#[test]
fn what_is_reprieved_stays_with_its_pack() {
    let mut ledger = Ledger::new(0);
    assert_eq!(ledger.reprieve(at(1, 3)), Reprieve::NotNeeded, "nothing is condemned");
    ledger.condemn(condemned());
    let younger = ledger.begin();
    for record in ALIVE {
        assert_eq!(ledger.reprieve(record), Reprieve::NotNeeded);
    }
    assert_eq!(ledger.reprieve(at(2, 20)), Reprieve::Data);
    assert_eq!(ledger.reprieve(at(2, 0)), Reprieve::NotNeeded, "the whole pack was reprieved");
    assert_eq!(ledger.reprieve(at(3, 5)), Reprieve::Node);
    assert_eq!(ledger.reprieve(at(3, 5)), Reprieve::NotNeeded);
    let seen = DEAD.map(|record| ledger.sees(younger, record));
    assert_eq!(
        seen,
        [false, true, true, true, false, false, false],
        "other dead nodes of its pack stay dead"
    );
    let removal = ledger.remove(&[1, 2, 3].into()).expect("nobody is waited for");
    assert_eq!(removal, Removal { packs: vec![1], nodes: vec![at(3, 9), at(4, 5), at(4, 9)] });
}

#[test]
fn what_is_given_up_is_known_again_and_the_epoch_stays() {
    let mut ledger = Ledger::new(0);
    ledger.condemn(condemned());
    let younger = ledger.begin();
    ledger.void();
    assert!(DEAD.iter().all(|record| ledger.sees(younger, *record)));
    assert_eq!((ledger.remove(&[1].into()), ledger.waits_for(), ledger.epoch()), (None, 0, 1));
    ledger.condemn(condemned());
    assert_eq!(
        (ledger.waits_for(), ledger.epoch()),
        (1, 2),
        "who was told otherwise is older than the next one"
    );
    ledger.end(younger);
    assert_eq!(ledger.waits_for(), 0);
}

#[test]
fn what_is_condemned_follows_from_the_plan() {
    let pack = |number: u32, kind: Kind, live_objects: u64, dead_objects: u64| {
        let (live_bytes, dead_bytes) = (live_objects * 1000, dead_objects * 1000);
        let (file_bytes, state) = (1 << 26, PackState::Sealed);
        PackFigures { number, kind, file_bytes, live_bytes, live_objects, dead_bytes, dead_objects, state }
    };
    let packs = [
        pack(1, Kind::Data, 0, 2),
        pack(2, Kind::Data, 1, 2),
        pack(3, Kind::Data, 2, 0),
        pack(4, Kind::Node, 0, 1),
        pack(5, Kind::Node, 2, 2),
        pack(6, Kind::Node, 9, 2),
    ];
    let dead = [(1, vec![0, 9]), (2, vec![5, 7]), (4, vec![2]), (5, vec![3, 4]), (6, vec![1, 8])].into();
    let nodes = |offsets: &[u32], rest: Rest| DeadNodes { offsets: offsets.to_vec(), rest };
    assert_eq!(
        plan(&packs, &Aims::new(10, 1 << 40)).condemned(&dead),
        Condemned {
            data: [(1, DeadData::All), (2, DeadData::At(vec![5, 7]))].into(),
            nodes: [
                (4, nodes(&[2], Rest::Leaves)),
                (5, nodes(&[3, 4], Rest::Leaves)),
                (6, nodes(&[1, 8], Rest::Stays))
            ]
            .into(),
        }
    );
}

#[test]
fn neighbouring_epochs_have_different_locks() {
    assert_eq!([0, 1, 2, u64::MAX].map(lock_of), [0, 1, 0, 1]);
}

/// A pin of a process that is gone, or one of another repository, ends without harm.
#[test]
fn a_pin_that_is_unknown_ends_without_harm() {
    let stranger = Ledger::new(5).begin();
    let mut ledger = Ledger::new(5);
    ledger.end(stranger);
    assert_eq!(ledger, Ledger::new(5));
}

/// Node n is record n of pack 9, data d record d of pack d.
struct Small(HashMap<u32, Vec<u32>>);

impl Graph for Small {
    type Id = u32;
    type Error = u32;

    fn find(&self, id: &u32) -> Result<Option<RecordAt>, u32> {
        let place = if *id < 100 { at(*id, *id) } else { at(9, *id) };
        Ok((*id != 50).then_some(place))
    }

    fn references(&self, node: &u32) -> Result<Vec<u32>, u32> {
        self.0.get(node).cloned().ok_or(*node)
    }
}

fn settled(needed: Vec<u32>) -> (Result<u64, u32>, Condemned) {
    // 100 -> 101 -> {1, 2}, 102 -> {2, 3}; 104 is alive, and 105 cannot be read.
    let references = [(100, vec![101, 104]), (101, vec![1, 2]), (102, vec![2, 3]), (104, vec![4])];
    let mut ledger = Ledger::new(0);
    ledger.condemn(Condemned {
        data: [1, 2, 3, 4].map(|pack| (pack, DeadData::All)).into(),
        nodes: [(9, DeadNodes { offsets: vec![100, 101, 102, 105], rest: Rest::Leaves })].into(),
    });
    let outcome = settle(&mut |at| ledger.reprieve(at), needed, &Small(references.into()));
    (outcome, ledger.condemned().cloned().unwrap_or_default())
}

#[test]
fn what_is_needed_is_reprieved_with_all_that_it_reaches() {
    let (outcome, left) = settled(vec![100, 2, 50]);
    assert_eq!(outcome, Ok(4), "100, 101, 1 and 2, each once");
    assert_eq!(
        left.data.keys().copied().collect::<Vec<_>>(),
        [3, 4],
        "what is alive was marked with all below it"
    );
    assert_eq!(left.nodes[&9], DeadNodes { offsets: vec![102, 105], rest: Rest::Stays });
    assert_eq!(settled(vec![104]).0, Ok(0));
}

#[test]
fn a_node_that_cannot_be_read_is_told() {
    assert_eq!(settled(vec![105]).0, Err(105));
}
