//! Up to when what is due was done ([`Done`]), in a file of the data folder: a server that was down knows what it missed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::bridge::Failure;
use crate::bridge::Pool;
use crate::registry::Folder;

/// Name of the file in the data folder.
const FILE: &str = "schedule";

/// Up to when all that is due of a repository was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct UpTo {
    /// Its policies.
    pub(super) retention: Option<Timestamp>,
    /// Its collections.
    pub(super) collection: Option<Timestamp>,
}

/// That of all repositories.
#[derive(Debug)]
pub(super) struct Done {
    folder: Folder,
    up_to: BTreeMap<String, UpTo>,
    has_changed: bool,
}

impl Done {
    /// What the file says. One that says nothing makes nothing due that was missed.
    pub(super) fn read(folder: Folder) -> Self {
        let text = match fs::read_to_string(folder.path().join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.unwrap_or_else(|error| {
                tracing::warn!(%error, "what was missed while the server was down is not known");
                String::new()
            }),
        };
        let up_to = toml::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was missed while the server was down is not known");
            BTreeMap::new()
        });
        Self { folder, up_to, has_changed: false }
    }

    /// Up to when it was done for a repository.
    pub(super) fn of(&self, repository: &str) -> UpTo {
        self.up_to.get(repository).copied().unwrap_or_default()
    }

    /// Takes in that more was done.
    pub(super) fn note(&mut self, repository: &str, change: impl FnOnce(&mut UpTo)) {
        let mut up_to = self.of(repository);
        change(&mut up_to);
        if self.up_to.insert(repository.to_owned(), up_to) != Some(up_to) {
            self.has_changed = true;
        }
    }

    /// Forgets repositories that are not there any more.
    pub(super) fn retain(&mut self, names: &[String]) {
        let before = self.up_to.len();
        self.up_to.retain(|name, _| names.contains(name));
        self.has_changed |= self.up_to.len() != before;
    }

    /// Writes down what has changed.
    pub(super) async fn save(&mut self, pool: &Pool) -> Result<(), Failure> {
        if !self.has_changed {
            return Ok(());
        }
        let text = toml::to_string(&self.up_to).expect("tables of times can be written");
        let (folder, path): (Folder, PathBuf) = (self.folder.clone(), self.folder.path().join(FILE));
        match pool.run(move || folder.write_small(&path, text.as_bytes())).await? {
            Ok(()) => self.has_changed = false,
            Err(error) => tracing::warn!(%error, "what was done is not written down"),
        }
        Ok(())
    }
}
