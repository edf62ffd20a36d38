//! Networks and machines that fail: whatever happens to a connection or a process, what was acknowledged is there.

mod cuts;
mod errand;
mod harm;
mod kill;
mod program;
pub(crate) mod proxy;
mod rounds;
mod stripes;
mod trial;
