//! One consistency group: who came how far, and what follows from it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::message::Stage;
use tokio::time::Instant;

use super::Member;
use super::Step;
use crate::bridge::Commit;
use crate::bridge::CommittedAt;
use crate::bridge::Failure;
use crate::bridge::Lease;
use crate::bridge::Reply;

/// How long a group lives in which nobody has named a deadline yet.
const UNNAMED: Duration = Duration::from_secs(600);
/// How long members that have captured, and stand still no more, may take to store it: one day.
const STORING: Duration = Duration::from_secs(24 * 3_600);

/// What a step leads to.
pub(super) enum Outcome {
    GoesOn,
    /// The group is to be dropped.
    Broken,
    /// All members have brought their records.
    Commit(Vec<Committing>),
}

/// A record that waits for those of the other members.
pub(super) struct Committing {
    pub(super) commit: Commit,
    pub(super) lease: Lease,
    pub(super) reply: Reply<CommittedAt>,
}

/// A group. Dropped, it tells everybody who waits that it is broken.
pub(super) struct Group {
    members: usize,
    ends: Instant,
    frozen: Gathering,
    captured: Gathering,
    records: Records,
    /// A member said that it has failed. Those who come later are told so.
    is_broken: bool,
}

enum Records {
    /// Some members have brought theirs.
    Gathered(HashMap<Member, Committing>),
    /// The committer has them; who asks again meanwhile waits too.
    UnderWay(Vec<(blake3::Hash, Reply<CommittedAt>)>),
    /// They are durable.
    Durable(HashMap<blake3::Hash, CommittedAt>),
}

/// Those who came to one stage.
#[derive(Default)]
struct Gathering {
    came: HashSet<Member>,
    waiting: HashMap<Member, Reply<()>>,
}

impl Gathering {
    /// One more came; one who came before asks again. False if it is one too many.
    fn come(&mut self, member: Member, members: usize, reply: Reply<()>) -> bool {
        self.came.insert(member);
        self.waiting.insert(member, reply);
        if self.came.len() == members {
            self.waiting.drain().for_each(|(_, reply)| reply.send(Ok(())));
        }
        self.came.len() <= members
    }

    fn is_complete(&self, members: usize) -> bool {
        self.came.len() == members
    }
}

impl Group {
    pub(super) fn new(members: u32, now: Instant) -> Self {
        Self {
            members: members as usize,
            ends: now + UNNAMED,
            frozen: Gathering::default(),
            captured: Gathering::default(),
            records: Records::Gathered(HashMap::new()),
            is_broken: false,
        }
    }

    /// When it is dropped, whatever happens.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    /// Whether the group cannot come to its end without this member.
    pub(super) fn needs(&self, member: Member) -> bool {
        let (Records::Gathered(records), false) = (&self.records, self.is_broken) else { return false };
        [&self.frozen, &self.captured].iter().any(|stage| stage.came.contains(&member))
            || records.contains_key(&member)
    }

    /// A member takes a step.
    pub(super) fn take(&mut self, member: Member, step: Step, now: Instant) -> Outcome {
        if self.is_broken {
            super::refuse(step);
            return Outcome::GoesOn;
        }
        match step {
            Step::Barrier { deadline, stage: Stage::Failed, reply, .. } => {
                reply.send(Err(broken()));
                // What is being committed is not up to a member any more.
                if matches!(self.records, Records::Gathered(_)) {
                    self.ends = self.ends.min(now + deadline);
                    self.break_up();
                }
                Outcome::GoesOn
            }
            Step::Barrier { members, deadline, stage, reply } => {
                if members as usize != self.members {
                    reply.send(Err(broken()));
                    return Outcome::Broken;
                }
                // The deadline is for those who stand still.
                let stands_still = !self.captured.is_complete(self.members);
                if stands_still {
                    self.ends = self.ends.min(now + deadline);
                }
                let stage = if stage == Stage::Frozen { &mut self.frozen } else { &mut self.captured };
                if !stage.come(member, self.members, reply) {
                    return Outcome::Broken;
                }
                if stands_still && self.captured.is_complete(self.members) {
                    self.ends = now + STORING;
                }
                Outcome::GoesOn
            }
            Step::Commit { commit, lease, reply } => self.commit(member, Committing { commit, lease, reply }),
        }
    }

    /// The records are durable. Their answers are kept until `ends`.
    pub(super) fn committed(&mut self, answers: Vec<(blake3::Hash, CommittedAt)>, ends: Instant) {
        let answers: HashMap<_, _> = answers.into_iter().collect();
        self.ends = ends;
        if let Records::UnderWay(waiting) = &mut self.records {
            for (hash, reply) in waiting.drain(..) {
                reply.send(answers.get(&hash).map(again).ok_or_else(broken));
            }
        }
        self.records = Records::Durable(answers);
    }

    fn commit(&mut self, member: Member, committing: Committing) -> Outcome {
        let hash = blake3::hash(&committing.commit.record);
        match &mut self.records {
            Records::Durable(answers) => {
                committing.reply.send(answers.get(&hash).map(again).ok_or_else(broken));
                Outcome::GoesOn
            }
            Records::UnderWay(waiting) => {
                waiting.push((hash, committing.reply));
                Outcome::GoesOn
            }
            Records::Gathered(records) => {
                if !self.captured.came.contains(&member) {
                    committing.reply.send(Err(broken()));
                    return Outcome::Broken;
                }
                records.insert(member, committing);
                if records.len() < self.members {
                    return Outcome::GoesOn;
                }
                let all = std::mem::take(records).into_values().collect();
                self.records = Records::UnderWay(Vec::new());
                Outcome::Commit(all)
            }
        }
    }

    /// Tells everybody who waits that the group is broken.
    fn break_up(&mut self) {
        self.is_broken = true;
        for stage in [&mut self.frozen, &mut self.captured] {
            stage.waiting.drain().for_each(|(_, reply)| reply.send(Err(broken())));
        }
        match &mut self.records {
            Records::Gathered(records) => {
                records.drain().for_each(|(_, committing)| committing.reply.send(Err(broken())));
            }
            Records::UnderWay(waiting) => {
                waiting.drain(..).for_each(|(_, reply)| reply.send(Err(broken())));
            }
            Records::Durable(_) => {}
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.break_up();
    }
}

fn again(committed: &CommittedAt) -> CommittedAt {
    CommittedAt { already: true, ..*committed }
}

pub(super) fn broken() -> Failure {
    Failure::new(Code::GROUP_BROKEN, "a member of the consistency group failed, or came too late")
}
