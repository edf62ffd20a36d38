//! What `erase` and `repack` have in common.

use std::collections::HashSet;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use farkeep_codec::id::SnapshotId;

use super::failure::Failure;
use super::session::Session;
use crate::output::line;
use crate::repository::Repository;
use crate::rewrite::Plan;
use crate::rewrite::Planned;
use crate::rewrite::Summary;

/// Snapshots that are held now.
pub(super) fn held(repository: &Repository) -> Result<HashSet<SnapshotId>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let known = repository.keeper().known()?.into_iter();
    let is_held = |nanoseconds: i64| u128::try_from(nanoseconds).is_ok_and(|until| until > now);
    let held = known.filter(|known| is_held(known.held_until.nanoseconds()));
    Ok(held.map(|known| known.listed.id).collect())
}

/// Says which snapshot took the place of which.
pub(super) fn replaced(session: &Session, done: &Summary) -> Result<(), Failure> {
    for (old, new) in &done.replaced {
        session.output.line(&line::Replaced { old: *old, new: *new })?;
    }
    Ok(())
}

/// The figures of a plan.
pub(super) fn figures(plan: &Plan, dry_run: bool) -> line::Rewriting {
    line::Rewriting {
        snapshots: plan.snapshots.len() as u64,
        held: plan.held.len() as u64,
        bundles: plan.bundles() as u64,
        moved_bytes: plan.moved_bytes,
        dead_bytes: plan.dead_bytes,
        stored_bytes: 0,
        dry_run,
    }
}

/// What a snapshot loses.
pub(super) fn erased(planned: &Planned) -> line::Erased {
    line::Erased {
        snapshot: planned.point.id,
        series: planned.point.record.series.to_string(),
        captured: planned.point.record.captured,
        entries: planned.erased.entries,
        bytes: planned.erased.bytes,
    }
}
