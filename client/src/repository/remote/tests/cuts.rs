//! Connections that are cut at every byte, in both directions: the session goes on, and nothing is lost or done twice.

use super::*;

/// A session that uses every lane; whatever is cut, it comes to the same.
fn session(world: &World) -> Result<(), RepositoryError> {
    let store = world.try_open()?;
    let objects: Vec<(ObjectId, Vec<u8>)> = (0..3).map(|number| world.object(number, 60)).collect();
    for (id, object) in &objects {
        store.put(id, object)?;
    }
    store.flush()?;
    let mut read = Vec::new();
    for (id, object) in &objects {
        store.object(id, &mut read)?;
        assert_eq!(read, *object);
    }
    let record = world.record("a", objects[0].0);
    store.commit(&record, &[])?;
    assert_eq!(store.stored().objects, 3);
    drop(store);
    let fake = world.fake();
    assert_eq!(fake.records, [record]);
    assert_eq!(fake.objects.len(), 3);
    Ok(())
}

/// Tries each place, several at a time: most of the time is spent in waiting before a connection is made again.
pub(super) fn at_each(places: impl Iterator<Item = usize> + Send, attempt: impl Fn(usize) + Sync) {
    let places = Mutex::new(places);
    let next = || places.lock().expect("no panic").next();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(at) = next() {
                    attempt(at);
                }
            });
        }
    });
}

/// Bytes that the server says in the session.
fn said() -> usize {
    let world = World::new();
    session(&world).expect("nothing is cut");
    world.fake().said.iter().sum()
}

#[test]
fn what_is_cut_while_it_is_heard_goes_on() {
    let all = said();
    assert!(all > 500, "{all}");
    at_each(0..all, |at| {
        let world = World::new();
        world.fake().cuts = vec![at];
        session(&world).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    });
}

#[test]
fn what_is_cut_while_it_is_said_goes_on() {
    // More than the session says: the last ones are not cut.
    at_each(0..1500, |at| {
        let world = World::new();
        world.fake().deaf = vec![at];
        session(&world).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    });
}

#[test]
fn many_cuts_in_a_row_cost_what_was_under_way_only() {
    let world = World::new();
    world.fake().cuts = vec![opened() + 90, 150, 160, 0, 170, 180, 90, 300];
    session(&world).expect("it goes on after each");
    assert!(world.fake().said.len() > 5);
}

#[test]
fn a_session_that_the_server_forgot_begins_anew() {
    for at in (0..400).step_by(20) {
        let world = World::new();
        world.fake().cuts = vec![opened() + at];
        world.fake().remembers = false;
        session(&world).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    }
}

#[test]
fn a_server_that_does_not_come_back_is_given_up() {
    let world = World::new();
    let mut reach = world.reach.clone();
    reach.retry_for = Duration::from_millis(20);
    world.fake().cuts = std::iter::once(opened() + 30).chain(std::iter::repeat_n(0, 10_000)).collect();
    let store = RemoteStore::over(reach, None).expect("it opens");
    let (id, object) = world.object(1, 100);
    let put = store.put(&id, &object).and_then(|()| store.flush());
    assert!(matches!(remote(put), RemoteError::Lost { .. }));
    assert!(matches!(remote(store.usage()), RemoteError::Lost { .. }), "nor is anything else asked for");
}
