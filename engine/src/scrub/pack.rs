//! One pack, as a scrub sees it.

use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;

use super::Damage;
use super::Job;
use super::digest::Digest;
use crate::disk::Advice;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::pack;
use crate::pack::Extent;
use crate::pack::Flaw;
use crate::pack::PackError;
use crate::pack::PackHeader;
use crate::pack::PackReader;
use crate::pack::Summary;
use crate::store::Pack;
use crate::store::Store;

/// How much of a pack is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Its summaries.
    Summaries,
    /// Every byte.
    Everything,
}

/// What was found in one pack.
#[derive(Default)]
pub(super) struct Checked {
    /// Each with the extent whose objects it could not name.
    pub(super) damage: Vec<(Damage, Option<Extent>)>,
    pub(super) notices: Vec<(PathBuf, &'static str)>,
    pub(super) objects: u64,
    /// Of everything that the summaries list, if all of them could be read.
    pub(super) digest: Option<Digest>,
    pub(super) listed: Vec<(ObjectId, Spot)>,
}

/// Checks a pack. Tells `passed` how many bytes it has read.
pub(super) fn check_pack(
    store: &Store,
    job: &Job,
    buffer: &mut [u8],
    passed: &mut dyn FnMut(u64),
) -> Checked {
    let known = store.catalogue().pack(job.number).cloned();
    // It was removed since.
    let Some(known) = known else { return Checked::default() };
    let path = pack::path(&known.id);
    let mut checked = Checked { digest: Some(Digest::default()), ..Checked::default() };
    let records: u64 = job.extents.iter().map(|extent| u64::from(extent.objects)).sum();
    checked.objects = records.saturating_sub((known.dead.len() + known.damaged.len()) as u64);
    let report = |flaw: Flaw, checked: &mut Checked| {
        let mut damage = Damage::new(&path, flaw.offset, flaw.what);
        damage.pack = Some(known.id);
        damage.lose(flaw.objects);
        if flaw.unnamed.is_some() {
            checked.digest = None;
        }
        checked.damage.push((damage, flaw.unnamed));
    };

    let reader = match PackReader::open(store.disk(), &known.id, Advice::Sequential) {
        Ok(reader) => reader,
        Err(_) => {
            store.suspect(job.number);
            for extent in &job.extents {
                report(Flaw::unnamed(extent, "the pack does not open"), &mut checked);
            }
            return checked;
        }
    };
    let mut flaws = Vec::new();
    let mut listed = Vec::new();
    let mut list =
        |summary: &Summary| {
            let entries = summary.entries().filter(|entry| !known.has_lost(entry.offset));
            listed.extend(entries.map(|entry| {
                (entry.id, Spot { ordinal: job.number, offset: entry.offset, bytes: entry.bytes })
            }));
        };
    read(store, job, &known, &reader, (buffer, passed), &mut list, &mut |flaw| flaws.push(flaw));
    let (known_of, new): (Vec<Flaw>, Vec<Flaw>) =
        flaws.into_iter().partition(|flaw| flaw.record().is_some_and(|offset| known.has_lost(offset)));
    if known_of.iter().filter_map(Flaw::record).any(|offset| known.damaged.contains(&offset)) {
        checked.notices.push((path.clone(), "damaged objects that were quarantined"));
    }
    if !new.is_empty() && new.iter().all(|flaw| flaw.unnamed.is_none()) && is_elsewhere(store, &listed) {
        checked
            .notices
            .push((path.clone(), "damaged, and everything in it that is known lies elsewhere too"));
    } else {
        new.into_iter().for_each(|flaw| report(flaw, &mut checked));
    }
    check_length(store, job, &reader, &path, &mut checked, report);
    for (id, spot) in &listed {
        if let Some(digest) = &mut checked.digest {
            digest.add(id, *spot);
        }
    }
    checked.listed = listed;
    checked
}

/// Whether nobody who looks for these objects is led there, as in a pack that was evacuated.
fn is_elsewhere(store: &Store, listed: &[(ObjectId, Spot)]) -> bool {
    listed.iter().all(|(id, here)| {
        let found = store.find_durable(id).ok().flatten();
        found.is_some_and(|found| found != *here && store.is_record(id, &found))
    })
}

/// Reads as much of a pack as is to be read.
fn read(
    store: &Store,
    job: &Job,
    known: &Pack,
    reader: &PackReader,
    (buffer, passed): (&mut [u8], &mut dyn FnMut(u64)),
    list: &mut dyn FnMut(&Summary),
    report: &mut dyn FnMut(Flaw),
) {
    match job.read {
        Read::Everything => {
            let header =
                PackHeader { repository: store.parameters().repository, pack: known.id, kind: known.kind };
            pack::check(reader, &header, &job.extents, buffer, passed, list, report);
        }
        Read::Summaries => {
            for extent in &job.extents {
                match reader.summary(extent) {
                    Ok(summary) => list(&summary),
                    Err(error) => report(Flaw::unnamed(extent, what(&error))),
                }
            }
        }
    }
}

/// Compares the length of the file with where the journal says that the pack ends.
fn check_length(
    store: &Store,
    job: &Job,
    reader: &PackReader,
    path: &Path,
    checked: &mut Checked,
    report: impl Fn(Flaw, &mut Checked),
) {
    match reader.file().len() {
        Ok(length) if length < job.bytes => {
            store.suspect(job.number);
            if checked.damage.is_empty() {
                report(Flaw::new(length, "end: the file is too short"), checked);
            }
        }
        Ok(length) if length > job.bytes => {
            let what = "bytes behind the journalled extents: a run that goes on, or did not end";
            checked.notices.push((path.to_owned(), what));
        }
        Ok(_) => {}
        Err(_) => report(Flaw::new(0, "the length cannot be read"), checked),
    }
}

fn what(error: &PackError) -> &'static str {
    match error {
        PackError::Damaged { malformed, .. } => malformed.what,
        PackError::Disk(DiskError::NotFound { .. }) => "the pack is missing",
        PackError::Disk(_) => "extent summary: unreadable",
    }
}
