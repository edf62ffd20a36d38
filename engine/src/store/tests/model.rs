//! Any sequence of operations against a simple model: a map of objects and a list of records.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::test_runner::Config;

use super::Recorder;
use super::create;
use super::data;
use super::expect_readable;
use super::node;
use super::open_with;
use super::options;
use super::read;
use crate::Engine;
use crate::Options;
use crate::Presence;
use crate::Put;
use crate::PutError;
use crate::Share;
use crate::disk::SimulatedDisk;
use crate::journal::Tail;
use crate::store::checkpoint::replay_all;

#[derive(Debug, Clone)]
enum Act {
    PutData(u8, u16),
    /// A node over the objects with these numbers, whether they are there or not.
    PutNode(u8, Vec<u8>),
    Flush,
    Commit(u8),
    Forget(u8),
    Reopen,
    Read,
    Verify,
    RebuildIndex,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u8..40, 40_u16..12_000).prop_map(|(number, bytes)| Act::PutData(number, bytes)),
        4 => (0_u8..20, vec(0_u8..40, 0..4)).prop_map(|(number, over)| Act::PutNode(number, over)),
        2 => proptest::strategy::Just(Act::Flush),
        3 => (0_u8..20).prop_map(Act::Commit),
        1 => (0_u8..8).prop_map(Act::Forget),
        2 => proptest::strategy::Just(Act::Reopen),
        1 => proptest::strategy::Just(Act::Read),
        1 => proptest::strategy::Just(Act::Verify),
        1 => proptest::strategy::Just(Act::RebuildIndex),
    ]
}

struct Model {
    disk: SimulatedDisk,
    engine: Option<Engine>,
    openings: u8,
    recorder: Recorder,
    /// What is there, and whether it is certain to be there after reopening.
    objects: BTreeMap<ObjectId, (Vec<u8>, bool)>,
    /// The object that was put last under a number.
    numbered: BTreeMap<u8, ObjectId>,
    nodes: BTreeMap<u8, ObjectId>,
    snapshots: Vec<SnapshotId>,
}

impl Model {
    fn begin() -> Self {
        let disk = SimulatedDisk::new(1);
        let mut model = Self {
            engine: Some(create(&disk).expect("made")),
            disk,
            openings: 1,
            recorder: Recorder::new("host:/a"),
            objects: BTreeMap::new(),
            numbered: BTreeMap::new(),
            nodes: BTreeMap::new(),
            snapshots: Vec::new(),
        };
        model.reopen();
        model
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open between acts")
    }

    fn reopen(&mut self) {
        self.engine = None;
        self.openings += 1;
        // The index is written often, so that it is in use too.
        let seeded = options(self.openings);
        let options =
            Options { index_lag_objects: 10, index_lag_extents: 2, checkpoint_records: 3, ..seeded };
        self.engine = Some(open_with(Arc::new(self.disk.clone()), options).expect("opened"));
        let whole = replay_all(&self.disk, self.engine().parameters(), Tail::IsStill).expect("it is sound");
        assert_eq!(*self.engine().store.catalogue(), whole.catalogue, "a checkpoint changes nothing");
        let engine = self.engine();
        let lost: Vec<ObjectId> = self
            .objects
            .iter()
            .filter(|(id, (_, durable))| {
                !durable && engine.probe(&engine.begin(), &[**id]).expect("answered") == [Presence::Unknown]
            })
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.objects.remove(&id);
        }
        self.flushed();
    }

    fn flushed(&mut self) {
        self.objects.values_mut().for_each(|(_, durable)| *durable = true);
    }

    fn put(&mut self, id: ObjectId, bytes: Vec<u8>, references: &[ObjectId]) -> bool {
        let missing: Vec<_> =
            references.iter().filter(|reference| !self.objects.contains_key(reference)).copied().collect();
        let known = self.objects.contains_key(&id);
        match self.engine().put(&self.engine().begin(), &id, &bytes) {
            Ok(Put::Known) => assert!(known),
            Ok(Put::New) => {
                assert!(!known && missing.is_empty());
                self.objects.insert(id, (bytes, false));
            }
            Err(PutError::MissingReferences { missing: named, .. }) => {
                assert_eq!(named, missing);
                return false;
            }
            Err(error) => panic!("{error}"),
        }
        true
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::PutData(number, bytes) => {
                let (id, bytes) = data(u64::from(*number), usize::from(*bytes));
                self.put(id, bytes, &[]);
                self.numbered.insert(*number, id);
            }
            Act::PutNode(number, over) => {
                let unknown = ObjectId::from_bytes([*number; 32]);
                let over: Vec<_> =
                    over.iter().map(|number| self.numbered.get(number).copied().unwrap_or(unknown)).collect();
                let (id, bytes) = node(u64::from(*number), &over);
                if self.put(id, bytes, &over) {
                    self.nodes.insert(*number, id);
                }
            }
            Act::Flush => {
                self.engine().flush().expect("flushed");
                self.flushed();
            }
            Act::Commit(number) => self.commit(*number),
            Act::Forget(at) => {
                if usize::from(*at) < self.snapshots.len() {
                    let id = self.snapshots.remove(usize::from(*at));
                    self.engine().forget(&id, "a test").expect("forgotten");
                    self.flushed();
                }
            }
            Act::Reopen => self.reopen(),
            Act::Read => self.expect_reader(),
            Act::Verify => {
                let report = self.engine().verify(Share::Everything, &|_| {}).expect("checked");
                assert_eq!(report.damage, []);
            }
            Act::RebuildIndex => self.engine().rebuild_index().expect("built"),
        }
    }

    fn commit(&mut self, number: u8) {
        let Some(root) = self.nodes.get(&number).copied() else { return };
        let record = self.recorder.record(root);
        match self.engine().commit(&self.engine().begin(), &record) {
            Ok(committed) => {
                assert!(self.objects.contains_key(&root));
                self.recorder.taken(&record);
                self.snapshots.push(committed.id);
                self.flushed();
            }
            Err(_) => assert!(!self.objects.contains_key(&root)),
        }
    }

    fn expect_reader(&self) {
        let reader = read(&self.disk).expect("opened");
        let durable = self.objects.iter().filter(|(_, (_, durable))| *durable);
        expect_readable(&reader, &durable.map(|(id, (bytes, _))| (*id, bytes.clone())).collect());
        let listed: Vec<_> = reader.snapshots().expect("listed").iter().map(|at| at.id).collect();
        assert_eq!(listed, self.snapshots);
    }

    fn end(mut self) {
        self.expect_reader();
        let all = self.objects.iter().map(|(id, (bytes, _))| (*id, bytes.clone())).collect();
        expect_readable(self.engine(), &all);
        self.reopen();
        let stored: BTreeSet<_> = self.objects.keys().copied().collect();
        assert_eq!(
            self.engine().usage().expect("counted").objects,
            stored.len() as u64,
            "nothing is stored twice"
        );
        self.act(&Act::Verify);
    }
}

proptest! {
    #![proptest_config(Config { cases: 60, ..Config::default() })]

    #[test]
    fn the_store_is_a_map_of_objects_and_a_list_of_records(acts in vec(act(), 1..60)) {
        let mut model = Model::begin();
        acts.iter().for_each(|act| model.act(act));
        model.end();
    }
}
