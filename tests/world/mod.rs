//! What the tests stand on: trees as values, a comparison that leaves nothing out, repositories that go away.
//!
//! A [`Tree`] is described before it is made, so that a failing test can print it. A [`Manifest`] is read from disk by
//! code of its own, so that nothing which the client forgets is forgotten here too. A [`Place`] holds a repository, its
//! cache, and folders to back up and restore into.

mod make;
mod manifest;
mod place;
mod program;
mod random;
mod seed;
mod settle;
mod strategy;
mod tree;

pub(crate) use make::make;
pub(crate) use manifest::Manifest;
pub(crate) use place::Job;
pub(crate) use place::PASSPHRASE;
pub(crate) use place::Place;
pub(crate) use place::bundles;
pub(crate) use place::plan;
pub(crate) use place::restore;
pub(crate) use program::Program;
pub(crate) use program::Ran;
pub(crate) use random::Random;
pub(crate) use seed::Seed;
pub(crate) use settle::settle;
pub(crate) use strategy::tree;
pub(crate) use tree::Body;
pub(crate) use tree::Contents;
pub(crate) use tree::Item;
pub(crate) use tree::Link;
pub(crate) use tree::Tree;

/// Whether the tests may do what only root may. Says so, since a test that does less should not look like one that does
/// all.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says what is not tried on this machine, and why.
#[expect(clippy::print_stderr, reason = "whoever reads the output of a test wants to know what it left out")]
pub(crate) fn skip(what: &str, why: &dyn std::fmt::Display) {
    eprintln!("not tried: {what}: {why}");
}
