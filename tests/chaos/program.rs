//! `farkeep` itself behind lines that do harm: each run makes its snapshot or says why not, and the repository holds what
//! was said.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::task::spawn_blocking;

use super::proxy::Harm;
use super::proxy::Plan;
use super::proxy::Proxy;
use super::proxy::Way;
use crate::remote::site::Site;
use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Ran;
use crate::world::Random;
use crate::world::Tree;
use crate::world::make;

/// Runs that are under way at a time.
const AT_ONCE: usize = 6;
/// Whoever is silent is cut off soon.
const IMPATIENT: &str = "[deadlines]\nstep = 1.0\nsilence = 0.5\nprogress = 0.5\nheartbeat = 0.1\ngather = 0.002\n\
                         [limits]\nsessions_per_client = 1000\n";

/// Nobody is cut off for being slow: where lines end by themselves, no deadline is needed.
const PATIENT: &str = "[deadlines]\ngather = 0.002\n";

/// A server and a host that may do everything.
struct World {
    site: Site,
    keeper: Arc<Program>,
    room: Arc<Semaphore>,
}

/// A backup of a folder of its own, and how it ended.
struct Run {
    number: usize,
    plan: Plan,
    /// The snapshot that it printed.
    snapshot: Option<String>,
    connections: usize,
}

impl World {
    async fn new() -> Self {
        let made = spawn_blocking(|| {
            let site = Site::with(IMPATIENT);
            let keeper = site.keeper();
            (site, keeper)
        });
        let (site, keeper) = made.await.expect("no panic");
        Self { site, keeper: Arc::new(keeper), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// One backup for each of these plans, some at a time.
    async fn run(&self, plans: &[Plan]) -> Vec<Run> {
        let mut runs = JoinSet::new();
        for (number, plan) in plans.iter().enumerate() {
            let proxy = Proxy::start(self.site.address(), vec![*plan]).await;
            let location = self.site.lead(&self.keeper, proxy.address().port());
            let (keeper, room, plan) = (Arc::clone(&self.keeper), Arc::clone(&self.room), *plan);
            runs.spawn(async move {
                let _room = room.acquire().await.expect("it is open");
                let run = spawn_blocking(move || back_up(&keeper, number, &location));
                let ran = run.await.expect("no panic");
                Run { number, plan, snapshot: told(&ran, &plan), connections: proxy.connections() }
            });
        }
        let mut runs = runs.join_all().await;
        runs.sort_unstable_by_key(|run| run.number);
        runs
    }

    /// The repository, looked at without the server, holds what was printed, and nothing that nobody sent.
    async fn expect_kept(mut self, runs: Vec<Run>) {
        let look = spawn_blocking(move || {
            self.site.stop();
            let folder = Program::at(self.site.repository().to_string_lossy().into_owned());
            let listed = folder.json("snapshots", [""; 0]);
            let id = |line: &Value| line["snapshot"].as_str().expect("an id").to_owned();
            let listed: BTreeSet<String> = listed.iter().map(id).collect();
            let printed: BTreeSet<String> = runs.iter().filter_map(|run| run.snapshot.clone()).collect();
            assert!(printed.is_subset(&listed), "{:?} are lost", printed.difference(&listed));
            // A run that gave up may have committed before; it did so once.
            let given_up = runs.iter().filter(|run| run.snapshot.is_none()).count();
            assert!(listed.len() <= printed.len() + given_up);
            let checked = folder.json("check", ["--read-data"]);
            assert_eq!(checked.last().expect("a summary")["content_ids"], listed.len());
            for run in &runs {
                let Some(snapshot) = &run.snapshot else { continue };
                let (source, target) =
                    (source(&self.keeper, run.number), folder.path(&format!("{}", run.number)));
                let subject = format!("{snapshot}:{}", source.display());
                folder.run("restore", [subject.as_ref(), "--target".as_ref(), target.as_os_str()]).expect(0);
                Manifest::of(&target).expect(&Manifest::of(&source), &format!("{:?}", run.plan));
            }
        });
        look.await.expect("what was said is so");
    }
}

fn source(keeper: &Program, number: usize) -> std::path::PathBuf {
    keeper.path(&format!("source-{number}"))
}

/// Backs up what nobody has backed up before.
fn back_up(keeper: &Program, number: usize, location: &str) -> Ran {
    let source = source(keeper, number);
    let root = Item::folder([
        ("noise", Item::noise(number as u64, 20_000)),
        ("text", Item::text(&format!("{number}"))),
    ]);
    make(&Tree { root, links: Vec::new() }, &source);
    let mut command = keeper.command("backup");
    command.args([
        "--json",
        "--repo",
        location,
        "--series",
        &format!("run {number}"),
        "--retry-for",
        "60",
        "--cache",
    ]);
    Ran::of(command.arg(keeper.path(&format!("cache-{number}"))).arg(source).output())
}

/// What a run printed: its snapshot, or why there is none.
fn told(ran: &Ran, plan: &Plan) -> Option<String> {
    let lines = ran.lines();
    let last = lines.last().unwrap_or_else(|| panic!("{plan:?}: it says nothing: {}", ran.messages));
    if ran.code == 0 {
        assert_eq!((&last["type"], &last["status"]), (&"backup".into(), &"complete".into()), "{plan:?}");
        return Some(last["snapshot"].as_str().expect("an id").to_owned());
    }
    let why = last["message"].as_str().unwrap_or_default();
    assert_eq!((ran.code, &last["type"]), (1, &"error".into()), "{plan:?}: {}{}", ran.results, ran.messages);
    assert!(why.contains("cannot reach the server"), "{plan:?}: {why}");
    None
}

/// Bytes that an undisturbed run sends up and down.
async fn lengths() -> [(Way, usize); 2] {
    let world = World::new().await;
    let proxy = Proxy::start(world.site.address(), vec![]).await;
    let location = world.site.lead(&world.keeper, proxy.address().port());
    let keeper = Arc::clone(&world.keeper);
    let ran = spawn_blocking(move || back_up(&keeper, 0, &location)).await.expect("no panic");
    ran.expect(0);
    let (up, down) = proxy.seen();
    assert!(up.len() > 20_000, "{}", up.len());
    [(Way::Up, up.len()), (Way::Down, down.len())]
}

/// Plans that do harm at so many places of each way.
async fn plans(count: usize, harm: impl Fn(&mut Random) -> Harm) -> Vec<Plan> {
    let places = lengths().await.into_iter().flat_map(|(way, length)| {
        let place = move |number| (way, number * length / count);
        (0..count).map(place)
    });
    places.map(|(way, at)| Plan::with(way, at, harm(&mut Random::new(at as u64)))).collect()
}

/// Runs one backup for each plan. Those whose first connection got as far as a session made their snapshot.
async fn expect_made(plans: &[Plan]) {
    let world = World::new().await;
    let runs = world.run(plans).await;
    let made = runs.iter().filter(|run| run.snapshot.is_some()).count();
    assert!(made * 3 > runs.len() * 2, "{made} of {}", runs.len());
    assert!(runs.iter().filter(|run| run.connections > 1).count() * 2 > made, "hardly one was harmed");
    world.expect_kept(runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_goes_on_after_cuts() {
    let harm = |random: &mut Random| if random.next().is_multiple_of(2) { Harm::Close } else { Harm::Reset };
    expect_made(&plans(16, harm).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_goes_on_after_bytes_that_changed_or_came_twice() {
    let harm = |random: &mut Random| match random.next() % 3 {
        0 => Harm::Duplicate(1),
        1 => Harm::Duplicate(40),
        _ => Harm::Corrupt(1 << (random.next() % 8)),
    };
    expect_made(&plans(12, harm).await).await;
}

/// What the client says is lost, and nobody is told: the server ends the connection, and the next one does the work.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_goes_on_when_it_is_not_heard() {
    let mut plans = plans(10, |_| Harm::Swallow).await;
    plans.retain(|plan| plan.blow.is_some_and(|blow| blow.way == Way::Up));
    expect_made(&plans).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_works_over_a_line_that_is_slow_but_moves() {
    let drip = Harm::Drip(200, Duration::from_millis(1));
    let late = Plan { blow: None, delay: Duration::from_millis(40) };
    let world = World::new().await;
    let runs = world.run(&[Plan::with(Way::Up, 0, drip), Plan::with(Way::Down, 0, drip), late]).await;
    for run in &runs {
        assert!(run.snapshot.is_some() && run.connections == 1, "{:?}", run.plan);
    }
    world.expect_kept(runs).await;
}

/// A restore that is cut goes on too, and what it writes is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_after_cuts() {
    let world = World::new().await;
    let runs = world.run(&[Plan::default()]).await;
    let source = source(&world.keeper, 0);
    let subject = Arc::new(format!("latest:{}", source.display()));
    let mut restored = 0;
    for at in (0..24).map(|part| part * 1_200) {
        let harm = if at % 800 == 0 { Harm::Close } else { Harm::Reset };
        let proxy = Proxy::start(world.site.address(), vec![Plan::with(Way::Down, at, harm)]).await;
        let location = world.site.lead(&world.keeper, proxy.address().port());
        let (keeper, subject) = (Arc::clone(&world.keeper), Arc::clone(&subject));
        let target = world.keeper.path(&format!("target-{at}"));
        let mut restore = keeper.command("restore");
        restore.args(["--json", "--repo", &location, &subject, "--target"]).arg(&target);
        let ran = spawn_blocking(move || Ran::of(restore.output())).await.expect("no panic");
        if ran.code == 0 {
            Manifest::of(&target).expect(&Manifest::of(&source), &format!("cut at {at}"));
            restored += 1;
        } else {
            assert!(
                ran.results.contains("cannot reach the server"),
                "cut at {at}: {}{}",
                ran.results,
                ran.messages
            );
            assert!(!target.exists(), "cut at {at}");
        }
    }
    assert!(restored > 16, "{restored}");
    world.expect_kept(runs).await;
}

/// A repository is made, or not, whatever becomes of the line, and whoever asks again is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_or_not_however_the_line_ends() {
    let offer = |site: &Site| site.offer("admin", "keeper");
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for (way, length) in [(Way::Up, 4_000), (Way::Down, 3_000)] {
        for at in (0..10).map(|part| part * length / 10) {
            let room = Arc::clone(&room);
            runs.spawn(async move {
                let _room = room.acquire().await.expect("it is open");
                let site = spawn_blocking(|| Site::with(PATIENT)).await.expect("no panic");
                let proxy = Proxy::start(site.address(), vec![Plan::with(way, at, Harm::Reset)]).await;
                let port = proxy.address().port();
                let ran = spawn_blocking(move || {
                    let keeper = Program::at(site.location());
                    keeper.run("enroll", [offer(&site)]).expect(0);
                    let harmed = site.lead(&keeper, port);
                    let init = |repository: &str| {
                        let cheap = ["--guess-memory=8KiB", "--guess-passes=1", "--repo", repository];
                        keeper.run("init", cheap)
                    };
                    let first = init(&harmed);
                    let again = init(&site.location());
                    assert!([0, 1].contains(&again.code), "{}", again.messages);
                    if first.code == 0 {
                        again.expect(1).says(&["exists"]);
                    } else {
                        assert!(first.messages.contains("cannot reach the server"), "{}", first.messages);
                        assert!(again.code == 0 || again.messages.contains("exists"), "{}", again.messages);
                    }
                    // Whichever of them made it, it is whole, and the passphrase opens it.
                    assert_eq!(keeper.json("key", ["list"]).len(), 1);
                    fs::write(keeper.path("file"), "text").expect("there is room");
                    keeper.json("backup", [keeper.path("file")]);
                    first.code
                });
                ran.await.unwrap_or_else(|error| panic!("{way:?} {at}: {error}"))
            });
        }
    }
    let codes = runs.join_all().await;
    let made = codes.iter().filter(|code| **code == 0).count();
    assert!(made * 2 > codes.len() && made < codes.len(), "{codes:?}");
}
