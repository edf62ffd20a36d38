//! New keys for new data, as somebody needs them whose agent code may be in wrong hands: on a folder, and behind a server.

use std::fs;

use serde_json::Value;

use crate::world::Item;
use crate::world::Program;
use crate::world::Ran;
use crate::world::make;

/// Bytes of the source that are stored whenever nothing of it is known.
const SOURCE_BYTES: u64 = 200_000;

fn source(program: &Program) {
    let small = (0..20).map(|at| (at.to_string(), Item::noise(at, 1_000)));
    let tree = Item::folder([
        ("small".to_owned(), Item::folder(small)),
        ("large".to_owned(), Item::noise(100, 180_000)),
        ("secret".to_owned(), Item::text("erase me")),
    ]);
    make(&tree.into(), &program.path("source"));
}

fn number(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("{field} is counted: {line}"))
}

fn snapshot(summary: &Value) -> String {
    summary["snapshot"].as_str().expect("it was stored").to_owned()
}

/// Restores a snapshot into a folder of its own, and compares it with the source but for what is gone.
#[track_caller]
fn expect_restored(program: &Program, snapshot: &str, has_secret: bool) {
    let target = program.path(&format!("target-{snapshot}-{has_secret}"));
    let from = format!("{snapshot}:{}", program.path("source").display());
    program.run("restore", [from.as_ref(), "--target".as_ref(), target.as_os_str()]).expect(0);
    for at in 0..20 {
        let (before, after) =
            (program.path(&format!("source/small/{at}")), target.join(format!("small/{at}")));
        assert_eq!(fs::read(before).expect("there"), fs::read(after).expect("restored"));
    }
    let large = fs::read(program.path("source/large")).expect("there");
    assert_eq!(large, fs::read(target.join("large")).expect("restored"));
    assert_eq!(target.join("secret").exists(), has_secret);
}

pub(crate) fn new_data_takes_new_keys_and_every_passphrase_opens_both(program: &Program) {
    source(program);
    let first = program.backup();
    let code = program.json("key", ["recovery"])[0]["code"].as_str().expect("a code").to_owned();
    let plan = &program.json("key", ["rotate"])[0];
    assert_eq!(
        (&plan["type"], &plan["epoch"], &plan["code"]),
        (&"key_rotation".into(), &0.into(), &Value::Null)
    );
    assert_eq!(number(plan, "series"), 1);
    let usual = program.backup();
    assert!(number(&usual, "stored_bytes") < 10_000, "a plan changes nothing: {usual}");

    let rotated = &program.json("key", ["rotate", "--yes"])[0];
    assert_eq!(rotated["epoch"], 1);
    let new = rotated["code"].as_str().expect("a code");
    assert!(new.starts_with("FKA2-"), "{new}");
    assert_eq!(program.json("key", ["agent"])[0]["code"], rotated["code"]);

    // Nothing of the old epoch is referred to, and from then on little comes again.
    let second = program.backup();
    assert!(number(&second, "stored_bytes") > SOURCE_BYTES, "{second}");
    let third = program.backup();
    assert!(number(&third, "stored_bytes") < 10_000, "{third}");
    assert_eq!(second["content"], third["content"]);
    assert_ne!(first["content"], second["content"]);

    for one in [&first, &second, &third] {
        expect_restored(program, &snapshot(one), true);
    }
    program.run("check", ["--read-data"]).expect(0);
    assert!(
        program
            .json("diff", [snapshot(&first), snapshot(&third)])
            .iter()
            .all(|line| line["type"] != "difference")
    );
    // Both hold one version of each file.
    let found = program.json("find", ["secret"]);
    assert_eq!(found.iter().filter(|line| line["type"] == "match").count(), 1, "{found:?}");
    // Whoever opens it by something else has both epochs as well.
    fs::write(program.path("passphrase"), code).expect("it can be written");
    let secret = format!("{}:{}", snapshot(&second), program.path("source/secret").display());
    assert_eq!(program.run("dump", [secret]).expect(0).results, "erase me");
}

pub(crate) fn what_is_laid_anew_stays_in_its_epoch(program: &Program) {
    source(program);
    program.backup();
    program.json("key", ["rotate", "--yes"]);
    program.backup();
    program.json("key", ["rotate", "--yes"]);
    program.backup();
    let path = program.path("source/secret");
    program.run("erase", [path.as_os_str(), "--yes".as_ref()]).expect(0);
    program.run("check", ["--read-data"]).expect(0);
    let left = program.json("snapshots", [""; 0]);
    assert_eq!(left.len(), 3);
    for line in &left {
        expect_restored(program, &snapshot(line), false);
    }
    program.run("repack", ["--dead", "1%"]).expect(0);
    program.run("check", ["--read-data"]).expect(0);
    // To another repository everything comes in the epoch of that.
    let other = Program::new();
    other.json("key", ["rotate", "--yes"]);
    let mut copy = program.command("copy");
    let from = program.command("ls");
    let repository =
        from.get_envs().find(|(name, _)| *name == "FARKEEP_REPOSITORY").and_then(|(_, value)| value);
    copy.env("FARKEEP_REPOSITORY", other.path("repository"));
    copy.arg("--from")
        .arg(repository.expect("it has one"))
        .arg("--from-password-file")
        .arg(program.path("passphrase"));
    copy.env("FARKEEP_PASSWORD_FILE", other.path("passphrase"));
    copy.args(left.iter().map(snapshot));
    Ran::of(copy.output()).expect(0);
    other.run("check", ["--read-data"]).expect(0);
    assert_eq!(other.json("snapshots", [""; 0]).len(), 3);
}

pub(crate) fn the_slots_of_epochs_stay(program: &Program) {
    program.json("key", ["rotate", "--yes"]);
    program.json("key", ["rotate", "--yes"]);
    let slots = program.json("key", ["list"]);
    let kinds: Vec<&Value> = slots.iter().map(|slot| &slot["kind"]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "epoch").count(), 2, "{slots:?}");
    program.run("key", ["remove", "epoch 1"]).expect(1).says(&["holds the keys of an epoch"]);
    let own = slots.iter().find(|slot| slot["kind"] == "passphrase").expect("one was made");
    let own = own["slot"].as_str().expect("it has a name");
    program.run("key", ["remove", own]).expect(1).says(&["is the last one"]);
    fs::write(program.path("new"), "another").expect("it can be written");
    let new = program.path("new");
    program.run("key", ["change".as_ref(), "--new-password-file".as_ref(), new.as_os_str()]).expect(0);
    fs::write(program.path("passphrase"), "another").expect("it can be written");
    source(program);
    assert!(program.json("key", ["agent"])[0]["code"].as_str().expect("a code").starts_with("FKA2-"));
    let stored = program.backup();
    expect_restored(program, &snapshot(&stored), true);
}

#[test]
fn the_keys_of_a_folder_are_rotated() {
    for story in STORIES {
        story(&Program::new());
    }
}

/// All of them, for a repository that nothing is in yet.
pub(crate) const STORIES: [fn(&Program); 3] = [
    new_data_takes_new_keys_and_every_passphrase_opens_both,
    what_is_laid_anew_stays_in_its_epoch,
    the_slots_of_epochs_stay,
];
