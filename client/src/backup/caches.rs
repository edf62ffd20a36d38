//! Where the caches of a run lie, and what of them can be used.
//!
//! `FOLDER/<repository>/` holds what is known of chunks and small files, `FOLDER/<repository>/<series>/` the catalogue.

use std::path::PathBuf;

use farkeep_codec::id::ContentHash;

use super::BackupError;
use super::CacheUse;
use super::Intent;
use super::Request;
use super::bundler::Bundler;
use super::catalogue::Bundles;
use super::catalogue::CatalogueWriter;
use super::catalogue::Previous;
use super::objects::Shared;
use crate::repository::Repository;

/// The folders of one run.
pub(super) struct Caches {
    /// What all series of the repository share.
    pub(super) repository: PathBuf,
    series: PathBuf,
    /// Where the catalogue grows. A dry run must not leave one behind.
    growing: PathBuf,
}

impl Caches {
    pub(super) fn of(request: &Request, repository: &Repository, series: &str) -> Self {
        let hash: ContentHash = repository.keys().file_hash(series.as_bytes());
        let id = repository.parameters().repository.to_string();
        let repository = request.cache_folder.join(id);
        let series = repository.join(hash.to_string());
        let growing = match request.intent {
            Intent::Store => series.clone(),
            Intent::DryRun => series.join(format!("dry-run-{}", std::process::id())),
        };
        Self { repository, series, growing }
    }

    /// What earlier runs left of the series, as far as the repository still has it.
    pub(super) fn previous(&self, repository: &Repository, cache: CacheUse) -> Result<Previous, BackupError> {
        let nothing = Previous::nothing(repository.keys());
        if cache == CacheUse::Ignore {
            return Ok(nothing);
        }
        let previous = Previous::open(&self.series, repository.keys());
        match previous.trailer() {
            Some(trailer) if !repository.has(&trailer.root.id)? => Ok(nothing),
            _ => Ok(previous),
        }
    }

    /// Begins the catalogue, the table of bundles and the bundler of a run.
    pub(super) fn begin(
        &self,
        previous: &Previous,
        shared: &Shared<'_>,
        cache: CacheUse,
    ) -> Result<(CatalogueWriter, Bundles, Bundler), BackupError> {
        let repository = shared.repository;
        let mut bundles = previous.bundles().clone();
        if previous.was_cut() {
            bundles.retain(|stored| repository.has(&stored.id))?;
        }
        let bundler =
            Bundler::new(repository.keys(), repository.parameters(), cache, &self.repository, &bundles);
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|error| BackupError::Io {
            doing: "draw a random number".to_owned(),
            source: std::io::Error::other(error),
        })?;
        Ok((CatalogueWriter::begin(&self.growing, previous, &bundles, token)?, bundles, bundler))
    }

    /// Removes what a dry run wrote.
    pub(super) fn end(&self) {
        if self.growing != self.series
            && let Err(error) = std::fs::remove_dir_all(&self.growing)
        {
            tracing::debug!("cannot remove {}: {error}", self.growing.display());
        }
    }
}
