//! Consistency groups: members that stand still together, are captured together, and are committed all or none.
//!
//! A group lives from the first Barrier that names it until it is committed, at most to its deadline, and for a day once all
//! have captured. One task owns all groups of the server; what becomes of a group is decided in [`group`].

use std::collections::HashMap;
use std::time::Duration;

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
/// Groups of one repository at most, so that its clients together take no other one's.
const GROUPS_PER_REPOSITORY_MAX: usize = 1_024;
/// Groups at most that one client has begun, in all its sessions. Those count too that are broken and only kept so that who
/// comes late is told so: they outlive the session that broke them.
const GROUPS_PER_CLIENT_MAX: usize = 64;
/// Groups that one member takes part in at most.
const GROUPS_PER_MEMBER_MAX: usize = 4;

/// Who takes part in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) session: SessionId,
    /// The key of the client.
    pub(crate) client: [u8; 32],
}

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
    Committed { key: Key, generation: u64, answers: HashMap<blake3::Hash, CommittedAt> },
    Failed { key: Key, generation: u64 },
}

/// A group, and what tells it from others.
struct Kept {
    group: Group,
    /// No other group has it, also none that had or gets the same id.
    generation: u64,
    /// The key of the client that began it.
    founder: [u8; 32],
}

impl Groups {
    /// Starts the task.
    pub(crate) fn start() -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let owner = Owner { groups: HashMap::new(), begun: 0, sender: sender.downgrade() };
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
    groups: HashMap<Key, Kept>,
    /// Groups so far.
    begun: u64,
    sender: WeakUnboundedSender<Message>,
}

impl Owner {
    async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        loop {
            let next = self.groups.values().map(|kept| kept.group.ends()).min();
            let message = match next {
                None => messages.recv().await,
                Some(deadline) => tokio::select! {
                    message = messages.recv() => message,
                    () = sleep_until(deadline) => {
                        let now = Instant::now();
                        let over = self.groups.extract_if(|_, kept| kept.group.ends() <= now);
                        over.for_each(|(_, kept)| kept.group.expire());
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
                let broken = self.groups.extract_if(|_, kept| kept.group.needs(member));
                broken.for_each(|(_, kept)| kept.group.end(Why::Gone));
            }
            Message::Committed { key, generation, answers } => {
                if let Some(group) = self.remove(&key, generation) {
                    group.committed(&answers);
                }
            }
            Message::Failed { key, generation } => {
                if let Some(group) = self.remove(&key, generation) {
                    group.end(Why::Refused);
                }
            }
        }
    }

    /// Takes out the group that is meant, and none that has its id since.
    fn remove(&mut self, key: &Key, generation: u64) -> Option<Group> {
        self.groups.get(key).is_some_and(|kept| kept.generation == generation).then_some(())?;
        self.groups.remove(key).map(|kept| kept.group)
    }

    fn step(&mut self, key: Key, member: Member, step: Step) {
        if let Step::Barrier { members, .. } = &step
            && !self.groups.contains_key(&key)
        {
            if !self.has_room(&key, member) {
                return refuse(step, Why::Unknown);
            }
            self.begun += 1;
            let group = Group::new(*members, Instant::now());
            let kept = Kept { group, generation: self.begun, founder: member.client };
            self.groups.insert(key.clone(), kept);
        }
        let Some(kept) = self.groups.get_mut(&key) else { return refuse(step, Why::Unknown) };
        let generation = kept.generation;
        match kept.group.take(member, step, Instant::now()) {
            Outcome::GoesOn => {}
            Outcome::Broken => {
                if let Some(group) = self.remove(&key, generation) {
                    group.end(Why::Disagreement);
                }
            }
            Outcome::Commit(committing) => self.commit(key, generation, committing),
        }
    }

    /// Whether the member may begin a group of that repository.
    fn has_room(&self, (repository, _): &Key, member: Member) -> bool {
        let (mut of_repository, mut of_client, mut of_member) = (0, 0, 0);
        for ((other, _), kept) in &self.groups {
            of_repository += usize::from(other == repository);
            of_client += usize::from(kept.founder == member.client);
            of_member += usize::from(kept.group.needs(member));
        }
        self.groups.len() < GROUPS_MAX
            && of_repository < GROUPS_PER_REPOSITORY_MAX
            && of_client < GROUPS_PER_CLIENT_MAX
            && of_member < GROUPS_PER_MEMBER_MAX
    }

    /// Hands everything to the committer of the repository, and the answers to everybody.
    fn commit(&self, key: Key, generation: u64, committing: Vec<Committing>) {
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
                    drop(sender.send(Message::Committed { key, generation, answers }));
                    let answered = replies.into_iter().zip(committed);
                    answered.for_each(|((_, reply), at)| reply.send(Ok(at)));
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a consistency group was not committed");
                    drop(sender.send(Message::Failed { key, generation }));
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
