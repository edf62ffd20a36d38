//! Packs that go missing: the next backup says so and stores again what it can, and what stays lost is named.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Tree;
use crate::world::make;
use crate::world::settle;

/// A repository with one snapshot of a small tree, checked and found good.
fn backed_up() -> Program {
    let program = Program::new();
    let small = (0..20).map(|at| (format!("{at}"), Item::noise(at, 2_000)));
    let root = Item::folder([("small", Item::folder(small)), ("large", Item::noise(100, 300_000))]);
    make(&Tree { root, links: Vec::new() }, &program.path("source"));
    program.backup();
    program.run("check", ["--read-data"]).expect(0);
    program
}

/// All packs with their lengths, in the order of their names.
fn packs(program: &Program) -> Vec<(PathBuf, u64)> {
    let files = Manifest::of(&program.path("repository/packs"));
    let paths = files.files().into_keys().map(|path| program.path("repository/packs").join(path));
    paths.map(|path| (path.clone(), fs::metadata(path).expect("it is there").len())).collect()
}

/// The ways to lose a pack.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Gone,
    Empty,
    /// All but the first fifth.
    Most,
    /// Parity, and the last blocks in front of it.
    End,
}

fn lose((pack, bytes): &(PathBuf, u64), loss: Loss) {
    let cut = |bytes| OpenOptions::new().write(true).open(pack).and_then(|pack| pack.set_len(bytes));
    let done = match loss {
        Loss::Gone => fs::remove_file(pack),
        Loss::Empty => cut(0),
        Loss::Most => cut(bytes / 5),
        Loss::End => cut(bytes - 18_000),
    };
    done.expect("the pack is there");
}

fn restored(program: &Program, snapshot: &str) -> Manifest {
    let target = program.path("target");
    let subject = format!("{snapshot}:{}", program.path("source").display());
    let arguments = [subject.as_ref(), "--target".as_ref(), target.as_os_str()];
    program.run("restore", arguments).expect(0);
    let restored = Manifest::of(&target);
    fs::remove_dir_all(target).expect("it was made");
    restored
}

#[test]
fn a_backup_of_an_unchanged_tree_stores_again_what_was_lost() {
    let program = backed_up();
    settle();
    program.backup();
    let source = Manifest::of(&program.path("source"));
    let packs = packs(&program);
    assert!(packs.len() >= 2, "a pack of data and one of nodes");
    copy(&program, "", "good");
    for pack in &packs {
        for loss in [Loss::Gone, Loss::Empty, Loss::Most, Loss::End] {
            let context = format!("{}, {loss:?}", pack.0.display());
            lose(pack, loss);
            program.run("check", [""; 0]).expect(13).says(&["DAMAGED pack", "lost in"]);

            let ran = program.run("backup", [program.path("source")]).expect(0);
            let ran =
                ran.says(&["WARNING 1 pack of the repository is missing or cut short", "farkeep check"]);
            assert!(ran.results.contains("complete"), "{context}: {}", ran.results);
            assert_eq!(ran.messages.to_uppercase().matches("WARN").count(), 1, "{context}: {}", ran.messages);
            let again = program.json("backup", [program.path("source")]);
            assert_eq!(again[1]["files_unchanged"], 21, "{context}: a loss is made good once");
            ["latest", "latest~1", "latest~2", "latest~3"]
                .iter()
                .for_each(|snapshot| restored(&program, snapshot).expect(&source, &context));
            // The journal names the pack as before, and no path of any snapshot is lost with it.
            let checked = program.run("check", ["--read-data"]).expect(13).says(&["DAMAGED pack"]);
            assert!(checked.results.contains(" 0 paths lost"), "{context}: {}", checked.results);
            assert!(!checked.messages.contains("lost in"), "{context}: {}", checked.messages);
            copy(&program, "good", "");
        }
    }
}

/// Makes the repository and the cache in one folder what they are in another.
fn copy(program: &Program, from: &str, to: &str) {
    for name in ["repository", "cache"] {
        let (from, to) = (program.path(from).join(name), program.path(to).join(name));
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to).expect("it was removed");
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(&to).status();
        assert!(copied.expect("every system has cp").success());
    }
}

#[test]
fn what_the_source_has_no_more_stays_named_as_lost() {
    for loss in [Loss::Gone, Loss::Empty] {
        let program = backed_up();
        let first = program.json("snapshots", [""; 0])[0]["snapshot"].clone();
        packs(&program).iter().for_each(|pack| lose(pack, loss));
        fs::remove_file(program.path("source/large")).expect("it is there");
        let lines = program.json("backup", [program.path("source")]);
        assert_eq!(lines[0]["type"], "lost_packs");
        assert_eq!(lines[0]["packs"], 2);
        restored(&program, "latest").expect(&Manifest::of(&program.path("source")), &"the rest");

        let ran = program.run("check", ["--json"]).expect(13).lines();
        let lost: Vec<&Value> = ran.iter().filter(|line| line["type"] == "damaged_path").collect();
        assert!(!lost.is_empty() && lost.iter().all(|line| line["snapshot"] == first), "{lost:?}");
    }
}

/// What one loss made good says nothing about another, nor about a tree that was stored while nothing was lost.
#[test]
fn every_loss_is_made_good_on_its_own() {
    let program = backed_up();
    settle();
    program.backup();
    let source = program.path("source");
    let unchanged = |lost: bool| {
        let lines = program.json("backup", [&source]);
        assert_eq!(lines[0]["type"] == "lost_packs", lost, "{lines:?}");
        lines.last().expect("the summary")["files_unchanged"].as_u64().expect("a count")
    };
    let elsewhere = program.path("elsewhere");
    let (first, bytes) = packs(&program).into_iter().max_by_key(|(_, bytes)| *bytes).expect("two");
    fs::rename(&first, &elsewhere).expect("it is there");
    assert_eq!((unchanged(true), unchanged(true)), (0, 21));
    fs::rename(&elsewhere, &first).expect("it was moved");
    assert_eq!(unchanged(false), 21);
    let new = File::create(source.join("new")).expect("it can be made");
    new.set_modified(SystemTime::UNIX_EPOCH).expect("it is ours");
    settle();
    assert_eq!(unchanged(false), 21);
    fs::rename(&first, &elsewhere).expect("it is there");
    assert_eq!((unchanged(true), unchanged(true)), (0, 22), "a tree of another time");
    fs::rename(&elsewhere, &first).expect("it was moved");
    lose(&(first, bytes), Loss::Most);
    assert_eq!((unchanged(true), unchanged(true)), (0, 22), "another loss");
    restored(&program, "latest").expect(&Manifest::of(&source), &"after three losses");
}
