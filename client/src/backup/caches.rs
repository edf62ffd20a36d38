//! Where the caches of a run lie, and what of them can be used.
//!
//! `FOLDER/<repository>/` holds what is known of chunks and small files, `FOLDER/<repository>/<series>/` the catalogue.
//! One run at a time uses them: it holds a lock. A second one, and one that may not write there, goes without and keeps
//! what it needs for itself in a folder *aside*, which is removed at its end. So does a dry run with what it writes.

use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::ContentHash;
use tempfile::TempDir;

use super::BackupError;
use super::CacheUse;
use super::Intent;
use super::Request;
use super::bundler::Bundler;
use super::catalogue::Bundles;
use super::catalogue::CatalogueWriter;
use super::catalogue::Leftovers;
use super::catalogue::Previous;
use super::catalogue::Trailer;
use super::healed;
use super::witness::Witness;
use crate::lock::Lock;
use crate::repository::Repository;

#[cfg(test)]
mod tests;

/// Name of the file whose lock says that the caches of a repository are in use.
const LOCK: &str = "lock";
/// How the names of folders begin that one run keeps for itself.
const ASIDE: &str = "aside-";

/// The folders of one run.
pub(super) struct Caches {
    /// What all series of the repository share.
    pub(super) repository: PathBuf,
    /// Whether what is there is used.
    pub(super) cache: CacheUse,
    series: PathBuf,
    /// Where the catalogue grows. A dry run must not leave one behind.
    growing: PathBuf,
    leftovers: Leftovers,
    /// Until the run ends.
    _held: Held,
}

/// What a run has of the caches.
struct Held {
    /// All of them, if it is there; but to write into only when nothing is aside.
    lock: Option<Lock>,
    aside: Option<Aside>,
}

/// A folder of one run, which is removed with everything in it when this is dropped. Its lock says that the run goes on.
struct Aside {
    folder: TempDir,
    _lock: Lock,
}

impl Caches {
    /// The caches of a series. Where they cannot be had, the run goes without.
    ///
    /// # Errors
    /// When there is no room for what a run needs for itself either.
    pub(super) fn of(request: &Request, repository: &Repository, series: &str) -> Result<Self, BackupError> {
        let hash: ContentHash = repository.keys().file_hash(series.as_bytes());
        let is_spool = repository.is_spool();
        let folder = request.cache_folder.join(repository.parameters().repository.to_string());
        let held = hold(&folder, request.intent).map_err(|source| BackupError::Io {
            doing: format!("make a folder for this run in {}", folder.display()),
            source,
        })?;
        let aside = held.aside.as_ref().map(|aside| aside.folder.path().to_owned());
        let cache = if held.lock.is_some() { request.cache } else { CacheUse::Ignore };
        let repository = if held.lock.is_some() { folder } else { aside.clone().unwrap_or(folder) };
        let leftovers = match &aside {
            _ if is_spool => Leftovers::Ignore,
            None => Leftovers::TakeOver,
            Some(_) => Leftovers::LeaveAlone,
        };
        let caches = Self {
            cache,
            series: repository.join(hash.to_string()),
            growing: aside.unwrap_or_else(|| repository.clone()).join(hash.to_string()),
            repository,
            leftovers,
            _held: held,
        };
        tracing::debug!("caches in {}", caches.repository.display());
        Ok(caches)
    }

    /// What this host saw of the repository last.
    pub(super) fn witness(&self) -> Witness {
        Witness::at(&self.repository)
    }

    /// What earlier runs left of the series, as far as the repository still has it. After packs were lost,
    /// nothing is taken over unread once: what lay in them and is still in the source is stored again.
    pub(super) fn previous(&self, repository: &Repository) -> Result<Previous, BackupError> {
        let nothing = Previous::nothing(repository.keys());
        if self.cache == CacheUse::Ignore {
            tracing::debug!("the cache is not used");
            return Ok(nothing);
        }
        let previous = Previous::open(&self.series, repository.keys(), self.leftovers);
        match previous.trailer() {
            // A catalogue is completed once its snapshot is acknowledged: a spool takes its word.
            Some(trailer) if !repository.is_spool() && !repository.has(&trailer.root.id)? => {
                tracing::debug!("the catalogue is of a snapshot that the repository does not have");
                Ok(nothing)
            }
            trailer if !healed::has_all(repository, &self.series, trailer) => {
                tracing::debug!("packs were lost since the catalogue was written");
                Ok(nothing)
            }
            found => {
                let what = if found.is_some() { "a catalogue" } else { "no catalogue" };
                tracing::debug!("there is {what} in the cache {}", self.series.display());
                Ok(previous)
            }
        }
    }

    /// Begins the catalogue, the table of bundles and the bundler of a run.
    pub(super) fn begin(
        &self,
        previous: &Previous,
        repository: &Repository,
    ) -> Result<(CatalogueWriter, Bundles, Bundler), BackupError> {
        let mut bundles = previous.bundles().clone();
        if previous.was_cut() {
            bundles.retain(|ids| repository.probe(ids))?;
        }
        let bundler =
            Bundler::new(repository.keys(), repository.parameters(), self.cache, &self.repository, &bundles);
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|error| BackupError::Io {
            doing: "draw a random number".to_owned(),
            source: io::Error::other(error),
        })?;
        Ok((CatalogueWriter::begin(&self.growing, previous, &bundles, token)?, bundles, bundler))
    }

    /// Notes that a run stored the tree without what the repository has lost. After its catalogue is there.
    pub(super) fn remember(&self, repository: &Repository, trailer: &Trailer) {
        healed::remember(repository, &self.series, trailer);
    }
}

/// Takes hold of the caches in `folder`.
fn hold(folder: &Path, intent: Intent) -> io::Result<Held> {
    match lock(folder) {
        Ok(Some(lock)) => {
            remove_abandoned(folder);
            let aside = if intent == Intent::DryRun { Some(Aside::within(folder)?) } else { None };
            return Ok(Held { lock: Some(lock), aside });
        }
        Ok(None) => {
            tracing::warn!("another run uses the cache in {}; every file is read", folder.display());
        }
        Err(error) => {
            tracing::warn!("cannot use the cache in {}, every file is read: {error}", folder.display());
        }
    }
    let aside = Aside::within(folder).or_else(|_| Aside::within(&std::env::temp_dir()))?;
    Ok(Held { lock: None, aside: Some(aside) })
}

/// The lock of the caches, unless another run holds it.
fn lock(folder: &Path) -> io::Result<Option<Lock>> {
    std::fs::create_dir_all(folder)?;
    Lock::take(File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?)
}

impl Aside {
    fn within(folder: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(ASIDE).tempdir_in(folder)?;
        let lock = Lock::take(File::open(folder.path())?)?;
        let held = || io::Error::other("another run holds a folder that was just made");
        Ok(Self { _lock: lock.ok_or_else(held)?, folder })
    }
}

/// Removes the folders of runs that were killed.
fn remove_abandoned(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let asides = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE));
    for path in asides.map(|entry| entry.path()) {
        if let Ok(Some(_)) = File::open(&path).and_then(Lock::take)
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::debug!("cannot remove {}: {error}", path.display());
        }
    }
}
