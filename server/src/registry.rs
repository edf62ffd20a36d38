//! Who may do what: clients and the tokens by which they become known, in files of the data folder.
//!
//! The files are the truth: commands change them, and a server that runs looks at them again and again. A file that
//! cannot be understood lets nobody in.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use farkeep_protocol::identity::SEED_BYTES;
use thiserror::Error;
use zeroize::Zeroizing;

pub use clients::Client;
pub use clients::Clients;
pub use clients::Standing;
pub use tokens::Offer;
pub use tokens::RedeemError;
pub use tokens::Tokens;

mod clients;
mod files;
mod tokens;
#[cfg(test)]
mod tests;

/// The data folder of a server.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// Why something in the data folder was not read or written.
#[derive(Debug, Error)]
#[error("cannot {doing} {}", path.display())]
pub struct FolderError {
    /// What was being done.
    pub doing: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl FolderError {
    fn new(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, path: path.to_owned(), source }
    }
}

impl Folder {
    const IDENTITY: &'static str = "identity";

    /// Makes a data folder with a new identity. One that has an identity keeps it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let folder = Self(path.to_owned());
        for inner in
            [folder.0.clone(), folder.clients(), folder.tokens(), folder.accounts(), folder.repositories()]
        {
            files::create_folder(&inner).map_err(FolderError::new("make", &inner))?;
        }
        let identity = folder.0.join(Self::IDENTITY);
        if !identity.exists() {
            let mut seed = Zeroizing::new([0; SEED_BYTES]);
            getrandom::fill(&mut *seed)
                .map_err(|error| FolderError::new("make", &identity)(io::Error::other(error)))?;
            files::write(&identity, &*seed).map_err(FolderError::new("write", &identity))?;
        }
        Ok(folder)
    }

    /// A data folder that was made before.
    pub fn open(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The secret from which the server's key follows.
    ///
    /// # Errors
    /// [`FolderError`], if the folder was not made, or belongs to somebody else.
    pub fn seed(&self) -> Result<Zeroizing<[u8; SEED_BYTES]>, FolderError> {
        let path = self.0.join(Self::IDENTITY);
        let bytes = Zeroizing::new(fs::read(&path).map_err(FolderError::new("read", &path))?);
        let seed = <[u8; SEED_BYTES]>::try_from(bytes.as_slice())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no identity"))
            .map_err(FolderError::new("use", &path))?;
        Ok(Zeroizing::new(seed))
    }

    /// Takes the folder for a server that is going to run: nobody else can while the answer lives.
    ///
    /// # Errors
    /// [`FolderError`] if another server runs.
    pub fn lock(&self) -> Result<fs::File, FolderError> {
        let path = self.0.join("lock");
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(FolderError::new("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                let taken = io::Error::new(io::ErrorKind::ResourceBusy, "a server runs in this folder");
                Err(FolderError::new("lock", &path)(taken))
            }
            Err(fs::TryLockError::Error(error)) => Err(FolderError::new("lock", &path)(error)),
        }
    }

    /// Folder of the repositories.
    pub fn repositories(&self) -> PathBuf {
        self.0.join("repositories")
    }

    /// Folder of what clients have stored.
    pub(crate) fn accounts(&self) -> PathBuf {
        self.0.join("accounts")
    }

    /// Gives a file of the folder these contents, durably and as a whole.
    pub(crate) fn write_small(&self, path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
        files::write(path, bytes).map_err(FolderError::new("write", path))
    }

    fn clients(&self) -> PathBuf {
        self.0.join("clients")
    }

    fn tokens(&self) -> PathBuf {
        self.0.join("tokens")
    }
}
