//! Which packs a collection touches, and why: [`plan`], a pure function of what a mark found in each pack.
//!
//! Bytes are those of records, with their headers: summaries and padding are no garbage, and a small pack is not worth
//! emptying for them alone. FORMAT.md, "Packs".

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use farkeep_codec::object::Kind;

use crate::limits::COLLECT_NODES_DEAD_PERCENT;
use crate::limits::COLLECT_SHARE_DEAD_PERCENT;
use crate::limits::COLLECT_SMALL_PACKS;
use crate::limits::PACK_BYTES_MAX;
use crate::limits::RESERVE_BYTES;
use crate::store::ledger::Condemned;
use crate::store::ledger::DeadData;
use crate::store::ledger::DeadNodes;
use crate::store::ledger::Rest;

#[cfg(test)]
mod tests;

/// What a mark found in one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackFigures {
    /// By its first appearance in the journal.
    pub number: u32,
    /// What its objects are for.
    pub kind: Kind,
    /// Length of its file.
    pub file_bytes: u64,
    /// Of the records that somebody needs.
    pub live_bytes: u64,
    /// Their number.
    pub live_objects: u64,
    /// Of those that nobody does.
    pub dead_bytes: u64,
    /// Number of those of them that are still known: they were not struck out before.
    pub dead_objects: u64,
    /// Whether anything may still be appended to it.
    pub state: PackState,
}

/// Whether anything may still be appended to a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackState {
    /// It may.
    Open,
    /// Never again.
    Sealed,
}

/// What a collection is to reach, and what it has to do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aims {
    /// Dead bytes of data that may stay, in thousandths of the live ones.
    pub garbage_thousandths: u16,
    /// Bytes of a full pack.
    pub pack_bytes: u64,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
    /// Bytes of these that no pack takes.
    pub reserve_bytes: u64,
}

impl Aims {
    /// Those of a repository in which so much garbage may stay, with so much room on its disk.
    pub fn new(garbage_thousandths: u16, free_bytes: u64) -> Self {
        Self { garbage_thousandths, pack_bytes: PACK_BYTES_MAX, free_bytes, reserve_bytes: RESERVE_BYTES }
    }

    /// Whether anything can be copied before something is removed.
    fn have_room(&self) -> bool {
        self.free_bytes >= self.reserve_bytes.saturating_add(self.pack_bytes)
    }
}

/// What happens to a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It goes as it is: nobody needs anything in it.
    Remove,
    /// Its dead nodes are struck out in the journal; the file stays.
    Strike,
    /// What is live is copied to another pack, and then it goes.
    Empty,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nothing in it is live.
    Dead,
    /// Some of its nodes are dead, and a dead node must not stay known.
    DeadNodes,
    /// So many percent of it are dead.
    Garbage {
        /// Rounded down.
        percent: u64,
    },
    /// It is small, and there are enough of its kind to make fewer of them.
    Small,
}

/// One pack of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The pack.
    pub pack: PackFigures,
    /// What happens to it.
    pub act: Act,
    /// Why.
    pub why: Why,
}

/// What is to be done, in this order: what needs no room comes first, then what frees most for what it moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every pack that is touched, each once.
    pub packs: Vec<Planned>,
    /// Bytes that are read and written again. So much room is needed until the packs go that they came from.
    pub moved_bytes: u64,
    /// Bytes by which the files become shorter.
    pub freed_bytes: u64,
    /// Dead bytes that stay, in packs that are not worth the copying.
    pub left_bytes: u64,
    /// Packs that would be emptied, had the disk the room. They come next, when something has gone.
    pub postponed: u64,
}

/// What to do with the packs of a repository.
pub fn plan(packs: &[PackFigures], aims: &Aims) -> Plan {
    let mut packs = packs.to_vec();
    packs.sort_unstable_by_key(|pack| pack.number);
    let (mut chosen, mut stay) = (Vec::new(), Vec::new());
    for pack in packs {
        match on_its_own(&pack) {
            Some((act, why)) => chosen.push(Planned { pack, act, why }),
            None => stay.push(pack),
        }
    }
    choose_garbage(&mut stay, aims, &mut chosen);
    choose_small(&mut stay, aims, &mut chosen);
    finish(chosen, &stay, aims)
}

impl Plan {
    /// What it removes, given the offsets of the dead records of each pack that it touches, in their order.
    pub fn condemned(&self, dead: &BTreeMap<u32, Vec<u32>>) -> Condemned {
        let mut condemned = Condemned::default();
        for Planned { pack, act, .. } in &self.packs {
            let offsets = dead.get(&pack.number).cloned().unwrap_or_default();
            match (pack.kind, act) {
                (Kind::Data, Act::Remove) => drop(condemned.data.insert(pack.number, DeadData::All)),
                (Kind::Data, _) => drop(condemned.data.insert(pack.number, DeadData::At(offsets))),
                (Kind::Node, act) => {
                    let rest = if *act == Act::Strike { Rest::Stays } else { Rest::Leaves };
                    condemned.nodes.insert(pack.number, DeadNodes { offsets, rest });
                }
            }
        }
        condemned
    }
}

impl Planned {
    fn moved_bytes(&self) -> u64 {
        if self.act == Act::Empty { self.pack.live_bytes } else { 0 }
    }

    fn freed_bytes(&self) -> u64 {
        match self.act {
            Act::Strike => 0,
            Act::Remove | Act::Empty => self.pack.file_bytes.saturating_sub(self.moved_bytes()),
        }
    }
}

/// Share of its records that is dead.
fn dead_percent(pack: &PackFigures) -> u64 {
    let (live, dead) = (u128::from(pack.live_bytes), u128::from(pack.dead_bytes));
    let percent = (100 * dead).checked_div(live + dead).unwrap_or(0);
    u64::try_from(percent).expect("at most 100")
}

/// What a pack asks for whatever the others are like.
fn on_its_own(pack: &PackFigures) -> Option<(Act, Why)> {
    let sealed = pack.state == PackState::Sealed;
    if sealed && pack.live_objects == 0 {
        return Some((Act::Remove, Why::Dead));
    }
    let percent = dead_percent(pack);
    match pack.kind {
        Kind::Data => None,
        Kind::Node if sealed && percent > COLLECT_NODES_DEAD_PERCENT => {
            Some((Act::Empty, Why::Garbage { percent }))
        }
        Kind::Node => (pack.dead_objects > 0).then_some((Act::Strike, Why::DeadNodes)),
    }
}

/// Chooses packs of data by the share of them that is dead, the highest first, until few enough dead bytes stay.
fn choose_garbage(stay: &mut Vec<PackFigures>, aims: &Aims, chosen: &mut Vec<Planned>) {
    let of_data = |pack: &&PackFigures| pack.kind == Kind::Data;
    let live: u128 = stay.iter().filter(of_data).map(|pack| u128::from(pack.live_bytes)).sum();
    let mut dead: u128 = stay.iter().filter(of_data).map(|pack| u128::from(pack.dead_bytes)).sum();
    let allowed = live * u128::from(aims.garbage_thousandths) / 1000;
    stay.sort_by(|one, other| by_share(other, one).then(one.number.cmp(&other.number)));
    stay.retain(|pack| {
        let percent = dead_percent(pack);
        let worth = percent >= COLLECT_SHARE_DEAD_PERCENT && pack.state == PackState::Sealed;
        let goes = dead > allowed && worth && pack.kind == Kind::Data;
        if goes {
            dead -= u128::from(pack.dead_bytes);
            chosen.push(Planned { pack: *pack, act: Act::Empty, why: Why::Garbage { percent } });
        }
        !goes
    });
}

/// By the share of the records that is dead, compared exactly.
fn by_share(one: &PackFigures, other: &PackFigures) -> Ordering {
    let whole = |pack: &PackFigures| u128::from(pack.live_bytes) + u128::from(pack.dead_bytes);
    let dead = |pack: &PackFigures| u128::from(pack.dead_bytes);
    (dead(one) * whole(other).max(1)).cmp(&(dead(other) * whole(one).max(1)))
}

/// Chooses the small packs of a kind, if they fill one together or are too many.
fn choose_small(stay: &mut Vec<PackFigures>, aims: &Aims, chosen: &mut Vec<Planned>) {
    for kind in [Kind::Node, Kind::Data] {
        let is_small = |pack: &PackFigures| {
            pack.kind == kind && pack.state == PackState::Sealed && pack.file_bytes < aims.pack_bytes / 4
        };
        let small: Vec<PackFigures> = stay.iter().filter(|pack| is_small(pack)).copied().collect();
        let together: u64 = small.iter().map(|pack| pack.live_bytes).sum();
        if together >= aims.pack_bytes || small.len() > COLLECT_SMALL_PACKS {
            stay.retain(|pack| !is_small(pack));
            chosen.extend(small.into_iter().map(|pack| Planned { pack, act: Act::Empty, why: Why::Small }));
        }
    }
}

/// Leaves out what there is no room for, puts the rest in order, and sums up.
fn finish(chosen: Vec<Planned>, stay: &[PackFigures], aims: &Aims) -> Plan {
    let mut plan = Plan { left_bytes: stay.iter().map(|pack| pack.dead_bytes).sum(), ..Plan::default() };
    for mut planned in chosen {
        if planned.act == Act::Empty && !aims.have_room() {
            plan.postponed += 1;
            plan.left_bytes += planned.pack.dead_bytes;
            if planned.pack.kind == Kind::Data || planned.pack.dead_objects == 0 {
                continue;
            }
            (planned.act, planned.why) = (Act::Strike, Why::DeadNodes);
        } else if planned.act == Act::Strike {
            plan.left_bytes += planned.pack.dead_bytes;
        }
        plan.moved_bytes += planned.moved_bytes();
        plan.freed_bytes += planned.freed_bytes();
        plan.packs.push(planned);
    }
    plan.packs.sort_by(|one, other| {
        let share = by_share(&other.pack, &one.pack);
        one.act.cmp(&other.act).then(share).then(one.pack.number.cmp(&other.pack.number))
    });
    plan
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("nobody needs anything in it"),
            Self::DeadNodes => f.write_str("some of its nodes are dead"),
            Self::Garbage { percent } => write!(f, "{percent} % of it are dead"),
            Self::Small => f.write_str("it is small, as others are"),
        }
    }
}
