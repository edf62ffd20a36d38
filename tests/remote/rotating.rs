//! New keys for new data behind a server, and agents that have the old ones.

use super::site::Site;
use crate::face::rotating::STORIES;
use crate::world::Item;
use crate::world::Ran;
use crate::world::make;

#[test]
fn the_keys_of_a_repository_at_a_server_are_rotated() {
    for story in STORIES {
        let site = Site::new();
        story(&site.keeper());
    }
}

/// An agent that has the old code writes on with it, until it is given the new one.
#[test]
fn an_agent_goes_on_in_the_old_epoch_until_it_has_the_new_code() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&Item::folder([("file", Item::noise(1, 100_000))]).into(), &agent.path("source"));
    let stored = |summary: &serde_json::Value| summary["stored_bytes"].as_u64().expect("it is counted");
    let first = agent.backup();
    assert!(stored(&first) > 100_000, "{first}");
    let code = keeper.json("key", ["rotate", "--yes"])[0]["code"].as_str().expect("a code").to_owned();
    let old = agent.backup();
    assert!(stored(&old) < 10_000 && old["content"] == first["content"], "{old}");
    let mut enroll = agent.command("enroll");
    Ran::of(enroll.arg(site.location()).env("FARKEEP_AGENT_CODE", code).output()).expect(0);
    let new = agent.backup();
    assert!(stored(&new) > 100_000 && new["content"] != first["content"], "{new}");
    assert!(stored(&agent.backup()) < 10_000);
    keeper.run("check", ["--read-data"]).expect(0);
    let before = std::fs::read(agent.path("source/file")).expect("it is there");
    for summary in [&old, &new] {
        let id = summary["snapshot"].as_str().expect("it was stored");
        let path = format!("{id}:{}", agent.path("source/file").display());
        let output = keeper.command("dump").arg(path).output().expect("the program was built");
        assert!(output.status.success() && output.stdout == before, "{id}");
    }
}
