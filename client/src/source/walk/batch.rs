//! One piece of a walk's work: [`Batch`], a folder to be listed or a stretch of its names to be looked at.

use std::cmp::Ordering;
use std::ffi::CStr;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use farkeep_codec::tree::PathKey;

use crate::source::Doing;
use crate::source::Stat;
use crate::source::folder::Folder;
use crate::source::folder::Links;
use crate::source::found::Names;
use crate::source::rules::Level;

/// Something to do, by whoever comes first: a worker that looks ahead, or the consumer.
#[derive(Debug)]
pub(super) struct Batch {
    /// Path of the first entry that it can yield: nearer ones are done first.
    key: Arc<PathKey>,
    work: Mutex<Work>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) inside: Inside,
    pub(super) what: What,
}

/// What is known about a folder before it is listed.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) folder: Arc<Folder>,
    pub(super) path: Arc<PathKey>,
    pub(super) level: Option<Arc<Level>>,
}

#[derive(Debug)]
pub(super) enum What {
    /// List the folder, and look at the first names.
    List,
    /// Look at these names.
    Look { names: Arc<Names>, range: Range<usize> },
}

/// What was found in a folder, in order.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) names: Arc<Names>,
    pub(super) records: Vec<Record>,
    /// The other stretches of the folder's names.
    pub(super) rest: Vec<Arc<Batch>>,
    /// What failed for the folder as a whole.
    pub(super) failures: Vec<(Doing, io::Error)>,
}

/// One entry of a folder.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) index: u32,
    pub(super) stat: io::Result<Stat>,
    /// If it is a folder that is to be walked.
    pub(super) contents: Option<Arc<Batch>>,
}

#[derive(Debug)]
enum Work {
    Waiting(Task),
    Busy,
    Done(Outcome),
    Taken,
}

/// How the consumer finds a batch.
#[derive(Debug)]
pub(super) enum Claimed<'a> {
    /// Nobody had begun: do it.
    Mine(Claim<'a>),
    /// A worker is at it.
    Busy,
    /// A worker did it.
    Done(Outcome),
}

/// The right, and the duty, to do a batch. Dropped without [`Claim::finish`], which only a panic causes, it gives
/// the batch back, so that nobody waits for ever.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    batch: &'a Batch,
    task: Option<Task>,
}

impl Batch {
    pub(super) fn new(key: Arc<PathKey>, task: Task) -> Arc<Self> {
        Arc::new(Self { key, work: Mutex::new(Work::Waiting(task)) })
    }

    /// Claims the work if nobody did.
    pub(super) fn claim(&self) -> Option<Claim<'_>> {
        let mut work = self.lock();
        match mem::replace(&mut *work, Work::Busy) {
            Work::Waiting(task) => Some(Claim { batch: self, task: Some(task) }),
            other => {
                *work = other;
                None
            }
        }
    }

    /// Takes what was found, or the work. To be called by the consumer only, until it is done.
    pub(super) fn take(&self) -> Claimed<'_> {
        let mut work = self.lock();
        match mem::replace(&mut *work, Work::Taken) {
            Work::Waiting(task) => Claimed::Mine(Claim { batch: self, task: Some(task) }),
            Work::Done(outcome) => Claimed::Done(outcome),
            Work::Busy => {
                *work = Work::Busy;
                Claimed::Busy
            }
            Work::Taken => unreachable!("every batch has one place in the order, where it is taken once"),
        }
    }

    /// Whether somebody claimed it and has not finished.
    pub(super) fn is_busy(&self) -> bool {
        matches!(*self.lock(), Work::Busy)
    }

    /// What its key takes in memory, in units of an entry of usual size.
    pub(super) fn weight(&self) -> usize {
        self.key.as_bytes().len() / KEY_BYTES_PER_ENTRY
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys are as long as their paths, which may be very long.
const KEY_BYTES_PER_ENTRY: usize = 128;

impl Claim<'_> {
    pub(super) fn task(&self) -> &Task {
        self.task.as_ref().expect("the task is there until the claim is dropped")
    }

    /// Leaves what was found for the consumer.
    pub(super) fn finish(mut self, outcome: Outcome) {
        self.task = None;
        *self.batch.lock() = Work::Done(outcome);
    }

    /// Says that the consumer did it itself.
    pub(super) fn finish_here(mut self) {
        self.task = None;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            *self.batch.lock() = Work::Waiting(task);
        }
    }
}

impl Outcome {
    /// Of a folder whose contents are unknown.
    pub(super) fn failed(folder: Arc<Folder>, doing: Doing, error: io::Error) -> Self {
        let names = Arc::new(Names::none(folder));
        Self { names, records: Vec::new(), rest: Vec::new(), failures: vec![(doing, error)] }
    }

    /// The work that this leads to.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Arc<Batch>> {
        self.records.iter().filter_map(|record| record.contents.as_ref()).chain(&self.rest)
    }

    /// What it takes in memory, in entries.
    pub(super) fn weight(&self) -> usize {
        self.records.len() + self.batches().map(|batch| batch.weight()).sum::<usize>()
    }
}

impl Inside {
    /// The folder `name` inside this one, whose path is `path`.
    pub(super) fn enter(&self, name: &CStr, path: PathKey) -> Arc<Batch> {
        let folder = self.folder.child(name, Links::Refuse);
        let path = Arc::new(path);
        let inside = Self { folder, path: Arc::clone(&path), level: self.level.clone() };
        Batch::new(path, Task { inside, what: What::List })
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Batch {}

impl PartialOrd for Batch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Batch {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}
