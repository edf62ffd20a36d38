//! Consistency groups: all or none.

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::GroupId;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Within;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::Barrier;
use farkeep_protocol::message::Commit;
use farkeep_protocol::message::Stage;

use super::host::AGENT;
use super::host::Host;
use super::host::OTHER;
use super::host::config;
use super::make;
use super::peer::Session;

const GROUP: GroupId = GroupId::from_bytes([9; 16]);

async fn barrier(session: &mut Session, members: u32, deadline_ms: u32, stage: Stage) -> Sequence {
    let sequence = session.number();
    let (members, deadline_ms) =
        (Within::new(members).expect("some"), Within::new(deadline_ms).expect("short"));
    let barrier = Barrier { sequence, group: GROUP, members, deadline_ms, stage };
    session.peer.send(&barrier).await.expect("sent");
    sequence
}

async fn commit(session: &mut Session, record: &[u8]) -> Sequence {
    let sequence = session.number();
    session.peer.send(&Commit { sequence, group: Some(GROUP), record }).await.expect("sent");
    sequence
}

/// Both members are frozen and have captured.
async fn captured(host: &Host) -> (Session, Session) {
    let (mut one, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    capture(&mut one, &mut other).await;
    (one, other)
}

async fn capture(one: &mut Session, other: &mut Session) {
    for stage in [Stage::Frozen, Stage::Captured] {
        let first = barrier(one, 2, 60_000, stage).await;
        let second = barrier(other, 2, 60_000, stage).await;
        for (session, sequence) in [(&mut *one, first), (&mut *other, second)] {
            let gathered = session.until(sequence).await.expect("it goes on");
            assert_eq!(gathered.last.expect("answered").kind, Kind::Gathered);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_committed_together() {
    let host = Host::new(config()).await;
    let (mut one, mut other) = captured(&host).await;
    let (objects, root) = make::tree(1, 3, 500);
    one.store(&objects).await.expect("it goes on");
    let (first, second) = (
        make::record(make::draft("web-1:/", root), AGENT),
        make::record(make::draft("web-2:/", root), OTHER),
    );
    let of_one = commit(&mut one, &first).await;
    let of_other = commit(&mut other, &second).await;
    let one_at = one.until(of_one).await.expect("it goes on").committed().expect("committed");
    let other_at = other.until(of_other).await.expect("it goes on").committed().expect("committed");
    assert_eq!(one_at.received, other_at.received, "one write of the journal");
    // Who did not hear the answer hears it again, while the group is known and when a second one has its id.
    for round in 0..2 {
        let again = commit(&mut one, &first).await;
        let again = one.until(again).await.expect("it goes on").committed().expect("committed");
        assert_eq!((again.journal, again.already), (one_at.journal, true), "round {round}");
        capture(&mut one, &mut other).await;
    }
    one.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_the_record_of_another() {
    let host = Host::new(config()).await;
    let (mut one, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    let (objects, root) = make::tree(1, 3, 500);
    one.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let committed = one.commit(&record).await;
    one.until(committed).await.expect("it goes on").committed().expect("committed");
    let again = commit(&mut one, &record).await;
    assert!(one.until(again).await.expect("it goes on").committed().expect("its own").already);
    let stolen = commit(&mut other, &record).await;
    assert_eq!(other.until(stolen).await.expect("it goes on").code(stolen), Some(Code::GROUP_BROKEN));
    one.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_one_member_fails_none_is_committed() {
    let host = Host::new(config()).await;
    let (mut one, mut other) = captured(&host).await;
    let (objects, root) = make::tree(1, 3, 500);
    one.store(&objects).await.expect("it goes on");
    let missing = make::data(77, 50).0;
    let of_one = commit(&mut one, &make::record(make::draft("web-1:/", root), AGENT)).await;
    let of_other = commit(&mut other, &make::record(make::draft("web-2:/", missing), OTHER)).await;
    assert_eq!(one.until(of_one).await.expect("it goes on").code(of_one), Some(Code::GROUP_BROKEN));
    assert_eq!(other.until(of_other).await.expect("it goes on").code(of_other), Some(Code::GROUP_BROKEN));
    let alone = one.commit(&make::record(make::draft("web-1:/", root), AGENT)).await;
    let alone = one.until(alone).await.expect("it goes on").committed().expect("committed");
    assert!(!alone.already, "nothing of the group was committed");
    one.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_come_thaws_the_others() {
    let host = Host::new(config()).await;
    let mut one = host.session(AGENT).await;
    let barrier = barrier(&mut one, 2, 30, Stage::Frozen).await;
    assert_eq!(one.until(barrier).await.expect("it goes on").code(barrier), Some(Code::GROUP_BROKEN));
    one.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_thaws_the_others() {
    let host = Host::new(config()).await;
    let (mut one, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    let waiting = barrier(&mut one, 3, 600_000, Stage::Frozen).await;
    let first = barrier(&mut other, 3, 600_000, Stage::Frozen).await;
    // The first member's barrier has come once a request behind it is answered.
    one.probe(&[make::data(1, 50).0]).await;
    host.revoke(OTHER);
    assert!(other.until(first).await.is_err());
    assert_eq!(one.until(waiting).await.expect("it goes on").code(waiting), Some(Code::GROUP_BROKEN));
    one.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_to_a_group_that_nobody_formed_is_refused() {
    let host = Host::new(config()).await;
    let mut one = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 3, 500);
    one.store(&objects).await.expect("it goes on");
    let commit = commit(&mut one, &make::record(make::draft("web-1:/", root), AGENT)).await;
    assert_eq!(one.until(commit).await.expect("it goes on").code(commit), Some(Code::GROUP_BROKEN));
    one.leave().await;
    host.stop().await;
}
