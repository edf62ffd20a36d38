//! The same of how what is stored is cared for.

use farkeep_codec::id::PackId;

use super::*;

const PACK: PackId = PackId::from_bytes([0xbb; 32]);

#[test]
fn golden_verifications() {
    golden(&Verifications { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_verifications_are() {
    let known = VerificationsAre {
        sequence: SEQUENCE,
        packs: 1,
        bytes: 2,
        packs_unverified: 3,
        bytes_unverified: 4,
        oldest: Some(TIME),
        seconds_max: 5,
        late: true,
        bytes_per_second: 6,
    };
    golden(&known, "SEQ 01 00*7 02 00*7 03 00*7 04 00*7 01 TIME 05 00*7 01 06 00*7");
    let table = "SEQ 01 00*7 02 00*7 03 00*7 04 00*7 00 05 00*7 01 06 00*7";
    golden(&VerificationsAre { oldest: None, ..known }, table);
}

#[test]
fn golden_scrub() {
    golden(&Scrub { sequence: SEQUENCE, seconds_max: 1, bytes_per_second: 2 }, "SEQ 01 00*7 02 00*7");
}

#[test]
fn golden_scrubbing() {
    golden(&Scrubbing { sequence: SEQUENCE, bytes_done: 1, bytes_total: 2 }, "SEQ 01 00*7 02 00*7");
}

#[test]
fn golden_scrubbed() {
    let scrubbed = Scrubbed {
        sequence: SEQUENCE,
        outcome: ScrubOutcome::Stopped,
        packs: 1,
        bytes: 2,
        damaged_count: 3,
        damaged: list(vec![PACK]),
    };
    golden(&scrubbed, "SEQ 02 01 00*7 02 00*7 03 00*7 01 bb*32");
}

#[test]
fn golden_plan_repair() {
    golden(&PlanRepair { sequence: SEQUENCE }, "SEQ");
}

#[test]
fn golden_repair_step() {
    let step = RepairStep {
        sequence: SEQUENCE,
        act: RepairAct::Heal,
        pack: Some(PACK),
        count: 1,
        path: text(""),
        what: text(""),
    };
    golden(&step, "SEQ 01 01 bb*32 01 00*7 00 00");
    let leave =
        RepairStep { act: RepairAct::Leave, pack: None, count: 0, path: text("a"), what: text("b"), ..step };
    golden(&leave, r#"SEQ 06 00 00*8 01 "a" 01 "b""#);
}

#[test]
fn golden_repair() {
    let repair = Repair { sequence: SEQUENCE, packs: list(vec![PACK]), files: true, index: false };
    golden(&repair, "SEQ 01 bb*32 01 00");
}

#[test]
fn golden_repaired() {
    let repaired = Repaired {
        sequence: SEQUENCE,
        packs: 1,
        files: 2,
        blocks: 3,
        objects: 4,
        evacuated: list(vec![]),
        unhealed: list(vec![PACK]),
        index: true,
    };
    golden(&repaired, "SEQ 01 00*7 02 00*7 03 00*7 04 00*7 00 01 bb*32 01");
}
