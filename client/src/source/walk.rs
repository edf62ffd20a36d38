//! Walks the source: [`Walker`], every entry below some roots in path order, found by several threads.
//!
//! Asking the system about a file takes about a microsecond, and there are millions of them, so the asking is all
//! that a backup without changes does. Worker threads list folders ahead of the consumer, those nearest in path
//! order first; the consumer takes them in order and lists one itself rather than wait for it. How much is found
//! ahead is limited, so memory does not grow with the tree (it does grow with the longest list of names in a single
//! folder, since that has to be sorted: about 40 bytes for each).

use std::collections::VecDeque;
use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::vec;

use farkeep_codec::tree::PathKey;

use crate::source::Doing;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Place;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Stat;
use crate::source::Unreadable;
use crate::source::folder::Descriptors;
use crate::source::folder::Folder;
use crate::source::folder::Links;
use crate::source::found::Names;

use batch::Batch;
use batch::Inside;
use batch::Outcome;
use batch::Record;
use lister::Guide;
use lister::Lister;
use queue::Queue;

mod batch;
mod lister;
mod queue;

#[cfg(test)]
mod tests;

/// How a walk uses the machine.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Threads that look ahead, besides the consumer's own.
    pub threads: usize,
    /// About how many entries may be found ahead of the consumer; each takes about 100 bytes.
    pub ahead_entries_max: usize,
    /// How many folders are kept open, at most.
    pub open_folders_max: usize,
}

impl Default for Effort {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(2, NonZeroUsize::get).clamp(2, 8);
        Self { threads, ahead_entries_max: 1 << 16, open_folders_max: 256 }
    }
}

/// Every entry at and below some roots, in the order of [`PathKey`], each folder directly before its contents. Before
/// a root come the folders above it, as [`Role::Ancestor`].
///
/// What cannot be read is an item too, and the walk goes on: with [`Doing::Stat`] in the entry's place, with other
/// [`Doing`] behind the folder, whose contents are then missing or incomplete.
#[derive(Debug)]
pub struct Walker {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    lister: Lister,
    top: Arc<Folder>,
    roots: vec::IntoIter<PathKey>,
    /// The ancestors that were yielded last, outermost first, and `/` as the first.
    above: Vec<PathKey>,
    /// What is yielded next, before anything else.
    ready: VecDeque<Result<Found, Unreadable>>,
    /// The folder that was yielded last, if its contents come next.
    entering: Option<Arc<Batch>>,
    /// The folders around the next entry, outermost first.
    around: Vec<Frame>,
    /// Path of the innermost of them.
    path: PathKey,
}

/// How much a walk has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Files, folders and other entries.
    pub entries: u64,
    /// Bytes of the files. One with several names counts for each with its part.
    pub bytes: u64,
}

/// One folder on the way to the next entry.
#[derive(Debug)]
struct Frame {
    names: Arc<Names>,
    records: vec::IntoIter<Record>,
    rest: vec::IntoIter<Arc<Batch>>,
}

impl Walker {
    /// Begins to walk: threads look ahead from now on.
    pub fn new(roots: &Roots, rules: Rules, effort: Effort) -> Self {
        let guide = Arc::new(Guide { rules, devices: roots.devices().clone() });
        let queue = Arc::new(Queue::new(effort.ahead_entries_max.max(1)));
        let worker = |_| {
            let queue = Arc::clone(&queue);
            let mut lister = Lister::new(Arc::clone(&guide));
            let work = move || queue.serve(&mut lister);
            // A thread less is no failure: the consumer does what nobody else does.
            thread::Builder::new().name("walk".to_owned()).spawn(work).ok()
        };
        let mut walker = Self {
            threads: (0..effort.threads).filter_map(worker).collect(),
            lister: Lister::new(guide),
            queue,
            top: Folder::top(&Descriptors::new(effort.open_folders_max)),
            roots: roots.paths().to_vec().into_iter(),
            above: Vec::new(),
            ready: VecDeque::new(),
            entering: None,
            around: Vec::new(),
            path: PathKey::root(),
        };
        walker.begin_next_root();
        walker
    }

    /// How much was found so far, which is more than was yielded. It never falls.
    pub fn found(&self) -> Amount {
        self.queue.found()
    }

    /// Yields the folders above the next root that were not yielded before, and the root; nothing of a root that is left
    /// out, or lies in what is.
    fn begin_next_root(&mut self) -> Option<()> {
        let root = &self.roots.next()?;
        self.path = root.clone();
        self.above.retain(|above| root.starts_with(above));
        let mut folder = Arc::clone(&self.top);
        let mut path = PathKey::root();
        let mut name = c".".to_owned();
        for component in root.components() {
            if !self.above.contains(&path) {
                let found = find(&folder, &name, path.clone(), Role::Ancestor);
                if self.is_avoided(&found) {
                    return Some(());
                }
                self.above.push(path.clone());
                self.ready.push_back(found);
            }
            if !path.as_bytes().is_empty() {
                folder = folder.child(&name, Links::Follow);
            }
            path = path.join(component).expect("it is the beginning of a path");
            name = CString::new(component).expect("path keys have no zero bytes inside components");
        }
        let found = find(&folder, &name, path, Role::Member);
        if self.is_avoided(&found) {
            return Some(());
        }
        if let Ok(found) = &found {
            self.queue.count([&found.stat]);
        }
        if let Ok(Found { stat: Stat { kind: Kind::Folder, .. }, path, .. }) = &found {
            let inside = Inside { folder, path: Arc::new(PathKey::root()), level: None };
            let batch = inside.enter(&name, path.clone());
            self.queue.add(Arc::clone(&batch));
            self.entering = Some(batch);
        }
        self.ready.push_back(found);
        Some(())
    }

    fn is_avoided(&self, found: &Result<Found, Unreadable>) -> bool {
        found.as_ref().is_ok_and(|found| {
            found.stat.kind == Kind::Folder && self.lister.guide.rules.avoids(found.stat.id())
        })
    }

    /// Takes what was found in the folder that was yielded last.
    fn enter(&mut self, batch: &Arc<Batch>) {
        let Outcome { names, records, rest, failures } = self.queue.obtain(batch, &mut self.lister);
        self.fail(failures);
        self.around.push(Frame { names, records: records.into_iter(), rest: rest.into_iter() });
    }

    /// Goes on in the innermost folder: to its next stretch, or out of it.
    fn go_on(&mut self) {
        let frame = self.around.last_mut().expect("called inside a folder only");
        let Some(batch) = frame.rest.next() else {
            self.around.pop();
            if let Some(outer) = self.path.parent().filter(|_| !self.around.is_empty()) {
                self.path = outer;
            }
            return;
        };
        let outcome = self.queue.obtain(&batch, &mut self.lister);
        frame.records = outcome.records.into_iter();
        self.fail(outcome.failures);
    }

    fn fail(&mut self, failures: Vec<(Doing, io::Error)>) {
        let path = &self.path;
        let failures = failures.into_iter();
        self.ready
            .extend(failures.map(|(doing, error)| Err(Unreadable { path: path.clone(), doing, error })));
    }

    fn yield_record(&mut self, names: Arc<Names>, record: Record) -> Result<Found, Unreadable> {
        let name = names.name(record.index as usize);
        let path = self.path.join(name.to_bytes()).map_err(|error| Unreadable {
            path: self.path.clone(),
            doing: Doing::List,
            error: io::Error::other(error),
        })?;
        let stat = match record.stat {
            Ok(stat) => stat,
            Err(error) => return Err(Unreadable { path, doing: Doing::Stat, error }),
        };
        if record.contents.is_some() {
            self.path = path.clone();
            self.entering = record.contents;
        }
        Ok(Found { path, stat, role: Role::Member, place: Place { names, index: record.index } })
    }
}

impl Iterator for Walker {
    type Item = Result<Found, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if let Some(batch) = self.entering.take() {
                self.enter(&batch);
            } else if let Some(frame) = self.around.last_mut() {
                match frame.records.next() {
                    Some(record) => {
                        let names = Arc::clone(&frame.names);
                        return Some(self.yield_record(names, record));
                    }
                    None => self.go_on(),
                }
            } else {
                self.begin_next_root()?;
            }
        }
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        self.queue.stop();
        for thread in self.threads.drain(..) {
            // It may have panicked; then so did the consumer, when it did the same work.
            let _ = thread.join();
        }
    }
}

/// Looks at a root, or at a folder above one.
fn find(folder: &Arc<Folder>, name: &CStr, path: PathKey, role: Role) -> Result<Found, Unreadable> {
    let stat = folder.descriptor().and_then(|folder| match role {
        Role::Ancestor => Stat::at_end_of_links(&*folder, name),
        Role::Member => Stat::at(&*folder, name),
    });
    match stat {
        Ok(stat) if role == Role::Ancestor && stat.kind != Kind::Folder => {
            Err(Unreadable { path, doing: Doing::Stat, error: io::ErrorKind::NotADirectory.into() })
        }
        Ok(stat) => {
            let names = Arc::new(Names::one(Arc::clone(folder), name));
            Ok(Found { path, stat, role, place: Place { names, index: 0 } })
        }
        Err(error) => Err(Unreadable { path, doing: Doing::Stat, error }),
    }
}
