//! Secrets of a repository, and the keys that follow from them.
//!
//! Every purpose has its own key, derived from the domain secret and the repository's name, so that no hash made
//! for one purpose says anything about another, and equal files in two repositories share nothing.
//! FORMAT.md, "Keys".

pub use domain::ContentIdHasher;
pub use domain::ContentListHasher;
pub use domain::DomainKeys;
pub use domain::DomainSecret;
pub use reader::KeyRefused;
pub use reader::READER_PUBLIC_BYTES;
pub use reader::READER_SECRET_BYTES;
pub use reader::ReaderPublic;
pub use reader::ReaderSecret;

mod domain;
mod reader;
