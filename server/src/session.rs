//! Sessions: from the handshake of a connection to the last answer.
//!
//! A connection is one task that reads frames and writes answers ([`wire`]). A session is one task too, which owns all
//! that the connections of the session have in common ([`actor`]): they send it what they read, it sends them what to
//! write. What blocks is done elsewhere, and reported to it. Modules stand in the order in which they may use one another.

use std::sync::Arc;

use tokio::sync::watch;

use crate::bridge::Accounts;
use crate::bridge::Collections;
use crate::bridge::Groups;
use crate::bridge::Pool;
use crate::bridge::Repositories;
use crate::config::Config;
use crate::observe::Observer;
use crate::registry::Clients;
use crate::registry::Tokens;

pub(crate) use hello::serve;
pub(crate) use sessions::Sessions;

mod answer;
mod request;
mod numbers;
mod credit;
mod pace;
mod line;
mod event;
mod sessions;
mod puts;
mod stops;
mod restore;
mod keeper;
mod care;
mod collect;
mod actor;
mod backup;
mod admin;
mod wire;
mod hello;

/// How long the server still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It takes sessions.
    Running,
    /// Sessions are to end.
    Draining,
    /// Sessions are ended.
    Over,
}

/// All that sessions share.
pub(crate) struct House {
    pub(crate) config: Arc<Config>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) tokens: Tokens,
    pub(crate) accounts: Accounts,
    pub(crate) repositories: Repositories,
    pub(crate) groups: Groups,
    pub(crate) pool: Pool,
    /// Verifications, which take hours and shall not keep others waiting.
    pub(crate) verifications: Pool,
    pub(crate) collections: Collections,
    pub(crate) sessions: Sessions,
    pub(crate) observer: Arc<Observer>,
    pub(crate) phase: watch::Sender<Phase>,
}
