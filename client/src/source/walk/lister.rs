//! Does the work of a walk: lists folders and looks at what is in them, and applies the rules.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farkeep_codec::tree::PathKey;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::io::Errno;

use super::batch::Batch;
use super::batch::Inside;
use super::batch::Outcome;
use super::batch::Record;
use super::batch::Task;
use super::batch::What;
use crate::source::Doing;
use crate::source::Kind;
use crate::source::Stat;
use crate::source::contents::read_fully;
use crate::source::found::Listing;
use crate::source::found::Names;
use crate::source::rules::CACHE_TAG_FILE;
use crate::source::rules::CACHE_TAG_SIGNATURE;
use crate::source::rules::Caches;
use crate::source::rules::IGNORE_FILE;
use crate::source::rules::Level;
use crate::source::rules::Mounts;
use crate::source::rules::Rules;
use crate::source::rules::Shape;

/// How many names are looked at in one go, so that a large folder is shared between threads and needs little memory.
pub(super) const BATCH_ENTRIES: usize = 2048;

/// Room for names as the kernel gives them.
const LISTING_BYTES: usize = 64 << 10;
/// Longest ignore file that is read.
const IGNORE_FILE_BYTES_MAX: usize = 1 << 20;

/// One thread's means to do batches.
#[derive(Debug)]
pub(super) struct Lister {
    pub(super) guide: Arc<Guide>,
    kernel: Box<[MaybeUninit<u8>]>,
    listing: Listing,
    /// The path that rules are asked about, with slashes.
    slashes: Vec<u8>,
}

/// What all threads of a walk go by.
#[derive(Debug)]
pub(super) struct Guide {
    pub(super) rules: Rules,
    /// The file systems that the roots are on.
    pub(super) devices: HashSet<u64>,
}

impl Lister {
    pub(super) fn new(guide: Arc<Guide>) -> Self {
        let kernel = vec![MaybeUninit::uninit(); LISTING_BYTES].into_boxed_slice();
        Self { guide, kernel, listing: Listing::default(), slashes: Vec::new() }
    }

    pub(super) fn run(&mut self, task: &Task) -> Outcome {
        match &task.what {
            What::List => self.list(&task.inside),
            What::Look { names, range } => self.look(&task.inside, Arc::clone(names), range.clone()),
        }
    }

    fn list(&mut self, inside: &Inside) -> Outcome {
        let folder = match inside.folder.descriptor() {
            Ok(folder) => folder,
            Err(error) => return Outcome::failed(Arc::clone(&inside.folder), Doing::List, error),
        };
        let mut failures = Vec::new();
        if let Err(error) = self.list_names(&folder) {
            failures.push((Doing::List, error));
        }
        let names = Arc::new(self.listing.finish(Arc::clone(&inside.folder)));
        let level = self.level(inside, &names, &folder, &mut failures);
        let inside = Inside { level, ..inside.clone() };
        let wanted = self.without_cache(&names, &folder).unwrap_or(0..names.len());
        let first = wanted.start..wanted.end.min(wanted.start + BATCH_ENTRIES);
        let rest = stretches(&inside, &names, first.end..wanted.end);
        let mut outcome = self.look(&inside, names, first);
        failures.append(&mut outcome.failures);
        Outcome { rest, failures, ..outcome }
    }

    /// Lists the names in an open folder. If that fails half way, those that came before are there.
    fn list_names(&mut self, folder: &OwnedFd) -> io::Result<()> {
        let mut listing = RawDir::new(folder, &mut self.kernel);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let kind = entry.file_type();
                self.listing.push(name, (kind != FileType::Unknown).then(|| Kind::from(kind)))?;
            }
        }
        Ok(())
    }

    /// The ignore files that hold in a folder.
    fn level(
        &mut self,
        inside: &Inside,
        names: &Names,
        folder: &OwnedFd,
        failures: &mut Vec<(Doing, io::Error)>,
    ) -> Option<Arc<Level>> {
        let above = inside.level.clone();
        let Some(index) = names.find(IGNORE_FILE.as_bytes()) else {
            return above;
        };
        match read_beginning(folder, names, index, IGNORE_FILE_BYTES_MAX) {
            Ok(None) => above,
            Ok(Some(text)) => {
                self.spell(&inside.path);
                let (level, errors) = Level::read(above, &self.slashes, &text);
                failures.extend(errors.into_iter().map(|error| (Doing::Rules, io::Error::other(error))));
                Some(level)
            }
            Err(error) => {
                failures.push((Doing::Rules, error));
                above
            }
        }
    }

    /// If the folder is a cache that is left out: the range that has nothing but its mark.
    fn without_cache(&self, names: &Names, folder: &OwnedFd) -> Option<Range<usize>> {
        if self.guide.rules.caches == Caches::Take {
            return None;
        }
        let index = names.find(CACHE_TAG_FILE.as_bytes())?;
        let mark = read_beginning(folder, names, index, CACHE_TAG_SIGNATURE.len()).ok()??;
        (mark == CACHE_TAG_SIGNATURE).then_some(index..index + 1)
    }

    /// Looks at some names of a folder.
    fn look(&mut self, inside: &Inside, names: Arc<Names>, range: Range<usize>) -> Outcome {
        let folder = match inside.folder.descriptor() {
            Ok(folder) => folder,
            Err(error) => return Outcome::failed(Arc::clone(&inside.folder), Doing::List, error),
        };
        let has_globs = self.guide.rules.has_options() || inside.level.is_some();
        if has_globs {
            self.spell(&inside.path);
        }
        let mut records = Vec::with_capacity(range.len());
        for index in range {
            let stat = match names.kind(index) {
                // The kind is enough to leave it out, which saves the question.
                Some(kind) if has_globs && self.leaves_out(inside, &names, index, kind) => continue,
                _ => Stat::at(&*folder, names.name(index)),
            };
            let found = stat.as_ref().ok().copied();
            if let Some(found) = found {
                let untold = names.kind(index).is_none();
                if untold && has_globs && self.leaves_out(inside, &names, index, found.kind) {
                    continue;
                }
                if found.kind == Kind::Folder && self.guide.rules.avoids(found.id()) {
                    continue;
                }
            }
            let contents = found.filter(|found| self.is_walked(found)).and_then(|_| {
                // A path that is too long for the format is reported where the entry is yielded.
                let path = inside.path.join(names.name(index).to_bytes()).ok()?;
                Some(inside.enter(names.name(index), path))
            });
            let index = u32::try_from(index).expect("names are counted in less than 4 GiB of them");
            records.push(Record { index, stat, contents });
        }
        Outcome { names, records, rest: Vec::new(), failures: Vec::new() }
    }

    fn is_walked(&self, found: &Stat) -> bool {
        let entered = self.guide.rules.mounts == Mounts::Enter || self.guide.devices.contains(&found.dev);
        found.kind == Kind::Folder && entered
    }

    fn leaves_out(&mut self, inside: &Inside, names: &Names, index: usize, kind: Kind) -> bool {
        let folder_bytes = self.slashes.len();
        if folder_bytes > 0 {
            self.slashes.push(b'/');
        }
        self.slashes.extend_from_slice(names.name(index).to_bytes());
        let shape = if kind == Kind::Folder { Shape::Folder } else { Shape::Other };
        let out = self.guide.rules.leave_out(inside.level.as_deref(), &self.slashes, shape);
        self.slashes.truncate(folder_bytes);
        out
    }

    /// Writes a folder's path with slashes.
    fn spell(&mut self, path: &PathKey) {
        self.slashes.clear();
        self.slashes.extend(path.as_bytes().iter().map(|&byte| if byte == 0 { b'/' } else { byte }));
    }
}

/// Splits the names of a range into batches.
fn stretches(inside: &Inside, names: &Arc<Names>, range: Range<usize>) -> Vec<Arc<Batch>> {
    let starts = range.clone().step_by(BATCH_ENTRIES);
    let stretch = |start: usize| {
        let first = names.name(start).to_bytes();
        let key = inside.path.join(first).map_or_else(|_| Arc::clone(&inside.path), Arc::new);
        let range = start..range.end.min(start + BATCH_ENTRIES);
        Batch::new(key, Task { inside: inside.clone(), what: What::Look { names: Arc::clone(names), range } })
    };
    starts.map(stretch).collect()
}

/// The first bytes of a regular file; nothing if it is of another kind.
fn read_beginning(
    folder: &OwnedFd,
    names: &Names,
    index: usize,
    bytes_max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, names.name(index), flags, Mode::empty()) {
        Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
        file => file?,
    };
    let stat = Stat::of(&file)?;
    if stat.kind != Kind::File {
        return Ok(None);
    }
    let mut text = vec![0; usize::try_from(stat.size).unwrap_or(usize::MAX).min(bytes_max)];
    let bytes = read_fully(&file, &mut text, 0)?;
    text.truncate(bytes);
    Ok(Some(text))
}
