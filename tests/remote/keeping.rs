//! What is kept and for how long, behind a server: the stories of a folder, and who may tell them.

use super::site::Site;
use crate::face::keeping::STORIES;
use crate::world::Item;
use crate::world::make;

#[test]
fn a_server_keeps_what_it_is_told_to_as_a_folder_does() {
    for story in STORIES {
        let site = Site::new();
        story(&site.keeper());
    }
}

#[test]
fn an_agent_decides_nothing() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&Item::folder([("file", Item::text("first"))]).into(), &agent.path("source"));
    let snapshot = agent.backup()["snapshot"].as_str().expect("it was stored").to_owned();
    for line in [
        ["forget", &snapshot, "--reason=x"],
        ["recover", &snapshot, "--reason=x"],
        ["hold", &snapshot, "--for=1d"],
        ["forget", "--keep-last=1", "--reason=x"],
        ["forget", "--keep-last=1", "-n"],
        ["policy", "show", "-q"],
        ["policy", "set", "--grace=1d"],
        ["thaw", "--reason=x", "-q"],
    ] {
        agent.run(line[0], &line[1..]).expect(1).says(&["not allowed to this client"]);
    }
    assert_eq!(keeper.json("snapshots", [""; 0]).len(), 1);
}

/// The server verifies by itself; how far it is, everybody may know who watches.
#[test]
fn a_server_says_when_packs_were_verified() {
    let site = Site::new();
    let keeper = site.keeper();
    make(&Item::folder([("file", Item::noise(1, 100_000))]).into(), &keeper.path("source"));
    keeper.backup();
    let status = keeper.json("scrub", ["--status"]).pop().expect("a line");
    assert!(status["bytes"].as_u64() > Some(100_000), "{status}");
    assert_eq!((&status["packs_unverified"], &status["late"]), (&status["packs"], &false.into()));
    assert_eq!(status["within_seconds"], 30 * 86_400);
    let stats = keeper.json("stats", [""; 0]).pop().expect("a line");
    assert_eq!(stats["unverified_bytes"], status["bytes_unverified"]);
    assert_eq!(stats["oldest_verification"], serde_json::Value::Null);
}
