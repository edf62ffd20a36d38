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
