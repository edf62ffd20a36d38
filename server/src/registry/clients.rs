//! Clients: who is known by which key, as what, and for which repositories.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::RwLock;

use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::PublicKey;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::watch;

use super::Folder;
use super::FolderError;
use super::files;

/// What stands behind a file's name.
const ENDING: &str = ".toml";

/// A client that was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What the administrator calls it.
    pub name: String,
    /// What it may be used for.
    #[serde(with = "role")]
    pub role: Role,
    /// Repositories that are open to it.
    pub repositories: Vec<String>,
    /// When it became known.
    pub enrolled: Timestamp,
    /// What it called itself then.
    pub calls_itself: String,
    /// When it was shut out, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// What a key is to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was never enrolled, or nobody can tell.
    Unknown,
    /// It was shut out.
    Revoked,
    /// It is this client's.
    Known(Arc<Client>),
}

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// All clients, as the files had them when they were looked at last.
#[derive(Debug)]
pub struct Clients {
    folder: PathBuf,
    known: RwLock<HashMap<PublicKey, Arc<Client>>>,
    stamps: Mutex<HashMap<PublicKey, Stamp>>,
    version: watch::Sender<u64>,
}

impl Clients {
    /// The clients of a data folder.
    ///
    /// # Errors
    /// [`FolderError`] if the folder cannot be listed.
    pub fn open(folder: &Folder) -> Result<Self, FolderError> {
        let clients = Self {
            folder: folder.clients(),
            known: RwLock::default(),
            stamps: Mutex::default(),
            version: watch::Sender::new(0),
        };
        clients.refresh()?;
        Ok(clients)
    }

    /// What a key is.
    pub fn standing(&self, key: &PublicKey) -> Standing {
        match self.known.read().expect("nothing panics while it holds the clients").get(key) {
            None => Standing::Unknown,
            Some(client) if client.revoked.is_some() => Standing::Revoked,
            Some(client) => Standing::Known(Arc::clone(client)),
        }
    }

    /// All clients with their keys, by name.
    pub fn all(&self) -> Vec<(PublicKey, Arc<Client>)> {
        let known = self.known.read().expect("nothing panics while it holds the clients");
        let mut all: Vec<_> = known.iter().map(|(key, client)| (*key, Arc::clone(client))).collect();
        all.sort_by(|(a, one), (b, other)| (&one.name, a).cmp(&(&other.name, b)));
        all
    }

    /// Changes whenever a client does.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Looks at the files again, and says whether anything has changed.
    ///
    /// # Errors
    /// [`FolderError`] if the folder cannot be listed; then everything stays as it was.
    pub fn refresh(&self) -> Result<bool, FolderError> {
        let mut stamps = self.stamps.lock().expect("nothing panics while it looks at clients");
        let found = self.list().map_err(FolderError::new("list", &self.folder))?;
        let changed: Vec<PublicKey> =
            found.iter().filter(|(key, stamp)| stamps.get(key) != Some(stamp)).map(|(key, _)| *key).collect();
        let gone: Vec<PublicKey> = stamps.keys().filter(|key| !found.contains_key(key)).copied().collect();
        if changed.is_empty() && gone.is_empty() {
            return Ok(false);
        }
        let read: Vec<_> = changed.iter().map(|key| (*key, read(&self.path(key)))).collect();
        let mut known = self.known.write().expect("nothing panics while it holds the clients");
        for key in gone {
            known.remove(&key);
        }
        for (key, client) in read {
            match client {
                Ok(client) => drop(known.insert(key, Arc::new(client))),
                Err(error) => {
                    tracing::warn!(%key, %error, "a client is shut out: its file cannot be understood");
                    known.remove(&key);
                }
            }
        }
        drop(known);
        *stamps = found;
        self.version.send_modify(|version| *version += 1);
        Ok(true)
    }

    /// Writes what is to be known of a key.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn write(&self, key: &PublicKey, client: &Client) -> Result<(), FolderError> {
        let path = self.path(key);
        let text = toml::to_string(client).expect("a client is a table of plain values");
        files::write(&path, text.as_bytes()).map_err(FolderError::new("write", &path))?;
        self.refresh().map(|_| ())
    }

    fn path(&self, key: &PublicKey) -> PathBuf {
        self.folder.join(format!("{key}{ENDING}"))
    }

    fn list(&self) -> io::Result<HashMap<PublicKey, Stamp>> {
        let mut found = HashMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let key = name.to_str().and_then(|name| name.strip_suffix(ENDING)?.parse().ok());
            let Some(key) = key else { continue };
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            found.insert(key, Stamp { inode: metadata.ino(), bytes: metadata.len(), changed });
        }
        Ok(found)
    }
}

fn read(path: &Path) -> io::Result<Client> {
    if fs::metadata(path)?.len() > files::FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a client"));
    }
    toml::from_str(&fs::read_to_string(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// A role by its name.
pub(super) mod role {
    use farkeep_protocol::hello::Role;
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    pub(in super::super) fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(role.name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        let name = String::deserialize(from)?;
        Role::from_name(&name).ok_or_else(|| D::Error::custom(format!("{name} is no role")))
    }
}
