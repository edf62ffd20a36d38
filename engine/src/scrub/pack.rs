//! One pack, as a scrub sees it.

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

/// Checks a pack.
pub(super) fn check_pack(store: &Store, job: &Job, buffer: &mut [u8]) -> Checked {
    let known = store.catalogue().pack(job.number).copied();
    let known = known.expect("jobs are made from the catalogue");
    let path = pack::path(&known.id);
    let mut checked = Checked { digest: Some(Digest::default()), ..Checked::default() };
    checked.objects = job.extents.iter().map(|extent| u64::from(extent.objects)).sum();
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
            listed.extend(summary.entries().map(|entry| {
                (entry.id, Spot { ordinal: job.number, offset: entry.offset, bytes: entry.bytes })
            }));
        };
    match job.read {
        Read::Everything => {
            let header =
                PackHeader { repository: store.parameters().repository, pack: known.id, kind: known.kind };
            pack::check(&reader, &header, &job.extents, buffer, &mut list, &mut |flaw| flaws.push(flaw));
        }
        Read::Summaries => {
            for extent in &job.extents {
                match reader.summary(extent) {
                    Ok(summary) => list(&summary),
                    Err(error) => flaws.push(Flaw::unnamed(extent, what(&error))),
                }
            }
        }
    }
    flaws.into_iter().for_each(|flaw| report(flaw, &mut checked));
    match reader.file().len() {
        Ok(length) if length < job.bytes && checked.damage.is_empty() => {
            report(Flaw::new(length, "end: the file is too short"), &mut checked);
        }
        Ok(length) if length > job.bytes => {
            checked.notices.push((
                path.clone(),
                "bytes behind the journalled extents: a run that goes on, or did not end",
            ));
        }
        Ok(_) => {}
        Err(_) => report(Flaw::new(0, "the length cannot be read"), &mut checked),
    }
    for (id, spot) in &listed {
        if let Some(digest) = &mut checked.digest {
            digest.add(id, *spot);
        }
    }
    checked.listed = listed;
    checked
}

fn what(error: &PackError) -> &'static str {
    match error {
        PackError::Damaged { malformed, .. } => malformed.what,
        PackError::Disk(DiskError::NotFound { .. }) => "the pack is missing",
        PackError::Disk(_) => "extent summary: unreadable",
    }
}
