//! Who may still need what a collection is about to remove ([`Ledger`]): epochs, pins, condemnation and reprieve.
//!
//! Pure decisions without any I/O, so that every interleaving of those who take part can be tried; the store asks under its
//! own locks. Time plays no part in them. The number of the last condemnation is the *epoch*. Whoever probes, puts,
//! commits or restores holds a [`Pin`] of the epoch in which it began:
//!
//! - younger than a condemnation, it is told that condemned objects are unknown, and stores them anew;
//! - older, it goes on seeing them, and nothing is removed before it has ended.
//!
//! What was stored or committed since the mark began was not looked at by the mark. So [`settle`] looks at all of it before
//! the removal, and reprieves what it needs. Deletion beside users that write, without reference counts: Strzelczak and
//! others, "Concurrent Deletion in a Distributed Content-Addressable Storage System", FAST 2013, sections 4 and 5, whose
//! epochs and undelete markers these are.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// Where the record of an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordAt {
    /// Number of the pack, by its first appearance in the journal.
    pub pack: u32,
    /// In bytes from the start of the pack.
    pub offset: u32,
}

/// Somebody who relies on what the repository said since it began, until it [ends](Ledger::end).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[must_use = "what began must end, or nothing is ever removed again"]
pub struct Pin {
    epoch: u64,
}

impl Pin {
    /// The epoch in which it began.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// What goes of a pack of data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadData {
    /// Everything.
    All,
    /// The records at these offsets, in their order. The others are copied to another pack.
    At(Vec<u32>),
}

/// What goes of a pack of nodes: the records at these offsets, in their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadNodes {
    /// In bytes from the start of the pack.
    pub offsets: Vec<u32>,
    /// What becomes of the others.
    pub rest: Rest,
}

/// What becomes of the records of a pack that are not dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rest {
    /// They are copied to another pack, or there are none: the pack goes.
    Leaves,
    /// They stay where they are, and so does the pack.
    Stays,
}

/// What a collection is about to remove, by the numbers of packs.
///
/// Data has no references, so a dead object of data may stay known for as long as its pack stays, and only packs that go
/// are named. A node must become unknown together with the first thing that it refers to; so all dead nodes are
/// named, those in packs that stay too.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condemned {
    /// Packs of data that go.
    pub data: BTreeMap<u32, DeadData>,
    /// Every pack with dead nodes, and every other pack of nodes that goes.
    pub nodes: BTreeMap<u32, DeadNodes>,
}

impl Condemned {
    fn is_dead(&self, at: RecordAt) -> bool {
        let node = self.nodes.get(&at.pack).is_some_and(|pack| has(&pack.offsets, at.offset));
        node || match self.data.get(&at.pack) {
            None => false,
            Some(DeadData::All) => true,
            Some(DeadData::At(offsets)) => has(offsets, at.offset),
        }
    }

    fn is_empty(&self) -> bool {
        self.data.is_empty() && self.nodes.is_empty()
    }
}

/// Which of two locks a process of its own holds while it reads what was there in that epoch, for it has no pin here. A
/// collection may raise the epoch while nobody holds the lock of the epoch to come, and remove while nobody
/// holds that of the epoch before. *Why the first, too*: it is the lock of readers that are two epochs old, whom nobody
/// waited for if the condemnation between was given up.
pub fn lock_of(epoch: u64) -> usize {
    usize::from(!epoch.is_multiple_of(2))
}

/// What one journal record removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Packs that are gone.
    pub packs: Vec<u32>,
    /// Records of nodes that are gone, in packs that stay.
    pub nodes: Vec<RecordAt>,
}

/// What became of a record that somebody turned out to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reprieve {
    /// It was not condemned.
    NotNeeded,
    /// It is data, and stays, with its whole pack.
    Data,
    /// It is a node, and stays, with its whole pack. What it refers to must stay, too.
    Node,
}

/// The state of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ledger {
    epoch: u64,
    condemned: Option<Condemned>,
    /// How many there are of each epoch.
    pins: BTreeMap<u64, u32>,
}

impl Ledger {
    /// The state when a repository is opened: whatever was condemned then is not any more, and nobody is pinned.
    pub fn new(epoch: u64) -> Self {
        Self { epoch, condemned: None, pins: BTreeMap::new() }
    }

    /// The number of the last condemnation.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many of each epoch have not ended.
    pub fn pins(&self) -> &BTreeMap<u64, u32> {
        &self.pins
    }

    /// Somebody begins.
    pub fn begin(&mut self) -> Pin {
        *self.pins.entry(self.epoch).or_default() += 1;
        Pin { epoch: self.epoch }
    }

    /// And ends.
    pub fn end(&mut self, pin: Pin) {
        if let Some(count) = self.pins.get_mut(&pin.epoch) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(&pin.epoch);
            }
        }
    }

    /// Whether somebody may rely on that record, which is there.
    pub fn sees(&self, pin: Pin, at: RecordAt) -> bool {
        match &self.condemned {
            Some(condemned) => pin.epoch < self.epoch || !condemned.is_dead(at),
            None => true,
        }
    }

    /// Condemns, and raises the epoch; the journal record is already durable. Whatever was condemned before is not any more.
    pub fn condemn(&mut self, condemned: Condemned) {
        self.epoch += 1;
        self.condemned = Some(condemned);
    }

    /// What is condemned.
    pub fn condemned(&self) -> Option<&Condemned> {
        self.condemned.as_ref()
    }

    /// How many are waited for: those that are older than the condemnation.
    pub fn waits_for(&self) -> u32 {
        match self.condemned {
            Some(_) => self.pins.range(..self.epoch).map(|(_, count)| *count).sum(),
            None => 0,
        }
    }

    /// Keeps a record that somebody turned out to need. Nothing is copied at that moment, so its pack stays.
    pub fn reprieve(&mut self, at: RecordAt) -> Reprieve {
        let Some(condemned) = &mut self.condemned else { return Reprieve::NotNeeded };
        if !condemned.is_dead(at) {
            return Reprieve::NotNeeded;
        }
        if let Some(pack) = condemned.nodes.get_mut(&at.pack) {
            pack.offsets.retain(|offset| *offset != at.offset);
            pack.rest = Rest::Stays;
            if pack.offsets.is_empty() {
                condemned.nodes.remove(&at.pack);
            }
            return Reprieve::Node;
        }
        condemned.data.remove(&at.pack);
        Reprieve::Data
    }

    /// Takes out of the condemned what goes now: packs whose survivors are durable elsewhere, as far as they were not
    /// reprieved, and with the first of them every dead node. `None` while somebody is waited for, or if nothing is
    /// condemned. The record must be durable before anything else is decided.
    pub fn remove(&mut self, emptied: &BTreeSet<u32>) -> Option<Removal> {
        if self.waits_for() > 0 {
            return None;
        }
        let condemned = self.condemned.as_mut()?;
        let mut removal = Removal::default();
        condemned.data.retain(|pack, _| leave(*pack, emptied, &mut removal));
        condemned.nodes.retain(|pack, nodes| {
            if nodes.rest == Rest::Leaves && !leave(*pack, emptied, &mut removal) {
                return false;
            }
            let gone = nodes.offsets.drain(..).map(|offset| RecordAt { pack: *pack, offset });
            removal.nodes.extend(gone);
            nodes.rest == Rest::Leaves
        });
        if condemned.is_empty() {
            self.condemned = None;
        }
        Some(removal)
    }

    /// Gives up what is condemned and not removed. Who was told that something is unknown stores it twice, and no more.
    pub fn void(&mut self) {
        self.condemned = None;
    }
}

/// Whether the pack stays condemned.
fn leave(pack: u32, emptied: &BTreeSet<u32>, removal: &mut Removal) -> bool {
    let leaves = emptied.contains(&pack);
    removal.packs.extend(leaves.then_some(pack));
    !leaves
}

fn has(sorted: &[u32], offset: u32) -> bool {
    sorted.binary_search(&offset).is_ok()
}

/// What [`settle`] asks of the store.
pub trait Graph {
    /// Name of an object.
    type Id;
    /// Why it cannot say.
    type Error;

    /// Where an object lies, as the index has it: of several places the last one.
    ///
    /// # Errors
    /// If the index does not answer.
    fn find(&self, id: &Self::Id) -> Result<Option<RecordAt>, Self::Error>;

    /// What a node refers to.
    ///
    /// # Errors
    /// If it cannot be read.
    fn references(&self, node: &Self::Id) -> Result<Vec<Self::Id>, Self::Error>;
}

/// Reprieves everything that is reachable from `needed`: the roots of snapshots that were committed since the mark began,
/// and all that nodes refer to which were stored since then. What is not condemned needs no visit: the mark has
/// found it, and everything below it, or it is among the needed itself. `reprieve` is [`Ledger::reprieve`], under a lock that
/// need not be held while the graph is read. Returns how many records were reprieved.
///
/// # Errors
/// Those of the graph. What was reprieved stays so.
pub fn settle<G: Graph>(
    reprieve: &mut dyn FnMut(RecordAt) -> Reprieve,
    needed: Vec<G::Id>,
    graph: &G,
) -> Result<u64, G::Error> {
    let (mut waiting, mut reprieved) = (needed, 0);
    while let Some(id) = waiting.pop() {
        let Some(at) = graph.find(&id)? else { continue };
        match reprieve(at) {
            Reprieve::NotNeeded => continue,
            Reprieve::Data => {}
            Reprieve::Node => waiting.extend(graph.references(&id)?),
        }
        reprieved += 1;
    }
    Ok(reprieved)
}
