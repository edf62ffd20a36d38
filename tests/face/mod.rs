//! The program from outside: exit codes, messages that say what to do, JSON that parses, signals.

mod bad_input;
mod caches;
pub(crate) mod care;
mod inside;
mod interrupted;
pub(crate) mod keeping;
mod lost_pack;
mod queue;
pub(crate) mod removing;
mod room;
pub(crate) mod rotating;
mod story;
mod unreadable;
mod usage;
