//! A backup of files and folders.

use std::sync::Arc;

use super::BackupError;
use super::Intent;
use super::Summary;
use super::caches::Caches;
use super::catalogue::Previous;
use super::catalogue::Trailer;
use super::commit::Capture;
use super::compact;
use super::line::Line;
use super::objects::ObjectWriter;
use super::objects::Shared;
use super::pool;
use super::scan::Scan;
use super::sealing::Chunks;
use super::tree;
use crate::progress::Progress;
use crate::source::Accounts;
use crate::source::Walker;

/// Backs up everything that the walk finds.
pub(super) fn run(
    capture: &Capture<'_>,
    walker: Walker,
    progress: &Progress,
) -> Result<Summary, BackupError> {
    let (repository, request) = (capture.repository, capture.request);
    let caches = Caches::of(request, repository, capture.series())?;
    let witness = caches.witness();
    witness.warn(repository);
    let previous = caches.previous(repository)?;
    let shared = Shared::new(repository, progress, request, &caches);
    let workers = pool::workers();
    let chunks = Chunks::new(workers, Arc::clone(&request.cancel));
    std::thread::scope(|scope| {
        let (jobs, job_queue) = crossbeam_channel::bounded(workers);
        let (done, done_queue) = crossbeam_channel::unbounded();
        for _ in 0..workers {
            let (shared, chunks, jobs, done) = (&shared, chunks.clone(), job_queue.clone(), done.clone());
            scope.spawn(move || pool::work(shared, &jobs, &chunks, &done));
        }
        drop((job_queue, done));
        let begun = caches.begin(&previous, repository)?;
        let mut line = Line::new(&shared, (jobs, done_queue), begun, Accounts::read()?, capture.rest());
        let outcome = Scan::new(&mut line, previous.rows())
            .run(walker)
            .and_then(|()| compact::run(&mut line, &previous))
            .and_then(|()| finish(capture, &previous, &mut line));
        if outcome.is_err() {
            keep(&mut line, &previous);
        }
        outcome.map(|(summary, trailer)| {
            if request.intent == Intent::Store && !line.writer.is_unchanged() {
                remember(line, &trailer, &caches);
            }
            witness.remember(repository);
            summary
        })
    })
}

/// Builds the tree and commits the snapshot. A run in which nothing differed takes over the tree of the last one.
fn finish(
    capture: &Capture<'_>,
    previous: &Previous,
    line: &mut Line<'_>,
) -> Result<(Summary, Trailer), BackupError> {
    let trailer = match previous.trailer() {
        Some(trailer) if line.writer.is_unchanged() => trailer.clone(),
        _ => {
            let rows = line.writer.written(previous)?;
            let mut writer = ObjectWriter::new(line.shared);
            let (root, content) = tree::build(rows, &line.bundles, &mut writer)?;
            Trailer { root: root.pointer, content }
        }
    };
    let summary = capture.commit(&trailer, &line.figures, line.shared)?;
    Ok((summary, trailer))
}

/// Leaves the caches for the next run. One that cannot be written costs the next run time.
fn remember(mut line: Line<'_>, trailer: &Trailer, caches: &Caches) {
    line.spill();
    line.shared.save();
    let Line { writer, bundles, shared, .. } = line;
    match writer.finish(trailer, &bundles) {
        Ok(()) => caches.remember(shared.repository, trailer),
        Err(error) => tracing::warn!("cannot write the cache: {error}"),
    }
}

/// What a run that ends early has stored stays stored, and the next one goes on from there.
fn keep(line: &mut Line<'_>, previous: &Previous) {
    let kept = line.leave_bundles().and_then(|()| Ok(line.writer.written(previous).map(|_| ())?));
    if let Err(error) = kept {
        tracing::warn!("what was stored may have to be stored again: {}", crate::output::chain(&error));
    }
    line.spill();
    line.shared.save_durable();
}
