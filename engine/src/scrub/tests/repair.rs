//! What a repair says that it will do, and what it then does.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use super::Yard;
use super::everything;
use super::go_on;
use crate::Healing;
use crate::Lost;
use crate::Patients;
use crate::Presence;
use crate::Put;
use crate::RepairPlan;
use crate::RepairStep;
use crate::Repaired;
use crate::Share;
use crate::disk::Disk;
use crate::disk::Mode;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::limits::BLOCK_BYTES;
use crate::pack;
use crate::scrub::Care;
use crate::store::tests::data;
use crate::store::tests::expect_readable;

const WHO: &str = "a test";

pub(super) fn contents(disk: &SimulatedDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = disk.files().into_iter().map(|(path, _)| {
        let mut bytes = Vec::new();
        disk.mutate(&path, |file| bytes.clone_from(file)).expect("there");
        (path, bytes)
    });
    files.collect()
}

fn plan(yard: &Yard) -> RepairPlan {
    yard.read().plan_repair(&|_| {}).expect("planned")
}

#[test]
fn nothing_is_to_be_done_for_what_is_sound() {
    let yard = Yard::new();
    assert_eq!(plan(&yard), RepairPlan::default());
    let engine = yard.open();
    let before = contents(&yard.disk);
    assert_eq!(engine.repair(&plan(&yard), WHO).expect("repaired"), Repaired::default());
    assert_eq!(contents(&yard.disk), before);
}

#[test]
fn a_plan_says_what_is_done() {
    let yard = Yard::new();
    let mut packs = yard.packs();
    packs.truncate(5);
    let [_, heals, dies, both, gone] = packs[..] else { panic!("there are five") };
    yard.damage(&heals, [3]);
    yard.damage(&dies, [2, 5, 9]);
    // Block 1 is one of parity and table as well as of data: only the window is beyond help.
    yard.damage(&both, [1, 4]);
    yard.disk.remove(&pack::path(&gone)).expect("there");
    for leftover in ["checkpoint.new~", "verified.new~"] {
        yard.disk.open(Path::new(leftover), Mode::CreateNew).expect("made").sync().expect("synced");
    }
    yard.disk.mutate(Path::new("head"), |head| head[BLOCK_BYTES + 9] ^= 1).expect("there");

    let before = contents(&yard.disk);
    let plan = plan(&yard);
    assert_eq!(contents(&yard.disk), before, "a plan changes nothing");
    let expected = |pack| plan.steps.iter().filter(move |step| step_pack(step) == Some(pack));
    assert_eq!(expected(heals).collect::<Vec<_>>(), [&RepairStep::Heal { pack: heals, blocks: 1 }]);
    let lost: Vec<_> = expected(dies).collect();
    let [RepairStep::Quarantine { objects, records: 3, .. }] = lost[..] else { panic!("{lost:?}") };
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step, RepairStep::Mend { path, .. } if path == Path::new("head")))
    );
    let left = plan.steps.iter().filter(|step| matches!(step, RepairStep::Remove { .. })).count();
    assert_eq!(left, 2);
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step, RepairStep::Leave { path, .. } if *path == pack::path(&gone)))
    );
    assert!(!plan.is_empty());

    let engine = yard.open();
    assert_eq!(engine.recovery().leftovers_removed, 2);
    assert!(engine.recovery().head_slot_mended.is_some());
    let repaired = engine.repair(&plan, WHO).expect("repaired");
    let quarantined: u64 = plan
        .steps
        .iter()
        .map(|step| match step {
            RepairStep::Quarantine { records, .. } => *records,
            _ => 0,
        })
        .sum();
    assert_eq!((repaired.healing.blocks, repaired.healing.object_count), (1, quarantined));
    assert!(objects.iter().all(|id| repaired.healing.objects.contains(id)));
    assert!(!repaired.has_index);

    // The next backup stores again what is unknown, and then nothing is missing.
    let session = engine.begin();
    let mut stored = 0;
    for (id, bytes) in &yard.objects {
        stored += u64::from(engine.put(&session, id, bytes).expect("put") == Put::New);
    }
    engine.flush().expect("flushed");
    assert!(stored > quarantined, "{stored}");
    expect_readable(&engine, &yard.objects);
    let again = engine.plan_repair(&|_| {}).expect("planned");
    assert!(again.is_empty(), "{again:?}");
}

fn step_pack(step: &RepairStep) -> Option<farkeep_codec::id::PackId> {
    match step {
        RepairStep::Heal { pack, .. } | RepairStep::Quarantine { pack, .. } => Some(*pack),
        _ => None,
    }
}

/// A medium that takes no more writes: what is in the pack is copied, and the pack stays.
#[test]
fn what_cannot_be_written_is_evacuated() {
    for faulty in [Faulty::Write, Faulty::Sync] {
        let yard = Yard::new();
        let packs = yard.packs();
        yard.damage(&packs[1], [3]);
        let engine = yard.open();
        let report = engine.verify(Share::Everything, &|_| {}).expect("checked");
        assert_eq!(report.damage.len(), 1, "it is the only place so far");
        yard.disk.fail(faulty, 0, Failure::Broken);
        let patrolled = engine.patrol(&everything(Care::Heal), &go_on).expect("patrolled");
        let healing = Healing { packs: 1, evacuated: vec![packs[1]], ..Healing::default() };
        assert_eq!(patrolled.healing, healing);
        let is_there = || yard.disk.exists(&pack::path(&packs[1])).expect("answered");
        assert!(is_there());
        expect_readable(&engine, &yard.objects);
        assert_eq!(
            engine.mended(),
            u64::from(faulty == Faulty::Write) * engine.mended(),
            "copied through parity"
        );
        for id in yard.objects.keys() {
            assert_ne!(engine.locate(id).expect("answered").expect("there").pack, packs[1]);
        }
        assert_eq!(
            engine
                .probe(&engine.begin(), &yard.objects.keys().copied().collect::<Vec<_>>())
                .expect("answered"),
            vec![Presence::Known; yard.objects.len()]
        );
        drop(engine);
        let engine = yard.open_on(&yard.disk, 7).expect("opened");
        expect_readable(&engine, &yard.objects);
        assert_eq!(engine.mended(), 0, "nobody reads the old place");

        // Once more, and there is nothing left to copy.
        let count = yard.packs().len();
        if faulty == Faulty::Sync {
            // What was written and not synced is there until the system forgets it.
            yard.damage(&packs[1], [3]);
        }
        yard.disk.fail(faulty, 0, Failure::Broken);
        let healing = engine.heal(&Patients::Packs(vec![packs[1]]), WHO).expect("healed");
        assert_eq!(healing.evacuated, [packs[1]]);
        assert_eq!(yard.packs().len(), count);

        // More damage there concerns nobody.
        yard.damage(&packs[1], [4, 5]);
        let report = yard.read().verify(Share::Everything, &|_| {}).expect("checked");
        assert_eq!(report.damage, []);
        let [notice] = report.notices.as_slice() else { panic!("{report:?}") };
        assert_eq!(notice.path, pack::path(&packs[1]));
        assert!(plan(&yard).is_empty());
        let healing = engine.heal(&Patients::Packs(vec![packs[1]]), WHO).expect("healed");
        assert_eq!((healing.object_count, healing.unhealed), (0, vec![packs[1]]));
        assert_eq!(engine.lost(), Lost::default());

        assert!(is_there(), "what is damaged stays where it is");
        expect_readable(&engine, &yard.objects);
    }
}

/// An evacuation that finds no room leaves everything as it was, and what is damaged is read through parity.
#[test]
fn an_evacuation_without_room_harms_nothing() {
    let yard = Yard::new();
    let packs = yard.packs();
    yard.damage(&packs[1], [3]);
    let engine = yard.open();
    let before = contents(&yard.disk);
    yard.disk.fail(Faulty::Write, 0, Failure::Broken);
    yard.disk.limit_bytes(Some(before.values().map(Vec::len).sum()));
    let healing = engine.heal(&Patients::All, WHO).expect("healed");
    assert_eq!((healing.evacuated.len(), healing.unhealed.clone()), (0, vec![packs[1]]));
    expect_readable(&engine, &yard.objects);
    yard.disk.limit_bytes(None);
    assert_eq!(engine.heal(&Patients::All, WHO).expect("healed").blocks, 1);
    assert_eq!(contents(&yard.disk), {
        let mut healed = before;
        let path = pack::path(&packs[1]);
        healed.get_mut(&path).expect("there")[3 * BLOCK_BYTES + 100] ^= 1;
        healed
    });
}

/// However far an evacuation comes, what was begun goes again.
#[test]
fn half_an_evacuation_leaves_no_pack_behind() {
    let (mut refused, mut surely_nothing) = (0, 0);
    loop {
        let yard = Yard::new();
        let packs = yard.packs();
        yard.damage(&packs[1], [3]);
        let engine = yard.open();
        let before = contents(&yard.disk);
        // The block that heals is the first to be written.
        [0, refused].into_iter().for_each(|calls| yard.disk.fail(Faulty::Write, calls, Failure::Broken));
        let healing = engine.heal(&Patients::Packs(vec![packs[1]]), WHO).expect("healed");
        expect_readable(&engine, &yard.objects);
        let after = contents(&yard.disk);
        // What the journal tells of is a copy, and everything else is nothing, unless nobody knows what it tells.
        let (id, object) = data(7_000, 10);
        let is_unsure = engine.put(&engine.begin(), &id, &object).is_err();
        let known: Vec<PathBuf> =
            engine.store.catalogue().packs().map(|(_, pack)| pack::path(&pack.id)).collect();
        let mut files = after.keys().filter(|path| path.starts_with("packs"));
        assert!(is_unsure || files.all(|path| known.contains(path)), "{refused}");
        surely_nothing += u32::from(!is_unsure);
        assert!(before.keys().all(|path| after.contains_key(path)), "{refused}");
        if !healing.evacuated.is_empty() {
            break;
        }
        assert_eq!(healing.unhealed, [packs[1]], "{refused}");
        refused += 1;
    }
    assert!(surely_nothing > 3, "{surely_nothing}");
}
