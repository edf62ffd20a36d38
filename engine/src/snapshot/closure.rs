//! Whether a tree is whole after packs were lost.
//!
//! As long as none were, a root that is there proves it without a walk. After that a node may be there and what it
//! refers to may not: whoever believes an earlier run that it is stored would commit what cannot be restored. What one walk
//! found sound, the next one passes by, for as long as nothing more was lost.

use std::collections::HashSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;

use crate::limits::CLOSURE_NODES_MAX;
use crate::store::ObjectError;
use crate::store::Session;
use crate::store::Store;
use crate::store::StoreError;

/// The first object found that a tree needs and that is not there. Reads its nodes, and looks up everything else.
pub(super) fn missing(
    store: &Store,
    session: &Session,
    root: &ObjectId,
) -> Result<Option<ObjectId>, StoreError> {
    if store.lost().packs == 0 {
        return Ok((!store.has(session, root)?).then_some(*root));
    }
    let premises = store.premises(session)?;
    let (mut waiting, mut seen, mut object) = (vec![*root], HashSet::new(), Vec::new());
    while let Some(id) = waiting.pop() {
        if store.is_sound(&premises, &id) {
            continue;
        }
        if !store.has(session, &id)? {
            return Ok(Some(id));
        }
        if store.kind(&id)? == Some(Kind::Data) || !seen.insert(id) {
            continue;
        }
        if seen.len() > CLOSURE_NODES_MAX {
            // What is forgotten is read once more.
            seen.clear();
        }
        match store.object(&id, &mut object) {
            Ok(()) => {}
            Err(ObjectError::Io { source, .. }) => return Err(source),
            Err(_) => return Ok(Some(id)),
        }
        let Ok(view) = ObjectView::parse(&object) else { return Ok(Some(id)) };
        waiting.extend(view.references());
    }
    store.note_sound(premises, seen);
    Ok(None)
}
