//! The server of Farkeep: many repositories for many clients, over one protocol.
//!
//! Modules stand in the order in which they may use one another. PROTOCOL.md, in the folder of the protocol, has
//! every byte of what goes over the wire.
#![forbid(unsafe_code)]

pub mod config;
mod machine;
pub mod observe;
pub mod registry;
pub mod tls;
mod bridge;
mod schedule;
mod session;
mod listen;
pub mod command;

pub use listen::ListenError;
pub use listen::Server;
pub use machine::Machine;
