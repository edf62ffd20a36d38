//! Opening a repository: first the store, then the keys.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::thread::spawn;

use farkeep_codec::key::AgentCode;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::CodeError;
use farkeep_codec::key::Lock;
use farkeep_codec::key::RecoveryCode;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotError;
use farkeep_codec::key::SlotSecret;
use farkeep_codec::parameters::Parameters;
use farkeep_engine::Engine;
use farkeep_engine::Lost;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;

use super::Repository;
use super::RepositoryError;
use super::access::Access;
use super::keeper::Keeper;
use super::local::LocalStore;
use super::patience::Patience;
use super::remote::Line;
use super::remote::RemoteStore;
use super::store::Store;
use crate::config::Address;
use crate::config::Location;
use crate::config::enrolment::Enrolment;
use crate::config::passphrase::Passphrase;

/// What a recovery code begins with, and hardly a passphrase does.
const CODE_PREFIX: &str = "FKR1-";

/// A repository whose store is open, and whose keys are not there.
pub struct Locked {
    store: Arc<dyn Store>,
    location: Location,
}

/// A repository whose keys are being computed.
pub struct Unlocking {
    store: Arc<dyn Store>,
    location: Location,
    keys: Keys,
}

/// Keys that are there, or will be.
enum Keys {
    Known(Box<Secrets>),
    Computed(JoinHandle<Result<(SlotId, Secrets), RepositoryError>>),
}

impl Locked {
    /// Opens the store.
    ///
    /// # Errors
    /// [`RepositoryError::Open`] says whether nothing is there, somebody else is writing, or it is damaged or newer.
    pub fn open(location: &Location, access: Access) -> Result<Self, RepositoryError> {
        Self::open_by(location, |folder| LocalStore::open(folder, access))
    }

    /// As [`open`](Self::open), but waits for whoever is writing.
    pub(crate) fn open_patiently(
        location: &Location,
        access: Access,
        patience: &Patience<'_>,
    ) -> Result<Self, RepositoryError> {
        Self::open_by(location, |folder| patience.wait(folder, || LocalStore::open(folder, access)))
    }

    fn open_by(
        location: &Location,
        open: impl Fn(&Path) -> Result<LocalStore, StoreError>,
    ) -> Result<Self, RepositoryError> {
        let folder = location.folder().ok_or(RepositoryError::NotEnrolled)?;
        let store =
            open(folder).map_err(|source| RepositoryError::Open { location: location.clone(), source })?;
        Ok(Self { store: Arc::new(store), location: location.clone() })
    }

    /// Opens a session with a server.
    ///
    /// # Errors
    /// [`RepositoryError::Remote`] says why the server is not reached, refuses, or is not believed.
    pub fn connect(
        address: &Address,
        enrolment: &Enrolment,
        access: Access,
        line: &Line,
    ) -> Result<Self, RepositoryError> {
        let store = RemoteStore::open(address, enrolment, access, line, None)?;
        Ok(Self { store: Arc::new(store), location: Location::Server(Box::new(address.clone())) })
    }

    /// What every writer does alike.
    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// Who decides what is kept of it: that takes no key.
    pub(crate) fn keeper(&self) -> &dyn Keeper {
        self.store.keeper()
    }

    /// A repository whose engine somebody else has opened, on whatever disk; `location` is what messages call it.
    pub fn over(engine: Engine, location: Location) -> Self {
        Self { store: Arc::new(LocalStore::over(engine)), location }
    }

    /// Computes the keys on a thread of its own.
    pub fn unlock(self, passphrase: Passphrase) -> Unlocking {
        let (store, location) = (Arc::clone(&self.store), self.location.clone());
        let keys = spawn(move || unlock(&*store, &location, &passphrase));
        Unlocking { store: self.store, location: self.location, keys: Keys::Computed(keys) }
    }

    /// Takes the keys of an agent, which opens no slot: its own, and what its code hands over.
    ///
    /// # Errors
    /// [`RepositoryError::OtherAgentCode`]: with another repository's secret, nobody could read what is written.
    pub fn unlock_as_agent(
        self,
        code: &AgentCode,
        identity: AgentIdentity,
    ) -> Result<Unlocking, RepositoryError> {
        let Some(domain) = code.secret_for(&self.store.parameters().repository) else {
            return Err(RepositoryError::OtherAgentCode { location: self.location });
        };
        let keys = Keys::Known(Box::new(Secrets { domain, reader: None, agent: identity }));
        Ok(Unlocking { store: self.store, location: self.location, keys })
    }
}

impl Unlocking {
    /// What every writer does alike: known before the keys are.
    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// What is missing of the packs: known before the keys are. One who only reads does not look.
    pub fn lost(&self) -> Lost {
        self.store.lost()
    }

    /// Waits for the keys.
    ///
    /// # Errors
    /// [`RepositoryError::WrongSecret`] when the passphrase opens none of the slots.
    pub fn finish(self) -> Result<Repository, RepositoryError> {
        let (slot, secrets) = match self.keys {
            Keys::Known(secrets) => (None, *secrets),
            Keys::Computed(keys) => {
                let (slot, secrets) = keys.join().expect("nothing panics while it opens slots")?;
                (Some(slot), secrets)
            }
        };
        Ok(Repository::new(self.store, self.location, secrets, slot))
    }
}

/// Tries the slots of the right kind one after the other.
fn unlock(
    store: &dyn Store,
    location: &Location,
    passphrase: &Passphrase,
) -> Result<(SlotId, Secrets), RepositoryError> {
    let code = recovery_code(passphrase);
    let parameters = store.parameters().encode();
    let mut unreadable = None;
    let slots = store.slots()?;
    for (id, bytes) in &slots {
        let id = *id;
        let slot = match Slot::parse(bytes) {
            Ok(slot) => slot,
            // Another slot may still open.
            Err(source) => {
                unreadable = Some(RepositoryError::SlotBytes { slot: id, source });
                continue;
            }
        };
        let secret = match (slot.lock(), &code) {
            (Lock::Recovery { .. }, Some(Ok(code))) => SlotSecret::Recovery(code),
            (Lock::Recovery { .. } | Lock::Reader { .. }, _) => continue,
            (Lock::Passphrase { .. }, _) => SlotSecret::Passphrase(passphrase.as_bytes()),
        };
        match slot.open(&secret, &parameters) {
            Ok(mut secrets) => {
                learn_epochs(&slots, &mut secrets, &parameters);
                return Ok((id, secrets));
            }
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

/// Opens the slots of later epochs with the reader's secret. One that it does not open was made by nobody who may read.
fn learn_epochs(slots: &[(SlotId, Vec<u8>)], secrets: &mut Secrets, parameters: &[u8]) {
    let Some(reader) = secrets.reader.clone() else { return };
    for (id, bytes) in slots {
        let Ok(slot) = Slot::parse(bytes) else { continue };
        match slot.open_epoch(&reader, parameters) {
            Ok((epoch, secret)) => secrets.domain.learn(epoch, secret),
            Err(SlotError::OtherKind) => {}
            Err(error) => tracing::warn!(slot = %id, %error, "the key slot of an epoch is not used"),
        }
    }
}

/// The recovery code that was typed in place of a passphrase, if it is one or means to be one.
fn recovery_code(passphrase: &Passphrase) -> Option<Result<RecoveryCode, CodeError>> {
    let text = std::str::from_utf8(passphrase.as_bytes()).ok()?.trim();
    let looks_like_one =
        text.get(..CODE_PREFIX.len()).is_some_and(|front| front.eq_ignore_ascii_case(CODE_PREFIX));
    let code = RecoveryCode::parse(text);
    (looks_like_one || code.is_ok()).then_some(code)
}
