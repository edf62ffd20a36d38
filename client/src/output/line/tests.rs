//! The fields of every JSON line, as scripts know them, and the text that people read instead.

use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_codec::tree;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Owner;
use farkeep_codec::tree::PathKey;
use jiff::Timestamp;
use serde_json::Map;
use serde_json::Value;

use super::super::Line;
use super::super::exit::Exit;
use super::*;

const ID: [u8; 32] = [0xab; 32];

/// The JSON object of a line.
fn json<L: Line>(line: &L) -> Map<String, Value> {
    let mut bytes = Vec::new();
    super::super::write_json(&mut bytes, line).expect("memory takes everything");
    assert_eq!(bytes.pop(), Some(b'\n'));
    assert!(!bytes.contains(&b'\n'), "one line is one line");
    match serde_json::from_slice(&bytes).expect("it is JSON") {
        Value::Object(fields) => fields,
        other => panic!("not an object: {other}"),
    }
}

#[track_caller]
fn assert_fields<L: Line>(line: &L, fields: &str) {
    let json = json(line);
    assert_eq!(json["version"], 1);
    let mut found: Vec<&str> = json.keys().map(String::as_str).filter(|key| *key != "version").collect();
    found.sort_unstable();
    let mut expected: Vec<&str> = fields.split_whitespace().chain(["type"]).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "fields of {}", L::TYPE);
}

fn human<L: Line>(line: &L) -> String {
    let mut bytes = Vec::new();
    line.human(&mut bytes).expect("memory takes everything");
    String::from_utf8(bytes).expect("text is UTF-8")
}

fn backup() -> Backup {
    Backup {
        snapshot: Some(SnapshotId::from_bytes(ID)),
        content: ContentId::from_bytes(ID),
        root: ObjectId::from_bytes(ID),
        series: "host:/srv".to_owned(),
        status: "partial",
        dry_run: false,
        files_new: 1,
        files_changed: 2,
        files_unchanged: 3_000,
        folders: 1,
        others: 0,
        entries: 3_004,
        source_bytes: 5_000_000,
        read_bytes: 1_000,
        stored_bytes: 700,
        stored_objects: 1,
        resumed_bytes: 0,
        unreadable_count: 1,
        inconsistent_count: 0,
        elapsed: Duration::from_millis(500),
    }
}

fn entry(body: Body) -> tree::Entry {
    tree::Entry {
        path: PathKey::from_slashes(b"srv/a b").expect("a path"),
        mode: 0o644,
        owner: Arc::new(Owner { uid: 7, gid: 8, user: b"me".to_vec(), group: Vec::new() }),
        modified: Time::from_nanoseconds(1),
        attributes: Vec::new(),
        flags: Flags::default(),
        body,
    }
}

fn file() -> tree::Entry {
    entry(Body::File { bytes: 0, content: Content::Empty })
}

#[test]
fn a_backup_has_these_fields() {
    assert_fields(
        &backup(),
        "snapshot content root series status dry_run files_new files_changed files_unchanged folders others entries \
         source_bytes read_bytes stored_bytes stored_objects resumed_bytes unreadable_count inconsistent_count \
         elapsed_seconds",
    );
    assert_fields(&Unreadable { path: Named::of_bytes(b"/a"), why: "no".to_owned() }, "path why");
    assert_fields(&LostPacks { packs: 1, bytes: 2 }, "packs bytes");
    assert_fields(&Inconsistent { path: Named::of_bytes(b"/a"), why: "so".to_owned() }, "path why");
    let json = json(&backup());
    assert_eq!(json["snapshot"], "ab".repeat(32));
    assert_eq!(json["elapsed_seconds"], 0.5);
}

#[test]
fn a_dry_run_has_no_snapshot() {
    let dry = Backup { snapshot: None, dry_run: true, ..backup() };
    assert_eq!(json(&dry)["snapshot"], Value::Null);
    assert!(human(&dry).starts_with("dry run of host:/srv: nothing was stored\n"), "{}", human(&dry));
    assert!(human(&dry).contains("\n  would store 700 B in 1 object\n"), "{}", human(&dry));
    assert!(human(&backup()).contains("\n  stored   700 B in 1 object\n"), "{}", human(&backup()));
}

#[test]
fn people_read_the_figures_of_a_backup() {
    let text = human(&backup());
    assert!(text.starts_with("snapshot abababababab of host:/srv: partial\n"), "{text}");
    assert!(text.contains("1 new, 2 changed, 3,000 unchanged; 1 folder, 0 others"), "{text}");
    assert!(text.contains("1.00 kB of 5.00 MB in 0.50 s (10.00 MB/s)"), "{text}");
    assert!(text.contains("1 file could not be read"), "{text}");
    assert!(!text.contains("resumed"), "{text}");
}

#[test]
fn a_snapshot_has_both_ids_and_both_times() {
    let line = Snapshot {
        snapshot: SnapshotId::from_bytes(ID),
        content: ContentId::from_bytes([1; 32]),
        root: ObjectId::from_bytes([2; 32]),
        series: "s".to_owned(),
        sequence: 4,
        captured: Time::from_nanoseconds(0),
        received: Time::from_nanoseconds(1_000_000_000),
        status: "complete",
        unreadable_count: 0,
        host: "h".to_owned(),
        user: "u".to_owned(),
        paths: vec![Named::of_bytes(b"/srv")],
        tags: vec!["t".to_owned()],
        entries: 1,
        bytes: 2,
        forgotten: None,
        restorable_until: None,
        held_until: None,
        added_bytes: None,
        unique_bytes: None,
        is_estimated: None,
    };
    assert_fields(
        &line,
        "snapshot content root series sequence captured received status unreadable_count host user paths tags entries \
         bytes",
    );
    let json = json(&line);
    assert_eq!(json["content"], "01".repeat(32));
    assert_eq!(json["root"], "02".repeat(32));
    assert_eq!(
        (&json["captured"], &json["received"]),
        (&"1970-01-01T00:00:00Z".into(), &"1970-01-01T00:00:01Z".into())
    );
    assert_eq!(human(&line).lines().count(), 1);
    let time = Some(Time::from_nanoseconds(0));
    let forgotten = Snapshot { forgotten: time, restorable_until: time, held_until: time, ..line };
    assert_fields(
        &forgotten,
        "snapshot content root series sequence captured received status unreadable_count host user paths tags entries \
         bytes forgotten restorable_until held_until",
    );
    assert!(human(&forgotten).contains("  restorable until 19"), "{}", human(&forgotten));
    let (added_bytes, unique_bytes, is_estimated) = (Some(2_000), Some(1_000), Some(true));
    let sized = Snapshot { added_bytes, unique_bytes, is_estimated, ..forgotten };
    assert!(human(&sized).ends_with("  added about 2.00 kB, unique about 1.00 kB\n"), "{}", human(&sized));
    let sized = self::json(&sized);
    assert_eq!((&sized["added_bytes"], &sized["unique_bytes"]), (&2_000.into(), &1_000.into()));
    let freed = Freed { bytes: 5_000, is_estimated: false };
    assert_fields(&freed, "bytes is_estimated");
    assert_eq!(human(&freed), "5.00 kB would be free, once grace and holds are over\n");
    let shared = Shared { by: "series", bytes: 5_000, is_estimated: true };
    assert_fields(&shared, "by bytes is_estimated");
    assert_eq!(human(&shared), "about 5.00 kB shared by several series\n");
    let sized =
        SeriesSize { series: "db".to_owned(), snapshots: 1_234, unique_bytes: 5_000, is_estimated: false };
    assert_fields(&sized, "series snapshots unique_bytes is_estimated");
    assert_eq!(human(&sized), "    1,234     5.00 kB  db\n");
    assert_eq!(human(&sized).find("db"), SeriesSize::HEADING.find("series"));
}

#[test]
fn what_is_kept_and_for_how_long() {
    let judged = Judged {
        snapshot: SnapshotId::from_bytes(ID),
        series: "s".to_owned(),
        received: Time::from_nanoseconds(0),
        fate: "keep",
        reasons: vec!["last 3".to_owned(), "daily 2026-11-23".to_owned()],
        policy: None,
        unique_bytes: None,
    };
    assert_fields(&judged, "snapshot series received fate reasons");
    assert!(human(&judged).ends_with("  s  (last 3, daily 2026-11-23)\n"), "{}", human(&judged));
    let goes = Judged { fate: "forget", reasons: Vec::new(), policy: Some("s*".to_owned()), ..judged };
    assert_fields(&goes, "snapshot series received fate reasons policy");
    assert!(human(&goes).starts_with("forget  abababababab  "), "{}", human(&goes));
    assert!(human(&goes).ends_with("  s  (no rule of policy s* keeps it)\n"), "{}", human(&goes));
    let goes = Judged { unique_bytes: Some(5_000), ..goes };
    assert_fields(&goes, "snapshot series received fate reasons policy unique_bytes");
    assert!(human(&goes).ends_with("keeps it)  5.00 kB of its own\n"), "{}", human(&goes));
    let sums = Retention { kept: 2, forgotten: 1, dry_run: true, is_frozen: false };
    assert_fields(&sums, "kept forgotten dry_run is_frozen");
    assert_eq!(human(&sums), "dry run: 1 snapshot would be forgotten, 2 kept\n");
    let snapshot = SnapshotId::from_bytes(ID);
    let change = SnapshotChange { snapshot, change: "recovered", until: None, unique_bytes: None };
    assert_fields(&change, "snapshot change");
    assert_eq!(human(&change), "snapshot abababababab recovered\n");
    let planned = SnapshotChange { change: "to be forgotten", unique_bytes: Some(0), ..change };
    assert_fields(&planned, "snapshot change unique_bytes");
    assert_eq!(human(&planned), "snapshot abababababab to be forgotten  0 B of its own\n");
    let policy = Policy {
        series: "db*".to_owned(),
        last: 3,
        within_seconds: 86_400,
        hourly: 0,
        daily: u32::MAX,
        weekly: 0,
        monthly: 0,
        yearly: 0,
        least: 1,
        tags_count: 0,
    };
    assert_fields(&policy, "series last within_seconds hourly daily weekly monthly yearly least tags_count");
    assert_eq!(human(&policy), "policy db*: last 3, daily all, within 1d, at least 1\n");
    let settings = Settings {
        policies_count: 0,
        grace_seconds: 604_800,
        least_hold_seconds: 0,
        schedule: String::new(),
        collect_schedule: String::new(),
        zone: String::new(),
        parity_thousandths: 15,
        garbage_thousandths: 10,
        scrub_within_days: 30,
        clock_limit_seconds: 600,
    };
    assert_fields(
        &settings,
        "policies_count grace_seconds least_hold_seconds schedule collect_schedule zone parity_thousandths \
         garbage_thousandths scrub_within_days clock_limit_seconds",
    );
    let text = human(&settings);
    assert!(text.starts_with("no policy: everything is kept\ngrace          7d\n"), "{text}");
    assert!(text.contains("parity         1.5 %\n") && text.contains("clock limit    10m\n"), "{text}");
}

#[test]
fn entries_say_what_they_are() {
    const ALWAYS: &str = "path kind mode uid gid user group modified bytes attributes_count inconsistent";
    assert_fields(&Listing::short(&file()), ALWAYS);
    let link = entry(Body::Symlink { target: b"t".to_vec() });
    assert_fields(&Listing::long(&link), &format!("{ALWAYS} target"));
    let further = entry(Body::HardLink { first: PathKey::from_slashes(b"srv/a").expect("a path") });
    assert_fields(&Listing::long(&further), &format!("{ALWAYS} first"));
    let device = entry(Body::BlockDevice { major: 8, minor: 1 });
    assert_fields(&Listing::long(&device), &format!("{ALWAYS} device"));
    let ancestor = entry(Body::Ancestor);
    assert_fields(&Listing::long(&ancestor), &ALWAYS.replace("modified ", ""));
    assert_eq!(json(&Listing::short(&device))["kind"], "block_device");
    assert_eq!(json(&Listing::short(&file()))["mode"], "0644");

    let found = Match { snapshot: SnapshotId::from_bytes(ID), listing: Listing::short(&file()) };
    assert_fields(&found, &format!("{ALWAYS} snapshot"));
    assert_eq!(human(&found), "abababababab  /srv/a b\n");
}

#[test]
fn the_long_form_looks_like_that_of_ls() {
    let text = human(&Listing::long(&entry(Body::Symlink { target: b"t\n".to_vec() })));
    assert!(text.starts_with("lrw-r--r-- me       8  "), "{text}");
    assert!(text.ends_with(" /srv/a b -> t\\n\n"), "{text}");
}

#[test]
fn comparisons_name_paths_and_sums() {
    let line = Difference {
        path: Named::of_bytes(b"/a"),
        change: Change::Metadata,
        metadata: vec!["mode", "owner"],
        bytes_before: 1,
        bytes_after: 1,
    };
    assert_fields(&line, "path change metadata bytes_before bytes_after");
    assert_eq!(json(&line)["change"], "metadata");
    assert_eq!(human(&line), "m /a  (mode, owner)\n");
    let sums = Differences::between(SnapshotId::from_bytes(ID), SnapshotId::from_bytes(ID));
    assert_fields(&sums, "from to added added_bytes removed removed_bytes modified modified_bytes metadata");
}

#[test]
fn checks_name_what_is_damaged_and_what_is_lost() {
    let damage = Damage { what: "object", name: "ab".to_owned(), why: "gone".to_owned() };
    assert_fields(&damage, "what name why");
    let path = Named::of_bytes(b"/a");
    let lost =
        DamagedPath { snapshot: SnapshotId::from_bytes(ID), path: path.clone(), before: None, entries: 1 };
    assert_fields(&lost, "snapshot path entries");
    let range = DamagedPath { before: Some(Named::of_bytes(b"/b")), entries: 9, ..lost };
    assert_fields(&range, "snapshot path before entries");
    assert_eq!(human(&range), "  lost in abababababab: 9 entries from /a up to /b\n");
    let check = Check {
        result: "good",
        data_share: 1.0,
        snapshots: 1,
        nodes: 2,
        entries: 3,
        objects: 4,
        objects_opened: 4,
        pack_bytes: 5,
        plain_bytes: 6,
        content_ids: 1,
        damage_count: 0,
        damaged_paths: 0,
        elapsed: Duration::ZERO,
    };
    assert_fields(
        &check,
        "result data_share snapshots nodes entries objects objects_opened pack_bytes plain_bytes content_ids \
         damage_count damaged_paths elapsed_seconds",
    );
    assert!(human(&check).ends_with("no damage found in 0.00 s\n"), "{}", human(&check));
}

#[test]
fn restores_have_these_fields() {
    let line = Restore {
        snapshot: SnapshotId::from_bytes(ID),
        target: Named::of_bytes(b"/t"),
        dry_run: false,
        files: 1,
        folders: 0,
        others: 0,
        files_equal: 0,
        files_skipped: 0,
        bytes: 0,
        written_bytes: 0,
        deleted: 0,
        verified: 1,
        problem_count: 0,
        damage_count: 0,
        notices: 0,
        elapsed: Duration::ZERO,
    };
    assert_fields(
        &line,
        "snapshot target dry_run files folders others files_equal files_skipped bytes written_bytes deleted verified \
         problem_count damage_count notices elapsed_seconds",
    );
    assert!(human(&line).contains("1 file read back and found equal"), "{}", human(&line));
    let told = human(&Restore { deleted: 2, dry_run: true, ..line });
    assert!(told.contains("2 files and folders would be removed that the snapshot"), "{told}");
    let nothing = NoMatch { globs: vec!["*.conf".to_owned(), "/etc".to_owned()] };
    assert_fields(&nothing, "globs");
    assert!(human(&nothing).ends_with(" matches --include *.conf /etc\n"), "{}", human(&nothing));
    let removed = Removed { path: Named::of_bytes(b"/t/a"), dry_run: true };
    assert_fields(&removed, "path dry_run");
    assert_eq!(human(&removed), "would remove /t/a\n");
    assert_eq!(human(&Removed { dry_run: false, ..removed }), "removed /t/a\n");
    let problem = RestoreProblem {
        path: Named::of_bytes(b"/a"),
        extent: "path",
        before: None,
        entries: None,
        why: "no".to_owned(),
        damage: true,
    };
    assert_fields(&problem, "path extent why damage");
    assert_eq!(human(&problem), "could not restore /a: no (damage in the repository)\n");
    let entries = Some(9);
    let before = Some(Named::of_bytes(b"/b"));
    let range = RestoreProblem { extent: "range", before, entries, damage: false, ..problem };
    assert_fields(&range, "path extent before entries why damage");
    assert_eq!(human(&range), "could not restore 9 entries from /a up to /b: no\n");
    let rest = RestoreProblem { before: None, entries: None, ..range };
    assert_eq!(human(&rest), "could not restore everything from /a on: no\n");
}

#[test]
fn the_other_lines_have_these_fields() {
    let stats = Stats {
        repository: RepositoryId::from_bytes(ID),
        snapshots: 1,
        series: 1,
        entries: 1,
        source_bytes: 10,
        latest_bytes: 10,
        objects: 1,
        packs: 1,
        pack_bytes: 5,
        ratio: 2.0,
        index_bytes: 1,
        journal_bytes: 1,
        free_bytes: 1,
        oldest_verification: None,
        unverified_bytes: None,
    };
    assert_fields(
        &stats,
        "repository snapshots series entries source_bytes latest_bytes objects ratio packs pack_bytes \
         index_bytes journal_bytes free_bytes oldest_verification unverified_bytes",
    );
    assert!(human(&stats).ends_with(" on the file system\n"), "{}", human(&stats));
    assert!(human(&stats).contains("2.00 to 1"), "{}", human(&stats));
    let waiting = Stats { unverified_bytes: Some(5_000), ..stats };
    assert!(human(&waiting).ends_with("verified    5.00 kB never verified\n"), "{}", human(&waiting));
    let growth = Growth { from: "2026-01-05".to_owned(), pack_bytes: 5_000_000, ..Growth::default() };
    assert_fields(&growth, "from stored_bytes removed_bytes pack_bytes snapshots forgotten purged");
    assert!(human(&growth).starts_with("2026-01-05 "), "{}", human(&growth));
    let made = Repository { repository: RepositoryId::from_bytes(ID), location: "/r".to_owned() };
    assert_fields(&made, "repository location");
    let dump = Dump { snapshot: SnapshotId::from_bytes(ID), path: Named::of_bytes(b"/a"), bytes: 1 };
    assert_fields(&dump, "snapshot path bytes");
    assert_fields(&Key { slot: "1".to_owned(), kind: "passphrase", label: String::new() }, "slot kind label");
    assert_fields(&KeyChange { slot: "1".to_owned(), change: "added" }, "slot change");
    assert_fields(&AgentCode { code: "FKA1".to_owned() }, "code");
    let rotation = KeyRotation { epoch: 3, series: 2, stored_bytes: 5_000, code: None };
    assert_fields(&rotation, "epoch series stored_bytes");
    assert!(human(&rotation).contains("2 series store everything once more: up to 5.00 kB"));
    assert!(human(&rotation).ends_with("epoch 3 goes on; --yes begins another one\n"));
    let rotation = KeyRotation { code: Some("FKA2".to_owned()), ..rotation };
    assert_fields(&rotation, "epoch series stored_bytes code");
    assert!(
        human(&rotation)
            .ends_with("epoch 3 has begun; every passphrase opens it, and agents need this code:\nFKA2\n")
    );
    assert_fields(&Recovery { slot: "1".to_owned(), code: "FKR1".to_owned() }, "slot code");
    assert_fields(&Completions { shell: "bash".to_owned(), script: "x".to_owned() }, "shell script");
    assert_fields(&Failure::new(Exit::Failed, "m".to_owned(), None), "exit_code message");
    assert_fields(
        &Failure::new(Exit::Failed, "m".to_owned(), Some("a".to_owned())),
        "exit_code message advice",
    );
}

#[test]
fn a_dump_says_nothing_to_people() {
    let dump = Dump { snapshot: SnapshotId::from_bytes(ID), path: Named::of_bytes(b"/a"), bytes: 1 };
    assert_eq!(human(&dump), "");
}

#[test]
fn an_agent_s_jobs_and_spool() {
    let time = |seconds| Timestamp::from_second(seconds).ok();
    let job = Job {
        job: "etc".to_owned(),
        outcome: "partial",
        is_well: true,
        begun: time(100),
        ended: time(160),
        next: time(1_000),
        acknowledged: time(100),
        age_seconds: Some(7_100),
        snapshot: Some("ab".to_owned()),
        message: Some("2 files could not be read".to_owned()),
    };
    assert_fields(&job, "job outcome is_well begun ended next acknowledged age_seconds snapshot message");
    let said = "ok   etc              partial    newest point 118 min old  next 1970-01-01T00:16:40Z  2 files could not \
                be read\n";
    assert_eq!(human(&job), said);
    let spool =
        Spool { points: 3, bytes: 4_200_000, oldest: time(0), age_seconds: Some(200_000), message: None };
    assert_fields(&spool, "points bytes oldest age_seconds message");
    assert_eq!(human(&spool), "ok   spool: 3 points in 4.20 MB wait for a server, the oldest 2 d old\n");
    let spool = Spool { message: Some("it is kept back".to_owned()), ..spool };
    assert!(human(&spool).starts_with("LOOK ") && human(&spool).ends_with("; it is kept back\n"));
}
