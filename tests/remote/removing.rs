//! What takes data away behind a server, and what brings it there: the stories of a folder, and who may tell them.

use super::site::Site;
use crate::face::removing::STORIES;
use crate::world::Item;
use crate::world::Program;
use crate::world::make;

#[test]
fn a_server_loses_what_it_is_told_to_as_a_folder_does() {
    for story in STORIES {
        let site = Site::new();
        story(&site.keeper());
    }
}

#[test]
fn an_agent_takes_nothing_away() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&Item::folder([("file", Item::text("first"))]).into(), &agent.path("source"));
    agent.backup();
    for line in [&["collect"][..], &["collect", "-n"], &["collect", "--now"]] {
        agent.run(line[0], &line[1..]).expect(1).says(&["not allowed to this client"]);
    }
    let path = agent.path("source/file").to_string_lossy().into_owned();
    assert_ne!(agent.run("erase", [&path, "--yes"]).code, 0);
    assert_ne!(agent.run("repack", [""; 0]).code, 0);
    let kept = keeper.run("dump", [format!("latest:{path}")]).expect(0).results;
    assert_eq!(kept, "first");
}

#[test]
fn snapshots_are_copied_to_and_from_a_server() {
    let (site, folder) = (Site::new(), Program::new());
    let keeper = site.keeper();
    make(&Item::folder([("file", Item::noise(5, 200_000))]).into(), &folder.path("source"));
    folder.backup();
    let copy = |to: &Program, from: String| {
        let mut command = to.command("copy");
        command.env("FARKEEP_FROM_PASSWORD_FILE", to.path("passphrase"));
        let ran = command.arg("--from").arg(from).arg("--json").output();
        crate::world::Ran::of(ran).expect(0).lines()
    };
    let copied = copy(&keeper, folder.path("repository").to_string_lossy().into_owned());
    assert_eq!(copied.iter().filter(|line| line["type"] == "copied").count(), 1, "{copied:?}");
    let (there, here) = (keeper.json("snapshots", [""; 0]), folder.json("snapshots", [""; 0]));
    assert_eq!(there.len(), 1);
    assert_eq!((&there[0]["series"], &there[0]["captured"]), (&here[0]["series"], &here[0]["captured"]));
    let again = copy(&keeper, folder.path("repository").to_string_lossy().into_owned());
    let figures = again.last().expect("the summary is the last line");
    assert_eq!((&figures["copied"], &figures["there"]), (&0.into(), &1.into()), "{again:?}");
    keeper.run("check", ["--read-data"]).expect(0);
    // And out of the server again, by the program that is known there.
    keeper.init(&keeper.path("elsewhere"));
    let mut command = keeper.command("copy");
    command.env("FARKEEP_FROM_PASSWORD_FILE", keeper.path("passphrase"));
    command.env("FARKEEP_REPOSITORY", keeper.path("elsewhere")).arg("--from").arg(site.location());
    crate::world::Ran::of(command.output()).expect(0);
    let mut check = keeper.command("check");
    check.env("FARKEEP_REPOSITORY", keeper.path("elsewhere")).arg("--read-data");
    crate::world::Ran::of(check.output()).expect(0);
}

#[test]
fn an_index_is_not_built_anew_through_a_server() {
    let site = Site::new();
    site.keeper().run("rebuild-index", [""; 0]).expect(1).says(&["not done through a server"]);
}
