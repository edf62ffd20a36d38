//! The store of Farkeep: what is durable, and in which order.
//!
//! Blocking, with threads of its own, and keyless: it never sees a key or a plaintext. Modules stand in the order in
//! which they may use one another.

pub mod limits;
pub mod disk;
