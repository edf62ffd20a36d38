//! The cleaning rule of bundles: when a snapshot would use less than half of a bundle, the files that still use it are
//! bundled anew from disk, so that dead bytes never outgrow live ones and old bundles become collectable.

use std::collections::HashSet;

use farkeep_codec::tree::PathKey;

use super::BackupError;
use super::catalogue::BundleNumber;
use super::catalogue::Previous;
use super::catalogue::Row;
use super::catalogue::RowContent;
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

/// Rows that are held while the files among them are looked for.
const WINDOW_ROWS: usize = 8 << 10;

/// Writes the rows of `line` once more, with the files of wasteful bundles in new ones. Does nothing when no bundle is
/// wasteful.
pub(super) fn run(line: &mut Line<'_>, previous: &Previous) -> Result<(), BackupError> {
    let wasteful: HashSet<BundleNumber> = line.bundles.wasteful().into_iter().collect();
    if wasteful.is_empty() {
        return Ok(());
    }
    let mut rows = line.writer.rewrite(previous)?;
    line.bundles.count_anew();
    line.figures.count_anew();
    line.bundler.avoid(wasteful.iter().copied());
    let mut window = Vec::new();
    while let Some(row) = rows.peek() {
        window.push(row.clone());
        rows.advance();
        if window.len() == WINDOW_ROWS {
            bundle_anew(line, std::mem::take(&mut window), &wasteful)?;
        }
    }
    bundle_anew(line, window, &wasteful)?;
    line.finish()
}

fn bundle_anew(
    line: &mut Line<'_>,
    window: Vec<Row>,
    wasteful: &HashSet<BundleNumber>,
) -> Result<(), BackupError> {
    let is_wasteful =
        |row: &Row| matches!(&row.content, RowContent::Slice(place) if wasteful.contains(&place.bundle));
    let mut files = find(window.iter().filter(|row| is_wasteful(row))).into_iter().peekable();
    for row in window {
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
