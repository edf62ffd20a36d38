//! Opening a repository: first the engine, then the keys.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::thread::spawn;

use farkeep_codec::key::Lock;
use farkeep_codec::key::RecoveryCode;
use farkeep_codec::key::RecoveryCodeError;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotError;
use farkeep_codec::key::SlotSecret;
use farkeep_codec::parameters::Parameters;
use farkeep_engine::Access as EngineAccess;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Lost;
use farkeep_engine::Options;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::DiskError;
use farkeep_engine::disk::RealDisk;

use super::Repository;
use super::RepositoryError;
use crate::config::Location;
use crate::config::passphrase::Passphrase;

/// What a recovery code begins with, and hardly a passphrase does.
const CODE_PREFIX: &str = "FKR1-";

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read, beside whoever writes.
    Read,
    /// To read and write, alone.
    Write,
}

/// A repository whose engine is open, and whose keys are not there.
pub struct Locked {
    engine: Arc<Engine>,
    location: Location,
}

/// A repository whose keys are being computed.
pub struct Unlocking {
    engine: Arc<Engine>,
    location: Location,
    keys: JoinHandle<Result<(SlotId, Secrets), RepositoryError>>,
}

impl Locked {
    /// Opens the engine.
    ///
    /// # Errors
    /// [`RepositoryError::Open`] says whether nothing is there, somebody else is writing, or it is damaged or newer.
    pub fn open(location: &Location, access: Access) -> Result<Self, RepositoryError> {
        let failed = |source| RepositoryError::Open { location: location.clone(), source };
        let disk = RealDisk::open(location.folder(), Backend::Auto).map_err(|error| match error {
            DiskError::NotFound { .. } => failed(StoreError::NotThere),
            other => failed(other.into()),
        })?;
        let access = match access {
            Access::Read => EngineAccess::Read,
            Access::Write => EngineAccess::Write { holder: holder() },
        };
        let engine = Engine::open(Arc::new(disk), access, options(location.folder())).map_err(failed)?;
        Ok(Self { engine: Arc::new(engine), location: location.clone() })
    }

    /// A repository whose engine somebody else has opened, on whatever disk; `location` is what messages call it.
    pub fn over(engine: Engine, location: Location) -> Self {
        Self { engine: Arc::new(engine), location }
    }

    /// Computes the keys on a thread of its own.
    pub fn unlock(self, passphrase: Passphrase) -> Unlocking {
        let (engine, location) = (Arc::clone(&self.engine), self.location.clone());
        let keys = spawn(move || unlock(&engine, &location, &passphrase));
        Unlocking { engine: self.engine, location: self.location, keys }
    }
}

impl Unlocking {
    /// What every writer does alike: known before the keys are.
    pub fn parameters(&self) -> &Parameters {
        self.engine.parameters()
    }

    /// What is missing of the packs: known before the keys are. One who only reads does not look.
    pub fn lost(&self) -> Lost {
        self.engine.lost()
    }

    /// Waits for the keys.
    ///
    /// # Errors
    /// [`RepositoryError::WrongSecret`] when the passphrase opens none of the slots.
    pub fn finish(self) -> Result<Repository, RepositoryError> {
        let (slot, secrets) = self.keys.join().expect("nothing panics while it opens slots")?;
        Ok(Repository::new(self.engine, self.location, secrets, slot))
    }
}

/// How this program uses an engine in a folder.
pub(super) fn options(folder: &Path) -> Options {
    let index: PathBuf = folder.join("index");
    Options::new(IndexKind::Rocks(index)).expect("the system has random numbers")
}

/// What others are told who find the repository in use.
pub(super) fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

/// Tries the slots of the right kind one after the other.
fn unlock(
    engine: &Engine,
    location: &Location,
    passphrase: &Passphrase,
) -> Result<(SlotId, Secrets), RepositoryError> {
    let code = recovery_code(passphrase);
    let parameters = engine.parameters().encode();
    let mut unreadable = None;
    for (id, bytes) in engine.slots()? {
        let slot = match Slot::parse(&bytes) {
            Ok(slot) => slot,
            // Another slot may still open.
            Err(source) => {
                unreadable = Some(RepositoryError::SlotBytes { slot: id, source });
                continue;
            }
        };
        let secret = match (matches!(slot.lock(), Lock::Recovery { .. }), &code) {
            (true, Some(Ok(code))) => SlotSecret::Recovery(code),
            (true, _) => continue,
            (false, _) => SlotSecret::Passphrase(passphrase.as_bytes()),
        };
        match slot.open(&secret, &parameters) {
            Ok(secrets) => return Ok((id, secrets)),
            Err(SlotError::WrongSecret) => {}
            Err(source) => return Err(RepositoryError::Slot { slot: id, source }),
        }
    }
    let location = location.clone();
    Err(match (code, unreadable) {
        (Some(Err(source)), _) => RepositoryError::Mistyped { location, source },
        (_, Some(unreadable)) => unreadable,
        _ => RepositoryError::WrongSecret { location },
    })
}

/// The recovery code that was typed in place of a passphrase, if it is one or means to be one.
fn recovery_code(passphrase: &Passphrase) -> Option<Result<RecoveryCode, RecoveryCodeError>> {
    let text = std::str::from_utf8(passphrase.as_bytes()).ok()?.trim();
    let looks_like_one =
        text.get(..CODE_PREFIX.len()).is_some_and(|front| front.eq_ignore_ascii_case(CODE_PREFIX));
    let code = RecoveryCode::parse(text);
    (looks_like_one || code.is_ok()).then_some(code)
}
