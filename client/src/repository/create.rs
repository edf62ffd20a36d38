//! Making a repository.

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
use farkeep_codec::limits::KDF_MEMORY_KIB_MAX;
use farkeep_codec::limits::KDF_PASSES_MAX;
use farkeep_codec::limits::LABEL_BYTES_MAX;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use farkeep_engine::SlotId;
use farkeep_engine::SystemClock;

use super::RepositoryError;
use super::access::Access;
use super::local::LocalStore;
use super::remote::Line;
use super::remote::New;
use super::remote::RemoteError;
use super::remote::RemoteStore;
use super::store::Store;
use crate::config::Address;
use crate::config::Location;
use crate::config::enrolment::Enrolment;
use crate::config::passphrase::Passphrase;

/// Least memory that Argon2 works with.
const KDF_MEMORY_KIB_MIN: u32 = 8;

/// What is decided when a repository is made, and never after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How large files are cut.
    pub chunker: Chunker,
    /// Bytes of the chunks of images.
    pub image_chunk_bytes: u32,
    /// Bytes that bundles of small files have on average.
    pub bundle_bytes_target: u32,
    /// How plaintexts are compressed.
    pub compression: Compression,
    /// What a guess of the passphrase costs.
    pub cost: KdfCost,
    /// What the first key slot is called.
    pub label: String,
}

/// A repository that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub repository: RepositoryId,
}

/// Makes a repository in an empty folder, or in one that is not there yet.
///
/// # Errors
/// [`RepositoryError::Create`] when something else lies there or the disk fails, [`RepositoryError::Setting`] when the
/// format does not allow the plan.
pub fn create(location: &Location, plan: &Plan, passphrase: &Passphrase) -> Result<Created, RepositoryError> {
    let folder = location.folder().ok_or(RepositoryError::NotEnrolled)?;
    let new = prepare(plan, passphrase)?;
    LocalStore::create(folder, &new.parameters, (new.slot, &new.slot_bytes))
        .map_err(|source| RepositoryError::Create { location: location.clone(), source })?;
    Ok(Created { repository: new.repository })
}

/// Makes a repository at a server.
///
/// # Errors
/// As [`create`], and when the server does not allow it.
pub fn create_at(
    address: &Address,
    enrolment: &Enrolment,
    line: &Line,
    plan: &Plan,
    passphrase: &Passphrase,
) -> Result<Created, RepositoryError> {
    let new = prepare(plan, passphrase)?;
    let repository = new.repository;
    let new = New { parameters: new.parameters, slot: new.slot, slot_bytes: new.slot_bytes };
    let made = RemoteStore::open(address, enrolment, Access::Write, line, Some(new))?;
    if made.parameters().repository == repository {
        Ok(Created { repository })
    } else {
        Err(RemoteError::Replaced.into())
    }
}

/// What a new repository begins with.
struct Prepared {
    repository: RepositoryId,
    parameters: Vec<u8>,
    slot: SlotId,
    slot_bytes: Vec<u8>,
}

fn prepare(plan: &Plan, passphrase: &Passphrase) -> Result<Prepared, RepositoryError> {
    plan.check()?;
    let secrets = Secrets::generate(fill_random);
    let parameters = parameters(plan, &secrets)?;
    let bytes = parameters.encode();
    let secret = SlotSecret::Passphrase(passphrase.as_bytes());
    let slot = Slot::seal(&secrets, &secret, &plan.label, plan.cost, &bytes, fill_random);

    Ok(Prepared {
        repository: parameters.repository,
        parameters: bytes,
        slot: new_slot_id(),
        slot_bytes: slot.encode(),
    })
}

impl Plan {
    /// Whether the format allows what it would only find out by a panic.
    fn check(&self) -> Result<(), RepositoryError> {
        let refused = |why: String| Err(RepositoryError::Setting { why });
        let KdfCost { memory_kib, passes, lanes } = self.cost;
        if !(KDF_MEMORY_KIB_MIN..=KDF_MEMORY_KIB_MAX).contains(&memory_kib) {
            return refused(format!(
                "the memory of a guess is {KDF_MEMORY_KIB_MIN} to {KDF_MEMORY_KIB_MAX} KiB"
            ));
        }
        if !(1..=KDF_PASSES_MAX).contains(&passes) || lanes != 1 {
            return refused(format!("a guess has 1 to {KDF_PASSES_MAX} passes, and one lane"));
        }
        check_label(&self.label)
    }
}

/// Whether a key slot can be called this.
pub(super) fn check_label(label: &str) -> Result<(), RepositoryError> {
    if label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        let why = format!("a label has at most {LABEL_BYTES_MAX} bytes and no control characters");
        return Err(RepositoryError::Setting { why });
    }
    Ok(())
}

/// Fills a buffer with random bytes of the system.
pub(super) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has random numbers");
}

/// A name for a new slot.
pub(super) fn new_slot_id() -> SlotId {
    let mut bytes = [0; 16];
    fill_random(&mut bytes);
    SlotId::from_bytes(bytes)
}

/// The parameters of the plan, as a reader will accept them.
fn parameters(plan: &Plan, secrets: &Secrets) -> Result<Parameters, RepositoryError> {
    let mut repository = [0; 32];
    fill_random(&mut repository);
    let parameters = Parameters {
        repository: RepositoryId::from_bytes(repository),
        created: now(),
        chunker: plan.chunker,
        image_chunk_bytes: plan.image_chunk_bytes,
        bundle_bytes_target: plan.bundle_bytes_target,
        compression: plan.compression,
        reader_public: secrets
            .reader
            .as_ref()
            .map(ReaderSecret::public)
            .expect("a new owner may do everything"),
    };
    let refused = |error| RepositoryError::Setting { why: crate::output::chain(&error) };
    Parameters::parse(&parameters.encode()).map_err(refused)
}

fn now() -> Time {
    SystemClock.now()
}
