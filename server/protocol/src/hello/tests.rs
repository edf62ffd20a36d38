use proptest::prelude::any;
use proptest::strategy::BoxedStrategy;
use proptest::strategy::Just;
use proptest::strategy::Strategy;

use super::*;
use crate::field::sample::Sample;

impl Sample for Magic {
    fn sample() -> BoxedStrategy<Self> {
        Just(Self).boxed()
    }
}

impl Sample for Versions {
    fn sample() -> BoxedStrategy<Self> {
        (1..=u16::MAX, 1..=u16::MAX)
            .prop_map(|(one, other)| Self::new(one.min(other), one.max(other)).expect("in order"))
            .boxed()
    }
}

impl Sample for Purpose {
    fn sample() -> BoxedStrategy<Self> {
        (0..4, SessionId::sample())
            .prop_map(|(which, session)| match which {
                0 => Self::New,
                1 => Self::Resume(session),
                2 => Self::Stripe(session),
                _ => Self::Enroll,
            })
            .boxed()
    }
}

impl Sample for Rights {
    fn sample() -> BoxedStrategy<Self> {
        (0..=Self::ALL).prop_map(Self).boxed()
    }
}

impl Sample for Token {
    fn sample() -> BoxedStrategy<Self> {
        any::<[u8; TOKEN_BYTES]>().prop_map(Self::from_bytes).boxed()
    }
}

fn versions(least: u16, most: u16) -> Versions {
    Versions::new(least, most).expect("in order")
}

#[test]
fn the_newest_version_of_both_is_spoken() {
    assert_eq!(versions(1, 3).agree(versions(2, 5)), Some(3));
    assert_eq!(versions(2, 5).agree(versions(1, 3)), Some(3));
    assert_eq!(versions(1, 1).agree(Versions::OURS), Some(1));
    assert_eq!(versions(1, 9).agree(Versions::OURS), Some(2));
    assert_eq!(versions(1, 2).agree(versions(3, 4)), None);
    assert_eq!(versions(3, 4).agree(versions(1, 2)), None);
    assert_eq!([Versions::new(0, 1), Versions::new(2, 1)], [None, None]);
}

#[test]
fn a_token_does_not_show_itself() {
    assert_eq!(format!("{:?}", Token::from_bytes([7; 32])), "Token(..)");
}

/// The table of PROTOCOL.md, "Rights": one row for each request, one letter for each role.
#[test]
fn roles_may_do_what_the_specification_says() {
    let specification = include_str!("../../PROTOCOL.md");
    let roles = [Role::Agent, Role::Reader, Role::Keeper, Role::Peer, Role::Monitor];
    let asking = |kind: &&Kind| kind.is_request() || **kind == Kind::Adopted;
    for kind in Kind::ALL.iter().filter(asking) {
        let marks = roles.map(|role| if Rights::of(role).allow(*kind) { "yes" } else { "" });
        let row = format!("| {} | {} |", kind.name(), marks.join(" | "));
        assert!(specification.contains(&row), "missing: {row}");
    }
}

#[test]
fn an_agent_can_neither_read_nor_delete_nor_see_others() {
    let agent = Rights::of(Role::Agent);
    let forbidden = [
        Kind::Get,
        Kind::Locate,
        Kind::Slots,
        Kind::Forget,
        Kind::Hold,
        Kind::Recover,
        Kind::Retain,
        Kind::Settings,
        Kind::SetSettings,
        Kind::Thaw,
        Kind::RemoveSlot,
        Kind::Follow,
    ];
    assert!(forbidden.iter().all(|kind| !agent.allow(*kind)));
    assert!(!agent.include(Rights::ALL_SERIES));
    assert!([Kind::Probe, Kind::Put, Kind::Commit, Kind::List].iter().all(|kind| agent.allow(*kind)));
}

#[test]
fn who_opens_to_read_changes_nothing() {
    let reading = Rights::of(Role::Keeper).for_access(Access::Read);
    let changing = [Kind::Put, Kind::Commit, Kind::Forget, Kind::Hold, Kind::AddSlot, Kind::RemoveSlot];
    assert!(changing.iter().all(|kind| !reading.allow(*kind)));
    assert!([Kind::List, Kind::Get, Kind::Verify, Kind::Usage].iter().all(|kind| reading.allow(*kind)));
    assert_eq!(Rights::of(Role::Keeper).for_access(Access::Write), Rights::of(Role::Keeper));
}
