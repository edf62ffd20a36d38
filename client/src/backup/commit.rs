//! The snapshot record: what the run captured, signed, committed, and summed up.

use std::sync::atomic::Ordering;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::Epoch;
use farkeep_codec::limits::PRIVATE_BYTES_MAX;
use farkeep_codec::limits::SNAPSHOT_PATHS_MAX;
use farkeep_codec::object::Pointer;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;
use farkeep_codec::tree::PathKey;
use farkeep_engine::Committed;

use super::BackupError;
use super::Intent;
use super::Request;
use super::Summary;
use super::Together;
use super::catalogue::Trailer;
use super::line::Figures;
use super::objects::Shared;
use super::rest::Rest;
use crate::progress::Phase;
use crate::repository::Repository;
use crate::source::write_back_delay;

/// When a run began, by the clock that measures and by the clock that tells the time.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    begun: Instant,
    captured: Time,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { begun: Instant::now(), captured: Time::from_nanoseconds(now_ns()) }
    }
}

/// Bytes of the paths that a record names: the rest is for hosts, tags and lengths.
const RECORDED_BYTES_MAX: usize = PRIVATE_BYTES_MAX / 2;

/// What a record has for the root of a tree that is not built yet.
const NO_ROOT: Pointer = Pointer {
    id: ObjectId::from_bytes([0; 32]),
    seed: Seed::from_bytes([0; 32]),
    plain_bytes: 0,
    epoch: Epoch::FIRST,
};

/// A run from its beginning to its snapshot.
pub(super) struct Capture<'a> {
    pub(super) request: &'a Request,
    pub(super) repository: &'a Repository,
    series: Series,
    paths: Vec<Vec<u8>>,
    moment: Moment,
}

impl<'a> Capture<'a> {
    /// A run over these paths, which give the series its name where the request has none.
    pub(super) fn begin(
        repository: &'a Repository,
        request: &'a Request,
        moment: Moment,
        paths: &[PathKey],
    ) -> Result<Self, BackupError> {
        let name = request.series.clone().unwrap_or_else(|| default_series(&request.host, paths));
        let capture =
            Self { request, repository, series: Series::new(name)?, paths: recorded(paths), moment };
        // What does not fit would be found out at the end only, when all the work is done.
        capture
            .private(&Trailer { root: NO_ROOT, content: ContentId::from_bytes([0; 32]) }, Counts::default())
            .check()?;
        Ok(capture)
    }

    /// Name of the series.
    pub(super) fn series(&self) -> &str {
        self.series.as_str()
    }

    /// Which files were at rest when the run began.
    pub(super) fn rest(&self) -> Rest {
        Rest::before(self.begun_ns(), write_back_delay())
    }

    /// When the run began, nanoseconds since 1970.
    pub(super) fn begun_ns(&self) -> i64 {
        self.moment.captured.nanoseconds()
    }

    /// Commits the snapshot and sums the run up.
    pub(super) fn commit(
        &self,
        trailer: &Trailer,
        figures: &Figures,
        shared: &Shared<'_>,
    ) -> Result<Summary, BackupError> {
        shared.progress.begin(Phase::Committing, 0, 0);
        let missing = figures.unreadable.count + figures.inconsistent.count;
        let status = if missing == 0 { Status::Complete } else { Status::Partial { unreadable: missing } };
        let snapshot = match self.request.intent {
            Intent::DryRun => {
                self.repository.settle()?;
                None
            }
            Intent::Store => {
                let record = self.sign(trailer, figures, status)?;
                let id = self.store(&record)?.id;
                tracing::debug!("committed snapshot {id}");
                Some(id)
            }
        };
        let stored = shared.stored();
        let counts = &figures.counts;
        Ok(Summary {
            snapshot,
            content: trailer.content,
            root: trailer.root.id,
            status,
            series: self.series.as_str().to_owned(),
            files_new: figures.files_new,
            files_changed: figures.files_changed,
            files_unchanged: figures.files_unchanged,
            folders: counts.folders,
            others: counts.symlinks + counts.hard_links + counts.others,
            entries: figures.entries,
            source_bytes: figures.source_bytes,
            read_bytes: figures.read_bytes,
            stored_bytes: stored.bytes,
            stored_objects: stored.objects,
            resumed_bytes: figures.resumed_bytes,
            unreadable: figures.unreadable.named.clone(),
            unreadable_count: figures.unreadable.count,
            inconsistent: figures.inconsistent.named.clone(),
            inconsistent_count: figures.inconsistent.count,
            elapsed: self.moment.begun.elapsed(),
        })
    }

    /// Commits the record. A member of a group says before that it has read everything: by then nothing may turn out that
    /// would have it read once more.
    fn store(&self, record: &Snapshot) -> Result<Committed, BackupError> {
        let record = record.encode();
        let Some(Together { group, captured, is_captured }) = &self.request.together else {
            return Ok(self.repository.commit(&record, &self.request.tags)?);
        };
        self.repository.settle()?;
        is_captured.store(true, Ordering::Relaxed);
        captured(self.repository)?;
        Ok(self.repository.commit_with(group, &record, &self.request.tags)?)
    }

    fn private(&self, trailer: &Trailer, counts: Counts) -> Private {
        Private {
            epoch: self.repository.keys().epoch(),
            root_seed: trailer.root.seed,
            root_bytes: trailer.root.plain_bytes,
            content: trailer.content,
            counts,
            host: self.request.host.clone(),
            user: self.request.user.clone(),
            program: concat!("farkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
            paths: self.paths.clone(),
            tags: self.request.tags.clone(),
        }
    }

    fn sign(&self, trailer: &Trailer, figures: &Figures, status: Status) -> Result<Snapshot, BackupError> {
        let before = self.repository.newest_of(&self.series)?;
        let draft = Draft {
            repository: self.repository.parameters().repository,
            series: self.series.clone(),
            sequence: before.map_or(0, |newest| newest.sequence.saturating_add(1)),
            previous: before.map(|newest| newest.id),
            captured: self.moment.captured,
            status,
            root: trailer.root.id,
            entries: figures.entries,
            bytes: figures.source_bytes,
        };
        let private = self.private(trailer, figures.counts);
        Ok(self.repository.sign(draft, &private)?)
    }
}

/// Bytes of a default series name, beyond which a hash stands for the rest.
const DEFAULT_SERIES_BYTES_MAX: usize = 160;

fn default_series(host: &str, paths: &[PathKey]) -> String {
    let paths: Vec<String> = paths.iter().map(PathKey::to_string).collect();
    let name = format!("{host}:{}", paths.join(","));
    if name.len() <= DEFAULT_SERIES_BYTES_MAX {
        return name;
    }
    let front: String = name
        .char_indices()
        .take_while(|(at, _)| *at < DEFAULT_SERIES_BYTES_MAX)
        .map(|(_, char)| char)
        .collect();
    format!("{front}~{:.16}", blake3::hash(name.as_bytes()).to_hex())
}

/// Nanoseconds since 1970 by the system's clock; 0 when it stands before that.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The paths as a record names them. Of more than it has room for, the folders that they lie in: as few levels are
/// left out as can be.
fn recorded(paths: &[PathKey]) -> Vec<Vec<u8>> {
    let levels = paths.iter().map(|path| path.components().count()).max().unwrap_or(0);
    let whole = above(paths, levels);
    if has_room(&whole) {
        return whole;
    }
    let (mut fits, mut is_too_much) = (0, levels);
    while fits + 1 < is_too_much {
        let middle = fits.midpoint(is_too_much);
        *(if has_room(&above(paths, middle)) { &mut fits } else { &mut is_too_much }) = middle;
    }
    above(paths, fits)
}

/// The first levels of sorted paths, none of them twice or inside another.
fn above(paths: &[PathKey], levels: usize) -> Vec<Vec<u8>> {
    let cut = |path: &PathKey| PathKey::from_components(path.components().take(levels)).ok();
    let mut cut: Vec<PathKey> = paths.iter().filter_map(cut).collect();
    cut.dedup_by(|next, kept| next.starts_with(kept));
    cut.iter().map(written).collect()
}

fn has_room(paths: &[Vec<u8>]) -> bool {
    paths.len() <= SNAPSHOT_PATHS_MAX && paths.iter().map(Vec::len).sum::<usize>() <= RECORDED_BYTES_MAX
}

/// A path as the system writes it.
fn written(path: &PathKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    for component in path.components() {
        bytes.push(b'/');
        bytes.extend_from_slice(component);
    }
    if bytes.is_empty() { b"/".to_vec() } else { bytes }
}

#[cfg(test)]
mod tests;
