//! What a session is told, by its connections and by whoever works for it, and what it gives them.

use std::sync::Arc;

use farkeep_protocol::message::FromServer;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use super::credit::Outflow;
use super::line::LineId;
use super::line::Outbox;
use super::request::Request;
use crate::bridge::Account;
use crate::bridge::CommittedAt;
use crate::bridge::Failure;
use crate::bridge::Reply;
use crate::bridge::Taken;

/// Events of connections that wait for the session.
pub(super) const EVENTS_WAITING_MAX: usize = 64;

/// What the connections of a session tell it.
#[derive(Debug)]
pub(super) enum Event {
    /// One more.
    Attach { outbox: Outbox, way: Way, reply: Reply<Attached> },
    /// A request came.
    Request { line: LineId, request: Request, room: Option<OwnedSemaphorePermit> },
    /// The client wants to end a connection in order.
    Goodbye { line: LineId },
    /// A connection has ended.
    Ended { line: LineId, how: Ending },
}

/// How a connection comes to a session that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It takes the place of all others.
    Resume,
    /// It joins them.
    Stripe,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was cut.
    Cut,
    /// Both sides said goodbye.
    InOrder,
    /// A fault after which the session cannot go on.
    Final,
}

/// What a connection needs of its session.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) line: LineId,
    pub(super) ties: Ties,
    pub(super) credit_bytes: u32,
    pub(super) acknowledged: u64,
}

/// What all connections of a session share.
#[derive(Debug, Clone)]
pub(super) struct Ties {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) outflow: Arc<Outflow>,
    /// Room for requests that no credit is charged for.
    pub(super) requests: Arc<Semaphore>,
    pub(super) account: Arc<Account>,
}

/// What comes back from where work is done.
pub(super) enum News {
    /// Objects were taken in.
    Taken { outcome: Result<Taken, Failure> },
    /// What a ticket stands for is durable, or is not.
    Synced { ticket: u64, outcome: Result<(), Failure> },
    /// What was put before a Flush is durable.
    Flushed { incarnation: u64, number: u64, outcome: Result<(), Failure> },
    /// A snapshot is durable.
    Committed { incarnation: u64, number: u64, outcome: Result<CommittedAt, Failure> },
    /// All members of a group are as far.
    Gathered { incarnation: u64, number: u64, answer: Result<FromServer<'static>, Failure> },
    /// A request was answered by whoever worked on it.
    Finished { incarnation: u64, number: u64 },
}
