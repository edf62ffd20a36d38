//! Making a repository over connections that are cut at every byte: afterwards it is there or not, and whoever asks is
//! told which.

use farkeep_codec::id::RepositoryId;
use farkeep_protocol::fault::Code;

use super::cuts::at_each;
use super::*;

/// A server without a repository.
fn bare() -> World {
    let world = World::new();
    world.fake().is_made = false;
    world
}

/// A repository of that number, to be made.
fn new(world: &World, number: u8) -> New {
    let repository = RepositoryId::from_bytes([number; 32]);
    New {
        parameters: Parameters { repository, ..world.parameters.clone() }.encode(),
        slot: SlotId::from_bytes([number; 16]),
        slot_bytes: vec![number; 20],
    }
}

/// Makes it; says whether that is what is there.
fn is_made(world: &World, number: u8) -> Result<bool, RemoteError> {
    let store = RemoteStore::over(world.reach.clone(), Some(new(world, number)))?;
    Ok(store.parameters().repository == RepositoryId::from_bytes([number; 32]))
}

/// One that was cut is made all the same, once, and another one of that name is refused.
fn expect_made_once(world: &World, context: &str) {
    assert!(is_made(world, 1).unwrap_or_else(|error| panic!("{context}: {error}")), "{context}");
    let parameters = new(world, 1).parameters;
    let slots = world.fake().slots.len();
    let found = world.fake().parameters.clone();
    assert!(found == parameters && slots == 1, "{context}");
    let other = is_made(world, 2).expect_err("there is one");
    assert_eq!(other.code(), Some(Code::EXISTS), "{context}");
    assert_eq!(world.fake().parameters, parameters, "{context}");
}

#[test]
fn what_is_cut_while_a_repository_is_made_is_made_once() {
    at_each(0..=opened(), |at| {
        let world = bare();
        world.fake().cuts = vec![at];
        expect_made_once(&world, &format!("cut at {at} of what is heard"));
    });
    // More than it takes: the last ones are not cut.
    at_each(0..2_000, |at| {
        let world = bare();
        world.fake().deaf = vec![at];
        expect_made_once(&world, &format!("cut at {at} of what is said"));
    });
}

/// Of two that are made at once under one name, the one that was cut is not taken for the other.
#[test]
fn a_repository_that_somebody_else_made_meanwhile_is_not_taken_for_ones_own() {
    let mut world = bare();
    let other = new(&world, 2);
    world.fake().cuts = vec![100];

    let fake = Arc::clone(&world.fake);
    let dial = Arc::clone(&world.reach.dial);
    let dialled = std::sync::atomic::AtomicUsize::new(0);
    world.reach.dial = Arc::new(move || {
        if dialled.fetch_add(1, Ordering::Relaxed) == 1 {
            // The first connection was cut before the client heard of a repository.
            fake.lock().expect("no panic").parameters.clone_from(&other.parameters);
            fake.lock().expect("no panic").repository = RepositoryId::from_bytes([2; 32]);
        }
        dial()
    });
    let refused = is_made(&world, 1).expect_err("it is another one");
    assert_eq!(refused.code(), Some(Code::EXISTS));
}

/// A client that gives up has made it, or has not, and can ask again.
#[test]
fn whoever_gives_up_can_ask_again() {
    let mut made = 0;
    for at in (0..=opened()).step_by(7) {
        let world = bare();
        let mut impatient = world.reach.clone();
        impatient.retry_for = Duration::ZERO;
        world.fake().cuts = vec![at];
        let first = RemoteStore::over(impatient, Some(new(&world, 1))).map(drop);
        let is_there = world.fake().is_made;
        match (first, is_made(&world, 2)) {
            (Ok(()), Err(error)) => assert_eq!((is_there, error.code()), (true, Some(Code::EXISTS)), "{at}"),
            (Err(RemoteError::Unreachable { .. }), Ok(other)) => assert!(other && !is_there, "{at}"),
            (Err(RemoteError::Unreachable { .. }), Err(error)) => {
                assert_eq!((is_there, error.code()), (true, Some(Code::EXISTS)), "{at}");
                made += 1;
            }
            other => panic!("{at}: {other:?}"),
        }
    }
    assert!(made > 0, "an answer was cut off");
}
