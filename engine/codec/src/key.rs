//! Secrets of a repository, and the keys that follow from them.
//!
//! Every purpose has its own key, derived from the domain secret and the repository's name, so that no hash made
//! for one purpose says anything about another, and equal files in two repositories share nothing.
//! FORMAT.md, "Keys".

pub use crate::id::Epoch;
pub use agent::AGENT_SECRET_BYTES;
pub use agent::AgentIdentity;
pub use agent::AgentPublic;
pub use agent::Forged;
pub use agent::SIGNATURE_BYTES;
pub use agent_code::AgentCode;
pub use domain::ContentIdHasher;
pub use domain::ContentListHasher;
pub use domain::DomainKeys;
pub use domain::DomainSecret;
pub use epoch::DomainSecrets;
pub use printed::CodeError;
pub use reader::KeyRefused;
pub use reader::READER_PUBLIC_BYTES;
pub use reader::READER_SECRET_BYTES;
pub use reader::ReaderPublic;
pub use reader::ReaderSecret;
pub use recovery::RecoveryCode;
pub use secrets::Secrets;
pub use slot::KdfCost;
pub use slot::Lock;
pub use slot::Slot;
pub use slot::SlotError;
pub use slot::SlotSecret;

pub(crate) use reader::SEALING_OVERHEAD_BYTES;

mod domain;
mod epoch;
mod reader;
mod agent;
mod printed;
mod recovery;
mod agent_code;
mod slot;
mod secrets;
