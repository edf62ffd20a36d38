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
use super::pace::Limits;
use super::plan::Act;
use super::plan::Aims;
use super::plan::Plan;
use super::plan::plan;
use super::sweep::Verdict;
use super::sweep::sweep;
use super::work::CollectProgress;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::journal::Event;
use crate::limits::COLLECT_MEMORY_BYTES;
use crate::limits::PURGED_PER_EVENT_MAX;
use crate::limits::PURGED_WHEN_FULL_MAX;
use crate::store::Catalogue;
use crate::store::References;
use crate::store::SnapshotAt;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

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
    /// Records that somebody needs and that were given up, because they are damaged beyond parity.
    pub quarantined: u64,
    /// Records that somebody needs and that the disk does not read, and that stay where they are.
    pub unread: u64,
    /// Dead bytes that were left, in packs that are not worth the copying.
    pub bytes_left: u64,
}

impl Collected {
    /// What this one and another behind it did, which ended as that one did.
    #[must_use]
    pub fn then(self, next: &Self) -> Self {
        Self {
            outcome: next.outcome,
            purged: self.purged + next.purged,
            nodes_read: self.nodes_read + next.nodes_read,
            packs_removed: self.packs_removed + next.packs_removed,
            bytes_removed: self.bytes_removed + next.bytes_removed,
            nodes_struck: self.nodes_struck + next.nodes_struck,
            objects_moved: self.objects_moved + next.objects_moved,
            bytes_moved: self.bytes_moved + next.bytes_moved,
            reprieved: self.reprieved + next.reprieved,
            quarantined: self.quarantined + next.quarantined,
            unread: self.unread + next.unread,
            bytes_left: next.bytes_left,
        }
    }

    /// Records that stayed although it was planned that their packs go.
    fn kept(&self) -> u64 {
        self.reprieved + self.quarantined + self.unread
    }
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
    /// Nodes that are needed are not there, or damaged, so that nobody knows what they refer to.
    #[error("nothing is collected, because {}", unreadable(objects, snapshots))]
    Damaged {
        /// Some of them.
        objects: Vec<ObjectId>,
        /// The snapshots that need one of them, as far as they are known, up to a limit.
        snapshots: Vec<SnapshotId>,
    },
    /// There are more objects than can be numbered.
    #[error("the repository has too many objects to be collected")]
    TooMany,
    /// Anything else.
    #[error(transparent)]
    Store(StoreError),
}

impl CollectError {
    /// These nodes cannot be read.
    pub(super) fn damaged(objects: Vec<ObjectId>) -> Self {
        Self::Damaged { objects, snapshots: Vec::new() }
    }
}

fn unreadable(objects: &[ObjectId], snapshots: &[SnapshotId]) -> String {
    let first = |object: &ObjectId| format!(", such as {object}");
    let nodes =
        format!("{} nodes cannot be read{}", objects.len(), objects.first().map(first).unwrap_or_default());
    match snapshots.first() {
        None => nodes,
        Some(one) => format!("{nodes}; {} snapshots need them, such as {one}", snapshots.len()),
    }
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
            Ok(Round::Ended) => Outcome::Complete,
            Ok(Round::Readers) => Outcome::Readers,
            // What went made room for what had none.
            Ok(Round::Postponed) | Err(Halt::Full) if collected.packs_removed > before => continue,
            Ok(Round::Postponed) | Err(Halt::Full) => Outcome::Full,
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
        (needed.map(|at| (at.id, at.root)).collect(), young(&catalogue, options.young))
    };
    match marked(store, options, &survey, roots, young, &mut work) {
        Ok((_, plan)) => Ok(plan),
        Err(Halt::Failed(error)) => Err(error),
        Err(Halt::Stopped | Halt::Full) => Ok(Plan::default()),
    }
}

/// What a round came to.
enum Round {
    /// There is nothing more to do.
    Ended,
    /// Readers of other processes are in the way.
    Readers,
    /// There was no room for everything.
    Postponed,
}

/// Purges, marks, and removes what then is dead.
fn round(
    store: &Store,
    options: &CollectOptions,
    work: &mut Work<'_>,
    collected: &mut Collected,
) -> Result<Round, Halt> {
    store.end_packs()?;
    let Some((number, young)) = begin(store, options, collected)? else { return Ok(Round::Ended) };
    work.tell(CollectStep::Begun, collected.purged, collected.purged)?;
    let kept = collected.kept();
    let survey = store.survey()?;
    // What was committed since is looked at before anything is removed.
    let known = |at: &&SnapshotAt| at.sequence <= survey.sequence;
    let roots = store.catalogue().snapshots().filter(known).map(|at| (at.id, at.root)).collect();
    let (marked, plan) = marked(store, options, &survey, roots, young, work)?;
    collected.nodes_read += marked.nodes;
    collected.bytes_left = plan.left_bytes;
    if !plan.packs.is_empty() {
        if !condemn(store, number, &plan, &survey, &marked)? {
            return Ok(Round::Readers);
        }
        work.tell(CollectStep::Condemned, 0, plan.packs.len() as u64)?;
        let (survey, marked, plan, memory_bytes) = (&survey, &marked, &plan, options.memory_bytes);
        sweep(&Verdict { store, number, survey, marked, plan, memory_bytes }, work, collected)?;
    }
    if plan.postponed > 0 {
        return Ok(Round::Postponed);
    }
    if collected.kept() == kept {
        end(store, number, garbage(store, options));
    }
    Ok(Round::Ended)
}

/// Says in the journal what is purged. Returns the number of the collection, and behind which record everything stays;
/// nothing if there is nothing to do.
fn begin(
    store: &Store,
    options: &CollectOptions,
    collected: &mut Collected,
) -> Result<Option<(u64, u64)>, Halt> {
    let most = if store.room_bytes()? == 0 { PURGED_WHEN_FULL_MAX } else { PURGED_PER_EVENT_MAX };
    let (garbage, mut purged, mut begun) = (garbage(store, options), 0, None);
    store.persist_own(&mut |catalogue| {
        let now = store.now();
        catalogue.expect_deletions(now)?;
        let ids = over(catalogue, options.purge, now, most);
        let number = catalogue.last_collection().0 + 1;
        let young = young(catalogue, options.young);
        let left = catalogue.is_collected(young).filter(|left| ids.is_empty() && *left <= garbage);
        purged = ids.len() as u64;
        begun = left.is_none().then_some((number, young));
        let begin = Event::CollectionBegun { number, young, purged: ids };
        Ok::<_, StoreError>(match left {
            None => vec![begin],
            // What is young grows old, so that it is looked at some day.
            Some(left) if !catalogue.extents_behind(young).is_empty() => {
                vec![begin, Event::Collected { number, garbage_thousandths: left }]
            }
            Some(_) => Vec::new(),
        })
    })?;
    collected.purged += purged;
    Ok(begun)
}

/// Says in the journal that everything was done. Where it cannot, the next collection finds out for itself.
fn end(store: &Store, number: u64, garbage_thousandths: u16) {
    let ended = store.persist_own(&mut |catalogue| {
        let is_last = catalogue.last_collection().0 == number;
        let event = Event::Collected { number, garbage_thousandths };
        Ok::<_, StoreError>(is_last.then_some(event).into_iter().collect())
    });
    if let Err(error) = ended {
        tracing::debug!(%error, "the next collection marks everything again");
    }
}

/// Dead bytes of data that may stay, in thousandths of the live ones.
fn garbage(store: &Store, options: &CollectOptions) -> u16 {
    options.garbage_thousandths.unwrap_or_else(|| store.catalogue().settings().garbage_thousandths)
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
    roots: Vec<(SnapshotId, ObjectId)>,
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
    let garbage_thousandths = garbage(store, options);
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
        let gone = |offset: &u32| pack.has_lost(*offset);
        if let Some(offsets) = marked.dark.offsets(&extent.at) {
            of.extend(offsets.filter(|offset| !gone(offset)));
            continue;
        }
        let entries = extent.entries(store)?.filter(|(number, _)| !marked.needs(*number));
        of.extend(entries.map(|(_, entry)| entry.offset).filter(|offset| !gone(offset)));
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
