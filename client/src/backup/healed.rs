//! After packs of the repository were lost, one run reads every file and stores again what is missing. The note that it
//! did, so that those after it need not.
//!
//! The repository goes on naming the packs as lost. The note stands beside the catalogue and holds a keyed hash of
//! which packs were lost and of the root of the tree that was stored without them: only while both are the same does it
//! say anything. Without it, every file is read once more.

use std::fs;
use std::path::Path;

use farkeep_codec::id::ContentHash;

use super::catalogue::Trailer;
use crate::repository::Repository;

const FILE: &str = "healed";

/// Whether the repository has all of that tree: nothing is lost, or it was stored without what is.
pub(super) fn has_all(repository: &Repository, folder: &Path, trailer: Option<&Trailer>) -> bool {
    repository.lost().packs == 0
        || trailer.is_some_and(|trailer| {
            let wanted = note(repository, trailer);
            fs::read(folder.join(FILE)).is_ok_and(|found| found == wanted.as_bytes())
        })
}

/// Remembers that the tree was stored without what is lost.
pub(super) fn remember(repository: &Repository, folder: &Path, trailer: &Trailer) {
    if repository.lost().packs > 0
        && let Err(error) = fs::write(folder.join(FILE), note(repository, trailer).as_bytes())
    {
        tracing::warn!("the next run reads every file again: {error}");
    }
}

fn note(repository: &Repository, trailer: &Trailer) -> ContentHash {
    let lost = repository.lost().which;
    repository.keys().file_hash(&[&lost[..], trailer.root.id.as_bytes()].concat())
}
