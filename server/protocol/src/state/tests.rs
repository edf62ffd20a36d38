use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::select;

use super::*;
use crate::field::SessionId;
use crate::limits::VERSION_MOST;

const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const REQUESTS: [Kind; 4] = [Kind::Probe, Kind::Put, Kind::Commit, Kind::Get];
const ANSWERS: [Kind; 4] = [Kind::Presence, Kind::Durable, Kind::Done, Kind::Refused];

/// Both sides of a connection over which every message arrives at once.
struct Both {
    client: ClientState,
    server: ServerState,
}

impl Both {
    fn hello(purpose: Purpose) -> Self {
        let mut server = ServerState::new();
        server.hello(purpose).expect("it comes first");
        Self { client: ClientState::new(purpose), server }
    }

    fn opened() -> Self {
        let mut both = Self::hello(Purpose::New);
        both.say(Side::Server, Kind::Welcome).expect("it is due");
        both.say(Side::Client, Kind::Open).expect("it is due");
        both.say(Side::Server, Kind::Opened).expect("it is due");
        both
    }

    fn say(&mut self, sender: Side, kind: Kind) -> Result<(), Unexpected> {
        match sender {
            Side::Client => self.client.send(kind).and_then(|()| self.server.receive(kind)),
            Side::Server => self.server.send(kind).and_then(|()| self.client.receive(kind)),
        }
    }
}

fn each_purpose() -> [Purpose; 4] {
    [Purpose::New, Purpose::Resume(SESSION), Purpose::Stripe(SESSION), Purpose::Enroll]
}

/// What may be said at the beginning, for each purpose, in order; Fault apart.
fn preface(purpose: Purpose) -> &'static [(Side, Kind)] {
    match purpose {
        Purpose::New => {
            &[(Side::Server, Kind::Welcome), (Side::Client, Kind::Open), (Side::Server, Kind::Opened)]
        }
        Purpose::Resume(_) | Purpose::Stripe(_) => &[(Side::Server, Kind::Welcome)],
        Purpose::Enroll => &[(Side::Client, Kind::Enroll), (Side::Server, Kind::Enrolled)],
    }
}

#[test]
fn before_the_hello_nothing_else_comes() {
    let mut server = ServerState::new();
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(server.awaits(kind), kind == Kind::Hello, "{}", kind.name());
        assert!(server.receive(kind).is_err());
        assert_eq!(server.clone().send(kind).is_ok(), kind == Kind::Fault, "{}", kind.name());
    }
    assert_eq!(server.hello(Purpose::New), Ok(()));
    assert!(server.hello(Purpose::New).is_err());
    assert!(!server.awaits(Kind::Hello));
}

/// At each step of each preface, exactly the next message and a Fault may be said.
#[test]
fn a_preface_has_one_order() {
    for purpose in each_purpose() {
        let mut both = Both::hello(purpose);
        for (sender, next) in preface(purpose).iter().copied() {
            for kind in Kind::ALL.iter().copied() {
                let due = kind == next || next == Kind::Open && kind == Kind::Create;
                let from_client = sender == Side::Client && due || kind == Kind::Fault;
                let from_server = sender == Side::Server && due || kind == Kind::Fault;
                assert_eq!(both.server.awaits(kind), from_client, "{purpose:?} {}", kind.name());
                assert_eq!(both.client.awaits(kind), from_server, "{purpose:?} {}", kind.name());
                assert_eq!(both.client.clone().send(kind).is_ok(), from_client);
                assert_eq!(both.server.clone().send(kind).is_ok(), from_server);
            }
            assert_eq!(both.say(sender, next), Ok(()));
        }
        assert_eq!(both.server.is_ended(), purpose == Purpose::Enroll);
        assert_eq!(both.client.is_ended(), purpose == Purpose::Enroll);
    }
}

#[test]
fn a_repository_is_made_where_it_would_be_opened() {
    let mut both = Both::hello(Purpose::New);
    for (sender, kind) in
        [(Side::Server, Kind::Welcome), (Side::Client, Kind::Create), (Side::Server, Kind::Opened)]
    {
        assert_eq!(both.say(sender, kind), Ok(()));
    }
    assert_eq!((both.client.phase, both.server.phase), (Phase::SESSION, Phase::SESSION));
}

#[test]
fn in_a_session_each_side_says_what_is_its_to_say() {
    let mut both = Both::opened();
    both.server.agree(VERSION_MOST);
    both.client.agree(VERSION_MOST);
    for kind in Kind::ALL.iter().copied() {
        let belongs = kind.number() > 0x0006 && kind != Kind::Create;
        assert_eq!(both.server.awaits(kind), belongs && kind.is_sent_by(Side::Client), "{}", kind.name());
        assert_eq!(both.client.awaits(kind), belongs && kind.is_sent_by(Side::Server), "{}", kind.name());
    }
}

#[test]
fn who_said_goodbye_asks_no_more_and_is_still_answered() {
    let mut both = Both::opened();
    both.say(Side::Client, Kind::Goodbye).expect("it may leave");
    for request in REQUESTS {
        assert!(!both.server.awaits(request));
        assert!(both.client.clone().send(request).is_err());
    }
    for answer in ANSWERS {
        assert_eq!(both.say(Side::Server, answer), Ok(()));
    }
    assert_eq!(both.say(Side::Client, Kind::Grant), Ok(()));
    assert!(both.say(Side::Client, Kind::Goodbye).is_err());
    assert_eq!(both.say(Side::Server, Kind::Goodbye), Ok(()));
    assert!(both.server.is_ended() && both.client.is_ended());
}

/// What was under way when the server said goodbye is taken; afterwards the client asks no more.
#[test]
fn requests_that_cross_a_goodbye_are_taken() {
    let mut both = Both::opened();
    both.server.send(Kind::Goodbye).expect("it may leave");
    for request in REQUESTS {
        assert_eq!(both.client.send(request), Ok(()));
        assert_eq!(both.server.receive(request), Ok(()));
    }
    both.client.receive(Kind::Goodbye).expect("it arrives");
    for request in REQUESTS {
        assert!(both.client.send(request).is_err());
    }
    assert_eq!(both.say(Side::Server, Kind::Done), Ok(()));
    assert_eq!(both.say(Side::Client, Kind::Goodbye), Ok(()));
    assert!(both.server.is_ended() && both.client.is_ended());
}

proptest! {
    /// Whatever is tried, the two sides agree: what one may send, the other takes, and both end together.
    #[test]
    fn both_sides_agree(
        which in 0..4_usize,
        tries in vec((any::<bool>(), select(Kind::ALL)), 0..60),
    ) {
        let mut both = Both::hello(each_purpose()[which]);
        for (sender, kind) in preface(each_purpose()[which]) {
            both.say(*sender, *kind)?;
        }
        for (from_client, kind) in tries {
            if from_client && both.client.send(kind).is_ok() {
                prop_assert!(both.server.awaits(kind));
                prop_assert_eq!(both.server.receive(kind), Ok(()));
            } else if !from_client && both.server.send(kind).is_ok() {
                prop_assert!(both.client.awaits(kind));
                prop_assert_eq!(both.client.receive(kind), Ok(()));
            }
            prop_assert_eq!(both.client.is_ended(), both.server.is_ended());
        }
    }

    #[test]
    fn after_a_fault_nothing_comes(from_client: bool, kind in select(Kind::ALL)) {
        let mut both = Both::opened();
        both.say(if from_client { Side::Client } else { Side::Server }, Kind::Fault)?;
        prop_assert!(both.say(Side::Client, kind).is_err());
        prop_assert!(both.say(Side::Server, kind).is_err());
        prop_assert!(both.client.is_ended() && both.server.is_ended());
    }
}

/// A client of version 1 is served as before, and neither side says what only version 2 has.
#[test]
fn what_came_later_is_not_said_in_an_older_version() {
    let newer: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.since() == 2).collect();
    assert!(newer.contains(&Kind::Retain) && newer.contains(&Kind::Planned) && !newer.contains(&Kind::Hold));
    for kind in newer {
        let from = |side| if kind.is_sent_by(side) { Some(side) } else { None };
        let side = from(Side::Client).or(from(Side::Server)).expect("somebody sends it");
        let mut older = Both::opened();
        let refused = older.say(side, kind).expect_err("nobody knows it");
        assert_eq!(refused.when, "in the version that was agreed on");
        assert!(!older.server.awaits(kind) && !older.client.awaits(kind));
        let mut both = Both::opened();
        both.server.agree(2);
        both.client.agree(2);
        assert_eq!(both.server.awaits(kind), side == Side::Client);
        assert_eq!(both.client.awaits(kind), side == Side::Server);
        both.say(side, kind).expect("both speak version 2");
    }
}
