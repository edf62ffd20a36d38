//! Both programs as people run them: `farkeepd`, and `farkeep` on a repository behind it.

mod agent;
mod site;

mod story;
mod together;
mod trips;
