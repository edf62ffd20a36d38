//! Laws that hold for every message, and the golden bytes of each.

use farkeep_codec::layout::Writer;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::strategy::BoxedStrategy;
use proptest::strategy::Strategy;

use super::*;
use crate::field::Sequence;
use crate::field::Within;
use crate::field::sample::Sample;
use crate::frame::Frame;
use crate::limits::TEXT_BYTES_MAX;
use crate::limits::THOUSANDTHS;

mod golden;

impl Sample for Option<Forgotten> {
    fn sample() -> BoxedStrategy<Self> {
        proptest::option::of(Forgotten::sample()).boxed()
    }
}

impl Sample for Option<NewestRecord> {
    fn sample() -> BoxedStrategy<Self> {
        proptest::option::of(NewestRecord::sample()).boxed()
    }
}

impl Sample for Option<Within<0, THOUSANDTHS>> {
    fn sample() -> BoxedStrategy<Self> {
        proptest::option::of(Within::sample()).boxed()
    }
}

impl Sample for Damaged<'static> {
    fn sample() -> BoxedStrategy<Self> {
        let parts = (Sample::sample(), crate::field::Text::<TEXT_BYTES_MAX>::sample());
        parts.prop_map(|(object, what)| Self { object, what }).boxed()
    }
}

/// Kinds whose messages end with a payload, so that a longer body is another message.
const WITH_PAYLOAD: [Kind; 12] = [
    Kind::Create,
    Kind::Opened,
    Kind::Put,
    Kind::Commit,
    Kind::CommitMarked,
    Kind::Replace,
    Kind::Object,
    Kind::Listed,
    Kind::ListedToo,
    Kind::Slot,
    Kind::AddSlot,
    Kind::Events,
];

fn encoded<'a>(message: &impl Body<'a>) -> &'static [u8] {
    let mut writer = Writer::new();
    message.encode(&mut writer);
    writer.into_bytes().leak()
}

/// Decoding borrows, so bytes are leaked here, and the type can be any message.
fn laws<M: Message<'static> + Sample + PartialEq + 'static>() {
    proptest!(|(message in M::sample(), flips in any::<Vec<(usize, u8)>>())| {
        let bytes = encoded(&message);
        prop_assert!(bytes.len() <= M::BODY_BYTES_MAX);
        let back = M::decode(bytes);
        prop_assert_eq!(back.as_ref(), Ok(&message), "it comes back");

        let front_bytes = bytes.len() - message.payload().len();
        for length in 0..front_bytes {
            prop_assert!(M::decode(&bytes[..length]).is_err(), "cut to {} bytes", length);
        }
        let longer: &'static [u8] = [bytes, &[0]].concat().leak();
        prop_assert_eq!(M::decode(longer).is_ok(), WITH_PAYLOAD.contains(&M::KIND), "trailing byte");

        let frame = Frame { kind: M::KIND, body: bytes };
        let number = bytes.first_chunk().map(|first| u64::from_le_bytes(*first));
        let expected = if M::KIND.is_request() { number.and_then(Sequence::new) } else { None };
        prop_assert_eq!(frame.sequence(), Ok(expected));

        let mut flipped = bytes.to_vec();
        flips.iter().filter(|_| !bytes.is_empty()).for_each(|(at, byte)| flipped[at % bytes.len()] = *byte);
        let flipped: &'static [u8] = flipped.leak();
        if let Ok(other) = M::decode(flipped) {
            prop_assert_eq!(encoded(&other), flipped, "what decodes encodes to the same bytes");
        }
    });
}

macro_rules! laws {
    ($($test:ident: $message:ident;)*) => {
        $(
            #[test]
            fn $test() {
                laws::<$message>();
            }
        )*

        #[test]
        fn every_message_has_its_laws() {
            let mut kinds = vec![$(Kind::$message),*];
            kinds.sort_unstable();
            assert_eq!(kinds, Kind::ALL);
        }
    };
}

laws! {
    hello: Hello;
    welcome: Welcome;
    enroll: Enroll;
    enrolled: Enrolled;
    open: Open;
    opened: Opened;
    create: Create;
    grant: Grant;
    credit: Credit;
    done: Done;
    refused: Refused;
    heartbeat: Heartbeat;
    goodbye: Goodbye;
    fault: Fault;
    probe: Probe;
    presence: Presence;
    put: Put;
    durable: Durable;
    flush: Flush;
    commit: Commit;
    committed: Committed;
    barrier: Barrier;
    gathered: Gathered;
    get: Get;
    object: Object;
    missing: Missing;
    locate: Locate;
    places: Places;
    list: List;
    listed: Listed;
    slots: Slots;
    slot: Slot;
    add_slot: AddSlot;
    remove_slot: RemoveSlot;
    usage: Usage;
    used: Used;
    verify: Verify;
    verified: Verified;
    forget: Forget;
    hold: Hold;
    commit_marked: CommitMarked;
    replace: Replace;
    settings: Settings;
    settings_are: SettingsAre;
    set_settings: SetSettings;
    retain: Retain;
    planned: Planned;
    recover: Recover;
    list_all: ListAll;
    listed_too: ListedToo;
    newest: Newest;
    newest_is: NewestIs;
    thaw: Thaw;
    sizes: Sizes;
    sized: Sized;
    freed: Freed;
    freed_is: FreedIs;
    collect: Collect;
    collecting: Collecting;
    stop: Stop;
    collected: Collected;
    history: History;
    collection_is: CollectionIs;
    grown: Grown;
    series_sizes: SeriesSizes;
    series_sized: SeriesSized;
    shared_is: SharedIs;
    verifications: Verifications;
    verifications_are: VerificationsAre;
    scrub: Scrub;
    scrubbing: Scrubbing;
    scrubbed: Scrubbed;
    plan_repair: PlanRepair;
    repair_step: RepairStep;
    repair: Repair;
    repaired: Repaired;
    follow: Follow;
    events: Events;
    adopted: Adopted;
    position: Position;
}

#[test]
fn every_message_has_golden_bytes() {
    let tests = [
        include_str!("tests/golden.rs"),
        include_str!("tests/golden/keep.rs"),
        include_str!("tests/golden/care.rs"),
    ]
    .concat();
    for kind in Kind::ALL {
        // `AddSlot` becomes `add_slot`.
        let capital =
            |c: char| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] };
        let name: String = kind.name().chars().flat_map(capital).collect();
        assert!(tests.contains(&format!("fn golden{name}()")), "{name}");
    }
}

/// Whoever refuses a request before it is decoded must know its number all the same.
#[test]
fn a_request_without_a_number_is_refused() {
    for kind in FromClient::KINDS.iter().copied().filter(|kind| kind.is_request()) {
        let body = [0; 4096];
        assert!(Frame { kind, body: &body }.sequence().is_err());
        let refused = FromClient::decode(kind, &body).expect_err("no request has number 0");
        assert!(refused.what.ends_with("sequence") && refused.offset == 0, "{}: {refused}", kind.name());
    }
}

#[test]
fn a_payload_has_a_limit() {
    let longest = vec![0; Put::BODY_BYTES_MAX + 1].leak();
    longest[0] = 1;
    let longest = &*longest;
    assert!(Put::decode(&longest[..Put::BODY_BYTES_MAX]).is_ok());
    assert!(Put::decode(longest).is_err());
}

#[test]
fn each_side_reads_its_own_messages_only() {
    for kind in Kind::ALL.iter().copied() {
        let foreign = |refused: &Malformed| refused.what.starts_with("kind");
        let from_client = !FromClient::decode(kind, &[]).is_err_and(|refused| foreign(&refused));
        let from_server = !FromServer::decode(kind, &[]).is_err_and(|refused| foreign(&refused));
        assert_eq!(
            (from_client, from_server),
            (FromClient::KINDS.contains(&kind), FromServer::KINDS.contains(&kind))
        );
    }
}

proptest! {
    #[test]
    fn both_sides_as_one_type(flush in Flush::sample(), done in Done::sample()) {
        let message = FromClient::decode(Kind::Flush, encoded(&flush))?;
        prop_assert_eq!(message.kind(), Kind::Flush);
        prop_assert_eq!(encoded(&message), encoded(&flush));
        prop_assert_eq!(message, FromClient::Flush(flush));
        prop_assert_eq!(FromServer::decode(Kind::Done, encoded(&done))?, FromServer::Done(done));
    }
}
