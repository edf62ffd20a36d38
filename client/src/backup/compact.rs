//! The cleaning rule of bundles: when a snapshot would use too little of a bundle, the files that still use it are
//! bundled anew from disk, so that dead bytes never outgrow live ones and old bundles become collectable.
//!
//! A slice that several files share is counted for one of them, its owner. When the owner goes (a file was moved: its new
//! path borrowed the slice of the old one) another file that uses the slice becomes the owner.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use farkeep_codec::tree::PathKey;

use super::BackupError;
use super::catalogue::BundleNumber;
use super::catalogue::CatalogueError;
use super::catalogue::Previous;
use super::catalogue::Row;
use super::catalogue::RowContent;
use super::catalogue::Rows;
use super::line::Fresh;
use super::line::Line;
use super::line::Purpose;
use crate::source::Effort;
use crate::source::Found;
use crate::source::Missing;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Walker;
use crate::source::path_of;

#[cfg(test)]
mod tests;

/// Rows that are held while the files among them are looked for.
const WINDOW_ROWS: usize = 8 << 10;

/// Slices that are held in memory while those of sparse bundles are counted.
const SLICES_MAX: usize = 1 << 20;

/// A slice by its place.
type Slice = (BundleNumber, u32);

/// What is done about the bundles of which too little seems to be used.
#[derive(Default)]
struct Plan {
    /// Too little is used: what uses them is bundled anew.
    wasteful: HashSet<BundleNumber>,
    /// Rows that own slices went, and those that borrow the same slices make up for them: the first one becomes the owner.
    adopted: HashSet<BundleNumber>,
}

/// Writes the rows of `line` once more, with the files of wasteful bundles in new ones, and slices without an owner owned.
/// Does nothing when there are none.
pub(super) fn run(line: &mut Line<'_>, previous: &Previous) -> Result<(), BackupError> {
    let plan = plan(line, previous)?;
    if plan.wasteful.is_empty() && plan.adopted.is_empty() {
        return Ok(());
    }
    let (wasteful, adopted) = (plan.wasteful.len(), plan.adopted.len());
    tracing::debug!(
        "cleaning {wasteful} bundles of which too little is used, and giving owners to {adopted}"
    );
    let mut rows = line.writer.rewrite(previous)?;
    let entries = line.figures.entries;
    line.shared.progress.expect_more(entries, 0);
    line.bundles.count_anew();
    line.figures.count_anew();
    line.bundler.avoid(plan.wasteful.iter().copied());
    let mut owned = HashSet::new();
    let mut window = Vec::new();
    while let Some(row) = rows.peek() {
        window.push(row.clone());
        rows.advance();
        if window.len() == WINDOW_ROWS {
            write_anew(line, std::mem::take(&mut window), &plan, &mut owned)?;
        }
    }
    write_anew(line, window, &plan, &mut owned)?;
    rows.finish()?;
    line.finish()
}

/// Owners alone tell of most bundles that they are used enough. Where they do not, and there are borrowers, every slice
/// is counted.
fn plan(line: &mut Line<'_>, previous: &Previous) -> Result<Plan, BackupError> {
    let mut plan = Plan::default();
    let mut doubtful = BTreeMap::new();
    for (number, enough_bytes, bundle) in line.bundles.sparse() {
        if bundle.borrowed_bytes > 0 {
            doubtful.insert(number, enough_bytes);
        } else {
            plan.wasteful.insert(number);
        }
    }
    if doubtful.is_empty() {
        return Ok(plan);
    }
    let slices = slices_of(&mut doubtful, line.writer.written(previous)?, SLICES_MAX)?;
    let mut used: HashMap<BundleNumber, u64> = HashMap::new();
    for ((bundle, _), bytes) in slices {
        *used.entry(bundle).or_default() += bytes;
    }
    for (number, enough_bytes) in doubtful {
        let is_wasteful = used.get(&number).is_none_or(|used| *used < enough_bytes);
        (if is_wasteful { &mut plan.wasteful } else { &mut plan.adopted }).insert(number);
    }
    Ok(plan)
}

/// The slices of `bundles` that rows use, each once, with its length. Where there are more than `slices_max`, bundles are
/// taken out of `bundles` until one is left: another run will come to them.
fn slices_of(
    bundles: &mut BTreeMap<BundleNumber, u64>,
    mut rows: Rows,
    slices_max: usize,
) -> Result<HashMap<Slice, u64>, CatalogueError> {
    let mut slices = HashMap::new();
    while let Some(row) = rows.peek() {
        if let RowContent::Slice(place) = &row.content
            && bundles.contains_key(&place.bundle)
        {
            slices.insert((place.bundle, place.offset), row.stamp.bytes);
            if slices.len() > slices_max
                && bundles.len() > 1
                && let Some(middle) = bundles.keys().nth(bundles.len() / 2).copied()
            {
                bundles.split_off(&middle);
                slices.retain(|(bundle, _), _| *bundle < middle);
            }
        }
        rows.advance();
    }
    rows.finish()?;
    Ok(slices)
}

fn write_anew(
    line: &mut Line<'_>,
    window: Vec<Row>,
    plan: &Plan,
    owned: &mut HashSet<Slice>,
) -> Result<(), BackupError> {
    let is_wasteful =
        |row: &Row| matches!(&row.content, RowContent::Slice(place) if plan.wasteful.contains(&place.bundle));
    let mut files = find(window.iter().filter(|row| is_wasteful(row))).into_iter().peekable();
    for mut row in window {
        if let RowContent::Slice(place) = &mut row.content
            && plan.adopted.contains(&place.bundle)
        {
            place.borrowed = !owned.insert((place.bundle, place.offset));
        }
        match files.next_if(|found| found.path.as_bytes() == row.path) {
            Some(found) => line.read(Fresh { found, purpose: Purpose::Rebundle(row) })?,
            None => line.ready(row)?,
        }
    }
    Ok(())
}

/// The files of these rows as they are on disk now, in path order. Those that are gone are left out.
fn find<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Found> {
    let paths: Vec<_> = rows
        .filter_map(|row| PathKey::from_bytes(row.path.clone()).ok())
        .map(|path| path_of(&path))
        .collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let Ok(roots) = Roots::new(&paths, Missing::Report) else { return Vec::new() };
    Walker::new(&roots, Rules::default(), Effort::default())
        .filter_map(Result::ok)
        .filter(|found| found.role == Role::Member)
        .collect()
}
