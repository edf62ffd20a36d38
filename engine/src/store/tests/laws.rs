//! The verbs one by one: what they take, what they refuse, what they answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::object::Kind;
use farkeep_codec::object::object_id;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;

use super::Recorder;
use super::SLOT;
use super::SLOT_BYTES;
use super::create;
use super::data;
use super::node;
use super::object;
use super::open;
use super::open_with;
use super::options;
use super::parameters;
use super::put_tree;
use super::read;
use super::sign;
use crate::Access;
use crate::CommitError;
use crate::Engine;
use crate::ForgetError;
use crate::HoldError;
use crate::Listed;
use crate::ManualClock;
use crate::Newest;
use crate::ObjectError;
use crate::Options;
use crate::Presence;
use crate::Put;
use crate::PutError;
use crate::Session;
use crate::SlotId;
use crate::StoreError;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::journal::copy_of;

#[test]
fn what_is_put_is_read_at_once_and_after_reopening() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 50_000);
    assert_eq!(engine.probe(&engine.begin(), &[id]).expect("answered"), [Presence::Unknown]);
    assert_eq!(engine.put(&engine.begin(), &id, &bytes).expect("put"), Put::New);
    assert_eq!(engine.put(&engine.begin(), &id, &bytes).expect("put"), Put::Known);
    assert_eq!(engine.probe(&engine.begin(), &[id]).expect("answered"), [Presence::Known]);

    let mut back = Vec::new();
    engine.object(&id, &mut back).expect("read before the flush");
    assert_eq!(back, bytes);
    let place = engine.locate(&id).expect("answered").expect("known");
    engine.flush().expect("flushed");
    engine.object(&id, &mut back).expect("read after the flush");
    assert_eq!(back, bytes);
    assert_eq!(engine.locate(&id).expect("answered"), Some(place));
    drop(engine);

    for engine in [open(&disk, 2).expect("opened"), read(&disk).expect("opened")] {
        engine.object(&id, &mut back).expect("read after reopening");
        assert_eq!(back, bytes);
        assert_eq!(engine.locate(&id).expect("answered"), Some(place));
        let (missing, _) = data(2, 100);
        assert!(matches!(engine.object(&missing, &mut back), Err(ObjectError::Missing { .. })));
    }
}

#[test]
fn what_was_not_flushed_is_gone_after_reopening() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 5_000);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.probe(&engine.begin(), &[id]).expect("answered"), [Presence::Unknown]);
    assert_eq!(engine.put(&engine.begin(), &id, &bytes).expect("put"), Put::New);
    engine.flush().expect("flushed");
    assert_eq!(engine.usage().expect("counted").packs, 1, "what the first run left is removed");
    assert_eq!(disk.files().iter().filter(|(path, _)| path.starts_with("packs")).count(), 1);
}

#[test]
fn wrong_bytes_and_missing_references_are_refused() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 100);
    let (other, _) = data(2, 100);
    assert!(
        matches!(engine.put(&engine.begin(), &other, &bytes), Err(PutError::Tampered { actual, .. }) if actual == id)
    );
    let torn = &bytes[..bytes.len() - 1];
    assert!(matches!(engine.put(&engine.begin(), &object_id(torn), torn), Err(PutError::Malformed { .. })));

    let (parent, parent_bytes) = node(1, &[id, other]);
    let refused = engine.put(&engine.begin(), &parent, &parent_bytes);
    assert!(
        matches!(refused, Err(PutError::MissingReferences { count: 2, ref missing, .. }) if *missing == [id, other])
    );
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    let refused = engine.put(&engine.begin(), &parent, &parent_bytes);
    assert!(
        matches!(refused, Err(PutError::MissingReferences { count: 1, ref missing, .. }) if *missing == [other])
    );
    let (other, other_bytes) = data(2, 100);
    engine.put(&engine.begin(), &other, &other_bytes).expect("put");
    assert_eq!(engine.put(&engine.begin(), &parent, &parent_bytes).expect("put"), Put::New);
    engine.flush().expect("flushed");
    let report = engine.verify(crate::Share::Everything, &|_| {}).expect("checked");
    assert_eq!((report.damage.as_slice(), report.objects), (&[][..], 3));
}

#[test]
fn a_commit_is_listed_and_repeated_with_the_same_answer() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let first = recorder.record(put_tree(&engine, 0..3));
    let committed = engine.commit(&engine.begin(), &first).expect("committed");
    assert_eq!(engine.commit(&engine.begin(), &first).expect("committed").id, committed.id);
    assert_eq!(engine.commit(&engine.begin(), &first).expect("committed"), committed);
    recorder.taken(&first);
    let second = recorder.record(put_tree(&engine, 3..6));
    engine.commit(&engine.begin(), &second).expect("committed");
    drop(engine);

    let engine = open(&disk, 2).expect("opened");
    let listed = engine.snapshots().expect("listed");
    assert_eq!(
        listed.iter().map(|listed| listed.record.encode()).collect::<Vec<_>>(),
        [first.clone(), second]
    );
    assert_eq!(listed[0].id, committed.id);
    assert_eq!(engine.commit(&engine.begin(), &first).expect("committed"), committed);
    assert_eq!(read(&disk).expect("opened").snapshots().expect("listed"), listed);
}

#[test]
fn a_group_is_committed_as_a_whole() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let root = put_tree(&engine, 0..3);
    let (first, second) = (Recorder::new("a:/").record(root), Recorder::new("b:/").record(root));
    let missing = Recorder::new("c:/").record(ObjectId::from_bytes([9; 32]));
    let session = engine.begin();
    let refused = engine.commit_together(&[(&session, &first), (&session, &second), (&session, &missing)]);
    assert!(matches!(refused, Err(CommitError::MissingRoot { .. })));
    let forked = Draft { entries: 9, ..draft("b:/", root) };
    let refused =
        engine.commit_together(&[(&session, &first), (&session, &second), (&session, &sign(forked))]);
    assert!(matches!(refused, Err(CommitError::OutOfOrder { .. })), "two of a series do not both come first");
    assert_eq!(engine.snapshots().expect("listed"), []);

    let committed = engine
        .commit_together(&[(&session, &first), (&session, &second), (&session, &first)])
        .expect("committed");
    assert_eq!(committed[0], committed[2]);
    let listed: Vec<_> = engine.snapshots().expect("listed").iter().map(|listed| listed.id).collect();
    assert_eq!(listed, [committed[0].id, committed[1].id]);
    assert_eq!(engine.commit_together(&[(&session, &second)]).expect("committed"), committed[1..2]);
    let agent = AgentIdentity::from_bytes(&[0xa0; 32]);
    assert_eq!(
        engine.newest_of(&Series::new("a:/").expect("good")).map(|newest| newest.agent),
        Some(*agent.public().as_bytes())
    );
    assert_eq!(engine.newest_of(&Series::new("z:/").expect("good")), None);
}

#[test]
fn a_crash_leaves_a_group_or_nothing_of_it() {
    let mut seen = BTreeSet::new();
    for stop in 0.. {
        let disk = SimulatedDisk::new(1);
        let engine = create(&disk).expect("made");
        let root = put_tree(&engine, 0..3);
        let records = ["a:/", "b:/", "c:/"].map(|series| Recorder::new(series).record(root));
        let session = engine.begin();
        let records: Vec<(&Session, &[u8])> =
            records.iter().map(|record| (&session, record.as_slice())).collect();
        disk.stop_after(stop);
        let outcome = engine.commit_together(&records);
        for seed in 0..8 {
            let left = open(&disk.crash(&Crash::Seeded(seed)), 2).expect("opened");
            let listed = left.snapshots().expect("listed").len();
            assert!([0, 3].contains(&listed), "stop {stop}, seed {seed}: {listed} of 3");
            assert!(outcome.is_err() || listed == 3, "stop {stop}, seed {seed}: acknowledged and gone");
            seen.insert(listed);
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert_eq!(seen, BTreeSet::from([0, 3]));
}

#[test]
fn the_newest_of_each_series_are_those_to_follow_forgotten_or_not() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let root = put_tree(&engine, 0..2);
    let mut recorders = ["a:/", "a:/b", "b:/"].map(Recorder::new);
    for at in [0, 1, 0, 2, 1, 2, 0] {
        let record = recorders[at].record(root);
        engine.commit(&engine.begin(), &record).expect("committed");
        recorders[at].taken(&record);
    }
    let all = engine.snapshots().expect("listed");
    // First as they are, then with the newest of one series forgotten, then with all of it.
    for _ in 0..4 {
        for prefix in ["", "a:/", "a:/b", "c"] {
            let is_newest = |at: usize| {
                let series = &all[at].record.series;
                series.as_str().starts_with(prefix)
                    && all[at + 1..].iter().all(|later| later.record.series != *series)
            };
            let newest: Vec<_> =
                (0..all.len()).filter(|at| is_newest(*at)).map(|at| all[at].clone()).collect();
            for Listed { id, record, received, .. } in &newest {
                let (sequence, captured, root) = (record.sequence, record.captured, record.root);
                let agent = *record.agent().as_bytes();
                let told = Newest { id: *id, sequence, captured, received: *received, root, agent };
                assert_eq!(engine.newest_of(&record.series), Some(told));
            }
            assert_eq!(engine.newest_records(prefix).expect("listed"), newest, "{prefix:?}");
        }
        let listed = engine.snapshots().expect("listed");
        if let Some(last) = listed.iter().rfind(|listed| listed.record.series.as_str() == "a:/") {
            engine.forget(&last.id, "a test").expect("it is listed");
        }
    }
}

fn draft(series: &str, root: ObjectId) -> Draft {
    Draft {
        repository: super::REPOSITORY,
        series: Series::new(series).expect("good"),
        sequence: 0,
        previous: None,
        captured: Time::from_nanoseconds(0),
        status: Status::Complete,
        root,
        entries: 0,
        bytes: 0,
    }
}

#[test]
fn records_that_break_a_rule_are_refused() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let root = put_tree(&engine, 0..2);
    let record = recorder.record(root);

    let unknown = ObjectId::from_bytes([9; 32]);
    let refused = engine.commit(&engine.begin(), &recorder.record(unknown));
    assert!(matches!(refused, Err(CommitError::MissingRoot { root, .. }) if root == unknown));
    assert!(matches!(
        engine.commit(&engine.begin(), &record[..record.len() - 1]),
        Err(CommitError::Malformed { .. })
    ));
    let draft = Draft { repository: REPOSITORY_ELSEWHERE, ..draft("host:/a", root) };
    assert!(matches!(engine.commit(&engine.begin(), &sign(draft.clone())), Err(CommitError::Foreign { .. })));
    let late = Draft { repository: super::REPOSITORY, sequence: 1, ..draft.clone() };
    assert!(matches!(
        engine.commit(&engine.begin(), &sign(late)),
        Err(CommitError::OutOfOrder { newest: None, .. })
    ));
    assert_eq!(engine.snapshots().expect("listed"), []);

    engine.commit(&engine.begin(), &record).expect("committed");
    let fork = Draft { repository: super::REPOSITORY, entries: 7, ..draft };
    let refused = engine.commit(&engine.begin(), &sign(fork));
    let newest = SnapshotId::from_bytes(*object_id(&record).as_bytes());
    assert!(matches!(refused, Err(CommitError::OutOfOrder { newest: Some((id, 0)), .. }) if id == newest));
    recorder.taken(&record);
    engine.commit(&engine.begin(), &recorder.record(root)).expect("it follows the newest");
    Recorder::new("host:/b").record(root);
    engine
        .commit(&engine.begin(), &Recorder::new("host:/b").record(root))
        .expect("another series has its own order");
}

const REPOSITORY_ELSEWHERE: RepositoryId = RepositoryId::from_bytes([0x99; 32]);

#[test]
fn a_forgotten_snapshot_is_off_the_list_for_good() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    let first = recorder.record(put_tree(&engine, 0..2));
    let id = engine.commit(&engine.begin(), &first).expect("committed").id;
    recorder.taken(&first);
    engine.forget(&id, "a test").expect("forgotten");
    let sequence = engine.head().sequence;
    engine.forget(&id, "once more").expect("forgotten");
    assert_eq!(engine.head().sequence, sequence, "once more changes nothing");
    let unknown = SnapshotId::from_bytes([1; 32]);
    assert!(matches!(engine.forget(&unknown, ""), Err(ForgetError::Unknown { .. })));
    assert!(matches!(
        engine.forget(&id, &"x".repeat(2000)),
        Err(ForgetError::Store(StoreError::TooLarge { .. }))
    ));
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.snapshots().expect("listed"), []);
    let second = recorder.record(put_tree(&engine, 0..2));
    engine.commit(&engine.begin(), &second).expect("a series goes on behind a forgotten record");
    assert_eq!(engine.snapshots().expect("listed").len(), 1);
}

#[test]
fn a_forgotten_snapshot_is_recovered_as_it_was() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let mut recorder = Recorder::new("host:/a");
    for number in [0, 10] {
        let record = recorder.record(put_tree(&engine, number..number + 2));
        engine.commit(&engine.begin(), &record).expect("committed");
        recorder.taken(&record);
    }
    let listed = engine.snapshots().expect("listed");
    let first = listed[0].id;
    engine.forget(&first, "a test").expect("forgotten");
    assert_eq!(engine.snapshots().expect("listed"), listed[1..]);
    let forgotten = engine.forgotten().expect("listed");
    let week = Time::from_nanoseconds(forgotten[0].forgotten.nanoseconds() + 7 * 24 * 3600 * 1_000_000_000);
    assert_eq!((forgotten.len(), &forgotten[0].listed, forgotten[0].until), (1, &listed[0], week));
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.forgotten().expect("listed"), forgotten);
    engine.recover(&first, "a test").expect("it was forgotten");
    let sequence = engine.head().sequence;
    engine.recover(&first, "once more").expect("it is there");
    assert_eq!(engine.head().sequence, sequence, "once more changes nothing");
    assert_eq!((engine.snapshots().expect("listed"), engine.forgotten().expect("listed")), (listed, vec![]));
    let unknown = SnapshotId::from_bytes([1; 32]);
    assert!(matches!(engine.recover(&unknown, ""), Err(ForgetError::Unknown { .. })));
}

#[test]
fn a_hold_cannot_be_shortened_by_anyone() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let record = Recorder::new("host:/a").record(put_tree(&engine, 0..2));
    let id = engine.commit(&engine.begin(), &record).expect("committed").id;
    let time = Time::from_nanoseconds;
    assert!(matches!(engine.hold(&id, time(999), ""), Err(HoldError::Past { .. })));
    engine.hold(&id, time(i64::MAX / 2), "a test").expect("it is later");
    let sequence = engine.head().sequence;
    engine.hold(&id, time(i64::MAX / 2), "once more").expect("it is the same");
    assert_eq!(engine.head().sequence, sequence, "once more changes nothing");
    let held = |engine: &Engine, until| match engine.hold(&id, time(until), "") {
        Err(HoldError::Held { until, .. }) => until == time(i64::MAX / 2),
        other => panic!("{other:?}"),
    };
    assert!(held(&engine, i64::MAX / 2 - 1) && held(&engine, 1_001));
    let unknown = SnapshotId::from_bytes([1; 32]);
    assert!(matches!(engine.hold(&unknown, time(2_000), ""), Err(HoldError::Unknown { .. })));
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert!(held(&engine, 1_001));
    engine.forget(&id, "a test").expect("it is off the list");
    assert_eq!(engine.forgotten().expect("listed")[0].until, time(i64::MAX / 2), "and stays restorable");
    assert!(held(&engine, 1_001));
}

#[test]
fn key_slots_come_and_go_and_one_always_stays() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let second = SlotId::from_bytes([0x52; 16]);
    assert!(matches!(engine.remove_slot(SLOT), Err(StoreError::LastSlot { .. })));
    assert!(matches!(engine.remove_slot(second), Err(StoreError::UnknownSlot { .. })));
    assert!(matches!(engine.add_slot(SLOT, b"other"), Err(StoreError::Exists { .. })));
    engine.add_slot(second, b"second").expect("added");
    drop(engine);
    let engine = open(&disk, 2).expect("opened");
    assert_eq!(engine.slots().expect("listed"), [(SLOT, SLOT_BYTES.to_vec()), (second, b"second".to_vec())]);
    engine.remove_slot(SLOT).expect("removed");
    assert_eq!(read(&disk).expect("opened").slots().expect("listed"), [(second, b"second".to_vec())]);
    assert!(!disk.files().iter().any(|(path, _)| path.ends_with(SLOT.to_string())));
    assert_eq!(SLOT.to_string().parse::<SlotId>().expect("hexadecimal"), SLOT);
}

#[test]
fn a_repository_is_made_in_an_empty_folder_only() {
    let disk = SimulatedDisk::new(1);
    assert!(matches!(open(&disk, 1), Err(StoreError::NotThere)));
    assert!(matches!(read(&disk), Err(StoreError::NotThere)));
    drop(create(&disk).expect("made"));
    assert!(matches!(create(&disk), Err(StoreError::Exists { .. })));

    let disk = SimulatedDisk::new(1);
    Disk::create_folder(&disk, "photos".as_ref()).expect("made");
    assert!(matches!(create(&disk), Err(StoreError::Exists { path }) if path == *"photos"));
    let disk = SimulatedDisk::new(1);
    let broken = Engine::create(Arc::new(disk.clone()), b"nonsense", (SLOT, SLOT_BYTES), options(1));
    assert!(matches!(broken, Err(StoreError::Damaged { .. })));
    assert_eq!(disk.files(), []);
}

#[test]
fn a_second_writer_is_told_who_is_there_and_readers_are_not_kept_out() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let (id, bytes) = data(1, 100);
    engine.put(&engine.begin(), &id, &bytes).expect("put");
    engine.flush().expect("flushed");
    match open(&disk, 2) {
        Err(StoreError::InUse { by }) => assert_eq!(by, "the program that made it"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    let reader = read(&disk).expect("opened beside the writer");
    let before = disk.files();
    reader.object(&id, &mut Vec::new()).expect("read");
    assert!(matches!(
        reader.put(&reader.begin(), &id, &bytes),
        Err(PutError::Store { source: StoreError::ReadOnly, .. })
    ));
    assert!(matches!(reader.flush(), Err(StoreError::ReadOnly)));
    assert!(matches!(reader.rebuild_index(), Err(StoreError::ReadOnly)));
    assert_eq!(disk.files(), before);
    let (later, bytes) = data(2, 100);
    engine.put(&engine.begin(), &later, &bytes).expect("put");
    engine.flush().expect("flushed");
    assert!(reader.locate(&later).expect("answered").is_none(), "a reader sees the moment of its opening");
}

#[test]
fn neighbours_are_read_together_and_verified_one_by_one() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let objects: Vec<_> = (0..40).map(|number| data(number, 900)).collect();
    for (id, bytes) in &objects {
        engine.put(&engine.begin(), id, bytes).expect("put");
    }
    engine.flush().expect("flushed");
    let (fresh, fresh_bytes) = data(99, 900);
    engine.put(&engine.begin(), &fresh, &fresh_bytes).expect("put, and not flushed");
    let mut wanted: Vec<_> = objects.iter().step_by(2).map(|(id, _)| *id).collect();
    wanted.push(fresh);
    let mut wanted: Vec<_> =
        wanted.into_iter().map(|id| (id, engine.locate(&id).expect("answered").expect("known"))).collect();
    wanted.sort_by_key(|(_, place)| *place);
    let damaged = wanted[3];
    disk.mutate(&crate::pack::path(&damaged.1.pack), |pack| pack[damaged.1.offset as usize + 100] ^= 1)
        .expect("there");
    let mut shown = 0;
    engine.objects(&wanted, &mut Vec::new(), &mut |index, read| {
        shown += 1;
        let id = wanted[index].0;
        match read {
            Ok(bytes) => assert_eq!(object_id(bytes), id),
            Err(ObjectError::Tampered { id, .. }) => assert_eq!(id, damaged.0),
            Err(error) => panic!("{error}"),
        }
    });
    assert_eq!(shown, wanted.len());
    assert!(matches!(engine.object(&damaged.0, &mut Vec::new()), Err(ObjectError::Tampered { .. })));
}

#[test]
fn time_never_goes_back_in_the_journal() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(5_000)));
    let engine = open_with(Arc::new(disk.clone()), Options { clock: clock.clone(), ..options(2) });
    let engine = engine.expect("opened");
    let mut recorder = Recorder::new("host:/a");
    let mut received = Vec::new();
    for time in [7_000, 6_000, 8_000] {
        clock.set(Time::from_nanoseconds(time));
        let record = recorder.record(put_tree(&engine, 0..2));
        received.push(engine.commit(&engine.begin(), &record).expect("committed").received.nanoseconds());
        recorder.taken(&record);
    }
    assert_eq!(received, [7_000, 7_000, 8_000]);
    drop(engine);
    open(&disk, 3).expect("a clock that went back leaves no damage");
}

#[test]
fn the_largest_object_has_its_place() {
    let disk = SimulatedDisk::new(1);
    let engine = create(&disk).expect("made");
    let largest = farkeep_codec::limits::PLAIN_BYTES_MAX + 33;
    let bytes = object(Kind::Data, 1, &[], largest);
    let id = object_id(&bytes);
    engine.put(&engine.begin(), &id, &bytes).expect("put into a pack of its own");
    engine.flush().expect("flushed");
    let access = Access::Write { holder: String::new() };
    drop(engine);
    let engine = Engine::open(Arc::new(disk), access, options(2)).expect("opened");
    let mut back = Vec::new();
    engine.object(&id, &mut back).expect("read");
    assert_eq!(back, bytes);
    assert_eq!(parameters(), engine.parameters().encode());
}

/// What a checkpoint holds is not replayed: an opening does not miss the segments before, and a scrub does.
#[test]
fn an_opening_behind_a_checkpoint_reads_no_older_segment() {
    let disk = SimulatedDisk::new(1);
    drop(create(&disk).expect("made"));
    let checkpointing = |seed| Options { checkpoint_records: 0, ..options(seed) };
    let engine = open_with(Arc::new(disk.clone()), checkpointing(2)).expect("opened");
    let mut recorder = Recorder::new("host:/a");
    for number in 0..9 {
        let record = recorder.record(put_tree(&engine, number * 10..number * 10 + 2));
        engine.commit(&engine.begin(), &record).expect("committed");
        recorder.taken(&record);
    }
    let head = engine.head();
    drop(engine);
    let oldest = Path::new("journal/0000000000000000");
    assert!(disk.files().iter().filter(|(path, _)| path.starts_with("journal")).count() > 2);
    for path in [oldest, &copy_of(oldest)] {
        disk.remove(path).expect("there");
    }
    for engine in [open(&disk, 3).expect("opened"), read(&disk).expect("opened")] {
        assert_eq!(engine.head(), head);
        let report = engine.verify(crate::Share::Everything, &|_| {}).expect("checked");
        assert_eq!(report.damage.iter().map(|damage| damage.path.as_path()).collect::<Vec<_>>(), [oldest]);
    }
    disk.remove(Path::new("checkpoint")).expect("there");
    assert!(matches!(open(&disk, 4), Err(StoreError::Damaged { .. })));
}
