//! A server that lost packs: whoever takes over what an earlier run stored is told in time, and stores it again.

use std::fs;
use std::path::PathBuf;

use super::site::Site;
use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Tree;
use crate::world::make;
use crate::world::settle;

/// All packs at the server.
fn packs(site: &Site) -> Vec<PathBuf> {
    let packs = site.repository().join("packs");
    let found = Manifest::of(&packs);
    found.files().into_keys().map(|path| packs.join(path)).collect()
}

fn restored(keeper: &Program, snapshot: &str, agent: &Program) -> Manifest {
    let target = keeper.path("target");
    let subject = format!("{snapshot}:{}", agent.path("source").display());
    keeper.run("restore", [subject.as_ref(), "--target".as_ref(), target.as_os_str()]).expect(0);
    let restored = Manifest::of(&target);
    fs::remove_dir_all(target).expect("it was made");
    restored
}

#[test]
fn a_backup_of_an_unchanged_tree_stores_again_what_the_server_lost() {
    let mut site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    let small = (0..20).map(|at| (format!("{at}"), Item::noise(at, 2_000)));
    let root = Item::folder([("small", Item::folder(small)), ("large", Item::noise(100, 300_000))]);
    make(&Tree { root, links: Vec::new() }, &agent.path("source"));
    settle();
    let first = agent.backup();
    assert_eq!(agent.backup()["files_unchanged"], 21);
    let source = Manifest::of(&agent.path("source"));
    let packs = packs(&site);
    assert!(packs.len() >= 2, "a pack of data and one of nodes");
    for pack in packs {
        let context = pack.display();
        site.stop();
        fs::remove_file(&pack).expect("it is there");
        site.start();
        let ran = agent.run("backup", ["--json".as_ref(), agent.path("source").as_os_str()]).expect(0);
        let ran = ran.says(&["has lost", "read once more"]);
        let again = ran.lines().pop().expect("the summary is the last line");
        assert_eq!(
            (&again["status"], &again["content"]),
            (&"complete".into(), &first["content"]),
            "{context}"
        );
        assert!(again["stored_objects"].as_u64() > Some(0), "{context}: {again}");
        ["latest", "latest~1", "latest~2"]
            .iter()
            .for_each(|snapshot| restored(&keeper, snapshot, &agent).expect(&source, &context));
        for _ in 0..2 {
            let ran = agent.run("backup", ["--json".as_ref(), agent.path("source").as_os_str()]).expect(0);
            assert!(!ran.messages.contains("lost"), "{context}: {}", ran.messages);
            assert_eq!(ran.lines()[0]["files_unchanged"], 21, "{context}: a loss is made good once");
        }
        restored(&keeper, "latest", &agent).expect(&source, &context);
        // Another host, which remembers nothing, is not held up either.
        let local = keeper.json("backup", ["--series=own".as_ref(), agent.path("source").as_os_str()]);
        assert_eq!(local[0]["content"], first["content"], "{context}");
    }
    let checked = keeper.run("check", ["--read-data"]).expect(13).says(&["DAMAGED pack"]);
    assert!(!checked.messages.contains("lost in"), "no path of any snapshot is: {}", checked.messages);
}
