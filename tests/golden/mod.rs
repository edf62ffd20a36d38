//! Repositories of released formats restore for ever. `tests/fixtures/README.md` says how each was made.

use std::fs;
use std::path::Path;

use crate::world::Body;
use crate::world::Contents;
use crate::world::Item;
use crate::world::Link;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Tree;
use crate::world::make;

/// The path that was backed up.
const SOURCE: &str = "/tmp/farkeep-fixture/tree";
/// The content ids of its two snapshots, which no later version may compute otherwise.
const CONTENTS: [&str; 2] = [
    "7be516596d1e91c088c4dfbc0f44da739f267b0a343453842ebfae12bf3e9cef",
    "0326ccaf7ee6a7c388f1189f1078bca6899c2cebde1f8b805217deeef65dc7ce",
];

/// What `seq 1 COUNT` prints.
fn sequence(count: u32) -> Item {
    let lines: String = (1..=count).map(|number| format!("{number}\n")).collect();
    Item::text(&lines)
}

/// The tree as the first or the second snapshot has it.
fn tree(number: usize) -> Tree {
    let mut folder: Vec<(String, Item)> = (1..=20).map(|at| (at.to_string(), sequence(at * 10))).collect();
    folder[0].1.mode = 0o4755;
    if number == 1 {
        folder.retain(|(name, _)| name != "7");
        folder.push(("new".to_owned(), Item::text("new")));
    }
    folder.push(("empty".to_owned(), Item::folder::<Vec<u8>>([])));
    folder.push(("link".to_owned(), Item::plain(Body::Symlink(b"../large".to_vec()))));
    let mut sparse = vec![0; 175_000];
    sparse[100_000..100_004].copy_from_slice(b"edge");
    let note = vec![("user.note".to_owned(), b"value".to_vec())];
    let root = Item::folder([
        (b"folder".to_vec(), Item::folder(folder)),
        (b"large".to_vec(), sequence(30_000)),
        (b"notes.txt".to_vec(), Item { attributes: note, ..Item::text(["first", "second"][number]) }),
        (b"nothing".to_vec(), Item::text("")),
        (b"pipe".to_vec(), Item { mode: 0o622, ..Item::plain(Body::Fifo) }),
        (b"sparse".to_vec(), Item::plain(Body::File(Contents::Text(sparse)))),
        (b"\xff\xfe".to_vec(), Item::text("bytes")),
    ]);
    // Behind the twenty files of the folder and its link comes `large`.
    Tree { root, links: vec![Link { file: 21, folder: 1, name: b"large-too".to_vec() }] }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("it is new");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("it is listed");
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("it can be copied");
        }
    }
}

/// The program with a copy of the fixture, so that nothing can change the fixture itself.
fn program() -> Program {
    let program = Program::bare();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format-1");
    copy(&fixture, &program.path("repository"));
    fs::write(program.path("passphrase"), "golden").expect("it can be written");
    program
}

#[test]
fn a_repository_of_format_1_restores() {
    let program = program();
    let check = program.json("check", ["--read-data"]).pop().expect("a summary");
    assert_eq!((&check["result"], &check["content_ids"]), (&"good".into(), &2.into()));
    let snapshots = program.json("snapshots", [""; 0]);
    let contents: Vec<&str> = snapshots.iter().filter_map(|line| line["content"].as_str()).collect();
    assert_eq!(contents, CONTENTS);
    for (number, snapshot) in ["latest~1", "latest"].iter().enumerate() {
        let wanted = program.path(&format!("wanted {number}"));
        make(&tree(number), &wanted);
        let target = format!("restored {number}");
        program.run("restore", [&format!("{snapshot}:{SOURCE}"), "--target", &target]).expect(0);
        Manifest::of(&program.path(&target)).expect(&Manifest::of(&wanted), snapshot);
    }
}

/// A repository that is old takes new snapshots, and finds in the old ones what it need not store again.
#[test]
fn a_repository_of_format_1_goes_on() {
    let program = program();
    make(&tree(1), &program.path("source"));
    let next = program.backup();
    let nodes_only = 4_000;
    assert!(next["stored_bytes"].as_u64() < Some(nodes_only), "{next}");
    program.run("check", ["--read-data"]).expect(0);
}
