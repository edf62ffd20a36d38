//! Every schedule of a few actors, by way of every state that they can lead to.
//!
//! Two schedules that lead to one state go on alike, so each state is entered once, and is remembered by its hash.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;

use farkeep_engine::collect::ledger::Ledger;

use super::actor::Actor;
use super::actor::Role;
use super::model::Store;

/// The store and all who take part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub store: Store,
    pub actors: Vec<Actor>,
}

/// What was seen on all ways through.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    /// Schedules that lead from a state to the end, by the hash of the state.
    schedules: HashMap<blake3::Hash, u128>,
    /// Who did what, at least once.
    pub facts: BTreeSet<(Role, &'static str)>,
    /// The way to where the explorer is.
    path: Vec<String>,
}

/// One schedule that breaks a law.
#[derive(Debug)]
pub(crate) struct Broken {
    pub schedule: Vec<String>,
    pub law: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, after this schedule:", self.law)?;
        self.schedule.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

impl Explored {
    /// States that were entered.
    pub(crate) fn states(&self) -> usize {
        self.schedules.len()
    }

    /// Goes every way from there. Returns how many schedules there are.
    pub(crate) fn explore(&mut self, world: &World) -> Result<u128, Broken> {
        let digest = digest(world);
        if let Some(known) = self.schedules.get(&digest) {
            return Ok(*known);
        }
        let mut schedules = 0;
        for index in 0..world.actors.len() {
            if world.actors[index].is_ready(&world.store) {
                schedules += self.go(world, index, Actor::step)?;
            }
            if world.actors[index].may_break_off() {
                schedules += self.go(world, index, |actor, store| {
                    actor.break_off(store);
                    Ok("breaks off")
                })?;
            }
        }
        if schedules == 0 {
            self.end(world)?;
            schedules = 1;
        }
        self.schedules.insert(digest, schedules);
        Ok(schedules)
    }

    fn go(
        &mut self,
        world: &World,
        index: usize,
        step: impl FnOnce(&mut Actor, &mut Store) -> Result<&'static str, String>,
    ) -> Result<u128, Broken> {
        let mut next = world.clone();
        let actor = &mut next.actors[index];
        let (role, number) = (actor.role, actor.next.unwrap_or_default());
        let taken = step(actor, &mut next.store);
        if role == Role::Power {
            next.actors.iter_mut().for_each(Actor::lose_power);
        }
        let fact = taken.as_ref().map_or("fails", |fact| *fact);
        self.facts.insert((role, fact));
        self.path.push(format!("{index} {role:?} {number}: {fact}"));
        let sound = taken.and_then(|_| check(&next));
        sound.map_err(|law| Broken { schedule: self.path.clone(), law })?;
        let schedules = self.explore(&next);
        self.path.pop();
        schedules
    }

    /// When nobody can go on, everybody has ended, and nothing is left of them.
    fn end(&self, world: &World) -> Result<(), Broken> {
        let broken = |law: &str| Err(Broken { schedule: self.path.clone(), law: law.to_owned() });
        if world.actors.iter().any(|actor| actor.next.is_some()) {
            return broken("somebody waits for ever");
        }
        let mut ledger = world.store.ledger.clone();
        ledger.void();
        let left = ledger != Ledger::new(world.store.catalogue.epoch);
        if left || world.store.ledger.condemned().is_some() || world.store.locks != [0; 2] {
            return broken("a pin, a lock or a condemnation is left behind");
        }
        Ok(())
    }
}

fn check(world: &World) -> Result<(), String> {
    world.store.check()?;
    world.actors.iter().try_for_each(|actor| actor.check(&world.store))
}

fn digest(world: &World) -> blake3::Hash {
    let mut bytes = Bytes(Vec::with_capacity(2048));
    world.hash(&mut bytes);
    blake3::hash(&bytes.0)
}

/// What a value feeds to a hasher.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Not asked for.
    fn finish(&self) -> u64 {
        0
    }
}
