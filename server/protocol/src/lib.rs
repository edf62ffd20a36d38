//! The wire of Farkeep: what server, agents, administrators and peers say to one another.
//!
//! Pure but for `stream`, and for `tls` behind its feature: bytes to messages and back, and which message may come when. PROTOCOL.md gives every byte.
//! Modules stand in the order in which they may use one another.
#![forbid(unsafe_code)]

pub mod limits;
pub mod field;
pub mod kind;
pub mod fault;
pub mod hello;
pub mod identity;
#[cfg(feature = "tls")]
pub mod tls;
pub mod message;
pub mod frame;
pub mod state;
pub mod credit;
pub mod stream;
