//! Both programs as people run them: `farkeepd`, and `farkeep` on a repository behind it.

mod agent;
mod commands;
pub(crate) mod site;

mod care;
mod keeping;
mod lost;
mod removing;
mod rotating;
mod story;
mod together;
mod trips;
