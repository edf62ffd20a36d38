//! The same of what keepers ask for and are told since version 2.

use super::*;

#[test]
fn golden_commit_marked() {
    let tokens = list(vec![TagToken::from_bytes([1; 8]), TagToken::from_bytes([2; 8])]);
    let commit = CommitMarked { sequence: SEQUENCE, group: None, tokens, record: b"record" };
    golden(&commit, r#"SEQ 00 02 01*8 02*8 "record""#);
    golden(
        &CommitMarked { group: Some(GROUP), tokens: list(vec![]), ..commit },
        r#"SEQ 01 66*16 00 "record""#,
    );
}

#[test]
fn golden_replace() {
    golden(&Replace { sequence: SEQUENCE, old: SNAPSHOT, record: b"record" }, r#"SEQ cc*32 "record""#);
}

#[test]
fn golden_settings() {
    golden(&Settings { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_settings_are() {
    let settings = Counted::new(b"set").expect("short");
    golden(&SettingsAre { sequence: SEQUENCE, settings }, r#"SEQ 03 "set""#);
}

#[test]
fn golden_set_settings() {
    let settings = Counted::new(b"set").expect("short");
    golden(&SetSettings { sequence: SEQUENCE, settings }, r#"SEQ 03 "set""#);
}

#[test]
fn golden_retain() {
    golden(&Retain { sequence: SEQUENCE, act: Act::Plan, policies: list(vec![]) }, "SEQ 01 00");
    let policies = list(vec![Counted::new(b"policy").expect("short")]);
    golden(&Retain { sequence: SEQUENCE, act: Act::Execute, policies }, r#"SEQ 02 01 06 "policy""#);
}

#[test]
fn golden_planned() {
    let planned = Planned {
        sequence: SEQUENCE,
        snapshot: SNAPSHOT,
        received: TIME,
        series: text("web"),
        fate: Fate::Keep,
        why: list(vec![text("last 3"), text("daily")]),
    };
    golden(&planned, r#"SEQ cc*32 TIME 03 "web" 01 02 06 6c6173742033 05 "daily""#);
    let why = list(vec![text("*")]);
    golden(
        &Planned { fate: Fate::Forget, why: why.clone(), ..planned.clone() },
        r#"SEQ cc*32 TIME 03 "web" 02 01 01 2a"#,
    );
    golden(&Planned { fate: Fate::Frozen, why, ..planned }, r#"SEQ cc*32 TIME 03 "web" 03 01 01 2a"#);
}

#[test]
fn golden_recover() {
    golden(&Recover { sequence: SEQUENCE, snapshot: SNAPSHOT, reason: text("new") }, r#"SEQ cc*32 03 "new""#);
}

#[test]
fn golden_list_all() {
    golden(&ListAll { sequence: SEQUENCE, prefix: text("web-1:") }, r#"SEQ 06 "web-1:""#);
}

#[test]
fn golden_listed_too() {
    let listed = ListedToo {
        sequence: SEQUENCE,
        journal: 9,
        received: TIME,
        forgotten: None,
        held_until: TIME,
        record: b"record",
    };
    golden(&listed, r#"SEQ 0900000000000000 TIME 00 TIME "record""#);
    let forgotten = Some(Forgotten { at: TIME, until: Time::from_nanoseconds(1) });
    let table = r#"SEQ 0900000000000000 TIME 01 TIME 01 00*7 TIME "record""#;
    golden(&ListedToo { forgotten, ..listed }, table);
}

#[test]
fn golden_newest() {
    golden(&Newest { sequence: SEQUENCE, series: text("web-1:") }, r#"SEQ 06 "web-1:""#);
}

#[test]
fn golden_newest_is() {
    golden(&NewestIs { sequence: SEQUENCE, newest: None }, "SEQ 00");
    let newest = Some(NewestRecord {
        snapshot: SNAPSHOT,
        number: 7,
        captured: TIME,
        received: TIME,
        root: ID,
        agent: PublicKeyBytes::from_bytes([0xbb; 32]),
    });
    golden(&NewestIs { sequence: SEQUENCE, newest }, "SEQ 01 cc*32 07 00*7 TIME TIME aa*32 bb*32");
}

#[test]
fn golden_thaw() {
    golden(&Thaw { sequence: SEQUENCE, reason: text("ntp") }, r#"SEQ 03 "ntp""#);
}

#[test]
fn golden_sizes() {
    golden(&Sizes { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_sized() {
    let sized = Sized { sequence: SEQUENCE, snapshot: SNAPSHOT, added_bytes: 3, unique_bytes: 2 };
    golden(&sized, "SEQ cc*32 03 00*7 02 00*7");
}

#[test]
fn golden_series_sizes() {
    golden(&SeriesSizes { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_series_sized() {
    let (sequence, series) = (SEQUENCE, text("web"));
    let sized = SeriesSized { sequence, series, snapshots: 4, added_bytes: 3, unique_bytes: 2 };
    golden(&sized, r#"SEQ 03 "web" 04 00*7 03 00*7 02 00*7"#);
}

#[test]
fn golden_shared_is() {
    golden(&SharedIs { sequence: SEQUENCE, bytes: 3, estimated: true }, "SEQ 03 00*7 01");
}

#[test]
fn golden_freed() {
    golden(&Freed { sequence: SEQUENCE, snapshots: list(vec![SNAPSHOT]) }, "SEQ 01 cc*32");
}

#[test]
fn golden_freed_is() {
    golden(&FreedIs { sequence: SEQUENCE, bytes: 3, estimated: false }, "SEQ 03 00*7 00");
}

#[test]
fn golden_collect() {
    let collect = Collect {
        sequence: SEQUENCE,
        act: Act::Plan,
        purge: Purge::WhenOver,
        seconds_max: 0,
        bytes_per_second: 0,
        work_thousandths: within(1000),
        garbage_thousandths: None,
    };
    golden(&collect, "SEQ 01 01 00*8 00*8 e8030000 00");
    let garbage_thousandths = Some(within(10));
    let at_once = Collect {
        act: Act::Execute,
        purge: Purge::AtOnce,
        seconds_max: 2,
        bytes_per_second: 3,
        work_thousandths: within(250),
        garbage_thousandths,
        ..collect
    };
    golden(&at_once, "SEQ 02 02 02 00*7 03 00*7 fa000000 01 0a000000");
}

#[test]
fn golden_collecting() {
    let collecting = Collecting {
        sequence: SEQUENCE,
        step: Step::Waiting,
        done: 1,
        total: 2,
        moved_bytes: 3,
        removed_bytes: 4,
        waits_for: list(vec![text("web"), text("db")]),
    };
    golden(&collecting, r#"SEQ 07 01 00*7 02 00*7 03 00*7 04 00*7 02 03 "web" 02 "db""#);
    let waits_for = list(vec![]);
    let queued = Collecting { step: Step::Queued, waits_for, ..collecting };
    golden(&queued, "SEQ 01 01 00*7 02 00*7 03 00*7 04 00*7 00");
}

#[test]
fn golden_stop() {
    golden(&Stop { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_collected() {
    let collected = Collected {
        sequence: SEQUENCE,
        outcome: Outcome::Waited,
        sessions: 1,
        purged: 2,
        nodes_read: 3,
        packs_removed: 4,
        bytes_removed: 5,
        nodes_struck: 6,
        objects_moved: 7,
        bytes_moved: 8,
        kept: Kept { reprieved: 9, quarantined: 10, unread: 11 },
        bytes_left: 12,
    };
    let table = "SEQ 03 01000000 02 00*7 03 00*7 04 00*7 05 00*7 06 00*7 07 00*7 08 00*7 \
                 09 00*7 0a 00*7 0b 00*7 0c 00*7";
    golden(&collected, table);
}

#[test]
fn golden_collection_is() {
    let packs = |first: u64| Packs {
        packs: first,
        file_bytes: first + 1,
        live_bytes: first + 2,
        dead_bytes: first + 3,
    };
    let plan = CollectionIs {
        sequence: SEQUENCE,
        removed: packs(1),
        struck: packs(5),
        emptied: packs(9),
        moved_bytes: 13,
        freed_bytes: 14,
        left_bytes: 15,
    };
    let table = "SEQ 01 00*7 02 00*7 03 00*7 04 00*7 05 00*7 06 00*7 07 00*7 08 00*7 \
                 09 00*7 0a 00*7 0b 00*7 0c 00*7 0d 00*7 0e 00*7 0f 00*7";
    golden(&plan, table);
}

#[test]
fn golden_history() {
    golden(&History { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_grown() {
    let grown = Grown {
        sequence: SEQUENCE,
        day: TIME,
        stored_bytes: 1,
        removed_bytes: 2,
        snapshots: 3,
        forgotten: 4,
        purged: 5,
    };
    golden(&grown, "SEQ TIME 01 00*7 02 00*7 03 00*7 04 00*7 05 00*7");
}
