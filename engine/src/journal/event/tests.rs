//! Events and their bytes.

use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Kind;
use farkeep_codec::time::Time;
use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use super::ClockTrust;
use super::Event;
use super::EventError;
use super::Settings;
use super::SlotId;
use super::StoredExtent;
use super::Struck;
use crate::pack::Extent;
use crate::pack::Parity;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn hash(byte: u8) -> blake3::Hash {
    blake3::Hash::from_bytes([byte; 32])
}

pub(crate) fn stored() -> Event {
    let extent = Extent::new(4096, 0x3000, 3, hash(0x77)).expect("it can be");
    let first = StoredExtent { pack: PackId::from_bytes([0xab; 32]), kind: Kind::Data, extent };
    let second = StoredExtent { pack: PackId::from_bytes([0xcd; 32]), kind: Kind::Node, ..first };
    Event::Stored { extents: vec![first, second] }
}

/// The first extent of `stored`, with parity.
fn with_parity() -> Event {
    let Event::Stored { mut extents } = stored() else { panic!("it stores") };
    let parity = Parity { thousandths: 10, hash: hash(0x88) };
    extents[0].extent = extents[0].extent.with_parity(parity).expect("there is room");
    Event::Stored { extents }
}

fn settings() -> Settings {
    Settings {
        parity_thousandths: 10,
        grace_seconds: 0x1122,
        hold_seconds: 0x33,
        scrub_days: 30,
        clock_seconds: 60,
        garbage_thousandths: 20,
        retention_schedule: "a".to_owned(),
        collection_schedule: "bc".to_owned(),
        zone: String::new(),
        policies: vec![vec![1, 2], vec![3]],
    }
}

fn snapshot(byte: u8) -> SnapshotId {
    SnapshotId::from_bytes([byte; 32])
}

fn struck(byte: u8, offsets: &[u32]) -> Struck {
    Struck { pack: PackId::from_bytes([byte; 32]), offsets: offsets.to_vec() }
}

fn golden(kind: u16, event: &Event, parts: &[&str]) {
    assert_eq!((event.kind(), hex(&event.encode())), (kind, parts.concat()));
    assert_eq!(Event::parse(kind, &event.encode()).as_ref(), Ok(event));
}

#[test]
fn golden_events() {
    let slot = SlotId::from_bytes([0x51; 16]);
    golden(1, &Event::RepositoryCreated { parameters: hash(0x11) }, &[&"11".repeat(32)]);
    let extent = ["0010000000300000", "03000000", &"77".repeat(32)].concat();
    let (first, second) = ("ab".repeat(32), "cd".repeat(32));
    golden(2, &stored(), &[&first, "0100", &extent, &second, "0200", &extent]);
    let (parity, none) = (["0a00", &"88".repeat(32)].concat(), ["0000", &"00".repeat(32)].concat());
    golden(15, &with_parity(), &[&first, "0100", &extent, &parity, &second, "0200", &extent, &none]);
    golden(5, &Event::KeySlotAdded { slot, hash: hash(0x44) }, &[&"51".repeat(16), &"44".repeat(32)]);
    golden(6, &Event::KeySlotRemoved { slot }, &[&"51".repeat(16)]);
    let changed = Event::SettingsChanged { settings: settings(), by: "me".to_owned() };
    let numbers = "01 0a00 2211000000000000 3300000000000000 1e000000 3c000000 1400".replace(' ', "");
    golden(8, &changed, &[&numbers, "0161", "026263", "00", "02", "020102", "0103", "026d65"]);
    let (shown, expected) = (Time::from_nanoseconds(0x0102), Time::from_nanoseconds(-1));
    let frozen = Event::DeletionsFrozen { clock: ClockTrust::Frozen, shown, expected, by: "me".to_owned() };
    golden(18, &frozen, &["01", "0201000000000000", &"ff".repeat(8), "026d65"]);
}

#[test]
fn golden_events_of_snapshots() {
    let (id, old) = (snapshot(0x33), "33".repeat(32));
    let (by, reason) = ("me".to_owned(), "old".to_owned());
    golden(3, &Event::SnapshotCommitted { record: vec![1, 2, 3] }, &["010203"]);
    let forgotten = Event::SnapshotForgotten { id, by: by.clone(), reason: reason.clone() };
    golden(4, &forgotten, &[&old, "026d65", "036f6c64"]);
    let until = Time::from_nanoseconds(0x0102_0304_0506_0708);
    let held = Event::SnapshotHeld { id, until, by: by.clone(), reason: reason.clone() };
    golden(9, &held, &[&old, "0807060504030201", "026d65", "036f6c64"]);
    golden(10, &Event::SnapshotRecovered { id, by, reason }, &[&old, "026d65", "036f6c64"]);
    golden(16, &Event::SnapshotReplaced { old: id, record: vec![1, 2, 3] }, &[&old, "010203"]);
    let marked = Event::SnapshotMarked { id, tokens: vec![[1; 8], [2; 8]] };
    golden(17, &marked, &[&old, "02", &"01".repeat(8), &"02".repeat(8)]);
    golden(17, &Event::SnapshotMarked { id, tokens: Vec::new() }, &[&old, "00"]);
}

#[test]
fn golden_events_of_collections() {
    let (number, seven) = (7, "0700000000000000");
    let begun = Event::CollectionBegun { number, young: 5, purged: vec![snapshot(1), snapshot(2)] };
    golden(11, &begun, &[seven, "0500000000000000", "02", &"01".repeat(32), &"02".repeat(32)]);
    let condemned = Event::Condemned { number, packs: 1, objects: 2, bytes: 3 };
    golden(12, &condemned, &[seven, "01000000", "0200000000000000", "0300000000000000"]);
    let collected = Event::Collected { number, garbage_thousandths: 0x0102 };
    golden(19, &collected, &[seven, "0201"]);
    let records = ["01", &"0c".repeat(32), "03", "8020", "01", "80808001"].concat();
    let dead = vec![struck(0x0c, &[0x1000, 0x1001, 0x20_1001])];
    let removed = Event::Removed { number, packs: vec![PackId::from_bytes([0x0b; 32])], dead: dead.clone() };
    golden(13, &removed, &[seven, "01", &"0b".repeat(32), &records]);
    let quarantined = Event::Quarantined { damaged: dead, by: "me".to_owned() };
    golden(14, &quarantined, &[&records, "026d65"]);
}

/// Each differs from golden bytes in one place.
#[test]
fn nonsense_is_refused() {
    let id = snapshot(3);
    let removed = |packs, dead| Event::Removed { number: 1, packs, dead };
    let (low, high) = (PackId::from_bytes([1; 32]), PackId::from_bytes([2; 32]));
    let settings = |changed: fn(&mut Settings)| {
        let mut settings = settings();
        changed(&mut settings);
        Event::SettingsChanged { settings, by: String::new() }
    };
    for event in [
        Event::CollectionBegun { number: 1, young: 0, purged: vec![snapshot(2), snapshot(1)] },
        Event::SnapshotMarked { id, tokens: vec![[1; 8], [1; 8]] },
        Event::SnapshotMarked { id, tokens: (0..33).map(|byte| [byte; 8]).collect() },
        removed(Vec::new(), Vec::new()),
        removed(vec![high, low], Vec::new()),
        removed(Vec::new(), vec![struck(2, &[4096]), struck(1, &[4096])]),
        removed(Vec::new(), vec![struck(1, &[])]),
        removed(Vec::new(), vec![struck(1, &[4096, 4096])]),
        removed(Vec::new(), vec![struck(1, &[4095])]),
        removed(Vec::new(), vec![struck(1, &[64 << 20])]),
        Event::Quarantined { damaged: Vec::new(), by: String::new() },
        settings(|settings| settings.parity_thousandths = 201),
        settings(|settings| settings.garbage_thousandths = 1001),
        settings(|settings| settings.zone = "z".repeat(1025)),
        settings(|settings| settings.policies = vec![Vec::new(); 65]),
        settings(|settings| settings.policies = vec![vec![0; 2049]]),
    ] {
        let parsed = Event::parse(event.kind(), &event.encode());
        assert!(matches!(parsed, Err(EventError::Malformed(_))), "{event:?}");
    }
    assert!(matches!(Event::parse(15, &stored().encode()), Err(EventError::Malformed(_))));
    let mut too_much = with_parity().encode();
    too_much[78] = 201;
    assert!(matches!(Event::parse(15, &too_much), Err(EventError::Malformed(_))));
    let mut newer = settings(|_| {}).encode();
    newer[0] = 2;
    assert_eq!(Event::parse(8, &newer), Err(EventError::NewerSettings { found: 2, known: 1 }));
}

fn stored_extents() -> impl Strategy<Value = Event> {
    let extent = (1_u32..100, 1_u32..50, 0_u16..=200).prop_map(|(block, objects, thousandths)| {
        let start = block * 4096;
        let extent = Extent::new(start, start + objects * 100, objects, hash(9)).expect("it can be");
        let parity = Parity { thousandths, hash: hash(8) };
        if thousandths == 0 { extent } else { extent.with_parity(parity).expect("there is room") }
    });
    let stored = (any::<[u8; 32]>(), extent, any::<bool>()).prop_map(|(pack, extent, data)| StoredExtent {
        pack: PackId::from_bytes(pack),
        kind: if data { Kind::Data } else { Kind::Node },
        extent,
    });
    vec(stored, 1..4).prop_map(|extents| Event::Stored { extents })
}

fn struck_records(most: usize) -> impl Strategy<Value = Vec<Struck>> {
    let offsets = btree_set(4096_u32..64 << 20, 1..20);
    proptest::collection::btree_map(any::<[u8; 32]>(), offsets, 1..=most).prop_map(|packs| {
        let struck = |(pack, offsets): ([u8; 32], std::collections::BTreeSet<u32>)| Struck {
            pack: PackId::from_bytes(pack),
            offsets: offsets.into_iter().collect(),
        };
        packs.into_iter().map(struck).collect()
    })
}

fn of_snapshots() -> impl Strategy<Value = Event> {
    let texts = (any::<[u8; 32]>(), ".{0,20}", ".{0,20}");
    let forgotten = texts.prop_map(|(id, by, reason)| Event::SnapshotForgotten {
        id: SnapshotId::from_bytes(id),
        by,
        reason,
    });
    let held = (texts, any::<i64>()).prop_map(|((id, by, reason), until)| Event::SnapshotHeld {
        id: SnapshotId::from_bytes(id),
        until: Time::from_nanoseconds(until),
        by,
        reason,
    });
    let marked = (any::<[u8; 32]>(), btree_set(any::<[u8; 8]>(), 0..5)).prop_map(|(id, tokens)| {
        Event::SnapshotMarked { id: SnapshotId::from_bytes(id), tokens: tokens.into_iter().collect() }
    });
    let record = vec(any::<u8>(), 0..3000);
    let replaced = (any::<[u8; 32]>(), record.clone())
        .prop_map(|(old, record)| Event::SnapshotReplaced { old: SnapshotId::from_bytes(old), record });
    prop_oneof![
        record.prop_map(|record| Event::SnapshotCommitted { record }),
        forgotten,
        held,
        marked,
        replaced,
    ]
}

fn of_collections() -> impl Strategy<Value = Event> {
    let ids = || btree_set(any::<[u8; 32]>(), 1..5);
    let begun =
        (any::<u64>(), any::<u64>(), ids()).prop_map(|(number, young, purged)| Event::CollectionBegun {
            number,
            young,
            purged: purged.into_iter().map(SnapshotId::from_bytes).collect(),
        });
    let condemned = (any::<u64>(), any::<u32>(), any::<u64>())
        .prop_map(|(number, packs, objects)| Event::Condemned { number, packs, objects, bytes: objects });
    let removed = (any::<u64>(), ids(), struck_records(3)).prop_map(|(number, packs, dead)| Event::Removed {
        number,
        packs: packs.into_iter().map(PackId::from_bytes).collect(),
        dead,
    });
    let quarantined =
        (struck_records(3), ".{0,20}").prop_map(|(damaged, by)| Event::Quarantined { damaged, by });
    let collected = (any::<u64>(), any::<u16>())
        .prop_map(|(number, garbage_thousandths)| Event::Collected { number, garbage_thousandths });
    prop_oneof![begun, condemned, removed, quarantined, collected]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let changed = (vec(vec(any::<u8>(), 0..90), 0..4), any::<u64>(), ".{0,20}").prop_map(
        |(policies, grace_seconds, zone)| {
            let settings = Settings { policies, grace_seconds, zone, ..Settings::default() };
            Event::SettingsChanged { settings, by: "me".to_owned() }
        },
    );
    prop_oneof![
        3 => stored_extents(),
        3 => of_snapshots(),
        2 => of_collections(),
        1 => changed,
        1 => Just(Event::KeySlotAdded { slot: SlotId::from_bytes([1; 16]), hash: hash(2) }),
    ]
}

proptest! {
    #[test]
    fn events_come_back_from_their_bytes(event in event()) {
        let bytes = event.encode();
        let back = Event::parse(event.kind(), &bytes).expect("good");
        prop_assert_eq!(&back, &event);
        prop_assert_eq!(back.encode(), bytes);
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(kind in 0_u16..21, bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(event) = Event::parse(kind, &bytes) {
            prop_assert_eq!((event.kind(), event.encode()), (kind, bytes));
        }
    }

    /// Few bytes are an event by chance, so good ones are bent.
    #[test]
    fn bent_events_are_events_or_an_error(event in event(), at in any::<usize>(), byte in any::<u8>(), more in 0..3_usize) {
        let (kind, mut bytes) = (event.kind(), event.encode());
        let at = at % (bytes.len() + 1);
        if let Some(bent) = bytes.get_mut(at) {
            *bent = byte;
        }
        bytes.extend(vec![byte; more]);
        if let Ok(event) = Event::parse(kind, &bytes) {
            prop_assert_eq!((event.kind(), event.encode()), (kind, bytes));
        }
    }
}
