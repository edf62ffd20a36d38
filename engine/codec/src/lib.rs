//! The formats of Farkeep: bytes to values and back.
//!
//! Pure: no disk, no network, no clock, no threads, so that every rule can be tested on its own and read from
//! FORMAT.md alone. Modules stand in the order in which they may use one another.
#![forbid(unsafe_code)]

pub mod layout;
pub mod limits;
pub mod id;
pub mod time;
pub mod envelope;
mod aead;
pub mod object;
pub mod key;
pub mod parameters;
pub mod seal;
pub mod chunk;
pub mod tree;
pub mod snapshot;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
