//! The server over real sockets, and what it promises to whoever speaks the protocol.

pub(crate) mod host;
pub(crate) mod make;
pub(crate) mod peer;

mod care;
mod collect;
mod groups;
mod keeping;
mod limits;
mod machine;
mod replace;
mod resume;
mod schedule;
mod story;
mod watching;
