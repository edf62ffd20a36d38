use std::sync::Arc;
use std::sync::Mutex;

use farkeep_codec::time::Time;
use farkeep_engine::SystemClock;
use farkeep_protocol::fault::Code;
use farkeep_protocol::message::Stage;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::super::Failure;
use super::super::committer::tests::engine;
use super::super::committer::tests::order;
use super::super::repository::Repository;
use super::*;
use crate::config::Quota;
use crate::observe::Observer;
use crate::observe::Recorder;

fn member(number: u8) -> Member {
    Member { session: SessionId::from_bytes([number; 16]), client: [number; 32] }
}

/// A lease of an empty repository, and what its committer is ordered to do.
fn lease() -> (TempDir, Lease, UnboundedReceiver<Order>) {
    let (folder, engine) = engine();
    let observer = Observer::new(Recorder::new().0, Arc::new(SystemClock));
    let quota = Quota { soft_bytes: None, hard_bytes: None };
    let repository = Repository::new("main", engine, quota, Arc::new(observer)).expect("it can be read");
    let (sender, orders) = mpsc::unbounded_channel();
    (folder, Lease::new(&Arc::new(repository), sender, || {}), orders)
}

/// The record of an agent, brought by a member with that key.
fn commit(told: &Told, who: u8, signer: u8, lease: &Lease) -> Step {
    let mut commit = order(lease.engine(), signer, &format!("host {signer}"), 0).pop().expect("there is one");
    commit.agent = order(lease.engine(), who, "any", 0).pop().expect("there is one").agent;
    let told = Arc::clone(told);
    let tell = move |answer: Result<CommittedAt, Failure>| {
        let answer = answer.map(drop).map_err(|failure| failure.code);
        told.lock().expect("no panic").push((who, answer));
    };
    Step::Commit { commit, lease: lease.clone(), reply: Reply::new(tell) }
}

/// What members were told, in order.
type Told = Arc<Mutex<Vec<(u8, Result<(), Code>)>>>;

fn barrier(told: &Told, who: u8, members: u32, stage: Stage) -> Step {
    let told = Arc::clone(told);
    let tell = move |answer: Result<(), Failure>| {
        told.lock().expect("no panic").push((who, answer.map_err(|failure| failure.code)));
    };
    Step::Barrier { members, deadline: Duration::from_secs(5), stage, reply: Reply::new(tell) }
}

fn told(told: &Told) -> Vec<(u8, Result<(), Code>)> {
    let mut told = std::mem::take(&mut *told.lock().expect("no panic"));
    told.sort_by_key(|(who, _)| *who);
    told
}

const BROKEN: Result<(), Code> = Err(Code::GROUP_BROKEN);

#[test]
fn all_members_are_told_once_the_last_one_came() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(2, now);
    assert!(matches!(group.take(member(1), barrier(&heard, 1, 2, Stage::Frozen), now), Outcome::GoesOn));
    assert_eq!(told(&heard), []);
    group.take(member(2), barrier(&heard, 2, 2, Stage::Captured), now);
    assert_eq!(told(&heard), [], "that is another stage");
    group.take(member(2), barrier(&heard, 2, 2, Stage::Frozen), now);
    assert_eq!(told(&heard), [(1, Ok(())), (2, Ok(()))]);
    group.take(member(1), barrier(&heard, 1, 2, Stage::Frozen), now);
    assert_eq!(told(&heard), [(1, Ok(()))], "who asks again is told again");
    group.end(Why::Gone);
    assert_eq!(told(&heard), [(2, BROKEN)]);
}

#[test]
fn members_that_disagree_break_the_group() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(3, now);
    group.take(member(1), barrier(&heard, 1, 3, Stage::Frozen), now);
    let outcome = group.take(member(2), barrier(&heard, 2, 2, Stage::Frozen), now);
    assert!(matches!(outcome, Outcome::Broken));
    group.end(Why::Gone);
    assert_eq!(told(&heard), [(1, BROKEN), (2, BROKEN)]);
}

#[test]
fn one_member_too_many_breaks_the_group() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(1, now);
    group.take(member(1), barrier(&heard, 1, 1, Stage::Frozen), now);
    let outcome = group.take(member(2), barrier(&heard, 2, 1, Stage::Frozen), now);
    assert!(matches!(outcome, Outcome::Broken));
    group.end(Why::Gone);
    assert_eq!(told(&heard), [(1, Ok(())), (2, BROKEN)]);
}

#[test]
fn a_member_that_has_failed_breaks_the_group_for_those_who_come_later_too() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(3, now);
    group.take(member(1), barrier(&heard, 1, 3, Stage::Frozen), now);
    assert!(matches!(group.take(member(2), barrier(&heard, 2, 3, Stage::Failed), now), Outcome::GoesOn));
    assert_eq!(told(&heard), [(1, BROKEN), (2, BROKEN)]);
    assert!(!group.needs(member(1)));
    assert!(matches!(group.take(member(3), barrier(&heard, 3, 3, Stage::Frozen), now), Outcome::GoesOn));
    assert_eq!((told(&heard), group.ends()), (vec![(3, BROKEN)], now + Duration::from_secs(5)));
}

#[test]
fn the_earliest_deadline_counts() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(2, now);
    let soon = Duration::from_millis(7);
    let mut hasty = barrier(&heard, 1, 2, Stage::Frozen);
    if let Step::Barrier { deadline, .. } = &mut hasty {
        *deadline = soon;
    }
    group.take(member(1), hasty, now);
    group.take(member(2), barrier(&heard, 2, 2, Stage::Captured), now);
    assert_eq!(group.ends(), now + soon);
}

#[test]
fn the_deadline_is_for_those_who_stand_still() {
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(2, now);
    group.take(member(1), barrier(&heard, 1, 2, Stage::Captured), now);
    assert_eq!(group.ends(), now + Duration::from_secs(5));
    group.take(member(2), barrier(&heard, 2, 2, Stage::Captured), now);
    assert_eq!(group.ends(), now + Duration::from_secs(24 * 3_600), "what was captured takes long to store");
    group.take(member(1), barrier(&heard, 1, 2, Stage::Captured), now);
    assert_eq!(group.ends(), now + Duration::from_secs(24 * 3_600), "who asks again hurries nobody");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_everybody_thaws() {
    let groups = Groups::start();
    let (sender, answer) = oneshot::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let deadline = Duration::from_secs(5);
    let step = Step::Barrier { members: 2, deadline, stage: Stage::Frozen, reply };
    groups.step("main", GroupId::from_bytes([1; 16]), member(1), step);
    let before = Instant::now();
    let answer = answer.await.expect("it is told").map_err(|failure| failure.code);
    assert_eq!((answer, before.elapsed() >= deadline), (BROKEN, true));
}

#[tokio::test]
async fn a_member_that_is_gone_breaks_its_groups() {
    let (groups, heard) = (Groups::start(), Told::default());
    let (sender, answer) = oneshot::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let deadline = Duration::from_secs(500);
    let group = GroupId::from_bytes([1; 16]);
    groups.step(
        "main",
        group,
        member(1),
        Step::Barrier { members: 3, deadline, stage: Stage::Frozen, reply },
    );
    groups.step("main", group, member(2), barrier(&heard, 2, 3, Stage::Frozen));
    groups.gone(member(3));
    groups.gone(member(2));
    assert_eq!(answer.await.expect("it is told").map_err(|failure| failure.code), BROKEN);
    assert_eq!(told(&heard), [(2, BROKEN)]);
}

#[tokio::test]
async fn one_member_holds_few_groups() {
    let (groups, heard) = (Groups::start(), Told::default());
    for number in 0..10 {
        let group = GroupId::from_bytes([number; 16]);
        groups.step("main", group, member(1), barrier(&heard, number, 2, Stage::Frozen));
    }
    let (sender, answer) = oneshot::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let deadline = Duration::from_secs(5);
    let step = Step::Barrier { members: 1, deadline, stage: Stage::Frozen, reply };
    groups.step("main", GroupId::from_bytes([99; 16]), member(2), step);
    assert_eq!(answer.await.expect("it is told"), Ok(()));
    assert_eq!(told(&heard).len(), 10 - GROUPS_PER_MEMBER_MAX);
}

#[test]
fn nothing_that_a_member_says_ends_a_group_that_is_being_committed() {
    let (_folder, lease, _orders) = lease();
    let (now, heard) = (Instant::now(), Told::default());
    let mut group = Group::new(1, now);
    group.take(member(1), barrier(&heard, 1, 1, Stage::Captured), now);
    let Outcome::Commit(committing) = group.take(member(1), commit(&heard, 1, 1, &lease), now) else {
        panic!("all have brought their records")
    };
    assert_eq!(told(&heard), [(1, Ok(()))]);
    for (who, step) in [
        (1, barrier(&heard, 1, 2, Stage::Frozen)),
        (1, barrier(&heard, 1, 1, Stage::Failed)),
        (2, barrier(&heard, 2, 1, Stage::Captured)),
        (2, commit(&heard, 2, 1, &lease)),
    ] {
        assert!(matches!(group.take(member(who), step, now), Outcome::GoesOn));
        assert_eq!(told(&heard), [(who, BROKEN)]);
    }
    group.take(member(1), barrier(&heard, 1, 1, Stage::Captured), now);
    assert_eq!(told(&heard), [(1, Ok(()))], "who asks again is told again");
    group.take(member(1), commit(&heard, 1, 1, &lease), now);
    assert_eq!(told(&heard), [], "its record is under way");
    let hash = blake3::hash(&committing[0].commit.record);
    let id = committing[0].commit.id_if_own().expect("it is its own");
    let at = CommittedAt { id, sequence: 1, received: Time::from_nanoseconds(1), already: false };
    group.committed(&HashMap::from([(hash, at)]));
    assert_eq!(told(&heard), [(1, Ok(()))]);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_group_is_not_told_of_the_next_one_of_its_id() {
    let (_folder, lease, mut orders) = lease();
    let (groups, heard) = (Groups::start(), Told::default());
    let id = GroupId::from_bytes([1; 16]);
    groups.step("main", id, member(1), barrier(&heard, 1, 1, Stage::Captured));
    groups.step("main", id, member(1), commit(&heard, 1, 1, &lease));
    let Some(Order::Commit { done, .. }) = orders.recv().await else { panic!("it is ordered") };
    // The committer takes so long that the group is forgotten.
    tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
    groups.step("main", id, member(2), barrier(&heard, 2, 2, Stage::Frozen));
    done.send(Ok(Vec::new()));
    let (sender, answer) = oneshot::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let step = Step::Barrier { members: 2, deadline: Duration::from_secs(5), stage: Stage::Frozen, reply };
    groups.step("main", id, member(3), step);
    assert_eq!(answer.await.expect("it is told"), Ok(()));
    assert!(told(&heard).contains(&(2, Ok(()))));
}

/// Has members fail in groups of their own, and go: those groups stay until their deadline. Then tells whether somebody else,
/// of that repository, gets a group.
async fn gets_a_group_behind_failures(failures: impl Iterator<Item = Member>, repository: &str) -> bool {
    let (groups, heard) = (Groups::start(), Told::default());
    for (number, failing) in (1_u128..).zip(failures) {
        let step = barrier(&heard, 1, 2, Stage::Failed);
        groups.step("main", GroupId::from_bytes(number.to_le_bytes()), failing, step);
        groups.gone(failing);
    }
    let (sender, answer) = oneshot::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    let step = Step::Barrier { members: 1, deadline: Duration::from_secs(5), stage: Stage::Frozen, reply };
    groups.step(repository, GroupId::from_bytes([0xff; 16]), member(0xff), step);
    answer.await.expect("it is told").is_ok()
}

#[tokio::test]
async fn groups_that_one_client_breaks_leave_room_for_those_of_others() {
    let session = |number: usize| SessionId::from_bytes((number as u128).to_le_bytes());
    let one_client = (0..=GROUPS_MAX).map(|number| Member { session: session(number), client: [7; 32] });
    assert!(gets_a_group_behind_failures(one_client, "main").await);
    let many = |number: usize| {
        let mut client = [7; 32];
        client[..8].copy_from_slice(&number.to_le_bytes());
        Member { session: session(number), client }
    };
    assert!(!gets_a_group_behind_failures((0..=GROUPS_MAX).map(many), "main").await, "there is a limit");
    assert!(gets_a_group_behind_failures((0..=GROUPS_MAX).map(many), "other").await);
}
