//! What snapshots cost ([`sizes`]): the bytes of objects that nothing else reaches, which are those that forgetting frees.
//!
//! Each group of snapshots walks its trees, one group after the other. What a group is the first to reach is its own until
//! another one reaches it too; then it is shared, with all that lies below. So a node is read twice at most, however many
//! snapshots there are. Of very many objects only those in one part of the space of ids are counted, and what they have is
//! scaled: ids are hashes, so any part is as good as another.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::iter;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;
use farkeep_codec::snapshot::Series;

use crate::limits::SIZED_OBJECTS_MAX;
use crate::store::Catalogue;
use crate::store::ObjectError;
use crate::store::Store;

#[cfg(test)]
mod tests;

/// What groups of snapshots cost, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of each group.
    pub groups: Vec<Size>,
    /// Bytes that more than one group reaches.
    pub shared_bytes: u64,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

/// What a group of snapshots costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes that no group before it reaches.
    pub added_bytes: u64,
    /// Bytes that no other group reaches: they would be free if the group were gone.
    pub unique_bytes: u64,
}

/// What would be free if some snapshots were gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes that no other snapshot reaches.
    pub bytes: u64,
    /// What each of them costs, in the order in which they were given, where all that stay come before the first. What several
    /// of them share is unique to none.
    pub each: Vec<Size>,
    /// Whether only a part of the objects was counted.
    pub is_estimated: bool,
}

/// More than one group reaches it.
const SHARED: u32 = u32::MAX;

/// Who is the only one to reach an object, and its length.
type Owners = HashMap<u64, (u32, u32)>;

/// Looks at everything that the groups reach. A snapshot that is not known reaches nothing.
pub(crate) fn sizes(store: &Store, groups: &[Vec<SnapshotId>]) -> Result<Sizes, ObjectError> {
    let parts = store.catalogue().objects().div_ceil(SIZED_OBJECTS_MAX).max(1).next_power_of_two();
    in_parts(store, groups, parts)
}

/// All snapshots that were not purged, by series, and in each the one first that was received first.
pub(crate) fn series_ids(catalogue: &Catalogue) -> BTreeMap<Series, Vec<SnapshotId>> {
    let mut series: BTreeMap<Series, Vec<SnapshotId>> = BTreeMap::new();
    for at in catalogue.snapshots() {
        if let Some(name) = catalogue.series_of(at) {
            series.entry(name.clone()).or_default().push(at.id);
        }
    }
    series
}

/// What would be free if these snapshots were gone, and no others.
pub(crate) fn freed(store: &Store, going: &[SnapshotId]) -> Result<Freed, ObjectError> {
    if going.is_empty() {
        return Ok(Freed::default());
    }
    let named: HashSet<&SnapshotId> = going.iter().collect();
    let staying = store.catalogue().snapshots().map(|at| at.id).filter(|id| !named.contains(id)).collect();
    // All that stay come first. What the others add to them is what goes with the others.
    let groups: Vec<Vec<SnapshotId>> = iter::once(staying).chain(going.iter().map(|id| vec![*id])).collect();
    let sizes = sizes(store, &groups)?;
    let each = sizes.groups.get(1..).unwrap_or_default().to_vec();
    let bytes = each.iter().map(|one| one.added_bytes).sum();
    Ok(Freed { bytes, each, is_estimated: sizes.is_estimated })
}

/// The same, where one of so many parts of the data is looked at.
fn in_parts(store: &Store, groups: &[Vec<SnapshotId>], parts: u64) -> Result<Sizes, ObjectError> {
    let mut walk = Walk { store, parts, nodes: Owners::new(), data: Owners::new(), object: Vec::new() };
    let mut sizes = Sizes { is_estimated: parts > 1, ..Sizes::default() };
    for (number, group) in groups.iter().enumerate() {
        let owner = u32::try_from(number).unwrap_or(SHARED - 1);
        let mut added_bytes = 0;
        for id in group {
            let root = store.catalogue().snapshot(id).map(|at| at.root);
            if let Some(root) = root {
                added_bytes += walk.reach(owner, root)?;
            }
        }
        sizes.groups.push(Size { added_bytes, unique_bytes: 0 });
    }
    let nodes = walk.nodes.values().map(|one| (one, 1));
    for ((owner, bytes), factor) in nodes.chain(walk.data.values().map(|one| (one, parts))) {
        let bytes = u64::from(*bytes) * factor;
        let group = usize::try_from(*owner).ok().and_then(|owner| sizes.groups.get_mut(owner));
        match group {
            Some(group) => group.unique_bytes += bytes,
            None => sizes.shared_bytes += bytes,
        }
    }
    Ok(sizes)
}

struct Walk<'a> {
    store: &'a Store,
    parts: u64,
    nodes: Owners,
    data: Owners,
    object: Vec<u8>,
}

impl Walk<'_> {
    /// Goes through a tree. Returns the bytes that nobody had reached before.
    fn reach(&mut self, owner: u32, root: ObjectId) -> Result<u64, ObjectError> {
        let (mut waiting, mut added) = (vec![root], 0);
        while let Some(id) = waiting.pop() {
            let io = |source| ObjectError::Io { id, source };
            let kind = self.store.kind(&id).map_err(io)?.ok_or(ObjectError::Missing { id })?;
            let key = key(&id);
            let (owners, factor) = match kind {
                Kind::Node => (&mut self.nodes, 1),
                Kind::Data if key.is_multiple_of(self.parts) => (&mut self.data, self.parts),
                Kind::Data => continue,
            };
            match owners.get_mut(&key) {
                Some((known, _)) if *known == owner || *known == SHARED => continue,
                Some((known, _)) => *known = SHARED,
                None => {
                    let place = self.store.locate(&id).map_err(io)?.ok_or(ObjectError::Missing { id })?;
                    owners.insert(key, (owner, place.bytes));
                    added += u64::from(place.bytes) * factor;
                }
            }
            if kind == Kind::Node {
                self.store.object(&id, &mut self.object)?;
                let view = ObjectView::parse(&self.object).map_err(|_| ObjectError::Missing { id })?;
                waiting.extend(view.references());
            }
        }
        Ok(added)
    }
}

/// A part of an id by which it is known: two of a few million are hardly ever the same.
fn key(id: &ObjectId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
