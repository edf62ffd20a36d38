//! In which order survivors are laid down ([`rank`]): as the newest snapshot of each series needs them, so that a restore of
//! the latest point reads a few packs from front to back, however old the repository is.
//!
//! The order of references is the order of paths, which nobody needs a key for. What no newest snapshot needs comes behind, as
//! it lay before, in packs of its own.

use std::collections::HashMap;
use std::collections::HashSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;

use super::run::CollectError;
use super::work::Halt;
use super::work::Work;
use crate::limits::CLOSURE_NODES_MAX;
use crate::store::ObjectError;
use crate::store::Store;

/// The places of objects in the order of the newest snapshots; those of nobody are not in it.
pub(super) type Ranks = HashMap<ObjectId, u32>;

/// Ranks those of the objects that the newest snapshots need.
pub(super) fn rank(store: &Store, wanted: &HashSet<ObjectId>, work: &mut Work<'_>) -> Result<Ranks, Halt> {
    let mut ranks = Ranks::new();
    for root in newest_roots(store) {
        let (mut waiting, mut seen, mut object) = (vec![root], HashSet::new(), Vec::new());
        while let Some(id) = waiting.pop() {
            if wanted.contains(&id) {
                let next = u32::try_from(ranks.len()).expect("a batch is small");
                ranks.entry(id).or_insert(next);
            }
            if seen.len() >= CLOSURE_NODES_MAX || ranks.len() == wanted.len() {
                break;
            }
            if store.kind(&id)? != Some(Kind::Node) || !seen.insert(id) {
                continue;
            }
            match store.object(&id, &mut object) {
                Ok(()) => {}
                Err(ObjectError::Io { source, .. }) => return Err(source.into()),
                Err(_) => return Err(CollectError::Damaged { objects: vec![id] }.into()),
            }
            work.moved(object.len() as u64)?;
            let damaged = || CollectError::Damaged { objects: vec![id] };
            let view = ObjectView::parse(&object).map_err(|_| damaged())?;
            let before = waiting.len();
            waiting.extend(view.references());
            // The first reference is taken next.
            waiting[before..].reverse();
        }
    }
    Ok(ranks)
}

/// Roots of the newest snapshot of each series that is on the list, in the order of the series.
fn newest_roots(store: &Store) -> Vec<ObjectId> {
    let catalogue = store.catalogue();
    let mut series: Vec<_> = catalogue.newest_of_all().collect();
    series.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let known = series.into_iter().filter_map(|(_, newest)| catalogue.snapshot(&newest.id));
    known.map(|at| at.root).collect()
}
