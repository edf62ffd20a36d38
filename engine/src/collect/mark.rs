//! What is needed ([`mark`]): nodes exactly, data on one side.
//!
//! Nodes are walked level by level, in the order of their places, each once for all snapshots. What they refer to and
//! is no node is data. It goes into a filter that never denies what is in it, and then the summaries of all packs of data
//! are compared with that. Physical enumeration with a live vector in memory: Douglis and others, "The Logic of Physical
//! Garbage Collection in Deduplicating Storage", FAST 2017.
//!
//! A node that is needed and cannot be read ends it: nobody guesses what was below. Others are not even looked at.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;

use super::bits::Bits;
use super::bits::Inserted;
use super::dark::Dark;
use super::live::LiveFilter;
use super::live::Parts;
use super::nodes::NodeTable;
use super::numbering::Numbered;
use super::numbering::Numbering;
use super::plan::PackFigures;
use super::plan::PackState;
use super::run::CollectError;
use super::touched::touched;
use super::work::CollectStep;
use super::work::Halt;
use super::work::Work;
use crate::limits::COLLECT_NODES_AT_ONCE;
use crate::pack::RECORD_HEADER_BYTES;
use crate::store::ObjectError;
use crate::store::Pack;
use crate::store::Place;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

/// The part of the memory that the filter gets however many nodes there are.
const FILTER_PART: u64 = 4;

#[cfg(test)]
mod tests;

/// What a mark is about.
pub(super) struct Question<'a> {
    pub(super) survey: &'a Survey,
    /// Snapshots that are needed, with the roots of their trees.
    pub(super) roots: Vec<(SnapshotId, ObjectId)>,
    /// What was stored behind that record is needed.
    pub(super) young: u64,
    pub(super) memory_bytes: u64,
    /// Another one each time.
    pub(super) seed: u64,
}

/// What is needed.
pub(super) struct Marked {
    pub(super) numbering: Numbering,
    pub(super) live: Bits,
    /// Numbers of all nodes that can be read.
    pub(super) table: NodeTable,
    /// How many nodes were read.
    pub(super) nodes: u64,
    /// What there is in each pack.
    pub(super) figures: Vec<PackFigures>,
    /// What was passed by, since nobody needs it.
    pub(super) dark: Dark,
}

impl Marked {
    /// Whether the object with that number is needed.
    pub(super) fn needs(&self, number: u32) -> bool {
        self.live.contains(number)
    }
}

/// Finds out what is needed.
pub(super) fn mark(store: &Store, question: &Question<'_>, work: &mut Work<'_>) -> Result<Marked, Halt> {
    let numbering = Numbering::new(&question.survey.extents).ok_or(CollectError::TooMany)?;
    let mut marking = Marking::begin(store, question, &numbering)?;
    let ids = marking.objects;
    let memory_bytes = question.memory_bytes.saturating_sub(marking.table.memory_bytes() as u64);
    let parts = Parts::fitting(ids, memory_bytes.max(question.memory_bytes / FILTER_PART));
    for part in 0..parts.count() {
        let share = ids / u64::from(parts.count());
        let mut filter = LiveFilter::new(share + share / 100, question.seed ^ u64::from(part));
        let mut keep = |id: &ObjectId| {
            if parts.of(id) == part {
                filter.insert(id);
            }
        };
        match part {
            0 => marking.walk(work, &mut keep)?,
            _ => marking.walk_again(work, &mut keep)?,
        }
        let needs = |id: &ObjectId| parts.of(id) == part && filter.may_contain(id);
        marking.sort_data(work, &needs)?;
    }
    let figures = marking.figures(work)?;
    let Marking { live, nodes, dark, table, .. } = marking;
    Ok(Marked { numbering, live, nodes, figures, dark, table })
}

/// A mark that is under way.
struct Marking<'a> {
    store: &'a Store,
    question: &'a Question<'a>,
    numbering: &'a Numbering,
    table: NodeTable,
    /// Nodes that are known to be damaged.
    damaged: HashSet<ObjectId>,
    /// Nodes of which nobody knows where exactly they lie.
    dark: Dark,
    live: Bits,
    /// Nodes that were found, and not read yet.
    frontier: Vec<u32>,
    /// Nodes that were read.
    nodes: u64,
    /// All objects.
    objects: u64,
    /// Packs of data of which nobody knows what is in them.
    unknown: BTreeSet<u32>,
}

impl<'a> Marking<'a> {
    /// Notes where all nodes are, and which are needed whatever refers to them.
    fn begin(store: &'a Store, question: &'a Question<'a>, numbering: &'a Numbering) -> Result<Self, Halt> {
        let of_nodes = |extent: &&Numbered| kind(question.survey, extent) == Some(Kind::Node);
        let count = |extent: &Numbered| u64::from(extent.at.extent.objects);
        let nodes: u64 = numbering.extents().iter().filter(of_nodes).map(count).sum();
        let nodes = usize::try_from(nodes).map_err(|_| CollectError::TooMany)?;
        let mut marking = Self {
            store,
            question,
            numbering,
            table: NodeTable::new(nodes, question.seed),
            damaged: HashSet::new(),
            dark: Dark::default(),
            live: Bits::new(),
            frontier: Vec::new(),
            nodes: 0,
            objects: numbering.extents().iter().map(count).sum(),
            unknown: BTreeSet::new(),
        };
        let mut unread = Vec::new();
        for extent in numbering.extents().iter().filter(of_nodes) {
            let pack = question.survey.packs.get(&extent.at.pack);
            let entries = match extent.entries(store) {
                Err(error) if error.is_damage() => {
                    tracing::warn!(%error, "nodes are passed by whose summary cannot be read");
                    unread.push(extent.at);
                    continue;
                }
                entries => entries?,
            };
            for (number, entry) in entries {
                if pack.is_some_and(|pack| pack.damaged.binary_search(&entry.offset).is_ok()) {
                    marking.damaged.insert(entry.id);
                } else if pack.is_some_and(|pack| !pack.has_lost(entry.offset)) {
                    marking.table.insert(&entry.id, number);
                    if extent.at.sequence > question.young {
                        marking.found(number);
                    }
                }
            }
        }
        if !unread.is_empty() {
            marking.dark = Dark::find(store, question.survey, &unread)?;
        }
        Ok(marking)
    }

    fn found(&mut self, number: u32) {
        if self.live.insert(number) == Inserted::Now {
            self.frontier.push(number);
        }
    }

    /// Finds every node that is needed, and shows every reference.
    fn walk(&mut self, work: &mut Work<'_>, keep: &mut dyn FnMut(&ObjectId)) -> Result<(), Halt> {
        let mut missing = Vec::new();
        for (_, root) in &self.question.roots {
            self.visit(root, &mut missing)?;
            if self.table.find(root).next().is_none() && missing.last() != Some(root) {
                missing.push(*root);
            }
        }
        while !self.frontier.is_empty() && missing.is_empty() {
            let mut level = std::mem::take(&mut self.frontier);
            level.sort_unstable();
            for some in level.chunks(COLLECT_NODES_AT_ONCE) {
                let mut references = Vec::new();
                read_nodes(self.store, self.question.survey, self.numbering, some, work, &mut references)
                    .map_err(|halt| self.name(halt))?;
                for reference in &references {
                    keep(reference);
                    self.visit(reference, &mut missing)?;
                }
                self.nodes += some.len() as u64;
                work.tell(CollectStep::Marking, self.nodes, self.live.count())?;
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(self.name(CollectError::damaged(missing).into())) }
    }

    /// Says which snapshots need the nodes that cannot be read.
    fn name(&self, halt: Halt) -> Halt {
        match halt {
            Halt::Failed(CollectError::Damaged { objects, .. }) => {
                let snapshots = touched(self.store, &self.table, &self.question.roots, &objects);
                CollectError::Damaged { objects, snapshots }.into()
            }
            halt => halt,
        }
    }

    fn visit(&mut self, id: &ObjectId, missing: &mut Vec<ObjectId>) -> Result<(), StoreError> {
        let (table, live, frontier) = (&self.table, &mut self.live, &mut self.frontier);
        let mut is_node = false;
        for number in table.find(id) {
            is_node = true;
            if live.insert(number) == Inserted::Now {
                frontier.push(number);
            }
        }
        if !is_node && (self.damaged.contains(id) || self.dark.hides(self.store, id)?) {
            missing.push(*id);
        }
        Ok(())
    }

    /// Shows every reference once more.
    fn walk_again(&mut self, work: &mut Work<'_>, keep: &mut dyn FnMut(&ObjectId)) -> Result<(), Halt> {
        for extent in self.numbering.extents() {
            if kind(self.question.survey, extent) != Some(Kind::Node) {
                continue;
            }
            let live: Vec<u32> =
                (extent.base..extent.end()).filter(|number| self.live.contains(*number)).collect();
            for some in live.chunks(COLLECT_NODES_AT_ONCE) {
                let mut references = Vec::new();
                read_nodes(self.store, self.question.survey, self.numbering, some, work, &mut references)?;
                references.iter().for_each(&mut *keep);
            }
            work.tell(CollectStep::Marking, u64::from(extent.end()), self.objects)?;
        }
        Ok(())
    }

    /// Finds the objects of data that are needed.
    fn sort_data(&mut self, work: &mut Work<'_>, needs: &dyn Fn(&ObjectId) -> bool) -> Result<(), Halt> {
        for extent in self.numbering.extents() {
            if kind(self.question.survey, extent) != Some(Kind::Data) {
                continue;
            }
            let entries = match extent.entries(self.store) {
                Ok(entries) => entries,
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::warn!(%error, "a pack is left alone, because nobody knows what is in it");
                    self.unknown.insert(extent.at.pack);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let is_young = extent.at.sequence > self.question.young;
            for (number, entry) in entries {
                if is_young || needs(&entry.id) {
                    self.live.insert(number);
                }
            }
            work.tell(CollectStep::Sorting, u64::from(extent.end()), self.objects)?;
            work.moved(u64::from(extent.at.extent.summary_bytes()))?;
        }
        Ok(())
    }

    /// What there is in each pack.
    fn figures(&self, work: &mut Work<'_>) -> Result<Vec<PackFigures>, Halt> {
        let survey = self.question.survey;
        let known = survey.packs.iter().filter(|(number, _)| !self.unknown.contains(number));
        let mut figures: BTreeMap<u32, PackFigures> =
            known.map(|(number, pack)| (*number, nothing(*number, pack, survey))).collect();
        for extent in self.numbering.extents() {
            let Some(pack) = survey.packs.get(&extent.at.pack) else { continue };
            let Some(of) = figures.get_mut(&extent.at.pack) else { continue };
            if let Some(offsets) = self.dark.offsets(&extent.at) {
                of.dead_objects += offsets.filter(|offset| !pack.has_lost(*offset)).count() as u64;
                of.dead_bytes += u64::from(extent.at.extent.summary - extent.at.extent.start);
                continue;
            }
            for (number, entry) in extent.entries(self.store)? {
                let bytes = u64::from(RECORD_HEADER_BYTES) + u64::from(entry.bytes);
                let is_there = !pack.has_lost(entry.offset);
                if is_there && self.live.contains(number) {
                    of.live_bytes += bytes;
                    of.live_objects += 1;
                } else {
                    of.dead_bytes += bytes;
                    of.dead_objects += u64::from(is_there);
                }
            }
            work.moved(u64::from(extent.at.extent.summary_bytes()))?;
        }
        Ok(figures.into_values().collect())
    }
}

fn kind(survey: &Survey, extent: &Numbered) -> Option<Kind> {
    survey.packs.get(&extent.at.pack).map(|pack| pack.kind)
}

/// A pack before its objects are counted. One with damage is left alone: what cannot be read now may be mended.
fn nothing(number: u32, pack: &Pack, survey: &Survey) -> PackFigures {
    let grows = survey.open.contains(&number) || !pack.damaged.is_empty();
    PackFigures {
        number,
        kind: pack.kind,
        file_bytes: u64::from(pack.bytes),
        live_bytes: 0,
        live_objects: 0,
        dead_bytes: 0,
        dead_objects: 0,
        state: if grows { PackState::Open } else { PackState::Sealed },
    }
}

/// What the nodes with these numbers, which are in order, refer to.
fn read_nodes(
    store: &Store,
    survey: &Survey,
    numbering: &Numbering,
    numbers: &[u32],
    work: &mut Work<'_>,
    references: &mut Vec<ObjectId>,
) -> Result<(), Halt> {
    let mut rest = numbers;
    while let Some(extent) = rest.first().and_then(|first| numbering.of(*first)) {
        let (here, later) = rest.split_at(rest.partition_point(|number| *number < extent.end()));
        rest = later;
        let Some(pack) = survey.packs.get(&extent.at.pack).map(|pack| pack.id) else { continue };
        let mut wanted = Vec::with_capacity(here.len());
        let mut next = here.iter().copied().peekable();
        for (number, entry) in extent.entries(store)? {
            if next.next_if_eq(&number).is_some() {
                wanted.push((entry.id, Place { pack, offset: entry.offset, bytes: entry.bytes }));
            }
        }
        read_references(store, &wanted, references)?;
        work.moved(wanted.iter().map(|(_, place)| u64::from(place.bytes)).sum())?;
    }
    Ok(())
}

/// What these nodes refer to.
pub(super) fn read_references(
    store: &Store,
    wanted: &[(ObjectId, Place)],
    references: &mut Vec<ObjectId>,
) -> Result<(), Halt> {
    let (mut bad, mut failed) = (Vec::new(), None);
    store.objects(wanted, &mut Vec::new(), &mut |at, read| match read {
        Ok(object) => match ObjectView::parse(object) {
            Ok(view) => references.extend(view.references()),
            Err(_) => bad.extend(wanted.get(at).map(|(id, _)| *id)),
        },
        Err(ObjectError::Io { source, .. }) => failed = Some(source),
        Err(_) => bad.extend(wanted.get(at).map(|(id, _)| *id)),
    });
    match failed {
        Some(source) => Err(source.into()),
        None if bad.is_empty() => Ok(()),
        None => Err(CollectError::damaged(bad).into()),
    }
}
