//! Snapshots that take the places of others.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;

use super::Recorder;
use super::create;
use super::open;
use super::put_tree;
use crate::Engine;
use crate::ReplaceError;
use crate::Replacement;
use crate::disk::SimulatedDisk;

/// A repository with a series of three snapshots of one tree each, and a fourth tree.
struct Story {
    disk: SimulatedDisk,
    engine: Engine,
    records: Vec<Vec<u8>>,
    /// Records of the fourth tree in the place of each.
    others: Vec<Vec<u8>>,
    recorder: Recorder,
}

impl Story {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let engine = create(&disk).expect("made");
        let session = engine.begin();
        let mut recorder = Recorder::new("series");
        let (mut records, mut others) = (Vec::new(), Vec::new());
        let other = put_tree(&engine, 900..905);
        for at in 0..3 {
            let root = put_tree(&engine, 10 * at..10 * at + 5);
            let record = recorder.record(root);
            engine.commit(&session, &record).expect("it follows");
            others.push(recorder.record(other));
            recorder.taken(&record);
            records.push(record);
        }
        drop(session);
        Self { disk, engine, records, others, recorder }
    }

    fn replace(&self, pairs: &[(usize, usize)]) -> Result<Vec<SnapshotId>, ReplaceError> {
        let replacements: Vec<Replacement<'_>> = pairs
            .iter()
            .map(|(old, new)| Replacement { old: id(&self.records[*old]), record: &self.others[*new] })
            .collect();
        let replaced = self.engine.replace(&self.engine.begin(), &replacements)?;
        Ok(replaced.into_iter().map(|committed| committed.id).collect())
    }
}

fn id(record: &[u8]) -> SnapshotId {
    SnapshotId::from_bytes(*blake3::hash(record).as_bytes())
}

fn listed(engine: &Engine) -> Vec<SnapshotId> {
    engine.snapshots().expect("the journal can be read").iter().map(|listed| listed.id).collect()
}

#[test]
fn what_replaces_a_snapshot_stands_in_its_place() {
    let story = Story::new();
    let before = story.engine.snapshots().expect("listed");
    let [first, second, third] = [0, 1, 2].map(|at| id(&story.records[at]));
    let [other, .., last] = [0, 1, 2].map(|at| id(&story.others[at]));
    assert_eq!(story.replace(&[(0, 0), (2, 2)]).expect("nobody holds them"), [other, last]);
    let check = |engine: &Engine| {
        let after = engine.snapshots().expect("listed");
        assert_eq!(after.iter().map(|listed| listed.id).collect::<Vec<_>>(), [other, second, last]);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((before.received, before.sequence), (after.received, after.sequence));
        }
        let forgotten: Vec<SnapshotId> =
            engine.forgotten().expect("listed").iter().map(|forgotten| forgotten.listed.id).collect();
        assert_eq!(forgotten, [first, third]);
    };
    check(&story.engine);
    assert_eq!(story.replace(&[(0, 0), (2, 2)]).expect("the same answer"), [other, last]);
    check(&story.engine);
    let Story { disk, engine, mut recorder, others, .. } = story;
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    check(&engine);
    // The series goes on behind what stands there now.
    let newest = engine.newest_of(&Snapshot::parse(&others[2]).expect("a record").series).expect("a series");
    assert_eq!((newest.id, newest.sequence), (last, 2));
    let root = put_tree(&engine, 30..35);
    engine.commit(&engine.begin(), &recorder.record(root)).expect_err("it follows what is gone");
    recorder.follow(last);
    engine.commit(&engine.begin(), &recorder.record(root)).expect("it follows");
}

#[test]
fn all_are_replaced_or_none() {
    let story = Story::new();
    let before = listed(&story.engine);
    let [first, second, _] = [0, 1, 2].map(|at| id(&story.records[at]));
    let refused = |pairs: &[(usize, usize)]| story.replace(pairs).expect_err("it is refused");
    assert!(matches!(refused(&[(0, 0), (1, 2)]), ReplaceError::Another { id } if id == second));
    assert!(matches!(refused(&[(0, 0), (0, 0)]), ReplaceError::Forgotten { id } if id == first));
    story.engine.hold(&second, Time::from_nanoseconds(i64::MAX), "").expect("it is there");
    assert!(matches!(refused(&[(0, 0), (1, 1)]), ReplaceError::Held { id, .. } if id == second));
    assert_eq!(listed(&story.engine), before);
    story.engine.forget(&first, "").expect("it is there");
    assert!(matches!(refused(&[(0, 0)]), ReplaceError::Forgotten { id } if id == first));
    assert!(story.engine.recover(&first, "").is_ok());
    assert_eq!(listed(&story.engine), before);
}

#[test]
fn a_tree_that_is_not_stored_replaces_nothing() {
    let story = Story::new();
    let record = Recorder::new("series").record(super::node(77, &[]).0);
    let replacement = Replacement { old: id(&story.records[0]), record: &record };
    let refused = story.engine.replace(&story.engine.begin(), &[replacement]).expect_err("refused");
    assert!(matches!(refused, ReplaceError::Commit(_)), "{refused}");
    let unknown = Replacement { old: id(&record), record: &story.others[0] };
    let refused = story.engine.replace(&story.engine.begin(), &[unknown]).expect_err("refused");
    assert!(matches!(refused, ReplaceError::Unknown { .. }), "{refused}");
}
