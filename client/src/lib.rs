//! The face of Farkeep: reads and writes the user's files, holds the keys, and speaks with people.
//!
//! Modules stand in the order in which they may use one another.

mod lock;
pub mod config;
mod process;
pub mod progress;
pub mod output;
pub mod selector;
pub mod source;
pub mod target;
pub mod repository;
pub mod backup;
pub mod restore;
pub mod check;
pub mod rewrite;
pub mod transfer;
pub mod agent;
pub mod command;
