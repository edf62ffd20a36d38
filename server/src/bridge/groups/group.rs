//! One consistency group: who came how far, and what follows from it.

use std::collections::HashMap;
use std::collections::HashSet;

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
const UNNAMED: std::time::Duration = std::time::Duration::from_secs(600);

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
}

impl Group {
    pub(super) fn new(members: u32, now: Instant) -> Self {
        Self {
            members: members as usize,
            ends: now + UNNAMED,
            frozen: Gathering::default(),
            captured: Gathering::default(),
            records: Records::Gathered(HashMap::new()),
        }
    }

    /// When it is dropped, whatever happens.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    /// Whether the group cannot come to its end without this member.
    pub(super) fn needs(&self, member: Member) -> bool {
        let Records::Gathered(records) = &self.records else { return false };
        [&self.frozen, &self.captured].iter().any(|stage| stage.came.contains(&member))
            || records.contains_key(&member)
    }

    /// A member takes a step.
    pub(super) fn take(&mut self, member: Member, step: Step, now: Instant) -> Outcome {
        match step {
            Step::Barrier { members, deadline, stage, reply } => {
                if members as usize != self.members {
                    reply.send(Err(broken()));
                    return Outcome::Broken;
                }
                if matches!(self.records, Records::Gathered(_)) {
                    self.ends = self.ends.min(now + deadline);
                }
                let stage = match stage {
                    Stage::Frozen => &mut self.frozen,
                    Stage::Captured => &mut self.captured,
                };
                if stage.come(member, self.members, reply) { Outcome::GoesOn } else { Outcome::Broken }
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
}

impl Drop for Group {
    fn drop(&mut self) {
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

fn again(committed: &CommittedAt) -> CommittedAt {
    CommittedAt { already: true, ..*committed }
}

pub(super) fn broken() -> Failure {
    Failure::new(Code::GROUP_BROKEN, "a member of the consistency group failed, or came too late")
}
