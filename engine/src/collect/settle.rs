//! What came since the mark began ([`Since`]): all of it is looked at before anything is removed, and what it needs is kept.
//!
//! Whoever is younger than the condemnation counts on nothing that is condemned. So once all who are older have ended, and
//! what they put is durable, nothing new can need it: no lock is held here.

use std::collections::BTreeSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;

use super::ledger::Graph;
use super::ledger::RecordAt;
use super::ledger::settle;
use super::mark::read_references;
use super::run::CollectError;
use super::work::Halt;
use super::work::Work;
use crate::limits::COLLECT_NODES_AT_ONCE;
use crate::store::ExtentAt;
use crate::store::ObjectError;
use crate::store::Place;
use crate::store::Store;

/// What came since a mark began.
pub(super) struct Since<'a> {
    store: &'a Store,
    /// The last record that was looked at.
    seen: u64,
    /// Packs of the collection itself: what lies there was looked at.
    own: BTreeSet<u32>,
}

impl<'a> Since<'a> {
    /// Behind that record.
    pub(super) fn new(store: &'a Store, seen: u64) -> Self {
        Self { store, seen, own: BTreeSet::new() }
    }

    /// Leaves these packs out.
    pub(super) fn passes_over(&mut self, own: &[u32]) {
        self.own.extend(own);
    }

    /// Keeps what it needs, up to the end of the journal. Returns how many records were reprieved.
    pub(super) fn settle(&mut self, work: &mut Work<'_>) -> Result<u64, Halt> {
        let (extents, roots, end) = {
            let catalogue = self.store.catalogue();
            let extents = catalogue.extents_behind(self.seen).iter();
            let of_nodes = |at: &&ExtentAt| {
                let kind = catalogue.pack(at.pack).map(|pack| pack.kind);
                kind == Some(Kind::Node) && !self.own.contains(&at.pack)
            };
            let extents: Vec<ExtentAt> = extents.filter(of_nodes).copied().collect();
            let new = catalogue.snapshots().filter(|at| at.sequence > self.seen);
            let roots: Vec<ObjectId> = new.map(|at| at.root).collect();
            (extents, roots, catalogue.at().position.sequence)
        };
        let mut reprieved = self.keep(roots)?;
        for ExtentAt { pack, extent, .. } in extents {
            let Some(id) = self.store.catalogue().pack(pack).map(|pack| pack.id) else { continue };
            let entries = self.store.summary(pack, &extent)?;
            for some in entries.chunks(COLLECT_NODES_AT_ONCE) {
                let place = |offset, bytes| Place { pack: id, offset, bytes };
                let wanted: Vec<_> =
                    some.iter().map(|entry| (entry.id, place(entry.offset, entry.bytes))).collect();
                let mut references = Vec::new();
                read_references(self.store, &wanted, &mut references)?;
                reprieved += self.keep(references)?;
                work.moved(some.iter().map(|entry| u64::from(entry.bytes)).sum())?;
            }
        }
        self.seen = end;
        Ok(reprieved)
    }

    fn keep(&self, needed: Vec<ObjectId>) -> Result<u64, Halt> {
        settle(&mut |at| self.store.reprieve(at), needed, &Durable(self.store)).map_err(Halt::Failed)
    }
}

/// The graph of what is durable.
struct Durable<'a>(&'a Store);

impl Graph for Durable<'_> {
    type Id = ObjectId;
    type Error = CollectError;

    fn find(&self, id: &ObjectId) -> Result<Option<RecordAt>, CollectError> {
        let spot = self.0.find_durable(id)?;
        Ok(spot.map(|spot| RecordAt { pack: spot.ordinal, offset: spot.offset }))
    }

    fn references(&self, node: &ObjectId) -> Result<Vec<ObjectId>, CollectError> {
        let mut object = Vec::new();
        let damaged = || CollectError::damaged(vec![*node]);
        match self.0.object(node, &mut object) {
            Ok(()) => {}
            Err(ObjectError::Io { source, .. }) => return Err(source.into()),
            Err(_) => return Err(damaged()),
        }
        let view = ObjectView::parse(&object).map_err(|_| damaged())?;
        Ok(view.references().collect())
    }
}
