//! The index, as a scrub sees it: compared with the summaries of the packs.
//!
//! Sums of hashes are compared first, pack by pack, so that a sound index costs one pass over it; ids are looked up
//! one by one only where the sums differ.

use std::collections::HashMap;

use super::Damage;
use super::digest::Digest;
use super::pack::Checked;
use crate::store::Name;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::layout;

/// Digests of what the index says, by the number of the pack.
pub(super) fn digests(store: &Store) -> Result<HashMap<u32, Digest>, StoreError> {
    let mut digests: HashMap<u32, Digest> = HashMap::new();
    store.scan_index(&mut |id, spot| digests.entry(spot.ordinal).or_default().add(id, spot))?;
    Ok(digests)
}

/// Compares what the index says about a pack with what its summaries list.
pub(super) fn compare(
    store: &Store,
    number: u32,
    checked: &Checked,
    digests: &HashMap<u32, Digest>,
) -> Option<Damage> {
    let wanted = checked.digest?;
    let found = digests.get(&number).copied().unwrap_or_default();
    if found == wanted {
        return None;
    }
    let mut agreeing = Digest::default();
    let mut damage = Damage::new(layout::path(Name::Index), 0, "entries that differ from the packs");
    for (id, spot) in &checked.listed {
        match store.find_durable(id) {
            Ok(Some(other)) if other == *spot => agreeing.add(id, *spot),
            // An object that lies in several packs: the index names one of them, which is checked there.
            Ok(Some(other)) if other.ordinal != number && store.is_record(id, &other) => {}
            _ => damage.lose([*id]),
        }
    }
    (damage.object_count > 0 || agreeing != found).then_some(damage)
}
