//! Repositories for tests: in a temporary folder, with a passphrase that is cheap to try.

use std::path::Path;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::KdfCost;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use tempfile::TempDir;

use super::Access;
use super::Locked;
use super::Plan;
use super::Repository;
use super::RepositoryError;
use super::create;
use super::keeper::Keeper;
use super::local::LocalStore;
use crate::config::Location;
use crate::config::passphrase::Passphrase;

/// A repository that goes away with the test.
pub(crate) struct Trial {
    folder: TempDir,
}

/// The passphrase of every trial.
pub(crate) const PASSPHRASE: &str = "correct horse";

impl Trial {
    /// A new repository with small chunks and bundles.
    pub(crate) fn new() -> Self {
        let trial = Self { folder: TempDir::new().expect("a temporary folder can be made") };
        let plan = Plan {
            chunker: Chunker::FastCdcKeyed { min: 16 << 10, average: 64 << 10, max: 256 << 10 },
            image_chunk_bytes: 64 << 10,
            bundle_bytes_target: 16 << 10,
            compression: Compression::at_level(1),
            cost: KdfCost { memory_kib: 8, passes: 1, lanes: 1 },
            label: "first".to_owned(),
        };
        create(&trial.location(), &plan, &passphrase(PASSPHRASE)).expect("the folder is empty");
        trial
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn location(&self) -> Location {
        Location::named(Some(self.folder().join("repository").into())).expect("a folder")
    }

    /// Opens it with its passphrase.
    pub(crate) fn open(&self, access: Access) -> Repository {
        self.open_with(access, PASSPHRASE).expect("it opens")
    }

    /// Takes a snapshot off the list.
    pub(crate) fn forget(&self, id: &SnapshotId) {
        let access = Access::Write;
        let store = LocalStore::open(self.location().folder().expect("a folder"), access).expect("it opens");
        store.forget(id, "a test").expect("it is there");
    }

    /// Opens it with any passphrase.
    pub(crate) fn open_with(&self, access: Access, text: &str) -> Result<Repository, RepositoryError> {
        Locked::open(&self.location(), access)?.unlock(passphrase(text)).finish()
    }
}

impl Repository {
    /// Stores a data object.
    pub(crate) fn store_data(&self, plain: &[u8]) -> Pointer {
        let seed = self.keys().seed(Kind::Data, plain);
        let mut object = Vec::new();
        let id = self.sealer().seal(Kind::Data, &seed, &[], plain, &mut object);
        self.put(&id, &object).expect("there is room");
        Pointer { id, seed, plain_bytes: u32::try_from(plain.len()).expect("small"), epoch: Epoch::FIRST }
    }
}

/// A passphrase made of this text.
pub(crate) fn passphrase(text: &str) -> Passphrase {
    Passphrase::from(text.as_bytes().to_vec())
}

/// Makes the parity of a pack useless, or useful again: then what is damaged stays so when it is read.
pub(crate) fn toggle_parity(pack: &mut [u8]) {
    for block in pack.chunks_exact_mut(4096).filter(|block| block.starts_with(b"FKpt")) {
        block[20] ^= 1;
    }
}
