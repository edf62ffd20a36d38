//! The agent: backs up by itself, on schedules.
//!
//! One file says what and when ([`config`]); [`schedule`] says when next, [`work`] does it in lanes and remembers ([`runs`])
//! how it went. A point goes to the first of the [`servers`] that answers, or [waits](spooling) for one; those of a
//! consistency group are made [together].

mod files;
pub mod place;
pub mod schedule;
pub mod hooks;
pub mod config;
pub mod runs;
pub mod servers;
pub mod spooling;
pub mod error;
pub mod doubts;
pub mod event;
mod job;
mod together;
mod lane;
pub mod work;
