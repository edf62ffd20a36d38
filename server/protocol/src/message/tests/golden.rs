//! Bytes of one message of each kind, written out by hand from the tables of PROTOCOL.md.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;

use super::super::*;
use super::encoded;
use crate::fault::Code;
use crate::field;
use crate::field::Bitmap;
use crate::field::Counted;
use crate::field::GroupId;
use crate::field::JournalHash;
use crate::field::JournalHead;
use crate::field::Name;
use crate::field::Place;
use crate::field::PublicKeyBytes;
use crate::field::Range;
use crate::field::Ranges;
use crate::field::Sequence;
use crate::field::SessionId;
use crate::field::Signature;
use crate::field::SlotId;
use crate::field::TagToken;
use crate::field::Text;
use crate::field::Within;
use crate::frame::Header;
use crate::hello::Access;
use crate::hello::Magic;
use crate::hello::Purpose;
use crate::hello::Rights;
use crate::hello::Role;
use crate::hello::Token;
use crate::hello::Versions;

mod care;
mod keep;

const SEQUENCE: Sequence = Sequence::FIRST.next();
const ID: ObjectId = ObjectId::from_bytes([0xaa; 32]);
const SNAPSHOT: SnapshotId = SnapshotId::from_bytes([0xcc; 32]);
const TIME: Time = Time::from_nanoseconds(-2);
const SLOT: SlotId = SlotId::from_bytes([0x55; 16]);
const GROUP: GroupId = GroupId::from_bytes([0x66; 16]);
const HEAD: JournalHead = JournalHead { sequence: 9, hash: JournalHash::from_bytes([0x99; 32]) };

/// How the tables write `SEQUENCE` and `TIME`.
const SEQUENCE_HEX: &str = "0200000000000000";
const TIME_HEX: &str = "feffffffffffffff";

/// `aa*3 "text" 0102`: bytes in hexadecimal, repeated, and text, with spaces between.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let part: Vec<u8> = match digits.strip_prefix('"') {
            Some(quoted) => quoted.trim_end_matches('"').bytes().collect(),
            None => (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits"))
                .collect(),
        };
        bytes.extend(part.repeat(times.parse().expect("a number")));
    }
    bytes
}

fn golden<M: Message<'static> + PartialEq + std::fmt::Debug>(message: &M, table: &str) {
    let expected = bytes(&table.replace("SEQ", SEQUENCE_HEX).replace("TIME", TIME_HEX)).leak();
    assert_eq!(encoded(message), expected);
    assert_eq!(M::decode(expected).as_ref(), Ok(message));
}

fn name(name: &str) -> Name<'_> {
    Name::new(name).expect("a name")
}

fn text<const MAX: usize>(text: &str) -> Text<'_, MAX> {
    Text::new(text).expect("a text")
}

fn list<T, const LEAST: usize, const MOST: usize>(values: Vec<T>) -> field::List<T, LEAST, MOST> {
    field::List::new(values).expect("within its limits")
}

fn within<const LEAST: u32, const MOST: u32>(number: u32) -> Within<LEAST, MOST> {
    Within::new(number).expect("within its limits")
}

#[test]
fn golden_hello() {
    let mut hello = Hello {
        magic: Magic,
        versions: Versions::new(1, 2).expect("in order"),
        purpose: Purpose::New,
        credit_bytes: 0x10,
        epoch: 3,
        program: text("farkeep"),
    };
    golden(&hello, r#""FARKEEP" 00 0100 0200 01 00*16 10000000 0300000000000000 07 "farkeep""#);
    hello.purpose = Purpose::Resume(SessionId::from_bytes([0x77; 16]));
    golden(&hello, r#""FARKEEP" 00 0100 0200 02 77*16 10000000 0300000000000000 07 "farkeep""#);
    hello.purpose = Purpose::Stripe(SessionId::from_bytes([0x77; 16]));
    golden(&hello, r#""FARKEEP" 00 0100 0200 03 77*16 10000000 0300000000000000 07 "farkeep""#);
    hello.purpose = Purpose::Enroll;
    golden(&hello, r#""FARKEEP" 00 0100 0200 04 00*16 10000000 0300000000000000 07 "farkeep""#);
    let bad = bytes(r#""FARKEEP" 00 0100 0200 01 77*16 10000000 0300000000000000 00"#).leak();
    assert!(Hello::decode(bad).is_err(), "a new session has no name yet");
}

/// The bytes that PROTOCOL.md, "Two sessions" ends with.
#[test]
fn golden_first_frame() {
    let hello = Hello {
        magic: Magic,
        versions: Versions::OURS,
        purpose: Purpose::New,
        credit_bytes: 0,
        epoch: 0,
        program: text("farkeep"),
    };
    let body = "4641524b45455000 0100 0200 01 00*16 00000000 0000000000000000 07 6661726b656570";
    golden(&hello, body);
    let header = Header::new(Kind::Hello, bytes(body).len()).expect("it is not too long");
    assert_eq!(header.encode().to_vec(), bytes("31000000 0100 0000"));
    assert!(
        include_str!("../../../PROTOCOL.md").contains(&format!("header `31000000 0100 0000`, body `{body}`"))
    );
}

#[test]
fn golden_welcome() {
    let welcome = Welcome {
        version: 1,
        session: SessionId::from_bytes([0x77; 16]),
        time: TIME,
        role: Role::Keeper,
        credit_bytes: 0x20,
        credit_requests: 0x30,
        acknowledged: 4,
        epoch: 5,
    };
    golden(&welcome, "0100 77*16 TIME 03 20000000 30000000 0400000000000000 0500000000000000");
}

#[test]
fn golden_enroll() {
    golden(&Enroll { token: Token::from_bytes([0x33; 32]), name: name("web-1") }, r#"33*32 05 "web-1""#);
}

#[test]
fn golden_enrolled() {
    let repositories = list(vec![name("main"), name("db")]);
    let enrolled = Enrolled { role: Role::Agent, name: name("web-1"), repositories };
    golden(&enrolled, r#"01 05 "web-1" 02 04 "main" 02 "db""#);
}

#[test]
fn golden_open() {
    golden(&Open { repository: name("main"), access: Access::Write }, r#"04 "main" 02"#);
    golden(&Open { repository: name("main"), access: Access::Read }, r#"04 "main" 01"#);
}

#[test]
fn golden_create() {
    let create = Create {
        repository: name("main"),
        slot: SLOT,
        slot_bytes: Counted::new(b"slot").expect("within its limits"),
        parameters: b"conf",
    };
    golden(&create, r#"04 "main" 55*16 04 "slot" "conf""#);
    let empty = Create { slot_bytes: Counted::new(b"").expect("within its limits"), ..create };
    golden(&empty, r#"04 "main" 55*16 00 "conf""#);
}

#[test]
fn golden_opened() {
    let opened = Opened {
        repository: RepositoryId::from_bytes([0x22; 32]),
        rights: Rights::STORE | Rights::LIST | Rights::FOLLOW,
        head: HEAD,
        parameters: b"conf",
    };
    golden(&opened, r#"22*32 43000000 0900000000000000 99*32 "conf""#);
}

#[test]
fn golden_grant() {
    golden(&Grant { bytes: 0x0102_0304 }, "04030201");
}

#[test]
fn golden_credit() {
    golden(&Credit { bytes: 0x0102_0304, requests: 5 }, "04030201 05000000");
}

#[test]
fn golden_done() {
    golden(&Done { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_refused() {
    let refused = Refused { sequence: SEQUENCE, code: Code::WRONG_ID, text: text("no") };
    golden(&refused, r#"SEQ 0d01 02 "no""#);
}

#[test]
fn golden_heartbeat() {
    golden(&Heartbeat { time: TIME }, "TIME");
}

#[test]
fn golden_goodbye() {
    golden(&Goodbye { reason: Leave::Finished }, "01");
    golden(&Goodbye { reason: Leave::Stopping }, "02");
    golden(&Goodbye { reason: Leave::Idle }, "03");
}

#[test]
fn golden_fault() {
    let mut fault = Fault { code: Code::TOO_LARGE, sequence: None, text: text("no") };
    golden(&fault, r#"0201 00*8 02 "no""#);
    fault.sequence = Some(SEQUENCE);
    golden(&fault, r#"0201 SEQ 02 "no""#);
}

#[test]
fn golden_probe() {
    let other = ObjectId::from_bytes([0xbb; 32]);
    golden(&Probe { sequence: SEQUENCE, ids: list(vec![ID, other]) }, "SEQ 02 aa*32 bb*32");
}

#[test]
fn golden_presence() {
    let known = [true, false, false, true, false, false, false, false, true];
    let known = Bitmap::new(&known).expect("few of them");
    golden(&Presence { sequence: SEQUENCE, known }, "SEQ 09 09 01");
}

#[test]
fn golden_put() {
    golden(&Put { sequence: SEQUENCE, id: ID, object: b"sealed" }, r#"SEQ aa*32 "sealed""#);
}

#[test]
fn golden_durable() {
    let range = |first, count| Range { first: Sequence::new(first).expect("above 0"), count };
    let ranges = Ranges::new(vec![range(1, 2), range(4, 7)]).expect("in order");
    golden(&Durable { ranges }, "02 0100000000000000 0200000000000000 0400000000000000 0700000000000000");
}

#[test]
fn golden_flush() {
    golden(&Flush { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_commit() {
    golden(&Commit { sequence: SEQUENCE, group: None, record: b"record" }, r#"SEQ 00 "record""#);
    golden(&Commit { sequence: SEQUENCE, group: Some(GROUP), record: b"record" }, r#"SEQ 01 66*16 "record""#);
}

#[test]
fn golden_committed() {
    let committed = Committed {
        sequence: SEQUENCE,
        snapshot: SNAPSHOT,
        journal: 9,
        received: TIME,
        durability: Durability::Replicated,
        already: true,
    };
    golden(&committed, "SEQ cc*32 0900000000000000 TIME 02 01");
    let committed = Committed { durability: Durability::Local, already: false, ..committed };
    golden(&committed, "SEQ cc*32 0900000000000000 TIME 01 00");
}

#[test]
fn golden_barrier() {
    let barrier = Barrier {
        sequence: SEQUENCE,
        group: GROUP,
        members: within(3),
        deadline_ms: within(1000),
        stage: Stage::Frozen,
    };
    golden(&barrier, "SEQ 66*16 03000000 e8030000 01");
}

#[test]
fn golden_gathered() {
    golden(&Gathered { sequence: SEQUENCE, stage: Stage::Captured }, "SEQ 02");
}

#[test]
fn golden_get() {
    golden(&Get { sequence: SEQUENCE, ids: list(vec![ID]) }, "SEQ 01 aa*32");
}

#[test]
fn golden_object() {
    golden(&Object { sequence: SEQUENCE, index: 7, object: b"sealed" }, r#"SEQ 07000000 "sealed""#);
}

#[test]
fn golden_missing() {
    golden(&Missing { sequence: SEQUENCE, index: 7, code: Code::NOT_FOUND }, "SEQ 07000000 1201");
}

#[test]
fn golden_locate() {
    golden(&Locate { sequence: SEQUENCE, ids: list(vec![ID]) }, "SEQ 01 aa*32");
}

#[test]
fn golden_places() {
    let place = Place { pack: 1, offset: 0x1000, bytes: 99 };
    let places = Places { sequence: SEQUENCE, places: list(vec![None, Some(place)]) };
    golden(&places, "SEQ 02 00 01 01000000 00100000 63000000");
}

#[test]
fn golden_list() {
    golden(&List { sequence: SEQUENCE, newest: 1, prefix: text("web-1:") }, r#"SEQ 01000000 06 "web-1:""#);
}

#[test]
fn golden_listed() {
    let listed = Listed { sequence: SEQUENCE, journal: 9, received: TIME, record: b"record" };
    golden(&listed, r#"SEQ 0900000000000000 TIME "record""#);
}

#[test]
fn golden_slots() {
    golden(&Slots { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_slot() {
    golden(&Slot { sequence: SEQUENCE, slot: SLOT, bytes: b"slot" }, r#"SEQ 55*16 "slot""#);
}

#[test]
fn golden_add_slot() {
    golden(&AddSlot { sequence: SEQUENCE, slot: SLOT, bytes: b"slot" }, r#"SEQ 55*16 "slot""#);
}

#[test]
fn golden_remove_slot() {
    golden(&RemoveSlot { sequence: SEQUENCE, slot: SLOT }, "SEQ 55*16");
}

#[test]
fn golden_usage() {
    golden(&Usage { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_used() {
    let used = Used {
        sequence: SEQUENCE,
        packs: 1,
        objects: 2,
        bytes: 3,
        index_bytes: 4,
        journal_bytes: 5,
        free_bytes: 6,
    };
    golden(&used, "SEQ 01 00*7 02 00*7 03 00*7 04 00*7 05 00*7 06 00*7");
}

#[test]
fn golden_verify() {
    golden(&Verify { sequence: SEQUENCE, share: within(1_000_000) }, "SEQ 40420f00");
}

#[test]
fn golden_verified() {
    let damaged = [(Some(ID), "bit"), (None, "head")];
    let verified = Verified {
        sequence: SEQUENCE,
        packs: 1,
        objects: 2,
        bytes: 3,
        bytes_total: 4,
        finished: true,
        damaged: list(damaged.map(|(object, what)| Damaged { object, what: text(what) }).into()),
    };
    let table = r#"SEQ 01 00*7 02 00*7 03 00*7 04 00*7 01 02 01 aa*32 03 "bit" 00 04 "head""#;
    golden(&verified, table);
}

#[test]
fn golden_forget() {
    golden(&Forget { sequence: SEQUENCE, snapshot: SNAPSHOT, reason: text("old") }, r#"SEQ cc*32 03 "old""#);
}

#[test]
fn golden_hold() {
    golden(&Hold { sequence: SEQUENCE, snapshot: SNAPSHOT, until: TIME }, "SEQ cc*32 TIME");
}

#[test]
fn golden_follow() {
    golden(&Follow { sequence: SEQUENCE, after: HEAD }, "SEQ 0900000000000000 99*32");
}

#[test]
fn golden_events() {
    let events = Events { sequence: SEQUENCE, first: 9, count: within(2), records: b"records" };
    golden(&events, r#"SEQ 0900000000000000 02000000 "records""#);
}

#[test]
fn golden_position() {
    let position =
        Position { sequence: SEQUENCE, head: HEAD, time: TIME, signature: Signature::from_bytes([0x44; 64]) };
    golden(&position, "SEQ 0900000000000000 99*32 TIME 44*64");
}

#[test]
fn golden_adopted() {
    golden(&Adopted { head: HEAD }, "0900000000000000 99*32");
}
