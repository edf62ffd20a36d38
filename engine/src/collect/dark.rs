//! Nodes in extents whose summary nobody can read ([`Dark`]).
//!
//! A mark need not read them as long as nothing refers to them: such a pack goes like any other that nobody needs. Which
//! nodes they are, their records still say, or the index; and where something is left that neither names, whatever is
//! referred to must be found somewhere else.

use std::collections::BTreeMap;
use std::collections::HashSet;

use farkeep_codec::id::ObjectId;

use crate::store::ExtentAt;
use crate::store::Pack;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Survey;

/// Extents whose summary cannot be read, with what is known of them.
#[derive(Default)]
pub(super) struct Dark {
    /// By pack and start: the offsets of records that are known.
    extents: BTreeMap<(u32, u32), BTreeMap<u32, ObjectId>>,
    ids: HashSet<ObjectId>,
    /// There are records that neither index nor record names.
    has_nameless: bool,
}

impl Dark {
    /// Looks for what is in these extents.
    pub(super) fn find(store: &Store, survey: &Survey, extents: &[ExtentAt]) -> Result<Self, StoreError> {
        let mut dark = Self::default();
        let mut wanted = BTreeMap::new();
        for ExtentAt { pack, extent, .. } in extents {
            let salvaged = match store.extent_entries(*pack, extent) {
                Err(error) if error.is_damage() => Vec::new(),
                salvaged => salvaged?,
            };
            let records: BTreeMap<u32, ObjectId> =
                salvaged.iter().map(|entry| (entry.offset, entry.id)).collect();
            if records.len() < extent.objects as usize {
                wanted.insert((*pack, extent.start), extent.summary);
            }
            dark.extents.insert((*pack, extent.start), records);
        }
        if !wanted.is_empty() {
            store.scan_index(&mut |id, spot| {
                let before = wanted.range(..=(spot.ordinal, spot.offset)).next_back();
                if let Some((at, end)) = before
                    && at.0 == spot.ordinal
                    && spot.offset < *end
                    && let Some(records) = dark.extents.get_mut(at)
                {
                    records.insert(spot.offset, *id);
                }
            })?;
        }
        let nothing = |pack: Option<&Pack>, offset| pack.is_none_or(|pack| pack.has_lost(offset));
        for ExtentAt { pack, extent, .. } in extents {
            let Some(records) = dark.extents.get(&(*pack, extent.start)) else { continue };
            let known = survey.packs.get(pack);
            let struck = |offset: &&u32| (extent.start..extent.summary).contains(*offset);
            let gone = known.map_or(0, |pack| pack.dead.iter().chain(&pack.damaged).filter(struck).count());
            let there = records.iter().filter(|(offset, _)| !nothing(known, **offset));
            dark.has_nameless |= there.clone().count() + gone < extent.objects as usize;
            dark.ids.extend(there.map(|(_, id)| *id));
        }
        Ok(dark)
    }

    /// The offsets of the records of an extent, if it is one of these.
    pub(super) fn offsets(&self, at: &ExtentAt) -> Option<impl Iterator<Item = u32> + '_> {
        Some(self.extents.get(&(at.pack, at.extent.start))?.keys().copied())
    }

    /// Whether what is referred to is, or may be, a node in one of these that lies nowhere else. Whoever asks has not
    /// found the node elsewhere.
    pub(super) fn hides(&self, store: &Store, id: &ObjectId) -> Result<bool, StoreError> {
        Ok(self.ids.contains(id) || (self.has_nameless && store.find_durable(id)?.is_none()))
    }
}
