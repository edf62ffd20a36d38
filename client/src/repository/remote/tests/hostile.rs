//! Servers that mean harm, one test for each abuse.

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::Epoch;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::field::Bitmap;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Range;
use farkeep_protocol::field::Ranges;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message;

use super::fake::Said;
use super::fake::refuse;
use super::fake::say;
use super::fake::sequence;
use super::*;

/// Bends the answers to one kind of request.
fn on(kind: Kind, mut bend: impl FnMut(&mut Vec<Said>) + Send + 'static) -> World {
    World::new().bend(move |_, asked, said| {
        if asked == kind {
            bend(said);
        }
    })
}

/// Puts two objects and reads them back.
fn put_and_read(world: &World) -> Result<(), RepositoryError> {
    let store = world.try_open()?;
    let objects = [world.object(1, 500), world.object(2, 500)];
    for (id, object) in &objects {
        store.put(id, object)?;
    }
    store.flush()?;
    let places = Place::Server { pack: 0, offset: 0, bytes: 0 };
    let wanted: Vec<(ObjectId, Place)> = objects.iter().map(|(id, _)| (*id, places)).collect();
    let mut read = Ok(());
    store.objects(&wanted, &mut Vec::new(), &mut |index, object| match object {
        Ok(object) => assert_eq!(object, objects[index].1),
        Err(error) => read = Err(error),
    });
    read
}

fn put_and_commit(world: &World) -> Result<(), RepositoryError> {
    let store = world.try_open()?;
    let (id, object) = world.object(1, 500);
    store.put(&id, &object)?;
    store.commit(&world.record("a", id), &[])?;
    Ok(())
}

#[track_caller]
fn broken(result: Result<(), RepositoryError>) {
    let error = remote(result);
    assert!(is_broken(&error), "{error}");
}

#[test]
fn other_bytes_than_an_id_names_are_no_object() {
    for at in [0, 20, 100] {
        let world = on(Kind::Get, move |said| said[0].body[12 + at] ^= 1);
        let error = remote(put_and_read(&world));
        assert!(matches!(error, RemoteError::Tampered { .. }) && error.is_damage(), "{error}");
    }
    let world = on(Kind::Get, |said| said[0].body.truncate(12));
    assert!(matches!(remote(put_and_read(&world)), RemoteError::Tampered { .. }));
}

#[test]
fn objects_in_each_others_place_are_refused() {
    let world = on(Kind::Get, |said| {
        let (first, second) = (said[0].body[8..12].to_vec(), said[1].body[8..12].to_vec());
        said[0].body[8..12].copy_from_slice(&second);
        said[1].body[8..12].copy_from_slice(&first);
    });
    assert!(matches!(remote(put_and_read(&world)), RemoteError::Tampered { .. }));
}

#[test]
fn objects_that_nobody_asked_for_are_refused() {
    broken(put_and_read(&on(Kind::Get, |said| said.insert(1, said[0].clone()))));
    broken(put_and_read(&on(Kind::Get, |said| said[0].body[8] = 7)));
    broken(put_and_read(&on(Kind::Get, |said| said[0].body[0] += 1)));
    broken(put_and_read(&on(Kind::Put, |said| {
        let sequence = Sequence::FIRST;
        said.push(say(&message::Object { sequence, index: 0, object: b"FKob" }));
    })));
}

#[test]
fn an_answer_that_ends_too_early_is_refused() {
    broken(put_and_read(&on(Kind::Get, |said| drop(said.remove(0)))));
    broken(put_and_read(&on(Kind::Get, |said| {
        let end = said.iter().position(|said| said.is(Kind::Done)).expect("it ends");
        let done = said.remove(end);
        said.insert(0, done);
    })));
}

#[test]
fn an_object_that_is_said_to_be_missing_is_an_error_that_names_it() {
    let world = on(Kind::Get, |said| {
        let (sequence, code) = (sequence(&said[0]), Code::NOT_FOUND);
        said[0] = say(&message::Missing { sequence, index: 0, code });
    });
    let (id, _) = world.object(1, 500);
    let error = put_and_read(&world).expect_err("one is missing");
    assert!(matches!(error, RepositoryError::Object(ObjectError::Missing { id: named }) if named == id));
    let world = on(Kind::Get, |said| {
        let (sequence, code) = (sequence(&said[0]), Code::DAMAGED_OBJECT);
        said[0] = say(&message::Missing { sequence, index: 0, code });
    });
    assert!(matches!(remote(put_and_read(&world)), RemoteError::Damaged { id: named } if named == id));
}

/// More than 32 MiB that nobody took, and a largest frame.
#[test]
fn more_than_there_is_credit_for_is_refused() {
    let world = World::new();
    let store = world.open();
    let objects: Vec<(ObjectId, Vec<u8>)> = (0..12).map(|number| world.object(number, 4 << 20)).collect();
    world.fake().objects.extend(objects.iter().cloned());
    // What is asked for ahead is thought to be small.
    let pointers = objects.iter().map(|(id, _)| Pointer {
        id: *id,
        seed: Seed::from_bytes([0; 32]),
        plain_bytes: 1,
        epoch: Epoch::FIRST,
    });
    store.soon(&pointers.collect::<Vec<_>>());
    while world.fake().said.first().is_none_or(|said| *said < 43 << 20) {
        std::thread::yield_now();
    }
    assert!(is_broken(&remote(store.usage())));
}

#[test]
fn presence_of_more_or_fewer_than_was_asked_is_refused() {
    for bits in [[true; 3].as_slice(), &[true; 1], &[true; 8192]] {
        let known = Bitmap::new(bits).expect("few");
        let world = on(Kind::Probe, move |said| {
            let sequence = sequence(&said[0]);
            said[0] = say(&message::Presence { sequence, known: known.clone() });
        });
        let store = world.open();
        let ids = [ObjectId::from_bytes([1; 32]), ObjectId::from_bytes([2; 32])];
        assert!(is_broken(&remote(store.probe(&ids))), "{}", bits.len());
    }
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].body[0] += 1)));
    broken(put_and_commit(&on(Kind::Probe, |said| said.insert(0, said[0].clone()))));
}

/// Whoever says that something is not there is sent it, and whoever says that it is answers for it.
#[test]
fn lies_about_presence_make_nothing_that_is_not_there() {
    let world = on(Kind::Probe, |said| {
        let sequence = sequence(&said[0]);
        let known = Bitmap::new(&vec![false; usize::from(said[0].body[8])]).expect("some");
        said[0] = say(&message::Presence { sequence, known });
    });
    put_and_read(&world).expect("it is stored again");
    let world = on(Kind::Probe, |said| {
        let sequence = sequence(&said[0]);
        let known = Bitmap::new(&vec![true; usize::from(said[0].body[8])]).expect("some");
        said[0] = say(&message::Presence { sequence, known });
    });
    let error = put_and_read(&world).expect_err("it was never stored");
    assert!(matches!(error, RepositoryError::Object(ObjectError::Missing { .. })), "{error}");
}

#[test]
fn durable_is_only_what_was_sent() {
    let durable = |first: u64, count: u64| {
        let first = Sequence::new(first).expect("from 1");
        say(&message::Durable { ranges: Ranges::new(vec![Range { first, count }]).expect("one") })
    };
    for (first, count) in [(9, 1), (1, 1 << 40), (u64::MAX, 1)] {
        broken(put_and_commit(&on(Kind::Probe, move |said| said.push(durable(first, count)))));
    }
    // Two ranges that touch.
    broken(put_and_commit(&on(Kind::Put, |said| {
        let range = said[0].body[1..].to_vec();
        said[0].body[0] = 2;
        said[0].body.extend(range);
    })));
}

/// Nothing is let go of before it is durable, and a flush waits for that.
#[test]
fn a_flush_that_is_done_before_its_puts_are_durable_waits_for_them() {
    let mut kept = Vec::new();
    let world = World::new().bend(move |_, asked, said| match asked {
        Kind::Put => kept.push(said.remove(0)),
        Kind::Flush => said.append(&mut kept),
        _ => {}
    });
    put_and_read(&world).expect("they are durable in the end");
}

#[test]
fn only_the_snapshot_that_was_sent_is_committed() {
    broken(put_and_commit(&on(Kind::Commit, |said| said[0].body[8] ^= 1)));
    broken(put_and_commit(&on(Kind::Commit, |said| said[0].body[0] += 1)));
    broken(put_and_commit(&on(Kind::Probe, |said| {
        said.push(say(&message::Committed {
            sequence: Sequence::FIRST,
            snapshot: SnapshotId::from_bytes([1; 32]),
            journal: 1,
            received: Time::from_nanoseconds(0),
            durability: message::Durability::Local,
            already: false,
        }));
    })));
}

#[test]
fn refusals_are_typed_and_end_the_run() {
    for (code, kind) in [
        (Code::QUOTA_EXCEEDED, Kind::Put),
        (Code::STORAGE_FULL, Kind::Put),
        (Code::WRONG_ID, Kind::Put),
        (Code::ROLE, Kind::Probe),
        (Code::SERIES_MOVED, Kind::Commit),
        (Code::from_number(0x01ff), Kind::Commit),
    ] {
        let mut number = 0;
        let world = World::new().bend(move |_, asked, said| {
            number += u64::from(asked.is_request());
            if asked == kind {
                let sequence = Sequence::new(number).expect("from 1");
                *said = vec![refuse(sequence, code)];
            }
        });
        let error = remote(put_and_commit(&world));
        assert_eq!(error, RemoteError::Refused { code, text: "no".to_owned() });
    }
    broken(put_and_commit(&on(Kind::Probe, |said| {
        let (sequence, code) = (Sequence::new(99).expect("from 1"), Code::ROLE);
        said.push(refuse(sequence, code));
    })));
}

/// What was given up is put again, in its order; a server that never keeps anything is given up.
#[test]
fn what_the_server_gives_up_is_put_again() {
    let lose = |times: usize| {
        let world = World::new();
        world.fake().losses = times;
        world
    };
    put_and_commit(&lose(3)).expect("the fourth time it stays");
    let error = remote(put_and_commit(&lose(usize::MAX)));
    assert!(is_broken(&error), "{error}");
}

#[test]
fn credit_without_end_is_refused() {
    let credit = || say(&message::Credit { bytes: u32::MAX, requests: u32::MAX });
    broken(put_and_commit(&on(Kind::Probe, move |said| {
        said.splice(0..0, (0..300).map(|_| credit())).for_each(drop);
    })));
}

#[test]
fn frames_that_are_none_are_refused() {
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].kind = 0x7777)));
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].body.push(0))));
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].body.truncate(3))));
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].body = vec![0; 5000])));
    // What only a client says.
    broken(put_and_commit(&on(Kind::Probe, |said| said[0].kind = Kind::Probe.number())));
}

#[test]
fn messages_at_the_wrong_time_are_refused() {
    for kind in [Kind::Welcome, Kind::Opened, Kind::Enrolled] {
        broken(put_and_commit(&on(Kind::Probe, move |said| said[0].kind = kind.number())));
    }
    for kind in [Kind::Welcome, Kind::Done, Kind::Credit] {
        let world = on(Kind::Open, move |said| said[0].kind = kind.number());
        assert!(is_broken(&world.try_open().map(drop).expect_err("it is not opened")));
    }
    let unasked = [
        say(&message::Used {
            sequence: Sequence::FIRST,
            packs: 0,
            objects: 0,
            bytes: 0,
            index_bytes: 0,
            journal_bytes: 0,
            free_bytes: 0,
        }),
        say(&message::Done { sequence: Sequence::FIRST }),
        say(&message::Gathered { sequence: Sequence::FIRST, stage: Stage::Frozen }),
    ];
    for unasked in unasked {
        broken(put_and_commit(&on(Kind::Put, move |said| said.push(unasked.clone()))));
    }
}

#[test]
fn a_welcome_that_lies_is_refused() {
    // Version, acknowledged of a new session.
    for at in [0, 35] {
        let world = on(Kind::Hello, move |said| said[0].body[at] ^= 4);
        assert!(is_broken(&world.try_open().map(drop).expect_err("it is not welcome")), "{at}");
    }
}

#[test]
fn a_session_is_resumed_as_it_was_or_not_at_all() {
    // Another session; more acknowledged than was sent.
    for at in [2, 38] {
        let world = World::new().bend(move |connection, asked, said| {
            if connection == 1 && asked == Kind::Hello {
                said[0].body[at] ^= 4;
            }
        });
        world.fake().cuts = vec![opened() + 30];
        broken(put_and_commit(&world));
    }
}

#[test]
fn parameters_that_are_short_or_of_another_repository_are_refused() {
    for cut in 1..World::new().parameters.encode().len() {
        let world = on(Kind::Open, move |said| {
            let end = said[0].body.len() - cut;
            said[0].body.truncate(end);
        });
        assert!(is_broken(&world.try_open().map(drop).expect_err("they are cut")), "{cut}");
    }
    let world = on(Kind::Open, |said| said[0].body[3] ^= 1);
    assert!(is_broken(&world.try_open().map(drop).expect_err("it is another one")));
}

#[test]
fn a_server_that_forgot_what_it_acknowledged_is_found_out() {
    let world = World::new();
    world.fake().remembers = false;
    let store = world.open();
    let (id, object) = world.object(1, 100);
    store.put(&id, &object).expect("there is room");
    store.commit(&world.record("a", id), &[]).expect("it is committed");
    world.fake().head = 3;
    world.fake().cuts = vec![0];
    let error = remote(store.usage());
    assert_eq!(error, RemoteError::RolledBack { seen: 4, found: 3 });
}

#[test]
fn another_repository_of_the_same_name_is_found_out() {
    let world = World::new();
    world.fake().remembers = false;
    let store = world.open();
    let other = Parameters { repository: RepositoryId::from_bytes([8; 32]), ..world.parameters.clone() };
    {
        let mut fake = world.fake();
        (fake.repository, fake.parameters) = (other.repository, other.encode());
        fake.cuts = vec![0];
    }
    assert_eq!(remote(store.usage()), RemoteError::Replaced);
}

#[test]
fn snapshots_that_are_none_are_refused() {
    let series = Series::new("a".to_owned()).expect("a name");
    let root = ObjectId::from_bytes([1; 32]);
    let newest = |record: Vec<u8>| {
        let world = World::new();
        world.fake().records.push(record);
        let newest = world.open().newest_of(&series);
        newest.map(|newest| newest.map(|newest| newest.sequence))
    };
    let world = World::new();
    let good = world.record("a", root);
    assert_eq!(newest(good.clone()).expect("it is good"), Some(0));
    assert_eq!(newest(world.record("ab", root)).expect("another's name begins so"), None);
    let mut flipped = good.clone();
    *flipped.last_mut().expect("some") ^= 1;
    let foreign = world.record_of(RepositoryId::from_bytes([8; 32]), "a", root);
    for bad in [Vec::new(), b"nonsense".to_vec(), flipped, good[..good.len() - 1].to_vec(), foreign] {
        let error = remote(newest(bad));
        assert!(matches!(error, RemoteError::Record { .. }) && error.is_damage(), "{error}");
    }
}

#[test]
fn lists_out_of_order_or_without_a_question_are_refused() {
    let twice = on(Kind::List, |said| said.insert(0, said[0].clone()));
    twice.fake().records.push(twice.record("a", ObjectId::from_bytes([1; 32])));
    assert!(is_broken(&remote(twice.open().snapshots())));
    let unasked = on(Kind::Usage, |said| {
        let (sequence, received) = (Sequence::FIRST, Time::from_nanoseconds(0));
        said.insert(0, say(&message::Listed { sequence, journal: 1, received, record: b"" }));
    });
    assert!(is_broken(&remote(unasked.open().usage())));
}

#[test]
fn places_of_more_or_fewer_than_was_asked_are_refused() {
    let world = on(Kind::Locate, |said| {
        let sequence = sequence(&said[0]);
        said[0] = say(&message::Places { sequence, places: List::new(vec![None; 3]).expect("three") });
    });
    assert!(is_broken(&remote(world.open().locate(&[ObjectId::from_bytes([1; 32])]))));
}

#[test]
fn key_slots_are_believed_only_when_they_open() {
    let world = World::new();
    world.fake().slots = vec![([1; 16], b"nonsense".to_vec())];
    let slots = world.open().slots().expect("they come as they are");
    assert_eq!(slots, [(SlotId::from_bytes([1; 16]), b"nonsense".to_vec())]);
}

#[test]
fn a_fault_that_never_helps_ends_the_run_and_others_do_not() {
    let fault = |code| {
        move |said: &mut Vec<Said>| {
            *said = vec![say(&Fault { code, sequence: None, text: Text::beginning("why") })];
        }
    };
    let error = remote(put_and_commit(&on(Kind::Probe, fault(Code::REVOKED))));
    assert_eq!(error, RemoteError::Refused { code: Code::REVOKED, text: "why".to_owned() });
    let bend = fault(Code::INTERNAL);
    let world = World::new().bend(move |connection, asked, said| {
        if connection == 0 && asked == Kind::Probe {
            bend(said);
        }
    });
    put_and_commit(&world).expect("it is asked again on another connection");
}

/// A server that is being stopped is taken leave of, and the session goes on where it is next.
#[test]
fn a_goodbye_in_the_middle_costs_nothing() {
    let world = World::new().bend(|connection, asked, said| {
        if connection == 0 && asked == Kind::Probe {
            said.insert(0, say(&message::Goodbye { reason: message::Leave::Stopping }));
        }
    });
    put_and_commit(&world).expect("it goes on");
    assert!(world.fake().said.len() > 1);
}
