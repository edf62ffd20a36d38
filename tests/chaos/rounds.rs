//! Both programs as processes of their own, over real sockets, killed at random moments: now the client, now the server.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::remote::site::Site;
use crate::world::Item;
use crate::world::Manifest;
use crate::world::Program;
use crate::world::Random;
use crate::world::Seed;
use crate::world::Tree;
use crate::world::make;

/// How often somebody is killed.
const ROUNDS: u64 = 100;
/// One time of so many it is the server.
const SERVER_EVERY: u64 = 5;
/// One snapshot of so many is restored.
const RESTORED_EVERY: usize = 10;
/// Hosts that back up at the same time.
const HOSTS: usize = 2;
/// Whoever is killed is so within this many times as long as a whole run takes.
const LIVES: u32 = 2;

/// A host that backs up one folder, which is another one after each snapshot.
struct Host {
    program: Program,
    number: usize,
    /// Content id and what was on disk, by each snapshot that was printed.
    printed: BTreeMap<String, (Value, Manifest)>,
    runs_killed: u64,
}

impl Host {
    fn new(program: Program, number: usize) -> Self {
        let small = (0..20).map(|at| (format!("{at}"), Item::noise(at, 1_000)));
        let root = Item::folder([("small", Item::folder(small)), ("large", Item::noise(7, 400_000))]);
        make(&Tree { root, links: Vec::new() }, &program.path("source"));
        Self { program, number, printed: BTreeMap::new(), runs_killed: 0 }
    }

    fn source(&self) -> PathBuf {
        self.program.path("source")
    }

    /// Has something to store, some of it new to the repository.
    fn change(&self, random: &mut Random) {
        let bytes = random.bytes(200_000);
        fs::write(self.source().join("large"), bytes).expect("there is room");
        fs::write(self.source().join(format!("small/{}", random.next() % 30)), random.bytes(2_000))
            .expect("there is room");
    }

    fn start(&self) -> Child {
        let mut command = self.program.command("backup");
        command.args(["--json", "--series", &format!("host {}", self.number)]).arg(self.source());
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program was built")
    }

    /// Hears what a run printed, which has ended or is about to.
    fn hear(&mut self, child: Child) -> bool {
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8(output.stdout).expect("it is text");
        // A line that was cut off says nothing.
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"));
        let snapshot = lines.filter(|line| line["type"] == "backup").map(|line| {
            assert_eq!(line["status"], "complete");
            (line["snapshot"].as_str().expect("an id").to_owned(), line["content"].clone())
        });
        let manifest = Manifest::of(&self.source());
        self.printed.extend(snapshot.map(|(snapshot, content)| (snapshot, (content, manifest.clone()))));
        output.status.success()
    }
}

/// Clients that are killed at some moment of their run.
fn kill_clients(hosts: &mut [Host], random: &mut Random, life: Duration) {
    let mut children: Vec<Child> = hosts.iter().map(Host::start).collect();
    for child in &mut children {
        sleep(moment(random, life));
        child.kill().expect("it is a child of this process");
    }
    for (host, child) in hosts.iter_mut().zip(children) {
        host.runs_killed += u64::from(!host.hear(child));
    }
}

/// A server that is killed at some moment of its clients' runs, and comes back: they all get their snapshot.
fn kill_server(site: &mut Site, hosts: &mut [Host], random: &mut Random, life: Duration, round: u64) {
    let children: Vec<Child> = hosts.iter().map(Host::start).collect();
    sleep(moment(random, life));
    site.kill();
    site.start();
    for (host, child) in hosts.iter_mut().zip(children) {
        if !host.hear(child) {
            // One that had not begun when there was no server says so, and is asked again.
            let again = host.start();
            assert!(host.hear(again), "round {round}: it does not get on");
        }
    }
}

/// Some moment of a life of that length.
fn moment(random: &mut Random, life: Duration) -> Duration {
    Duration::from_nanos(random.next() % u64::try_from(life.as_nanos()).unwrap_or(u64::MAX).max(1))
}

/// Within what time somebody is killed, by how long the hosts take for a whole run, all at the same time: on a busy machine
/// longer than on another.
fn life(hosts: &mut [Host]) -> Duration {
    let begun = Instant::now();
    let children: Vec<Child> = hosts.iter().map(Host::start).collect();
    for (host, child) in hosts.iter_mut().zip(children) {
        assert!(host.hear(child), "nobody is killed in this one");
    }
    begun.elapsed() * LIVES / u32::try_from(HOSTS).expect("few")
}

/// Every snapshot that was printed is listed and holds what it did, of which every byte is read; one of so many is
/// restored too.
fn expect_kept(keeper: &Program, hosts: &[Host]) {
    let listed = keeper.json("snapshots", [""; 0]);
    let checked = keeper.json("check", ["--read-data"]);
    assert_eq!(checked.last().expect("a summary")["content_ids"], listed.len());
    for host in hosts {
        for (number, (snapshot, (content, manifest))) in host.printed.iter().enumerate() {
            let is_it = |line: &&Value| line["snapshot"] == **snapshot && line["content"] == *content;
            assert!(listed.iter().any(|line| is_it(&line)), "{snapshot} is lost");
            if number % RESTORED_EVERY > 0 {
                continue;
            }
            let target = keeper.path("target");
            let subject = format!("{snapshot}:{}", host.source().display());
            keeper.run("restore", [subject.as_ref(), "--target".as_ref(), target.as_os_str()]).expect(0);
            Manifest::of(&target).expect(manifest, snapshot);
            fs::remove_dir_all(target).expect("it was made");
        }
    }
}

#[test]
fn whoever_is_killed_no_acknowledged_snapshot_is_lost() {
    let seed = Seed::of_now();
    let mut random = Random::new(seed.number());
    let mut site = Site::with("[deadlines]\ngather = 0.002\n[limits]\nsessions_per_client = 1000\n");
    let keeper = site.keeper();
    let mut hosts: Vec<Host> =
        (0..HOSTS).map(|number| Host::new(site.agent(&keeper, &format!("host-{number}")), number)).collect();
    let mut life_now = life(&mut hosts);
    for round in 1..=ROUNDS {
        hosts.iter().for_each(|host| host.change(&mut random));
        if round.is_multiple_of(SERVER_EVERY) {
            kill_server(&mut site, &mut hosts, &mut random, life_now, round);
            // Others may have begun or ended their work beside this one.
            life_now = life(&mut hosts);
        } else {
            kill_clients(&mut hosts, &mut random, life_now);
        }
    }
    expect_kept(&keeper, &hosts);
    for host in &hosts {
        let most = ROUNDS - ROUNDS / SERVER_EVERY;
        assert!(host.runs_killed > 0 && host.runs_killed < most, "{} of {most}", host.runs_killed);
        assert!(host.printed.len() as u64 >= ROUNDS / SERVER_EVERY);
    }
    // The folder alone is a repository like any other.
    site.stop();
    let folder = Program::at(site.repository().to_string_lossy().into_owned());
    folder.json("check", ["--read-data"]);
}
