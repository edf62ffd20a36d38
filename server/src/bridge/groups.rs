//! Consistency groups: members that stand still together, are captured together, and are committed all or none.
//!
//! A group lives from the first Barrier that names it until it is committed, at most to its deadline, and for a day once all
//! have captured. One task owns all groups of the server; what becomes of a group is decided in [`group`].

use std::collections::HashMap;
use std::time::Duration;

use farkeep_codec::id::SnapshotId;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::message::Stage;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::time::Instant;
use tokio::time::sleep_until;

use self::group::Committing;
use self::group::Group;
use self::group::Outcome;
use self::group::Why;
use super::Commit;
use super::CommittedAt;
use super::Lease;
use super::Order;
use super::Reply;

mod group;
#[cfg(test)]
mod tests;

/// Groups of one server at most: beyond them nobody gets a new one.
const GROUPS_MAX: usize = 4_096;
/// Groups that one member takes part in at most.
const GROUPS_PER_MEMBER_MAX: usize = 4;

/// Who takes part in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Member(pub(crate) SessionId);

/// What a member does.
pub(crate) enum Step {
    /// It is as far, and wants to be told when all are.
    Barrier { members: u32, deadline: Duration, stage: Stage, reply: Reply<()> },
    /// It has its record ready.
    Commit { commit: Commit, lease: Lease, reply: Reply<CommittedAt> },
}

/// Asks the task that owns the groups.
#[derive(Debug, Clone)]
pub(crate) struct Groups(UnboundedSender<Message>);

/// Groups of different repositories have nothing to do with one another.
type Key = (String, GroupId);

enum Message {
    Step { key: Key, member: Member, step: Step },
    Gone { member: Member },
    Committed { key: Key, answers: HashMap<blake3::Hash, CommittedAt> },
    Failed { key: Key },
}

impl Groups {
    /// Starts the task.
    pub(crate) fn start() -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let owner = Owner { groups: HashMap::new(), sender: sender.downgrade() };
        tokio::spawn(owner.run(messages));
        Self(sender)
    }

    /// A member of a group of that repository takes a step.
    pub(crate) fn step(&self, repository: &str, group: GroupId, member: Member, step: Step) {
        drop(self.0.send(Message::Step { key: (repository.to_owned(), group), member, step }));
    }

    /// A member is gone for good.
    pub(crate) fn gone(&self, member: Member) {
        drop(self.0.send(Message::Gone { member }));
    }
}

struct Owner {
    groups: HashMap<Key, Group>,
    sender: WeakUnboundedSender<Message>,
}

impl Owner {
    async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        loop {
            let next = self.groups.values().map(Group::ends).min();
            let message = match next {
                None => messages.recv().await,
                Some(deadline) => tokio::select! {
                    message = messages.recv() => message,
                    () = sleep_until(deadline) => {
                        let now = Instant::now();
                        self.groups.extract_if(|_, group| group.ends() <= now).for_each(|(_, group)| group.expire());
                        continue;
                    }
                },
            };
            match message {
                None => return,
                Some(message) => self.take(message),
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Step { key, member, step } => self.step(key, member, step),
            Message::Gone { member } => {
                let broken = self.groups.extract_if(|_, group| group.needs(member));
                broken.for_each(|(_, group)| group.end(Why::Gone));
            }
            Message::Committed { key, answers } => {
                if let Some(group) = self.groups.remove(&key) {
                    group.committed(&answers);
                }
            }
            Message::Failed { key } => self.end(&key, Why::Refused),
        }
    }

    fn end(&mut self, key: &Key, why: Why) {
        if let Some(group) = self.groups.remove(key) {
            group.end(why);
        }
    }

    fn step(&mut self, key: Key, member: Member, step: Step) {
        // A record that is there was committed with its group, whatever became of that since.
        let step = match step {
            Step::Commit { commit, lease, reply } => {
                let id = SnapshotId::from_bytes(*blake3::hash(&commit.record).as_bytes());
                match lease.engine().committed(&id) {
                    Some(before) => return reply.send(Ok(CommittedAt::again(before))),
                    None => Step::Commit { commit, lease, reply },
                }
            }
            barrier @ Step::Barrier { .. } => barrier,
        };
        if let Step::Barrier { members, .. } = &step
            && !self.groups.contains_key(&key)
        {
            let of_member = self.groups.values().filter(|group| group.needs(member)).count();
            if self.groups.len() >= GROUPS_MAX || of_member >= GROUPS_PER_MEMBER_MAX {
                return refuse(step, Why::Unknown);
            }
            self.groups.insert(key.clone(), Group::new(*members, Instant::now()));
        }
        let Some(group) = self.groups.get_mut(&key) else { return refuse(step, Why::Unknown) };
        match group.take(member, step, Instant::now()) {
            Outcome::GoesOn => {}
            Outcome::Broken => self.end(&key, Why::Disagreement),
            Outcome::Commit(committing) => self.commit(key, committing),
        }
    }

    /// Hands everything to the committer of the repository, and the answers to everybody.
    fn commit(&self, key: Key, committing: Vec<Committing>) {
        let Some(lease) = committing.first().map(|first| first.lease.clone()) else { return };
        let sender = self.sender.clone();
        let (mut commits, mut replies) = (Vec::new(), Vec::new());
        for Committing { commit, reply, .. } in committing {
            replies.push((blake3::hash(&commit.record), reply));
            commits.push(commit);
        }
        let done = Reply::new(move |outcome: Result<Vec<CommittedAt>, _>| {
            let Some(sender) = sender.upgrade() else { return };
            match outcome {
                Ok(committed) => {
                    let hashes = replies.iter().map(|(hash, _)| *hash);
                    let answers = hashes.zip(committed.iter().copied()).collect();
                    drop(sender.send(Message::Committed { key, answers }));
                    let answered = replies.into_iter().zip(committed);
                    answered.for_each(|((_, reply), at)| reply.send(Ok(at)));
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a consistency group was not committed");
                    drop(sender.send(Message::Failed { key }));
                    replies.into_iter().for_each(|(_, reply)| reply.send(Err(Why::Refused.failure())));
                }
            }
        });
        lease.order(Order::Commit { commits, done });
    }
}

fn refuse(step: Step, why: Why) {
    match step {
        Step::Barrier { reply, .. } => reply.send(Err(why.failure())),
        Step::Commit { reply, .. } => reply.send(Err(why.failure())),
    }
}
