//! Which snapshots need nodes that cannot be read ([`touched`]): asked only when there are such nodes.

use std::collections::HashSet;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::ObjectView;

use super::bits::Bits;
use super::bits::Inserted;
use super::nodes::NodeTable;
use crate::limits::REPORT_LINES_MAX;
use crate::store::Store;

/// A node on the way down, and what it refers to that was not looked at yet.
struct Step {
    /// The root hangs below a step that stands for nobody.
    number: Option<u32>,
    waiting: Vec<ObjectId>,
    is_bad: bool,
}

/// Those of the snapshots under whose roots one of the missing nodes is, up to a limit. Each node is read once.
pub(super) fn touched(
    store: &Store,
    table: &NodeTable,
    snapshots: &[(SnapshotId, ObjectId)],
    missing: &[ObjectId],
) -> Vec<SnapshotId> {
    let missing: HashSet<&ObjectId> = missing.iter().collect();
    let (mut seen, mut bad) = (Bits::new(), Bits::new());
    let mut leads = |root: &ObjectId| {
        let (mut path, mut object) = (Vec::new(), Vec::new());
        let mut step = Step { number: None, waiting: vec![*root], is_bad: false };
        loop {
            let Some(id) = step.waiting.pop() else {
                let Some(above) = path.pop() else { return step.is_bad };
                let below = std::mem::replace(&mut step, above);
                if below.is_bad {
                    below.number.map(|number| bad.insert(number));
                    step.is_bad = true;
                }
                continue;
            };
            let number = table.find(&id).next();
            step.is_bad |= missing.contains(&id) || number.is_some_and(|number| bad.contains(number));
            let Some(number) = number.filter(|number| seen.insert(*number) == Inserted::Now) else {
                continue;
            };
            let read = store.object(&id, &mut object).ok().and_then(|()| ObjectView::parse(&object).ok());
            let (waiting, is_bad) = match read {
                Some(view) => (view.references().collect(), false),
                None => (Vec::new(), true),
            };
            path.push(std::mem::replace(&mut step, Step { number: Some(number), waiting, is_bad }));
        }
    };
    let named = snapshots.iter().filter(|(_, root)| leads(root)).map(|(id, _)| *id);
    named.take(REPORT_LINES_MAX).collect()
}
