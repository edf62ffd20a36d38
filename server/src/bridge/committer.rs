//! The committer of a repository: it makes durable at once what all sessions put, and commits their snapshots.
//!
//! One sync costs the same whether it covers one object or thousands. So whoever has put something says so and goes
//! on; the committer waits a moment for others, unless somebody is in a hurry or enough has come together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;
use farkeep_engine::CommitError;
use farkeep_engine::Committed;
use farkeep_engine::Engine;
use farkeep_engine::Marked;
use farkeep_engine::Replacement;
use farkeep_engine::Session;
use farkeep_engine::policy::TagToken;
use farkeep_protocol::fault::Code;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::Failure;
use super::Pool;
use super::Reply;
use super::repository::Repository;

#[cfg(test)]
pub(super) mod tests;

/// Bytes that were put after which nobody waits for more.
const GATHER_BYTES_MAX: u64 = 8 << 20;

/// What the committer is asked for.
pub(crate) enum Order {
    /// To make durable what was put before.
    Sync {
        /// How much that is.
        bytes: u64,
        /// Losses of the engine before the first of it was put.
        losses: u64,
        /// Whether somebody waits.
        urgency: Urgency,
        done: Reply<()>,
    },
    /// To commit snapshots, all of them or none.
    Commit { commits: Vec<Commit>, done: Reply<Vec<CommittedAt>> },
}

/// Whether somebody waits for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Now,
    Soon,
}

/// A snapshot that is to be committed.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) record: Vec<u8>,
    /// What may be known of its tags, if anybody tells it.
    pub(crate) tags: Option<Vec<TagToken>>,
    /// The snapshot whose place it takes.
    pub(crate) replaces: Option<SnapshotId>,
    /// The key that must have signed it and the series so far; `None` for whoever may commit to all series.
    pub(crate) agent: Option<[u8; 32]>,
    /// The one that stored what the snapshot needs.
    pub(crate) session: Arc<Session>,
}

impl Commit {
    /// Its id, unless another agent signed it than the one who commits it.
    pub(crate) fn id_if_own(&self) -> Option<SnapshotId> {
        let signer = || Some(*Snapshot::parse(&self.record).ok()?.agent().as_bytes());
        let is_own = self.agent.is_none_or(|agent| signer() == Some(agent));
        is_own.then(|| SnapshotId::from_bytes(*blake3::hash(&self.record).as_bytes()))
    }
}

/// A snapshot that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommittedAt {
    pub(crate) id: SnapshotId,
    pub(crate) sequence: u64,
    pub(crate) received: Time,
    /// It was there before.
    pub(crate) already: bool,
}

impl CommittedAt {
    /// One that was there before.
    pub(super) fn again(committed: Committed) -> Self {
        let Committed { id, sequence, received } = committed;
        Self { id, sequence, received, already: true }
    }
}

/// Carries orders out until nobody can give any.
pub(super) async fn run(
    repository: Arc<Repository>,
    pool: Pool,
    gather: Duration,
    mut orders: UnboundedReceiver<Order>,
) {
    while let Some(first) = orders.recv().await {
        let mut batch = Batch::default();
        batch.add(first);
        let deadline = Instant::now() + gather;
        while !batch.is_due() {
            match timeout_at(deadline, orders.recv()).await {
                Ok(Some(order)) => batch.add(order),
                Ok(None) | Err(_) => break,
            }
        }
        while let Ok(order) = orders.try_recv() {
            batch.add(order);
        }
        let repository = Arc::clone(&repository);
        // What panics there has answered by dropping its replies.
        drop(pool.run(move || batch.carry_out(&repository)).await);
    }
}

/// Orders that are carried out together.
#[derive(Default)]
struct Batch {
    syncs: Vec<(u64, Reply<()>)>,
    commits: Vec<(Vec<Commit>, Reply<Vec<CommittedAt>>)>,
    /// When the first of them came.
    begun: Option<Instant>,
    bytes: u64,
    is_urgent: bool,
}

impl Batch {
    fn add(&mut self, order: Order) {
        match order {
            Order::Sync { bytes, losses, urgency, done } => {
                self.bytes = self.bytes.saturating_add(bytes);
                self.is_urgent |= urgency == Urgency::Now;
                self.syncs.push((losses, done));
            }
            Order::Commit { commits, done } => {
                self.begun.get_or_insert_with(Instant::now);
                self.commits.push((commits, done));
            }
        }
    }

    fn is_due(&self) -> bool {
        self.is_urgent || !self.commits.is_empty() || self.bytes >= GATHER_BYTES_MAX
    }

    /// Commits first, since the first one makes durable what was put too; answers in the order in which they build
    /// on one another.
    fn carry_out(self, repository: &Repository) {
        let engine = &repository.engine;
        let (commits, replies): (Vec<_>, Vec<_>) = self.commits.into_iter().unzip();
        let committed: Vec<_> = commit_all(engine, &commits).into_iter().zip(replies).collect();
        let flushed = engine.flush().and_then(|()| engine.losses()).map_err(Failure::from);
        if let Err(failure) = &flushed {
            repository.learn(failure);
        }
        for (losses, done) in self.syncs {
            done.send(match &flushed {
                Ok(now) if *now == losses => Ok(()),
                Ok(_) => Err(Failure::new(Code::LOST, "objects that were not durable yet were given up")),
                Err(failure) => Err(failure.clone()),
            });
        }
        if let Some(begun) = self.begun {
            let all = commits.iter().zip(&committed).flat_map(|(order, (outcome, _))| {
                let ended = outcome.as_deref().unwrap_or_default();
                order.iter().zip(ended).filter(|(_, at)| !at.already).map(|(commit, _)| commit)
            });
            let (mut count, mut bytes) = (0, 0_u64);
            for commit in all {
                count += 1;
                bytes =
                    bytes.saturating_add(Snapshot::parse(&commit.record).map_or(0, |record| record.bytes));
            }
            repository.observer().counters.committed(count, bytes, begun.elapsed());
            // Before anybody is told, so that whoever was told finds it.
            repository.report();
        }
        for (outcome, done) in committed {
            if let Err(failure) = &outcome {
                repository.learn(failure);
            }
            done.send(outcome);
        }
    }
}

/// Carries each order out, all or none of its snapshots: by one sync for all orders where nothing stands against it. Where
/// something does, or orders build on one another, each by itself, so that one that fails harms no other.
fn commit_all(engine: &Engine, orders: &[Vec<Commit>]) -> Vec<Result<Vec<CommittedAt>, Failure>> {
    let all: Vec<&Commit> = orders.iter().flatten().collect();
    if orders.len() > 1
        && all.iter().all(|commit| commit.replaces.is_none())
        && are_of_different_series(&all)
        && let Ok(committed) = commit(engine, &all)
    {
        let mut committed = committed.into_iter();
        return orders.iter().map(|order| Ok(committed.by_ref().take(order.len()).collect())).collect();
    }
    orders.iter().map(|order| commit(engine, &order.iter().collect::<Vec<_>>())).collect()
}

fn are_of_different_series(commits: &[&Commit]) -> bool {
    let series = commits.iter().map(|commit| Some(Snapshot::parse(&commit.record).ok()?.series.clone()));
    let series: Option<HashSet<Series>> = series.collect();
    series.is_some_and(|series| series.len() == commits.len())
}

fn commit(engine: &Engine, commits: &[&Commit]) -> Result<Vec<CommittedAt>, Failure> {
    commits.iter().try_for_each(|commit| expect_own(engine, commit))?;
    let before = engine.head().sequence;
    let committed = match commits {
        [Commit { replaces: Some(old), session, record, .. }] => {
            engine.replace(session, &[Replacement { old: *old, record }])?
        }
        _ => {
            let records = commits.iter().map(|commit| Marked {
                session: &commit.session,
                record: &commit.record,
                tags: commit.tags.as_deref(),
            });
            engine.commit_marked(&records.collect::<Vec<_>>())?
        }
    };
    let at = |committed: &Committed| CommittedAt {
        id: committed.id,
        sequence: committed.sequence,
        received: committed.received,
        already: committed.sequence <= before,
    };
    Ok(committed.iter().map(at).collect())
}

/// Whether the record and its series are of the agent who commits it. Nobody else commits meanwhile.
fn expect_own(engine: &Engine, commit: &Commit) -> Result<(), Failure> {
    let Some(agent) = commit.agent else { return Ok(()) };
    let snapshot = Snapshot::parse(&commit.record).map_err(CommitError::from)?;
    let refused = |what: &str| {
        let text = format!("{what} {} belongs to another agent", snapshot.series);
        Err(Failure::new(Code::SERIES_OF_ANOTHER, text))
    };
    if *snapshot.agent().as_bytes() != agent {
        return refused("the record for series");
    }
    match engine.newest_of(&snapshot.series) {
        Some(newest) if newest.agent != agent => refused("the series"),
        _ => Ok(()),
    }
}
