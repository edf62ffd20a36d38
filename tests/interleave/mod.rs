//! Backup, forget, collect, restore, scrub, recover: every interleaving of three of them, and of a power failure, over the
//! real decisions of retention, plan, ledger and settling, and a model of the store.
//!
//! After each step the closure law holds, everything that can be restored can be read, and nobody misses what they were
//! promised. A schedule that breaks a law is printed whole.

mod actor;
mod collector;
mod explore;
mod model;

use std::collections::BTreeSet;

use actor::Actor;
use actor::ROLES;
use actor::Role;
use explore::Explored;
use explore::World;
use model::ROOT_KEPT;
use model::ROOT_OTHER;
use model::Store;
use model::closure;

fn world(store: Store, roles: &[Role]) -> World {
    World { store, actors: roles.iter().copied().map(Actor::new).collect() }
}

/// Goes every way, and fails with the first schedule that breaks a law.
fn explored(explored: &mut Explored, world: &World) -> u128 {
    explored.explore(world).unwrap_or_else(|broken| panic!("{broken}"))
}

#[expect(clippy::print_stderr, reason = "whoever reads the output of a test wants to know what it has tried")]
fn report(schedules: u128, states: usize) {
    eprintln!("{schedules} interleavings by way of {states} states");
}

/// The new snapshot refers to a leaf that its parent alone has. Either the backup began early enough to be told that the
/// leaf is there, and then it stays; or it is told that it is not, and stores it anew.
#[test]
fn a_new_incremental_snapshot_commits_while_its_parent_is_forgotten_and_collected() {
    let mut seen = Explored::default();
    let roles = [Role::Backup, Role::Forgetter, Role::Collector];
    let schedules = explored(&mut seen, &world(Store::new(false), &roles));
    report(schedules, seen.states());
    for (role, fact) in [
        (Role::Backup, "is told that the shared leaf is there"),
        (Role::Backup, "is told that the shared leaf is unknown"),
        (Role::Backup, "commits, and ends"),
        (Role::Collector, "removes a pack"),
        (Role::Collector, "reprieves all packs"),
        (Role::Collector, "breaks off"),
    ] {
        assert!(seen.facts.contains(&(role, fact)), "{role:?} never {fact}: {:?}", seen.facts);
    }
}

#[test]
fn every_interleaving_of_three_keeps_what_anybody_needs() {
    let (mut schedules, mut states, mut facts) = (0, 0, BTreeSet::new());
    for (first, one) in ROLES.iter().enumerate() {
        for (second, two) in ROLES.iter().enumerate().skip(first) {
            for three in &ROLES[second..] {
                let roles = [*one, *two, *three];
                if roles.iter().filter(|role| **role == Role::Power).count() > 1 {
                    continue;
                }
                let mut seen = Explored::default();
                schedules += explored(&mut seen, &world(Store::new(true), &roles));
                states += seen.states();
                facts.extend(seen.facts);
            }
        }
    }
    report(schedules, states);
    // What was never reached was never tried.
    for expected in [
        (Role::Again, "is told that the shared leaf is there"),
        (Role::Again, "is told that the shared leaf is unknown"),
        (Role::Backup, "breaks off"),
        (Role::Forgetter, "plans to forget"),
        (Role::Forgetter, "plans to forget nothing"),
        (Role::Collector, "breaks off"),
        (Role::Collector, "has nothing left to remove"),
        (Role::Collector, "removes a pack"),
        (Role::Collector, "removes no pack"),
        (Role::Collector, "reprieves all packs"),
        (Role::Collector, "reprieves something, and removes a pack"),
        (Role::Outsider, "has to begin again"),
        (Role::Scrubber, "passes over a pack that was removed meanwhile"),
        (Role::Recoverer, "recovers"),
        (Role::Recoverer, "comes too late to recover"),
        (Role::Recoverer, "finds it purged again"),
        (Role::Power, "the power fails"),
    ] {
        assert!(facts.contains(&expected), "{expected:?} is not among {facts:?}");
    }
}

/// A collector that never dared to remove anything would break no law.
#[test]
fn a_collection_that_is_alone_removes_what_nobody_needs() {
    let mut world = world(Store::new(true), &[Role::Collector]);
    while world.actors[0].is_ready(&world.store) {
        world.actors[0].step(&mut world.store).expect("nobody disturbs it");
    }
    assert_eq!(world.store.catalogue.there(), closure(ROOT_KEPT).and(closure(ROOT_OTHER)));
}

#[test]
fn a_law_that_is_broken_is_told_with_its_schedule() {
    let mut store = Store::new(true);
    store.files.remove(&1);
    let broken = Explored::default().explore(&world(store, &[Role::Scrubber])).expect_err("a file is gone");
    assert_eq!(
        broken.to_string(),
        "pack 1 is known, and its file is gone, after this schedule:\n  0 Scrubber 0: scrubs\n"
    );
}
