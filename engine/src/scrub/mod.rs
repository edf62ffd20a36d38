//! Scrub: every byte of a repository against the journal, without a key.
//!
//! The journal is read again from its first record; each pack from front to back, several at a time; the small files
//! are compared with their hashes; the index is compared with the summaries of the packs. It reports, and changes
//! nothing ([`verify`]).
//!
//! A patrol ([`patrol`]) verifies packs over and over, the one first that was verified longest ago, and heals what it can.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;

use self::digest::Digest;
use self::index::digests;
use self::pack::Checked;
use self::pack::check_pack;
use crate::journal::Differing;
use crate::journal::Tail;
use crate::limits::SCRUB_READ_BYTES;
use crate::limits::SCRUB_THREADS;
use crate::pack::Extent;
use crate::store::Name;
use crate::store::Pack;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::checkpoint::Read;
use crate::store::checkpoint::replay_all;
use crate::store::layout;

pub use heal::Healing;
pub use heal::Patients;
pub(crate) use heal::heal;
pub use patrol::Care;
pub use patrol::PatrolOptions;
pub use patrol::PatrolOutcome;
pub use patrol::Patrolled;
pub use patrol::Turn;
pub use patrol::Verifications;
pub(crate) use patrol::patrol;
pub(crate) use patrol::verifications;
pub use repair::RepairPlan;
pub use repair::RepairStep;
pub use repair::Repaired;
pub(crate) use repair::plan as plan_repair;
pub(crate) use repair::repair;
pub use report::Damage;
pub use report::Notice;
pub use report::Report;

mod digest;
mod due;
mod evacuate;
mod files;
mod heal;
mod pack;
mod index;
mod patrol;
mod repair;
mod report;
mod verified;

#[cfg(test)]
mod tests;

/// How much of the packs a scrub reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// The summaries only: that everything is in its place, not that it is intact.
    Summaries,
    /// Some packs in full, chosen at random.
    Sample {
        /// Part of all packs, from 0 to 1; rounded up to whole packs.
        part: f64,
        /// Decides which: another seed chooses others.
        seed: u64,
    },
    /// All packs in full.
    Everything,
}

/// How far a scrub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of packs that were checked.
    pub bytes_done: u64,
    /// Bytes of packs that are going to be.
    pub bytes_total: u64,
}

/// What one thread does: packs that it takes one after the other.
struct Worker<'a> {
    store: &'a Store,
    jobs: &'a [Job],
    next: &'a AtomicUsize,
    digests: &'a HashMap<u32, Digest>,
    outcome: &'a Mutex<Outcome>,
    progress: &'a (dyn Fn(Progress) + Sync),
    bytes_total: u64,
}

/// A pack that is to be checked.
struct Job {
    number: u32,
    extents: Vec<Extent>,
    read: pack::Read,
    bytes: u64,
}

#[derive(Default)]
struct Outcome {
    report: Report,
    bytes_done: u64,
    /// Extents whose objects nobody could name, by the number of their pack, with their place in the report.
    unnamed: Vec<(u32, Extent, usize)>,
}

/// Checks a repository.
///
/// # Errors
/// If it cannot be checked at all; damage is no error, and stands in the report.
pub(crate) fn verify(
    store: &Store,
    share: Share,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, StoreError> {
    let mut outcome = Outcome::default();
    check_journal(store, &mut outcome.report)?;
    files::check(store, &mut outcome.report)?;

    let digests = match digests(store) {
        Ok(digests) => digests,
        Err(error) => {
            let what = format!("the index does not answer: {error}");
            outcome.report.damage(Damage::new(layout::path(Name::Index), 0, what));
            HashMap::new()
        }
    };
    let jobs = jobs(store, share);
    let outcome = Mutex::new(outcome);
    let worker = Worker {
        store,
        jobs: &jobs,
        next: &AtomicUsize::new(0),
        digests: &digests,
        outcome: &outcome,
        progress,
        bytes_total: jobs.iter().map(|job| job.bytes).sum(),
    };
    std::thread::scope(|scope| {
        for _ in 1..SCRUB_THREADS.min(jobs.len()) {
            scope.spawn(|| worker.run());
        }
        worker.run();
    });
    let mut outcome = outcome.into_inner().expect("a thread that panics ends the scrub");
    name_lost_objects(store, &mut outcome);
    Ok(outcome.report)
}

impl Worker<'_> {
    fn run(&self) {
        let mut buffer = vec![0; SCRUB_READ_BYTES];
        while let Some(job) = self.jobs.get(self.next.fetch_add(1, Ordering::SeqCst)) {
            let checked = check_pack(self.store, job, &mut buffer, &mut |_| {});
            let differing = index::compare(self.store, job.number, &checked, self.digests);
            let mut outcome = self.outcome.lock().expect("nothing panics while it holds the outcome");
            outcome.add(job, checked);
            differing.into_iter().for_each(|damage| outcome.report.damage(damage));
            outcome.bytes_done += job.bytes;
            (self.progress)(Progress { bytes_done: outcome.bytes_done, bytes_total: self.bytes_total });
        }
    }
}

impl Outcome {
    fn add(&mut self, job: &Job, checked: Checked) {
        let report = &mut self.report;
        report.packs += u64::from(job.read == pack::Read::Everything);
        report.bytes += if job.read == pack::Read::Everything { job.bytes } else { 0 };
        report.objects += if job.read == pack::Read::Everything { checked.objects } else { 0 };
        for (damage, unnamed) in checked.damage {
            if let Some(extent) = unnamed {
                self.unnamed.push((job.number, extent, report.damage.len()));
            }
            report.damage(damage);
        }
        for (path, what) in checked.notices {
            report.notice(&path, what);
        }
    }
}

/// Reads the journal, its head and its mirror anew.
fn check_journal(store: &Store, report: &mut Report) -> Result<(), StoreError> {
    match replay_all(store.disk(), store.parameters(), Tail::MayGrow) {
        Ok(Read { catalogue, heads, replay, .. }) => {
            if let Some((_, what)) = heads.bad() {
                report.damage(Damage::new(layout::path(Name::Head), 0, what));
            }
            if catalogue.at().position.sequence < store.head().sequence {
                let what = "end: it lacks records that were there when it was opened";
                report.damage(Damage::new(layout::path(Name::Journal), 0, what));
            }
            let known = store.catalogue();
            if catalogue.at() == known.at() && catalogue != *known {
                let what = "it says otherwise than the checkpoint with which it was opened";
                report.damage(Damage::new(layout::path(Name::Journal), 0, what));
            }
            drop(known);
            for Differing { path, offset } in store.differing_journal(&replay.at)? {
                let what = "journal: it is intact in the other place where it is kept";
                report.damage(Damage::new(&path, offset, what));
            }
        }
        Err(StoreError::Damaged { path, offset, what }) => report.damage(Damage::new(&path, offset, what)),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// All packs, with what is to be read of each.
fn jobs(store: &Store, share: Share) -> Vec<Job> {
    let catalogue = store.catalogue();
    let mut extents: HashMap<u32, Vec<Extent>> = HashMap::new();
    for at in catalogue.extents() {
        extents.entry(at.pack).or_default().push(at.extent);
    }
    let chosen = choose(catalogue.packs().map(|(number, pack)| (number, pack.id.as_bytes())), share);
    let job = |(number, pack): (u32, &Pack)| Job {
        number,
        extents: extents.remove(&number).unwrap_or_default(),
        read: if chosen.contains(&number) { pack::Read::Everything } else { pack::Read::Summaries },
        bytes: u64::from(pack.bytes),
    };
    catalogue.packs().map(job).collect()
}

/// The packs that are read in full: those whose hash with the seed is smallest.
fn choose<'a>(packs: impl Iterator<Item = (u32, &'a [u8; 32])>, share: Share) -> HashSet<u32> {
    let (part, seed) = match share {
        Share::Summaries => return HashSet::new(),
        Share::Everything => (1.0, 0),
        Share::Sample { part, seed } => (part.clamp(0.0, 1.0), seed),
    };
    let hash = |id: &[u8; 32]| *blake3::hash(&[&seed.to_le_bytes()[..], id].concat()).as_bytes();
    let mut drawn: Vec<([u8; 32], u32)> = packs.map(|(number, id)| (hash(id), number)).collect();
    drawn.sort_unstable();
    let count = (0..drawn.len()).take_while(|count| (*count as f64) < part * drawn.len() as f64).count();
    drawn.into_iter().take(count).map(|(_, number)| number).collect()
}

/// Where a summary is damaged, the index still knows which objects it listed.
fn name_lost_objects(store: &Store, outcome: &mut Outcome) {
    if outcome.unnamed.is_empty() {
        return;
    }
    let mut lost: HashMap<usize, Vec<ObjectId>> = HashMap::new();
    let scanned = store.scan_index(&mut |id, spot| {
        for (number, extent, line) in &outcome.unnamed {
            if spot.ordinal == *number && (extent.start..extent.summary).contains(&spot.offset) {
                lost.entry(*line).or_default().push(*id);
            }
        }
    });
    if let Err(error) = scanned {
        let what = format!("the index does not answer: {error}");
        outcome.report.damage(Damage::new(Path::new(layout::path(Name::Index)), 0, what));
    }
    for (_, extent, line) in &outcome.unnamed {
        if let Some(damage) = outcome.report.damage.get_mut(*line) {
            damage.lose(lost.remove(line).unwrap_or_default());
            damage.object_count = damage.object_count.max(u64::from(extent.objects));
        }
    }
}
