//! Opening objects and comparing what they hold with what was stored, down to the content id of every snapshot.
//!
//! A content id is a hash over all files of a snapshot in path order, and a small file's hash needs its bytes, which lie
//! in a bundle with others. So paths are taken in windows: the slices of a window are collected from all snapshots, the
//! bundles that hold them are opened once, in the order in which they lie on disk, by as many workers as there are
//! cores, and then every snapshot's digest goes on by that window. Memory stays within the window, whatever the size of
//! the repository; most repositories fit in a single one.

mod digest;
mod open;
mod window;

use std::collections::HashSet;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::PathKey;

use self::digest::Digests;
use self::window::Window;
use super::CheckError;
use super::damage::Damages;
use super::objects::ObjectNumber;
use super::objects::Objects;
use super::objects::Role;
use crate::config::size::Share;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Place;
use crate::repository::Point;
use crate::repository::Repository;
use crate::repository::TOGETHER;

/// How much is held in memory at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Slices at which a window is full, at 56 bytes each.
    pub(super) slices_max: usize,
    /// Slices that every snapshot may add even to a full window, so that it comes at least that far.
    pub(super) slices_least: usize,
    /// Snapshots whose digests are computed side by side: each has a buffer of its own.
    pub(super) snapshots_together_max: usize,
}

impl Limits {
    /// Some 60 MB for windows, and 10 for digests.
    pub(super) const DEFAULT: Self =
        Self { slices_max: 1 << 20, slices_least: 4 << 10, snapshots_together_max: 64 };
}

/// What was opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) objects: u64,
    pub(super) plain_bytes: u64,
    pub(super) content_ids: u64,
}

/// One data object that is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Job {
    number: ObjectNumber,
    place: Place,
}

/// The data objects of a repository.
pub(super) struct Data<'a> {
    repository: &'a Repository,
    progress: &'a Progress,
    objects: &'a Objects,
    limits: Limits,
    /// All that are there, in the order in which they lie on disk.
    jobs: Vec<Job>,
}

impl<'a> Data<'a> {
    /// Finds out where the objects lie. One that is nowhere is damage.
    pub(super) fn new(
        repository: &'a Repository,
        progress: &'a Progress,
        objects: &'a Objects,
        limits: Limits,
        damages: &mut Damages<'_>,
    ) -> Result<Self, CheckError> {
        progress.begin(Phase::Planning, objects.count() as u64, 0);
        let mut jobs = Vec::with_capacity(objects.count());
        let numbers: Vec<ObjectNumber> = objects.numbers().collect();
        for together in numbers.chunks(TOGETHER) {
            damages.check_cancelled()?;
            let ids: Vec<ObjectId> = together.iter().map(|number| objects.pointer(*number).id).collect();
            let places = repository.locate(&ids)?;
            for ((number, id), place) in together.iter().zip(&ids).zip(places) {
                match place {
                    Some(place) => jobs.push(Job { number: *number, place }),
                    None => damages.broken(id, "the object is not in the repository"),
                }
            }
            progress.add_entries(together.len() as u64);
        }
        jobs.sort_unstable_by_key(|job| job.place);
        Ok(Self { repository, progress, objects, limits, jobs })
    }

    /// Leaves chunks of large files closed: the hashes of their files follow from their seeds.
    pub(super) fn without_chunks(mut self) -> Self {
        self.jobs.retain(|job| self.objects.role(job.number) == Role::Bundle);
        self
    }

    /// Opens about this part of the objects, chosen by chance.
    pub(super) fn open_share(&self, share: Share, damages: &mut Damages<'_>) -> Result<Opened, CheckError> {
        let chosen = chance(self.jobs.len(), share);
        let jobs: Vec<Job> =
            self.jobs.iter().zip(chosen).filter(|(_, hit)| *hit).map(|(job, _)| *job).collect();
        self.begin(&jobs);
        open::run(self, &jobs, &Window::default(), damages)
    }

    /// Opens every object, and compares the content id of every snapshot with what they hold.
    pub(super) fn open_all(&self, points: &[Point], damages: &mut Damages<'_>) -> Result<Opened, CheckError> {
        let (mut opened, ids) = self.content_ids(&distinct(points), damages)?;
        for (root, content) in ids {
            let mut of_root = points.iter().filter(|point| point.record.root == root.id);
            let Some(content) = content else {
                if let Some(point) = of_root.next().filter(|_| !damages.has_objects()) {
                    damages.snapshot(&point.id, "its tree cannot be read to the end");
                }
                continue;
            };
            for point in of_root {
                opened.content_ids += 1;
                if point.private.content != content {
                    damages.snapshot(&point.id, "its files do not have the content id that it names");
                }
            }
        }
        Ok(opened)
    }

    /// Opens every object, and computes the content id of every tree from what they hold; nothing for one that is damaged.
    pub(super) fn content_ids(
        &self,
        roots: &[Pointer],
        damages: &mut Damages<'_>,
    ) -> Result<(Opened, Vec<(Pointer, Option<ContentId>)>), CheckError> {
        self.begin(&self.jobs);
        let mut opened = Opened::default();
        let mut ids = Vec::new();
        let mut is_first = true;
        for together in roots.chunks(self.limits.snapshots_together_max) {
            let mut digests = Digests::new(self, together);
            let mut from = PathKey::root();
            loop {
                let (window, end) = Window::collect(self, together, &from, damages)?;
                // Chunks of large files belong to no window, and the first takes them along.
                let wanted = |job: &Job| match self.objects.role(job.number) {
                    Role::Chunk => is_first,
                    Role::Bundle => window.has_slices_of(job.number),
                };
                let jobs: Vec<Job> = self.jobs.iter().copied().filter(wanted).collect();
                is_first = false;
                opened.add(open::run(self, &jobs, &window, damages)?);
                digests.advance(&window, &from, end.as_ref(), damages)?;
                match end {
                    Some(end) => from = end,
                    None => break,
                }
            }
            ids.extend(digests.finish());
        }
        Ok((opened, ids))
    }

    fn begin(&self, jobs: &[Job]) {
        let bytes = jobs.iter().map(|job| u64::from(self.objects.pointer(job.number).plain_bytes)).sum();
        self.progress.begin(Phase::Opening, jobs.len() as u64, bytes);
    }
}

impl Opened {
    fn add(&mut self, more: Self) {
        self.objects += more.objects;
        self.plain_bytes += more.plain_bytes;
        self.content_ids += more.content_ids;
    }
}

/// Every root once.
fn distinct(points: &[Point]) -> Vec<Pointer> {
    let mut roots: HashSet<ObjectId> = HashSet::new();
    points.iter().filter(|point| roots.insert(point.record.root)).map(Point::root).collect()
}

/// A choice for each of `count` things, of which about `share` are chosen.
fn chance(count: usize, share: Share) -> Vec<bool> {
    let mut random = vec![[0; 4]; count];
    getrandom::fill(random.as_flattened_mut()).expect("the system has random numbers");
    let below = share.part * (f64::from(u32::MAX) + 1.0);
    random.into_iter().map(|bytes| f64::from(u32::from_le_bytes(bytes)) < below).collect()
}

#[cfg(test)]
mod tests;
