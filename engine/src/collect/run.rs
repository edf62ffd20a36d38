//! The steps of a collection, in their order ([`collect`]).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use thiserror::Error;

use super::mark::Marked;
use super::mark::Question;
use super::mark::mark;
use super::mover;
use super::mover::Copied;
use super::pace::Limits;
use super::plan::Act;
use super::plan::Aims;
use super::plan::Plan;
use super::plan::plan;
use super::settle::Since;
use super::work::CollectProgress;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::journal::Event;
use crate::limits::COLLECT_BATCH_BYTES;
use crate::limits::COLLECT_BATCH_OBJECTS;
use crate::limits::COLLECT_MEMORY_BYTES;
use crate::limits::PURGED_PER_EVENT_MAX;
use crate::limits::PURGED_WHEN_FULL_MAX;
use crate::store::Catalogue;
use crate::store::NoReaders;
use crate::store::References;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

/// How long a collection waits before it looks again whether readers of other processes have ended.
const WAIT: Duration = Duration::from_millis(100);

/// What becomes of forgotten snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Those are purged whose grace is over, and that nobody holds.
    WhenOver,
    /// Those are purged that nobody holds.
    AtOnce,
}

/// What becomes of objects that nothing refers to yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Young {
    /// Those that were stored since the collection before began stay: an interrupted first backup goes on from them.
    Stays,
    /// They go, too.
    Goes,
}

/// How to collect.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// What becomes of forgotten snapshots.
    pub purge: Purge,
    /// What becomes of objects that nothing refers to yet.
    pub young: Young,
    /// Dead bytes of data that may stay, in thousandths of the live ones; otherwise as the settings say.
    pub garbage_thousandths: Option<u16>,
    /// It stops by itself after that.
    pub time_max: Option<Duration>,
    /// How fast it may go.
    pub limits: Limits,
    /// Bytes of memory that it may take, some more aside.
    pub memory_bytes: u64,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            purge: Purge::WhenOver,
            young: Young::Stays,
            garbage_thousandths: None,
            time_max: None,
            limits: Limits::NONE,
            memory_bytes: COLLECT_MEMORY_BYTES,
        }
    }
}

/// How a collection ended. However it did, the next one goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Everything was done that was planned.
    #[default]
    Complete,
    /// Somebody stopped it, or its time was over.
    Stopped,
    /// Others count on what was to be removed, and it was stopped while it waited for them.
    Waited {
        /// So many sessions.
        sessions: u32,
    },
    /// Readers of other processes that began two condemnations ago have not ended.
    Readers,
    /// The disk had no room for what survives.
    Full,
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// How it ended.
    pub outcome: Outcome,
    /// Snapshots that can be restored no more.
    pub purged: u64,
    /// Nodes that were read to find out what is needed.
    pub nodes_read: u64,
    /// Packs that are gone.
    pub packs_removed: u64,
    /// Bytes of them.
    pub bytes_removed: u64,
    /// Nodes that are gone from packs that stay.
    pub nodes_struck: u64,
    /// Objects that were copied.
    pub objects_moved: u64,
    /// Bytes of them.
    pub bytes_moved: u64,
    /// Records that somebody turned out to need, and that stay.
    pub reprieved: u64,
    /// Dead bytes that were left, in packs that are not worth the copying.
    pub bytes_left: u64,
}

/// Why nothing was collected, or not everything.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Another collection is under way.
    #[error("a collection is under way")]
    Running,
    /// What a spool holds refers to what is elsewhere.
    #[error("a spool is not collected")]
    Elsewhere,
    /// Nodes are not there, or damaged, so that nobody knows what they refer to.
    #[error("{} nodes cannot be read, such as {}, so nothing is collected", objects.len(), objects.first().map_or_else(String::new, ToString::to_string))]
    Damaged {
        /// Some of them.
        objects: Vec<ObjectId>,
    },
    /// There are more objects than can be numbered.
    #[error("the repository has too many objects to be collected")]
    TooMany,
    /// Anything else.
    #[error(transparent)]
    Store(StoreError),
}

/// What nobody needs goes.
pub(crate) fn collect(
    store: &Store,
    options: &CollectOptions,
    watch: &dyn Fn(CollectProgress) -> ControlFlow<()>,
) -> Result<Collected, CollectError> {
    let _collecting = store.collecting()?.ok_or(CollectError::Running)?;
    if store.references() == References::Elsewhere {
        return Err(CollectError::Elsewhere);
    }
    let mut work = Work::new(options.limits, options.time_max, watch);
    let mut collected = Collected::default();
    loop {
        let before = collected.packs_removed;
        let ended = round(store, options, &mut work, &mut collected);
        let sessions = store.waits_for();
        store.void();
        collected.outcome = match ended {
            Ok(0) => collected.outcome,
            // What went made room for what had none.
            Ok(_) | Err(Halt::Full) if collected.packs_removed > before => continue,
            Ok(_) | Err(Halt::Full) => Outcome::Full,
            Err(Halt::Stopped) if sessions > 0 => Outcome::Waited { sessions },
            Err(Halt::Stopped) => Outcome::Stopped,
            Err(Halt::Failed(error)) => return Err(error),
        };
        break;
    }
    if collected.packs_removed > 0 {
        store.checkpoint_now();
    }
    store.make_ballast();
    Ok(collected)
}

/// What a collection would do now. Changes nothing, and needs no right to.
pub(crate) fn plan_only(store: &Store, options: &CollectOptions) -> Result<Plan, CollectError> {
    let watch = |_| ControlFlow::Continue(());
    let mut work = Work::new(options.limits, None, &watch);
    let survey = store.survey()?;
    let (roots, young) = {
        let catalogue = store.catalogue();
        let purged: BTreeSet<SnapshotId> =
            over(&catalogue, options.purge, store.now(), PURGED_PER_EVENT_MAX).into_iter().collect();
        let needed = catalogue.snapshots().filter(|at| !purged.contains(&at.id));
        (needed.map(|at| at.root).collect(), young(&catalogue, options.young))
    };
    match marked(store, options, &survey, roots, young, &mut work) {
        Ok((_, plan)) => Ok(plan),
        Err(Halt::Failed(error)) => Err(error),
        Err(Halt::Stopped | Halt::Full) => Ok(Plan::default()),
    }
}

/// Purges, marks, and removes what then is dead. Returns for how many packs there was no room.
fn round(
    store: &Store,
    options: &CollectOptions,
    work: &mut Work<'_>,
    collected: &mut Collected,
) -> Result<u64, Halt> {
    store.end_packs()?;
    let (number, young) = begin(store, options, collected)?;
    work.tell(CollectStep::Begun, collected.purged, collected.purged)?;
    let survey = store.survey()?;
    let roots = store.catalogue().snapshots().map(|at| at.root).collect();
    let (marked, plan) = marked(store, options, &survey, roots, young, work)?;
    collected.nodes_read += marked.nodes;
    collected.bytes_left = plan.left_bytes;
    if plan.packs.is_empty() {
        return Ok(plan.postponed);
    }
    if !condemn(store, number, &plan, &survey, &marked)? {
        collected.outcome = Outcome::Readers;
        return Ok(0);
    }
    work.tell(CollectStep::Condemned, 0, plan.packs.len() as u64)?;
    let mut since = Since::new(store, survey.sequence);
    for batch in batches(store, &plan)? {
        let Batch { gone, emptied } = batch;
        let Copied { emptied, own, objects, bytes } = match emptied.is_empty() {
            true => Copied::default(),
            false => mover::copy(store, &survey, &marked, &emptied, work)?,
        };
        since.passes_over(&own);
        collected.objects_moved += objects;
        collected.bytes_moved += bytes;
        let going: BTreeSet<u32> = gone.union(&emptied).copied().collect();
        let no_readers = wait(store, work)?;
        // What those who are older have put is durable now, or given up.
        store.end_packs()?;
        collected.reprieved += since.settle(work)?;
        work.tell(CollectStep::Settled, going.len() as u64, plan.packs.len() as u64)?;
        remove(store, number, &going, &no_readers, collected)?;
        work.tell(CollectStep::Removed, collected.packs_removed, plan.packs.len() as u64)?;
    }
    Ok(plan.postponed)
}

/// Says in the journal what is purged. Returns the number of the collection, and behind which record everything stays.
fn begin(store: &Store, options: &CollectOptions, collected: &mut Collected) -> Result<(u64, u64), Halt> {
    let now = store.now();
    let most = if store.room_bytes()? == 0 { PURGED_WHEN_FULL_MAX } else { PURGED_PER_EVENT_MAX };
    let (mut number, mut stays, mut purged) = (0, 0, 0);
    store.persist_own(&mut |catalogue| {
        catalogue.expect_deletions()?;
        let ids = over(catalogue, options.purge, now, most);
        (number, _) = catalogue.last_collection();
        number += 1;
        stays = young(catalogue, options.young);
        purged = ids.len() as u64;
        Ok::<_, StoreError>(vec![Event::CollectionBegun { number, young: stays, purged: ids }])
    })?;
    collected.purged += purged;
    Ok((number, stays))
}

/// Snapshots that keep nothing any more, in the order of their ids.
fn over(catalogue: &Catalogue, purge: Purge, now: Time, most: usize) -> Vec<SnapshotId> {
    let is_over = |until: Time| purge == Purge::AtOnce || until <= now;
    let over = catalogue
        .snapshots()
        .filter(|at| at.held_until <= now && at.forgotten.is_some_and(|forgotten| is_over(forgotten.until)));
    let mut ids: Vec<SnapshotId> = over.map(|at| at.id).take(most).collect();
    ids.sort_unstable_by_key(|id| *id.as_bytes());
    ids
}

/// The record behind which objects stay that nothing refers to.
fn young(catalogue: &Catalogue, young: Young) -> u64 {
    match (young, catalogue.last_collection()) {
        (Young::Stays, (1.., begun)) => begun,
        _ => catalogue.at().position.sequence,
    }
}

fn marked(
    store: &Store,
    options: &CollectOptions,
    survey: &Survey,
    roots: Vec<ObjectId>,
    young: u64,
    work: &mut Work<'_>,
) -> Result<(Marked, Plan), Halt> {
    let question = Question {
        survey,
        roots,
        young,
        memory_bytes: options.memory_bytes,
        seed: store.seed_at(survey.sequence),
    };
    let marked = mark(store, &question, work)?;
    let garbage = store.catalogue().settings().garbage_thousandths;
    let garbage_thousandths = options.garbage_thousandths.unwrap_or(garbage);
    let (pack_bytes, free_bytes, reserve_bytes) = store.aims()?;
    let aims = Aims { garbage_thousandths, pack_bytes, free_bytes, reserve_bytes };
    let plan = plan(&marked.figures, &aims);
    Ok((marked, plan))
}

/// Condemns what the plan removes. False if readers of other processes are in the way.
fn condemn(store: &Store, number: u64, plan: &Plan, survey: &Survey, marked: &Marked) -> Result<bool, Halt> {
    let touched: BTreeSet<u32> = plan.packs.iter().map(|planned| planned.pack.number).collect();
    let mut dead: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for extent in marked.numbering.extents().iter().filter(|extent| touched.contains(&extent.at.pack)) {
        let Some(pack) = survey.packs.get(&extent.at.pack) else { continue };
        let of = dead.entry(extent.at.pack).or_default();
        let gone = |offset| pack.has_lost(offset);
        let entries =
            extent.entries(store)?.filter(|(number, entry)| !marked.needs(*number) && !gone(entry.offset));
        of.extend(entries.map(|(_, entry)| entry.offset));
    }
    let leaves = plan.packs.iter().filter(|planned| planned.act != Act::Strike);
    let event = Event::Condemned {
        number,
        packs: u32::try_from(leaves.count()).unwrap_or(u32::MAX),
        objects: plan.packs.iter().map(|planned| planned.pack.dead_objects).sum(),
        bytes: plan.freed_bytes,
    };
    Ok(store.condemn(&event, &plan.condemned(&dead))?.is_some())
}

/// Packs that go together.
#[derive(Default)]
struct Batch {
    /// Nothing in them is needed.
    gone: BTreeSet<u32>,
    /// What is needed of them is copied first.
    emptied: BTreeSet<u32>,
}

/// What goes without copying comes first, so that there is room, and dead nodes go with it.
fn batches(store: &Store, plan: &Plan) -> Result<Vec<Batch>, StoreError> {
    let bytes_max = COLLECT_BATCH_BYTES.min(store.room_bytes()?);
    let mut batches = vec![Batch::default()];
    let (mut bytes, mut objects) = (0, 0);
    for planned in &plan.packs {
        let last = batches.last_mut().expect("there is one from the start");
        match planned.act {
            Act::Strike => {}
            Act::Remove => drop(last.gone.insert(planned.pack.number)),
            Act::Empty => {
                let (more_bytes, more) = (planned.pack.live_bytes, planned.pack.live_objects);
                let full = bytes + more_bytes > bytes_max || objects + more > COLLECT_BATCH_OBJECTS;
                if last.emptied.is_empty() || full {
                    batches.push(Batch::default());
                    (bytes, objects) = (0, 0);
                }
                bytes += more_bytes;
                objects += more;
                batches.last_mut().expect("there is one").emptied.insert(planned.pack.number);
            }
        }
    }
    Ok(batches)
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

fn remove(
    store: &Store,
    number: u64,
    going: &BTreeSet<u32>,
    no_readers: &NoReaders,
    collected: &mut Collected,
) -> Result<(), Halt> {
    if let Some(removed) = store.remove(number, going, no_readers)? {
        collected.packs_removed += removed.packs.len() as u64;
        collected.bytes_removed += removed.bytes;
        collected.nodes_struck += removed.nodes;
    }
    Ok(())
}
