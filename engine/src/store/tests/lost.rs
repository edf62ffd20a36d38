//! A pack that is gone or cut short: what lay in it is unknown, is stored again when it is put, and stays so.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;

use super::Recorder;
use super::create;
use super::data;
use super::node;
use super::open;
use super::read;
use crate::CommitError;
use crate::Engine;
use crate::Lost;
use crate::Presence;
use crate::Put;
use crate::PutError;
use crate::Share;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;

/// A repository with a data pack and a node pack of two extents each.
struct Small {
    disk: SimulatedDisk,
    recorder: Recorder,
    /// Children before parents.
    objects: Vec<(ObjectId, Vec<u8>)>,
}

impl Small {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let engine = create(&disk).expect("made");
        let mut recorder = Recorder::new("host:/a");
        let mut objects = Vec::new();
        for round in 0..2 {
            let leaves: Vec<_> = (0..3).map(|number| data(round * 10 + number, 2_000)).collect();
            let ids: Vec<_> = leaves.iter().map(|(id, _)| *id).collect();
            let root = node(round, &ids);
            objects.extend(leaves.into_iter().chain([root.clone()]));
            put_all(&engine, &objects);
            let record = recorder.record(root.0);
            engine.commit(&engine.begin(), &record).expect("committed");
            recorder.taken(&record);
        }
        Self { disk, recorder, objects }
    }

    /// Paths and lengths of the packs.
    fn packs(&self) -> Vec<(PathBuf, usize)> {
        let mut packs = self.disk.files();
        packs.retain(|(path, _)| path.starts_with("packs"));
        assert_eq!(packs.len(), 2, "{packs:?}");
        packs
    }

    /// Cuts a pack to that length, or removes it.
    fn lose(&self, pack: &Path, length: Option<usize>) {
        match length {
            Some(length) => self.disk.mutate(pack, |bytes| bytes.truncate(length)).expect("there"),
            None => self.disk.remove(pack).expect("there"),
        }
    }

    fn root(&self) -> ObjectId {
        self.objects.last().expect("there are some").0
    }

    /// For each object, whether it can be read.
    fn readable(&self, engine: &Engine) -> Vec<bool> {
        let mut bytes = Vec::new();
        let mut reads = |(id, wanted): &(ObjectId, Vec<u8>)| {
            engine.object(id, &mut bytes).is_ok_and(|()| bytes == *wanted)
        };
        self.objects.iter().map(&mut reads).collect()
    }

    /// For each object, whether the engine says that it is there.
    fn known(&self, engine: &Engine) -> Vec<bool> {
        let ids: Vec<_> = self.objects.iter().map(|(id, _)| *id).collect();
        let presence = engine.probe(&engine.begin(), &ids).expect("answered");
        presence.into_iter().map(|presence| presence == Presence::Known).collect()
    }

    fn expect_whole(&self, engine: &Engine) {
        assert!(self.known(engine).into_iter().all(|known| known));
        assert!(self.readable(engine).into_iter().all(|reads| reads));
    }
}

/// Puts them, and says for each whether it was new.
fn put_all(engine: &Engine, objects: &[(ObjectId, Vec<u8>)]) -> Vec<bool> {
    objects
        .iter()
        .map(|(id, bytes)| engine.put(&engine.begin(), id, bytes).expect("put") == Put::New)
        .collect()
}

#[test]
fn what_lay_in_a_lost_pack_is_unknown_and_is_stored_again() {
    let (mut stored_again, mut losses) = (0, BTreeSet::from([Lost::default().which]));
    for pack in 0..2 {
        let full = Small::new().packs().swap_remove(pack).1;
        for length in (1..full).step_by(509).chain([full - 1]).map(Some).chain([None]) {
            let mut small = Small::new();
            let path = small.packs().swap_remove(pack).0;
            small.lose(&path, length);
            let there = small.readable(&read(&small.disk).expect("opened"));

            let engine = open(&small.disk, 2).expect("opened");
            let bytes = (full - length.unwrap_or_default()) as u64;
            let lost = engine.lost();
            assert_eq!((lost.packs, lost.bytes), (1, bytes));
            assert!(losses.insert(lost.which), "each loss has its own name");
            assert_eq!(small.known(&engine), there, "{} cut to {length:?}", path.display());
            expect_refusals(&engine, &small, &there);

            let stored: Vec<bool> = put_all(&engine, &small.objects);
            stored.iter().zip(&there).for_each(|(new, there)| assert_eq!(*new, !there));
            stored_again += stored.iter().filter(|new| **new).count();
            small.expect_whole(&engine);
            let record = small.recorder.record(small.root());
            engine.commit(&engine.begin(), &record).expect("everything is there again");
            small.recorder.taken(&record);
            drop(engine);

            small.expect_whole(&read(&small.disk).expect("opened"));
            let engine = open(&small.disk, 3).expect("opened");
            assert_eq!(engine.lost(), lost, "the journal still names it");
            small.expect_whole(&engine);
            assert!(put_all(&engine, &small.objects).iter().all(|new| !new), "stored once, not twice");
            engine.rebuild_index().expect("built");
            small.expect_whole(&engine);
            let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
            assert!(report.damage_count > 0 && report.damage.iter().all(|damage| damage.path == path));
        }
    }
    assert!(stored_again > 100, "{stored_again}");
}

/// Nothing is built upon an object that is not there.
fn expect_refusals(engine: &Engine, small: &Small, there: &[bool]) {
    let lost: Vec<_> = small.objects.iter().zip(there).filter(|(_, there)| !**there).collect();
    for ((id, _), _) in &lost {
        let (parent, bytes) = node(77, &[*id]);
        match engine.put(&engine.begin(), &parent, &bytes) {
            Err(PutError::MissingReferences { missing, .. }) => assert_eq!(missing, [*id]),
            other => panic!("{other:?}"),
        }
    }
    let refused = engine.commit(&engine.begin(), &small.recorder.record(small.root()));
    let needed: Vec<_> = small.objects.iter().zip(there).rev().take(4).collect();
    let ((root, _), root_is_there) = needed[0];
    assert_eq!(*root, small.root());
    match needed.iter().rfind(|(_, there)| !**there) {
        _ if !root_is_there => {
            assert!(matches!(refused, Err(CommitError::MissingRoot { .. })), "{refused:?}");
        }
        Some(((first, _), _)) => match refused {
            Err(CommitError::Incomplete { missing, .. }) => {
                assert!(needed.iter().any(|((id, _), there)| *id == missing && !**there), "{first:?}");
            }
            other => panic!("{other:?}"),
        },
        None => {
            // What others have lost does not hold up a tree that is whole.
            refused.expect("everything that it needs is there");
        }
    }
}

#[test]
fn a_repository_with_all_its_packs_has_lost_nothing() {
    let small = Small::new();
    // More than the journal says is what a run that did not end has left.
    for (path, _) in small.packs() {
        small.disk.mutate(&path, |pack| pack.extend([7; 100])).expect("there");
    }
    let engine = open(&small.disk, 2).expect("opened");
    assert_eq!(engine.lost(), Lost::default());
    small.expect_whole(&engine);
}

#[test]
fn a_disk_that_does_not_say_how_long_a_pack_is_says_nothing_about_it() {
    let small = Small::new();
    let path = small.packs().swap_remove(0).0;
    small.disk.remove(&path).expect("there");
    small.disk.create_folder(&path).expect("its name is free");
    assert!(matches!(open(&small.disk, 2), Err(StoreError::Disk { .. })));
}

#[test]
fn what_was_stored_again_and_given_up_is_unknown_as_before() {
    for pack in 0..2 {
        for length in [None, Some(8_200)] {
            let small = Small::new();
            small.lose(&small.packs().swap_remove(pack).0, length);
            let engine = open(&small.disk, 2).expect("opened");
            let before = small.known(&engine);
            assert!(before.contains(&false));
            put_all(&engine, &small.objects);
            small.disk.fail(Faulty::Write, 0, Failure::Full);
            assert!(matches!(engine.flush(), Err(StoreError::Full { .. })));
            assert_eq!(small.known(&engine), before);
            put_all(&engine, &small.objects);
            engine.flush().expect("there is room again");
            small.expect_whole(&engine);
        }
    }
}

/// Whoever reads from a pack that vanished while the repository was open finds out for all, and so does a scrub.
#[test]
fn a_pack_that_vanishes_while_the_repository_is_open_is_noticed() {
    for (pack, by_scrub) in [(0, false), (1, false), (0, true), (1, true)] {
        for length in [None, Some(0), Some(6_000)] {
            let mut small = Small::new();
            let (path, full) = small.packs().swap_remove(pack);
            let engine = open(&small.disk, 2).expect("opened");
            assert_eq!(engine.lost(), Lost::default());
            small.lose(&path, length);
            let there = if by_scrub {
                engine.verify(Share::Summaries, &|_| {}).expect("checked");
                small.readable(&read(&small.disk).expect("opened"))
            } else {
                small.readable(&engine)
            };
            assert_eq!(small.known(&engine), there);
            let lost = engine.lost();
            assert_eq!((lost.packs, lost.bytes), (1, (full - length.unwrap_or_default()) as u64));
            expect_refusals(&engine, &small, &there);
            put_all(&engine, &small.objects);
            small.expect_whole(&engine);
            let record = small.recorder.record(small.root());
            engine.commit(&engine.begin(), &record).expect("everything is there again");
            small.recorder.taken(&record);
            drop(engine);
            assert_eq!(open(&small.disk, 3).expect("opened").lost(), lost, "it is what the next one finds");
        }
    }
}
