//! Scrub and repair through a server: the stories of a folder, and who may tell them.

use super::site::Site;
use crate::face::care::STORIES;
use crate::world::Item;
use crate::world::make;

#[test]
fn a_server_cares_for_what_it_stores_as_a_folder_is_cared_for() {
    for story in STORIES {
        let site = Site::with("[scrub]\nenabled = false\n");
        story(&site.keeper(), &site.repository());
    }
}

#[test]
fn an_agent_has_nothing_repaired() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    make(&Item::folder([("file", Item::text("first"))]).into(), &agent.path("source"));
    agent.backup();
    for line in [&["scrub"][..], &["repair"], &["repair", "--yes"]] {
        agent.run(line[0], &line[1..]).expect(1).says(&["not allowed to this client"]);
    }
}
