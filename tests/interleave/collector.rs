//! The collector: its six steps over the model, and in them the plan, the ledger and the settling of the engine.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use farkeep_codec::object::Kind;
use farkeep_engine::collect::ledger::Condemned;
use farkeep_engine::collect::ledger::RecordAt;
use farkeep_engine::collect::ledger::lock_of;
use farkeep_engine::collect::ledger::settle;
use farkeep_engine::collect::plan::Act;
use farkeep_engine::collect::plan::Aims;
use farkeep_engine::collect::plan::PackFigures;
use farkeep_engine::collect::plan::PackState;
use farkeep_engine::collect::plan::plan;

use super::actor::Actor;
use super::model::Id;
use super::model::Ids;
use super::model::Store;
use super::model::bytes;
use super::model::closure;
use super::model::kind;
use super::model::references;

/// Purge and mark, condemn, copy, remove one pack, remove the others, unlink. While something is condemned it may also be
/// given up. The mark looks at nothing that is younger than the purge, so that it does not matter when it does.
pub(crate) const GIVE_UP: [u8; 3] = [2, 3, 4];

/// What a collector remembers between its steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Collector {
    /// Number of the journal record with which it began: what is younger was not marked.
    base: u32,
    condemned: Condemned,
    /// Packs that are to go and did not yet, with the records that somebody needs.
    emptied: BTreeMap<u32, Vec<Id>>,
}

pub(crate) fn is_ready(store: &Store, step: u8) -> bool {
    match step {
        0 => !store.collecting,
        1 => store.locks[lock_of(store.catalogue.epoch + 1)] == 0,
        3 | 4 => store.ledger.waits_for() == 0 && store.locks[lock_of(store.catalogue.epoch - 1)] == 0,
        _ => true,
    }
}

pub(crate) fn step(actor: &mut Actor, store: &mut Store, step: u8) -> (Option<u8>, &'static str) {
    let fact = match step {
        0 => {
            purge(actor, store);
            mark(own(actor), store);
            "purges, and marks"
        }
        1 => {
            store.catalogue.sequence += 1;
            store.catalogue.epoch += 1;
            store.ledger.condemn(own(actor).condemned.clone());
            assert_eq!(store.ledger.epoch(), store.catalogue.epoch);
            "condemns"
        }
        2 => {
            copy(own(actor), store);
            "copies what survives"
        }
        3 => {
            let first = own(actor).emptied.keys().copied().take(1).collect();
            remove(own(actor), store, &first)
        }
        4 => {
            let rest = own(actor).emptied.keys().copied().collect();
            remove(own(actor), store, &rest)
        }
        _ => {
            store.files.retain(|file| store.catalogue.packs.contains_key(file));
            store.collecting = false;
            return (None, "unlinks");
        }
    };
    (Some(step + 1), fact)
}

fn own(actor: &mut Actor) -> &mut Collector {
    actor.collector.as_mut().expect("its first step made it")
}

fn purge(actor: &mut Actor, store: &mut Store) {
    store.collecting = true;
    store.catalogue.sequence += 1;
    let over: Vec<bool> = store.catalogue.snapshots.iter().map(|at| store.is_over(at)).collect();
    for (at, over) in store.catalogue.snapshots.iter_mut().zip(over) {
        at.purged |= over;
    }
    let base = store.catalogue.sequence;
    actor.collector = Some(Collector { base, condemned: Condemned::default(), emptied: BTreeMap::new() });
}

/// Looks at everything that was stored or committed before the collection began, and at nothing else.
fn mark(own: &mut Collector, store: &Store) {
    let roots = store.catalogue.snapshots.iter().filter(|at| at.sequence <= own.base && !at.purged);
    let live = roots.fold(Ids::default(), |live, at| live.and(closure(at.root)));
    let (mut figures, mut dead) = (Vec::new(), BTreeMap::new());
    for (number, pack) in store.catalogue.packs.iter().filter(|(_, pack)| pack.sequence <= own.base) {
        let (mut of, mut offsets) = (nothing(*number, pack.kind), Vec::new());
        for (offset, id) in (0..).zip(&pack.records) {
            if live.has(*id) && !pack.struck.contains(&offset) {
                of.live_objects += 1;
                of.live_bytes += bytes(*id);
            } else {
                of.dead_bytes += bytes(*id);
                of.dead_objects += u64::from(!pack.struck.contains(&offset));
                offsets.push(offset);
            }
        }
        figures.push(of);
        dead.insert(*number, offsets);
    }
    let plan =
        plan(&figures, &Aims { garbage_thousandths: 10, pack_bytes: 200, free_bytes: 999, reserve_bytes: 0 });
    own.condemned = plan.condemned(&dead);
    for planned in plan.packs.iter().filter(|planned| planned.act != Act::Strike) {
        let pack = &store.catalogue.packs[&planned.pack.number];
        own.emptied
            .insert(planned.pack.number, pack.records.iter().copied().filter(|id| live.has(*id)).collect());
    }
}

/// A pack of so small a part of a full one would be merged; none is, so that what the test says is what happens.
fn nothing(number: u32, kind: Kind) -> PackFigures {
    PackFigures {
        number,
        kind,
        file_bytes: 100,
        live_bytes: 0,
        live_objects: 0,
        dead_bytes: 0,
        dead_objects: 0,
        state: PackState::Sealed,
    }
}

/// Only what the index finds in the pack that is emptied: what lies elsewhere, too, needs no copy.
fn copy(own: &Collector, store: &mut Store) {
    let mut moved = Vec::new();
    for (pack, survivors) in &own.emptied {
        let here = |id: &&Id| store.catalogue.find(**id).is_some_and(|at| at.pack == *pack);
        moved.extend(survivors.iter().filter(here).copied());
    }
    store.flush(&moved);
}

fn remove(own: &mut Collector, store: &mut Store, emptied: &BTreeSet<u32>) -> &'static str {
    store.flush(&[]);
    let roots = store.catalogue.snapshots.iter().filter(|at| at.sequence > own.base).map(|at| at.root);
    let young =
        store.catalogue.packs.values().filter(|pack| pack.sequence > own.base && pack.kind == Kind::Node);
    let referred = young.flat_map(|pack| pack.records.iter().flat_map(|node| references(*node))).copied();
    let needed: Vec<Id> = roots.chain(referred).collect();
    let Ok(reprieved) = settle(&mut |at| store.ledger.reprieve(at), needed, &store.catalogue);
    own.emptied.retain(|pack, _| !emptied.contains(pack));
    let Some(removal) = store.ledger.remove(emptied) else { return "has nothing left to remove" };
    store.catalogue.sequence += 1;
    for pack in &removal.packs {
        store.catalogue.packs.remove(pack);
    }
    for RecordAt { pack, offset } in &removal.nodes {
        let pack = store.catalogue.packs.get_mut(pack).expect("it stays");
        assert_eq!(kind(pack.records[*offset as usize]), Kind::Node);
        pack.struck.insert(*offset);
    }
    match (reprieved, removal.packs.is_empty()) {
        (0, true) => "removes no pack",
        (0, false) => "removes a pack",
        (_, true) => "reprieves all packs",
        (_, false) => "reprieves something, and removes a pack",
    }
}
