use std::sync::Arc;
use std::sync::Mutex;

use farkeep_protocol::fault::Code;
use farkeep_protocol::message::Stage;
use tokio::sync::oneshot;

use super::*;

fn member(number: u8) -> Member {
    Member(SessionId::from_bytes([number; 16]))
}

/// What members were told, in order.
type Told = Arc<Mutex<Vec<(u8, Result<(), Code>)>>>;

fn barrier(told: &Told, who: u8, members: u32, stage: Stage) -> Step {
    let told = Arc::clone(told);
    let tell = move |answer: Result<(), super::super::Failure>| {
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
