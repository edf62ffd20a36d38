//! The agent: backs up by itself, on schedules.
//!
//! One file says what and when ([`config`]); [`schedule`] says when next, [`work`] does it and remembers ([`runs`]) how it went.

pub mod schedule;
pub mod hooks;
pub mod config;
pub mod runs;
pub mod work;
