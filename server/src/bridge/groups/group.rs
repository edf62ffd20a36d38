//! One consistency group: who came how far, and what follows from it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::limits::GROUP_STORING;
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

/// A group. It lives until its records are durable, or it is broken.
pub(super) struct Group {
    members: usize,
    ends: Instant,
    frozen: Gathering,
    captured: Gathering,
    records: Records,
    /// A member said that it has failed. Those who come later are told so.
    is_broken: bool,
}

/// Why a group is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Nobody knows it, or not any more.
    Unknown,
    /// A member said that it has failed.
    Failed,
    /// A member went away.
    Gone,
    /// Its time was over when so many of its members had come to that stage.
    Late { came: usize, members: usize, stage: &'static str },
    /// Members do not agree about how many they are, or one sent its record without having captured.
    Disagreement,
    /// The repository did not take it.
    Refused,
}

impl Why {
    pub(super) fn failure(self) -> Failure {
        let why = match self {
            Self::Unknown => "it is not known here, or not any more".to_owned(),
            Self::Failed => "a member failed".to_owned(),
            Self::Gone => "a member went away".to_owned(),
            Self::Late { came, members, stage } => {
                format!("of {members} members {came} had {stage} when its time was over")
            }
            Self::Disagreement => "its members do not agree about it".to_owned(),
            Self::Refused => "the repository did not take one of its snapshots".to_owned(),
        };
        Failure::new(Code::GROUP_BROKEN, format!("the consistency group is broken: {why}"))
    }
}

enum Records {
    /// Some members have brought theirs.
    Gathered(HashMap<Member, Committing>),
    /// The committer has them; who asks again meanwhile waits too.
    UnderWay(Vec<(blake3::Hash, Reply<CommittedAt>)>),
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
            super::refuse(step, Why::Failed);
            return Outcome::GoesOn;
        }
        match step {
            // What is being committed is not up to a member any more: whatever it says, others do not hear of it.
            Step::Barrier { members, stage, reply, .. } if matches!(self.records, Records::UnderWay(_)) => {
                let is_one = members as usize == self.members && self.captured.came.contains(&member);
                reply.send(match stage {
                    Stage::Failed => Err(Why::Failed.failure()),
                    _ if is_one => Ok(()),
                    _ => Err(Why::Disagreement.failure()),
                });
                Outcome::GoesOn
            }
            Step::Barrier { deadline, stage: Stage::Failed, reply, .. } => {
                reply.send(Err(Why::Failed.failure()));
                self.ends = self.ends.min(now + deadline);
                self.break_up(Why::Failed);
                self.is_broken = true;
                Outcome::GoesOn
            }
            Step::Barrier { members, deadline, stage, reply } => {
                if members as usize != self.members {
                    reply.send(Err(Why::Disagreement.failure()));
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
                    self.ends = now + GROUP_STORING;
                }
                Outcome::GoesOn
            }
            Step::Commit { commit, lease, reply } => {
                self.commit(member, Committing { commit, lease, reply }, now)
            }
        }
    }

    /// The records are durable. Who asks later is told so by the repository.
    pub(super) fn committed(mut self, answers: &HashMap<blake3::Hash, CommittedAt>) {
        if let Records::UnderWay(waiting) = &mut self.records {
            for (hash, reply) in waiting.drain(..) {
                let again = |committed: &CommittedAt| CommittedAt { already: true, ..*committed };
                reply.send(answers.get(&hash).map(again).ok_or_else(|| Why::Disagreement.failure()));
            }
        }
        // Whoever waits for something else waits in vain.
        self.break_up(Why::Disagreement);
    }

    fn commit(&mut self, member: Member, committing: Committing, now: Instant) -> Outcome {
        let hash = blake3::hash(&committing.commit.record);
        match &mut self.records {
            Records::UnderWay(waiting) => {
                match committing.commit.id_if_own() {
                    Some(_) => waiting.push((hash, committing.reply)),
                    None => committing.reply.send(Err(Why::Disagreement.failure())),
                }
                Outcome::GoesOn
            }
            Records::Gathered(records) => {
                if !self.captured.came.contains(&member) {
                    committing.reply.send(Err(Why::Disagreement.failure()));
                    return Outcome::Broken;
                }
                records.insert(member, committing);
                if records.len() < self.members {
                    return Outcome::GoesOn;
                }
                let all = std::mem::take(records).into_values().collect();
                self.records = Records::UnderWay(Vec::new());
                // The committer ends it now.
                self.ends = now + GROUP_STORING;
                Outcome::Commit(all)
            }
        }
    }

    /// Its time is over.
    pub(super) fn expire(self) {
        let (gathering, stage) = match self.frozen.is_complete(self.members) {
            false if self.captured.came.is_empty() => (&self.frozen, "frozen"),
            _ => (&self.captured, "captured"),
        };
        let why = match &self.records {
            Records::Gathered(records) if gathering.is_complete(self.members) => {
                Why::Late { came: records.len(), members: self.members, stage: "stored what they captured" }
            }
            _ => Why::Late { came: gathering.came.len(), members: self.members, stage },
        };
        self.end(why);
    }

    /// It is broken, and told so to everybody who waits.
    pub(super) fn end(mut self, why: Why) {
        self.break_up(why);
    }

    fn break_up(&mut self, why: Why) {
        for stage in [&mut self.frozen, &mut self.captured] {
            stage.waiting.drain().for_each(|(_, reply)| reply.send(Err(why.failure())));
        }
        match &mut self.records {
            Records::Gathered(records) => {
                records.drain().for_each(|(_, committing)| committing.reply.send(Err(why.failure())));
            }
            Records::UnderWay(waiting) => {
                waiting.drain(..).for_each(|(_, reply)| reply.send(Err(why.failure())));
            }
        }
    }
}
