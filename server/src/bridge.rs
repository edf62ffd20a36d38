//! The only crossing from sockets to the engine, which blocks: bounded, and with backpressure.
//!
//! Sessions share one engine per repository ([`Repositories`]), one pool of threads ([`Pool`]), and one committer per
//! repository, which makes durable for all of them at once what they put ([`Order`]).

pub(crate) use accounts::Account;
pub(crate) use accounts::Accounts;
pub(crate) use accounts::Seat;
pub(crate) use collections::Collections;
pub(crate) use collections::GivenUp;
pub(crate) use committer::Commit;
pub(crate) use committer::CommittedAt;
pub(crate) use committer::Order;
pub(crate) use committer::Urgency;
pub(crate) use failure::Failure;
pub(crate) use failure::Reply;
pub(crate) use groups::Groups;
pub(crate) use groups::Member;
pub(crate) use groups::Step;
pub(crate) use pool::Pool;
pub(crate) use repositories::How;
pub(crate) use repositories::Repositories;
pub(crate) use repository::Lease;
pub(crate) use repository::Taken;
pub(crate) use survey::survey;

mod accounts;
mod collections;
mod committer;
mod failure;
mod groups;
mod meter;
mod pool;
mod repositories;
mod repository;
mod survey;
