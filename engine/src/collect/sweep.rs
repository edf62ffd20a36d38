//! How what is condemned goes ([`sweep`]): packs by the batch, what survives of them first.
//!
//! While somebody is waited for who is older than the condemnation, the next batches are copied, as far as there is room.
//! No lock is held but for moments: to give the copies their place in the journal, and to write down what is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use super::mark::Marked;
use super::mover;
use super::mover::Copied;
use super::order::Order;
use super::plan::Act;
use super::plan::Plan;
use super::run::Collected;
use super::settle::Since;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::limits::COLLECT_BATCH_BYTES;
use crate::limits::COLLECT_BATCH_OBJECTS;
use crate::store::NoReaders;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

/// How long a collection waits before it looks again whether readers of other processes have ended.
const WAIT: Duration = Duration::from_millis(100);

/// What is condemned, and why.
pub(super) struct Verdict<'a> {
    pub(super) store: &'a Store,
    /// Of the collection.
    pub(super) number: u64,
    pub(super) survey: &'a Survey,
    pub(super) marked: &'a Marked,
    pub(super) plan: &'a Plan,
    pub(super) memory_bytes: u64,
}

/// Packs that go together.
#[derive(Default)]
struct Batch {
    /// Nothing in them is needed.
    gone: BTreeSet<u32>,
    /// What is needed of them is copied first.
    emptied: BTreeSet<u32>,
    /// What is copied.
    bytes: u64,
    objects: u64,
}

/// Copies, waits and removes.
pub(super) fn sweep(
    verdict: &Verdict<'_>,
    work: &mut Work<'_>,
    collected: &mut Collected,
) -> Result<(), Halt> {
    let store = verdict.store;
    let mut since = Since::new(store, verdict.survey.sequence);
    let batches = batches(store, verdict.plan)?;
    let (mut ready, mut order) = (BTreeSet::new(), Order::default());
    for (at, batch) in batches.iter().enumerate() {
        ready.extend(&batch.gone);
        if !batch.emptied.is_empty() {
            if !order.covers(&batch.emptied) {
                order = ordered(verdict, batches.get(at..).unwrap_or_default(), work)?;
            }
            let copy = |work: &mut Work<'_>| {
                mover::copy(store, verdict.survey, verdict.marked, &order, &batch.emptied, work)
            };
            let copied = match copy(work) {
                Err(Halt::Full) if !ready.is_empty() => {
                    remove(verdict, &mut since, &mut ready, work, collected)?;
                    copy(work)?
                }
                copied => copied?,
            };
            ready.extend(take_in(copied, &mut since, collected));
            work.count(collected.bytes_moved, collected.bytes_removed);
        }
        let next = batches.get(at + 1);
        let may_go_on = next.map_or(Ok(false), |next| has_room(store, next))?;
        if !may_go_on || is_nobody_older(store)? {
            remove(verdict, &mut since, &mut ready, work, collected)?;
        }
    }
    Ok(())
}

/// Notes what was copied. Returns the packs that may go.
fn take_in(copied: Copied, since: &mut Since<'_>, collected: &mut Collected) -> BTreeSet<u32> {
    since.passes_over(&copied.own);
    collected.objects_moved += copied.objects;
    collected.bytes_moved += copied.bytes;
    collected.quarantined += copied.quarantined;
    collected.unread += copied.unread;
    copied.emptied
}

/// In which order the survivors of as many batches are laid down as the memory allows, and of one at least.
fn ordered(verdict: &Verdict<'_>, batches: &[Batch], work: &mut Work<'_>) -> Result<Order, Halt> {
    let memory_bytes = verdict.memory_bytes.saturating_sub(verdict.marked.table.memory_bytes() as u64);
    let (mut packs, mut objects) = (BTreeSet::new(), 0);
    for batch in batches {
        objects += batch.objects;
        if !packs.is_empty() && objects > Order::objects_fitting(memory_bytes) {
            break;
        }
        packs.extend(&batch.emptied);
    }
    Order::new(verdict.store, verdict.marked, packs, work)
}

/// What goes without copying comes first, so that there is room, and dead nodes go with it.
fn batches(store: &Store, plan: &Plan) -> Result<Vec<Batch>, StoreError> {
    let bytes_max = COLLECT_BATCH_BYTES.min(store.room_bytes()?);
    let mut batches = vec![Batch::default()];
    for planned in &plan.packs {
        let last = batches.last_mut().expect("there is one from the start");
        match planned.act {
            Act::Strike => {}
            Act::Remove => drop(last.gone.insert(planned.pack.number)),
            Act::Empty => {
                let (bytes, objects) = (planned.pack.live_bytes, planned.pack.live_objects);
                let full = last.bytes + bytes > bytes_max || last.objects + objects > COLLECT_BATCH_OBJECTS;
                if last.emptied.is_empty() || full {
                    batches.push(Batch::default());
                }
                let last = batches.last_mut().expect("there is one");
                last.emptied.insert(planned.pack.number);
                last.bytes += bytes;
                last.objects += objects;
            }
        }
    }
    Ok(batches)
}

/// Whether the batch can be copied before anything goes.
fn has_room(store: &Store, batch: &Batch) -> Result<bool, StoreError> {
    let (pack_bytes, free_bytes, reserve_bytes) = store.aims()?;
    Ok(free_bytes.saturating_sub(reserve_bytes) >= batch.bytes.saturating_add(2 * pack_bytes))
}

/// Whether nobody would be waited for.
fn is_nobody_older(store: &Store) -> Result<bool, StoreError> {
    Ok(store.waits_for() == 0 && store.hold_readers_off()?.is_some())
}

/// Waits for everybody who is older than the condemnation.
fn wait(store: &Store, work: &mut Work<'_>) -> Result<NoReaders, Halt> {
    loop {
        let sessions = store.waits_for();
        if sessions == 0
            && let Some(no_readers) = store.hold_readers_off()?
        {
            return Ok(no_readers);
        }
        work.tell(CollectStep::Waiting, 0, u64::from(sessions))?;
        if store.waits_for() > 0 || sessions == 0 {
            store.wait_for_pins(WAIT);
        }
    }
}

/// Removes packs whose survivors are durable elsewhere, but for those that somebody turned out to need.
fn remove(
    verdict: &Verdict<'_>,
    since: &mut Since<'_>,
    ready: &mut BTreeSet<u32>,
    work: &mut Work<'_>,
    collected: &mut Collected,
) -> Result<(), Halt> {
    let (store, total) = (verdict.store, verdict.plan.packs.len() as u64);
    let going = std::mem::take(ready);
    let no_readers = wait(store, work)?;
    // What those who are older have put is durable now, or given up.
    store.end_packs()?;
    collected.reprieved += since.settle(work)?;
    work.tell(CollectStep::Settled, going.len() as u64, total)?;
    if let Some(removed) = store.remove(verdict.number, &going, &no_readers)? {
        collected.packs_removed += removed.packs.len() as u64;
        collected.bytes_removed += removed.bytes;
        collected.nodes_struck += removed.nodes;
    }
    work.count(collected.bytes_moved, collected.bytes_removed);
    work.tell(CollectStep::Removed, collected.packs_removed, total)
}
