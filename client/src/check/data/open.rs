//! Opening many objects at once: neighbours on disk are read together, and every core opens some of them.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;

use farkeep_codec::id::ObjectId;
use farkeep_codec::seal::Sealer;

use super::super::CheckError;
use super::super::damage::Damages;
use super::Data;
use super::Job;
use super::Opened;
use super::window::Window;
use crate::repository::Fetcher;
use crate::repository::Place;
use crate::repository::RepositoryError;

/// Objects that a worker takes at a time: some megabytes, so that reads are long and the work is shared evenly.
const JOBS_TOGETHER: usize = 16;

/// What the workers of a run share.
struct Shared<'a> {
    data: &'a Data<'a>,
    jobs: &'a [Job],
    window: &'a Window,
    next: AtomicUsize,
    /// Set when going on makes no sense.
    stop: AtomicBool,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    opened: Opened,
    problems: Vec<(ObjectId, RepositoryError)>,
}

/// Opens the objects, and hashes the slices of the window that lie in them.
pub(super) fn run(
    data: &Data<'_>,
    jobs: &[Job],
    window: &Window,
    damages: &mut Damages<'_>,
) -> Result<Opened, CheckError> {
    let (next, stop, outcome) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::default());
    let shared = Shared { data, jobs, window, next, stop, outcome };
    let workers = available_parallelism().map_or(1, usize::from).min(jobs.len().div_ceil(JOBS_TOGETHER));
    let cancel = damages.cancel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&shared, cancel));
        }
    });
    damages.check_cancelled()?;
    let outcome = shared.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (id, problem) in outcome.problems {
        damages.object(&id, problem)?;
    }
    Ok(outcome.opened)
}

/// Takes jobs until there are no more.
fn work(shared: &Shared<'_>, cancel: &AtomicBool) {
    let mut sealer = shared.data.repository.sealer();
    let (mut sealed, mut plain) = (Vec::new(), Vec::new());
    let mut outcome = Outcome::default();
    while !shared.stop.load(Ordering::Relaxed) && !cancel.load(Ordering::Relaxed) {
        let start = shared.next.fetch_add(JOBS_TOGETHER, Ordering::Relaxed);
        let Some(rest) = shared.jobs.get(start..) else { break };
        let jobs = rest.get(..JOBS_TOGETHER).unwrap_or(rest);
        if jobs.is_empty() {
            break;
        }
        let wanted: Vec<(ObjectId, Place)> =
            jobs.iter().map(|job| (shared.data.objects.pointer(job.number).id, job.place)).collect();
        shared.data.repository.objects(&wanted, &mut sealed, &mut |at, object| {
            if let Some(job) = jobs.get(at) {
                open(shared, job, object, &mut sealer, &mut plain, &mut outcome);
            }
        });
    }
    let mut all = shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
    all.opened.add(outcome.opened);
    all.problems.append(&mut outcome.problems);
}

/// Opens one object, and hashes the window's slices of it.
fn open(
    shared: &Shared<'_>,
    job: &Job,
    object: Result<&[u8], RepositoryError>,
    sealer: &mut Sealer,
    plain: &mut Vec<u8>,
    outcome: &mut Outcome,
) {
    let data = shared.data;
    let pointer = data.objects.pointer(job.number);
    let opened = object.and_then(|object| {
        // The store compared the bytes with the id.
        sealer.open_identified(object, pointer, plain)?;
        let keys = data.repository.keys_of(pointer)?;
        let (start, slices) = shared.window.slices_of(job.number);
        for (place, slice) in (start..).zip(slices) {
            let contents = Fetcher::slice(pointer, plain, slice.offset, u64::from(slice.bytes))?;
            shared.window.remember(place, keys.file_hash(contents));
        }
        Ok(())
    });
    match opened {
        Ok(()) => {
            outcome.opened.objects += 1;
            outcome.opened.plain_bytes += u64::from(pointer.plain_bytes);
        }
        Err(problem) => {
            if !problem.is_damage() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            outcome.problems.push((pointer.id, problem));
        }
    }
    data.progress.add_entries(1);
    data.progress.add_bytes(u64::from(pointer.plain_bytes));
}
