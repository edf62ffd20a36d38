//! What goes into a repository, in the order of its numbers: puts, flushes, commits.

use std::sync::Arc;
use std::time::Duration;

use farkeep_engine::Put;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::message::Durable;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Gathered;
use farkeep_protocol::message::Stage;
use tokio::sync::oneshot;

use super::actor::Session;
use super::answer::Answer;
use super::event::News;
use super::line::LineId;
use super::numbers::sequence;
use super::puts::Ordered;
use super::puts::Under;
use super::puts::ranges;
use crate::bridge::Commit;
use crate::bridge::CommittedAt;
use crate::bridge::Failure;
use crate::bridge::Groups;
use crate::bridge::Lease;
use crate::bridge::Member;
use crate::bridge::Order;
use crate::bridge::Pool;
use crate::bridge::Reply;
use crate::bridge::Step;
use crate::bridge::Taken;
use crate::bridge::Urgency;
use crate::observe::Outcome;

/// Bytes of objects that are taken in together.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Objects that are taken in together.
const BATCH_OBJECTS_MAX: usize = 512;

impl Session {
    /// Carries out what can be carried out now.
    pub(super) fn advance(&mut self) {
        while self.puts.batch.is_none() {
            let Some((&number, front)) = self.queue.first_key_value() else { return };
            if number >= self.numbers.missing() {
                return;
            }
            let is_commit = matches!(front, Ordered::Commit { .. });
            if is_commit && self.open.range(..number).next().is_some() {
                return;
            }
            match self.queue.remove(&number) {
                Some(put @ Ordered::Put { .. }) => {
                    self.queue.insert(number, put);
                    self.begin_batch();
                }
                Some(Ordered::Flush) => self.flush(number),
                Some(Ordered::Commit { group, record, tags, replaces, body_bytes }) => {
                    self.intake.free_bytes(body_bytes);
                    let agent = self.may_commit_for();
                    let session = self.lease.session();
                    self.commit(number, group, Commit { record, tags, replaces, agent, session });
                }
                None => return,
            }
        }
    }

    /// Has the engine take in the puts at the front of the queue.
    fn begin_batch(&mut self) {
        let (mut batch, mut objects, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < BATCH_BYTES_MAX && batch.len() < BATCH_OBJECTS_MAX {
            let Some(front) = self.queue.first_entry() else { break };
            if *front.key() >= self.numbers.missing() || !matches!(front.get(), Ordered::Put { .. }) {
                break;
            }
            let (number, Ordered::Put { line, id, object, body_bytes }) = front.remove_entry() else { break };
            let object_bytes = object.len() as u64;
            match self.reserve(object_bytes) {
                Ok(()) => {
                    bytes += object.len();
                    batch.push(Under { number, line, reserved_bytes: object_bytes, body_bytes });
                    objects.push((id, object));
                }
                Err(failure) => {
                    self.intake.free_bytes(body_bytes);
                    self.refuse_put(number, line, failure);
                }
            }
        }
        if batch.is_empty() {
            return;
        }
        self.puts.batch = Some(batch);
        let (lease, pool, news) = (self.lease.clone(), self.house.pool.clone(), self.news_sender.clone());
        tokio::spawn(async move {
            let outcome = pool.run(move || lease.take(&objects)).await.and_then(|taken| taken);
            // A session that is gone wants no news.
            drop(news.send(News::Taken { outcome }));
        });
    }

    fn reserve(&self, bytes: u64) -> Result<(), Failure> {
        self.lease.reserve(bytes)?;
        self.owner.account.reserve(bytes).inspect_err(|_| self.lease.release(bytes))
    }

    fn release(&self, bytes: u64) {
        self.lease.release(bytes);
        self.owner.account.release(bytes);
    }

    /// The engine has taken in what it was given.
    pub(super) fn taken(&mut self, outcome: Result<Taken, Failure>) {
        let Some(batch) = self.puts.batch.take() else { return };
        let (puts, losses) = match outcome {
            Ok(Taken { puts, losses }) => (puts, losses),
            Err(failure) => (batch.iter().map(|_| Err(failure.clone())).collect(), 0),
        };
        let (mut under, mut bytes, mut poison) = (Vec::new(), 0, None);
        for (mut put, outcome) in batch.into_iter().zip(puts) {
            self.intake.free_bytes(put.body_bytes);
            match outcome {
                Ok(Put::New) => {
                    self.house.observer.counters.object(Outcome::New);
                    bytes += put.reserved_bytes;
                    under.push(put);
                }
                Ok(Put::Known) => {
                    self.house.observer.counters.object(Outcome::Known);
                    self.release(put.reserved_bytes);
                    put.reserved_bytes = 0;
                    under.push(put);
                }
                Err(failure) => {
                    self.release(put.reserved_bytes);
                    poison = failure.is_poison().then(|| failure.clone()).or(poison);
                    self.refuse_put(put.number, put.line, failure);
                }
            }
        }
        if let Some(failure) = poison {
            self.fail(failure, None);
        }
        if under.is_empty() {
            return;
        }
        under.iter().for_each(|_| self.intake.free_request());
        let ticket = self.puts.next_ticket;
        self.puts.next_ticket += 1;
        self.puts.tickets.insert(ticket, under);
        let news = self.news_sender.clone();
        let done = Reply::new(move |outcome| drop(news.send(News::Synced { ticket, outcome })));
        self.lease.order(Order::Sync { bytes, losses, urgency: self.urgency(), done });
    }

    /// What a ticket stands for is durable, or is not.
    pub(super) fn synced(&mut self, ticket: u64, outcome: Result<(), Failure>) {
        let Some(under) = self.puts.tickets.remove(&ticket) else { return };
        if let Err(failure) = outcome {
            for put in under {
                self.release(put.reserved_bytes);
                self.puts.refuse(put.number);
                let sequence = sequence(put.number);
                self.answer(put.line, Some(Answer::Refused { sequence, failure: failure.clone() }));
            }
            if failure.is_poison() {
                self.fail(failure, None);
            }
            return;
        }
        let mut numbers: Vec<u64> = under.iter().map(|put| put.number).collect();
        numbers.sort_unstable();
        for number in &numbers {
            self.puts.undurable.remove(number);
        }
        under.iter().for_each(|put| self.answer(put.line, None));
        let Some(main) = self.lines.keys().next().copied() else { return };
        for ranges in ranges(&numbers) {
            self.tell(main, Answer::Plain(FromServer::Durable(Durable { ranges })));
        }
    }

    /// A put was refused before it was taken in.
    pub(super) fn refuse_put(&mut self, number: u64, line: LineId, failure: Failure) {
        self.house.observer.counters.object(Outcome::Refused);
        self.puts.refuse(number);
        self.intake.free_request();
        self.answer(line, Some(Answer::Refused { sequence: sequence(number), failure }));
    }

    /// Whether somebody waits for what was put.
    fn urgency(&self) -> Urgency {
        let is_leaving = self.lines.values().any(|line| line.is_leaving || line.is_left);
        if is_leaving || self.lines.is_empty() { Urgency::Now } else { Urgency::Soon }
    }

    /// Has made durable what was put so far without waiting for others.
    pub(super) fn hurry(&self) {
        if !self.puts.tickets.is_empty() {
            let done = Reply::new(|_| {});
            self.lease.order(Order::Sync { bytes: 0, losses: 0, urgency: Urgency::Now, done });
        }
    }

    fn flush(&mut self, number: u64) {
        let (news, incarnation) = (self.news_sender.clone(), self.incarnation);
        let done = Reply::new(move |outcome: Result<(), Failure>| {
            // That something was lost, whoever put it is told put by put.
            let outcome = outcome.or_else(|failure| match failure.code {
                Code::LOST => Ok(()),
                _ => Err(failure),
            });
            drop(news.send(News::Flushed { incarnation, number, outcome }));
        });
        self.lease.order(Order::Sync { bytes: 0, losses: 0, urgency: Urgency::Now, done });
    }

    /// The agent whose series alone the session may commit to.
    fn may_commit_for(&self) -> Option<[u8; 32]> {
        let may_all = self.owner.rights.include(Rights::ALL_SERIES);
        (!may_all).then(|| *self.owner.key.as_bytes())
    }

    fn commit(&mut self, number: u64, group: Option<GroupId>, commit: Commit) {
        let (news, incarnation) = (self.news_sender.clone(), self.incarnation);
        let tell = move |outcome| drop(news.send(News::Committed { incarnation, number, outcome }));
        match group {
            None => {
                let done = Reply::new(move |committed: Result<Vec<CommittedAt>, Failure>| {
                    let one = |committed: Vec<CommittedAt>| committed.first().copied();
                    let missing = || Failure::new(Code::INTERNAL, "no answer");
                    tell(committed.and_then(|committed| one(committed).ok_or_else(missing)));
                });
                self.lease.order(Order::Commit { commits: vec![commit], done });
            }
            Some(group) => {
                let (house, lease, member) = (Arc::clone(&self.house), self.lease.clone(), self.member());
                tokio::spawn(async move {
                    tell(commit_in_group(&house.pool, &house.groups, lease, (group, member), commit).await);
                });
            }
        }
    }

    /// A member of a consistency group is as far.
    pub(super) fn barrier(
        &mut self,
        number: u64,
        group: GroupId,
        members: u32,
        deadline_ms: u32,
        stage: Stage,
    ) {
        let (news, incarnation) = (self.news_sender.clone(), self.incarnation);
        let reply = Reply::new(move |outcome: Result<(), Failure>| {
            let gathered = Gathered { sequence: sequence(number), stage };
            let answer = outcome.map(|()| FromServer::Gathered(gathered));
            drop(news.send(News::Gathered { incarnation, number, answer }));
        });
        let deadline = Duration::from_millis(u64::from(deadline_ms));
        let step = Step::Barrier { members, deadline, stage, reply };
        self.house.groups.step(self.lease.name(), group, self.member(), step);
    }
}

/// Brings a record to its group. One that is there was committed with its group, whatever became of that since: the repository
/// is asked here and not by the task of all groups, which shall not fail with one of them.
async fn commit_in_group(
    pool: &Pool,
    groups: &Groups,
    lease: Lease,
    (group, member): (GroupId, Member),
    commit: Commit,
) -> Result<CommittedAt, Failure> {
    let (name, asked, id) = (lease.name().to_owned(), lease.clone(), commit.id_if_own());
    let look = || {
        let lease = asked.clone();
        pool.run(move || id.and_then(|id| lease.committed(&id)))
    };
    if let Some(before) = look().await? {
        return Ok(before);
    }
    let (sender, answer) = oneshot::channel();
    // Whoever asked may be gone.
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    groups.step(&name, group, member, Step::Commit { commit, lease, reply });
    match answer.await.unwrap_or_else(|_| Err(Failure::new(Code::INTERNAL, "no answer"))) {
        // It may have been committed, and its group forgotten, between the question and the step.
        Err(failure) if failure.code == Code::GROUP_BROKEN => look().await?.ok_or(failure),
        answer => answer,
    }
}
