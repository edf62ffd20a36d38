//! Sessions of several connections: they carry what one carries, and a cut of one costs a retry.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::proxy::Harm;
use super::proxy::Plan;
use super::proxy::Proxy;
use super::proxy::Way;
use crate::remote::site::Site;
use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Tree;
use crate::world::make;

/// Bytes after which a connection is cut. One that is used at all carries more, however the others share the rest.
const CUT_AT: usize = 100_000;

/// A host with something to back up that keeps several connections busy.
async fn striped() -> (Site, Program) {
    let made = spawn_blocking(|| {
        let site = Site::new();
        let keeper = site.keeper();
        let small = (0..100).map(|at| (format!("{at}"), Item::noise(at, 3_000)));
        let root = Item::folder([("small", Item::folder(small)), ("large", Item::noise(1_000, 6_000_000))]);
        make(&Tree { root, links: Vec::new() }, &keeper.path("source"));
        (site, keeper)
    });
    made.await.expect("no panic")
}

/// Runs the program over so many connections, of which the first go as planned. Says what it printed, and how many
/// connections were made.
async fn over(
    (site, keeper): &(Site, Program),
    (connections, plans): (usize, Vec<Plan>),
    (name, arguments): (&str, Vec<&OsStr>),
) -> (Value, usize) {
    let proxy = Proxy::start(site.address(), plans).await;
    let location = site.lead(keeper, proxy.address().port());
    let mut command = keeper.command(name);
    command.args(["--json", "--connections", &connections.to_string(), "--repo", &location]).args(arguments);
    let ran = spawn_blocking(move || crate::world::Ran::of(command.output())).await.expect("no panic");
    let line = ran.expect(0).lines().pop().expect("the summary is the last line");
    (line, proxy.connections())
}

async fn expect_restored(
    world: &(Site, Program),
    (connections, plans): (usize, Vec<Plan>),
    name: &str,
) -> usize {
    let (target, source) = (world.1.path(name), world.1.path("source"));
    let subject = format!("latest:{}", source.display());
    let arguments = vec![OsStr::new(&subject), OsStr::new("--target"), target.as_os_str()];
    let (_, made) = over(world, (connections, plans), ("restore", arguments)).await;
    let of = |path: &Path| Manifest::of(path);
    of(&target).expect(&of(&source), &name);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn four_connections_carry_what_one_carries() {
    let world = striped().await;
    let source = world.1.path("source");
    let backup = |series| {
        (
            "backup",
            vec![OsStr::new("--no-cache"), OsStr::new("--series"), OsStr::new(series), source.as_os_str()],
        )
    };
    let (striped, made) = over(&world, (4, vec![]), backup("four")).await;
    assert_eq!(made, 4);
    assert!(striped["stored_bytes"].as_u64() > Some(6_000_000), "{striped}");
    assert_eq!(expect_restored(&world, (4, vec![]), "four").await, 4);
    let (single, made) = over(&world, (1, vec![]), backup("one")).await;
    assert_eq!(made, 1);
    assert_eq!((&single["content"], &single["root"]), (&striped["content"], &striped["root"]));
    assert_eq!(single["stored_objects"], 0, "everything is there: {single}");
    assert_eq!(expect_restored(&world, (1, vec![]), "one").await, 1);
    let checked = world.1.json("check", ["--read-data"]);
    assert_eq!(checked.last().expect("a summary")["content_ids"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_four_that_is_cut_costs_a_retry() {
    let world = striped().await;
    let source = world.1.path("source");
    let mut contents = Vec::new();
    // A backup hears little on any one connection: the other way is cut in the restore below.
    for (number, harm) in [(0_u32, Harm::Close), (1, Harm::Reset)] {
        // The last connection is the first to be given something.
        let mut plans = vec![Plan::default(); 3];
        plans.push(Plan::with(Way::Up, CUT_AT, harm));
        std::fs::write(source.join("new"), format!("{number}")).expect("there is room");
        let noise = crate::world::Random::new(u64::from(number) + 50).bytes(6_000_000);
        std::fs::write(source.join("large"), noise).expect("there is room");
        let arguments = vec![OsStr::new("--series"), OsStr::new("cut"), source.as_os_str()];
        let (backup, made) = over(&world, (4, plans), ("backup", arguments)).await;
        // The session is resumed by one connection; the others follow while there is something left to carry.
        assert_eq!(backup["status"], "complete", "{number}: {backup}");
        assert!((5..=8).contains(&made), "{number}: {made}");
        assert_eq!(expect_restored(&world, (4, vec![]), &format!("{number}")).await, 4);
        contents.push(backup["content"].clone());
    }
    let mut plans = vec![Plan::default(); 3];
    plans.push(Plan::with(Way::Down, CUT_AT, Harm::Close));
    let made = expect_restored(&world, (4, plans), "cut").await;
    assert!((5..=8).contains(&made), "{made}");
    let checked = world.1.json("check", ["--read-data"]);
    assert_eq!(checked.last().expect("a summary")["content_ids"], 2);
    let listed: Vec<Value> =
        world.1.json("snapshots", [""; 0]).iter().map(|line| line["content"].clone()).collect();
    assert_eq!(listed[..2], contents);
}
