//! Tokens: each makes one client known, once, until it expires.
//!
//! A file is named by the hash of its token, so that whoever reads the folder cannot enrol with what stands there.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Token;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::limits::ENROLLED_REPOSITORIES_MAX;
use farkeep_protocol::limits::TOKEN_BYTES;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

use super::Folder;
use super::FolderError;
use super::clients::Client;
use super::clients::Clients;
use super::clients::Standing;
use super::clients::role;
use super::files;

/// What a token offers to whoever shows it first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// What the client is going to be called.
    pub name: String,
    /// What it may be used for.
    #[serde(with = "role")]
    pub role: Role,
    /// Repositories that are open to it.
    pub repositories: Vec<String>,
    /// Until when.
    pub expires: Timestamp,
}

/// Why a client did not become known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// The token was used, has expired, or never was one.
    #[error("the token was used, has expired, or never was one")]
    Invalid,
    /// The key was shut out before.
    #[error("the key of this client was revoked")]
    Revoked,
    /// The data folder does not answer.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// The tokens of a data folder.
#[derive(Debug, Clone)]
pub struct Tokens {
    folder: PathBuf,
}

impl Tokens {
    /// The tokens of a data folder.
    pub fn open(folder: &Folder) -> Self {
        Self { folder: folder.tokens() }
    }

    /// Makes a token for this offer.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn issue(&self, offer: &Offer) -> Result<Token, FolderError> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| FolderError::new("write to", &self.folder)(io::Error::other(error)))?;
        let token = Token::from_bytes(bytes);
        let path = self.path(&token, "toml");
        let text = toml::to_string(offer).expect("an offer is a table of plain values");
        files::write(&path, text.as_bytes()).map_err(FolderError::new("write", &path))?;
        Ok(token)
    }

    /// Makes the client with this key known, if the token is good. Whatever happens, the token is used up.
    ///
    /// # Errors
    /// [`RedeemError`].
    pub fn redeem(
        &self,
        clients: &Clients,
        token: &Token,
        key: &PublicKey,
        calls_itself: &str,
        now: Timestamp,
    ) -> Result<Arc<Client>, RedeemError> {
        let (path, used) = (self.path(token, "toml"), self.path(token, "used"));
        // Of two that come at a time, one finds the file.
        match fs::rename(&path, &used) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RedeemError::Invalid),
            renamed => renamed.map_err(FolderError::new("rename", &path))?,
        }
        files::sync_folder(&self.folder).map_err(FolderError::new("sync", &self.folder))?;
        let text = fs::read_to_string(&used).map_err(FolderError::new("read", &used))?;
        fs::remove_file(&used).map_err(FolderError::new("remove", &used))?;
        let offer: Offer = toml::from_str(&text).map_err(|_| RedeemError::Invalid)?;
        if offer.expires < now {
            return Err(RedeemError::Invalid);
        }
        let before = match clients.standing(key) {
            Standing::Revoked => return Err(RedeemError::Revoked),
            Standing::Known(before) if before.role == offer.role => before.repositories.clone(),
            Standing::Known(_) | Standing::Unknown => Vec::new(),
        };
        let client = Client {
            name: offer.name,
            role: offer.role,
            repositories: union(before, offer.repositories),
            enrolled: now,
            calls_itself: calls_itself.to_owned(),
            revoked: None,
        };
        clients.write(key, &client)?;
        Ok(Arc::new(client))
    }

    /// How many tokens have not been used.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn count(&self) -> Result<usize, FolderError> {
        let listed = fs::read_dir(&self.folder).map_err(FolderError::new("list", &self.folder))?;
        let is_token = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "toml");
        Ok(listed.filter_map(Result::ok).filter(is_token).count())
    }

    fn path(&self, token: &Token, ending: &str) -> PathBuf {
        let hash = blake3::hash(token.as_bytes());
        self.folder.join(format!("{}.{ending}", hash.to_hex()))
    }
}

/// A client that enrols again with the same role gets more; what it has stays.
fn union(mut before: Vec<String>, more: Vec<String>) -> Vec<String> {
    for name in more {
        if !before.contains(&name) {
            before.push(name);
        }
    }
    before.truncate(ENROLLED_REPOSITORIES_MAX);
    before
}
