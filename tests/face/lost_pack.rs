//! Packs that go missing: the next backup says so and stores again what it can, and what stays lost is named.

use std::fs;
use std::fs::OpenOptions;
use std::path::PathBuf;

use serde_json::Value;

use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Tree;
use crate::world::make;

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
    /// All but the first half.
    Half,
    /// The last block and its neighbour.
    End,
}

fn lose((pack, bytes): &(PathBuf, u64), loss: Loss) {
    let cut = |bytes| OpenOptions::new().write(true).open(pack).and_then(|pack| pack.set_len(bytes));
    let done = match loss {
        Loss::Gone => fs::remove_file(pack),
        Loss::Empty => cut(0),
        Loss::Half => cut(bytes / 2),
        Loss::End => cut(bytes - 5_000),
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
    let count = packs(&backed_up()).len();
    assert!(count >= 2, "a pack of data and one of nodes");
    for pack in 0..count {
        for loss in [Loss::Gone, Loss::Empty, Loss::Half, Loss::End] {
            let program = backed_up();
            let context = format!("pack {pack}, {loss:?}");
            let source = Manifest::of(&program.path("source"));
            lose(&packs(&program)[pack], loss);
            program.run("check", [""; 0]).expect(13).says(&["DAMAGED pack", "lost in"]);

            let ran = program.run("backup", [program.path("source")]).expect(0);
            let ran =
                ran.says(&["WARNING 1 pack of the repository is missing or cut short", "farkeep check"]);
            assert!(ran.results.contains("complete"), "{context}: {}", ran.results);
            restored(&program, "latest").expect(&source, &context);
            restored(&program, "latest~1").expect(&source, &context);
            // The journal names the pack as before, and no path of any snapshot is lost with it.
            let checked = program.run("check", ["--read-data"]).expect(13).says(&["DAMAGED pack"]);
            assert!(checked.results.contains(" 0 paths lost"), "{context}: {}", checked.results);
            assert!(!checked.messages.contains("lost in"), "{context}: {}", checked.messages);
        }
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
