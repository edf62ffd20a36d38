//! The server as a process of its own, killed while clients commit.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::SystemTime;

use farkeep_protocol::identity::PublicKey;
use farkeep_server::config::FILE;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::errand::Errand;
use super::errand::expect_kept;
use crate::server::host::Host;
use crate::server::host::config;
use crate::world::Random;

/// How often the server is killed.
const ROUNDS: u64 = 100;
/// After so many rounds the repository is looked at.
const ROUNDS_UNTIL_LOOK: u64 = 20;
/// Clients that commit at the same time.
const WORKERS: u64 = 3;
/// Within so many microseconds of its first client the server is killed.
const LIFE_MICROSECONDS_MAX: u64 = 150_000;

/// `farkeepd serve` over a data folder. Killed when it is dropped.
struct Daemon {
    process: Child,
    address: SocketAddr,
}

impl Daemon {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farkeepd-tested"));
        command.env_clear().arg("--data").arg(data).arg("serve");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the program was built");
        let mut line = String::new();
        let stdout = process.stdout.as_mut().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it is text");
        let address = line.trim_end().strip_prefix("listening on ").and_then(|at| at.parse().ok());
        Self { process, address: address.unwrap_or_else(|| panic!("it does not listen: {line:?}")) }
    }
}

impl Drop for Daemon {
    /// As `kill -9` does it.
    fn drop(&mut self) {
        self.process.kill().expect("it is a child of this process");
        self.process.wait().expect("it is a child of this process");
    }
}

/// The errands of one worker: those that are done, and the one that is under way.
struct Worker {
    number: u64,
    key: PublicKey,
    done: Vec<Errand>,
    current: Errand,
}

impl Worker {
    fn new(number: u64, key: PublicKey) -> Self {
        Self { number, key, done: Vec::new(), current: Self::next(number, 0, key) }
    }

    fn next(number: u64, done: usize, key: PublicKey) -> Errand {
        Errand::new(&format!("worker {number} {done}:/"), number << 20 | done as u64, key)
    }

    fn errands(&self) -> impl Iterator<Item = &Errand> {
        self.done.iter().chain([&self.current])
    }

    /// Works until the server is gone.
    async fn work(mut self, address: SocketAddr) -> Self {
        while self.current.try_once(address).await {
            if self.current.is_done() {
                let next = Self::next(self.number, self.done.len() + 1, self.key);
                self.done.push(std::mem::replace(&mut self.current, next));
            }
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    let seed = Seed::of_now();
    let mut random = Random::new(seed.number());
    let host = Host::new(config()).await;
    let (repository, key) = (host.repository("main"), host.key());
    let data = host.stop().await;
    let text = "listen = \"127.0.0.1:0\"\n[deadlines]\ngather = 0.002\n";
    fs::write(data.path().join(FILE), text).expect("it can be written");

    let mut workers: Vec<Worker> = (1..=WORKERS).map(|number| Worker::new(number, key)).collect();
    for round in 1..=ROUNDS {
        let daemon = Daemon::start(data.path());
        let mut working = JoinSet::new();
        for worker in workers.drain(..) {
            working.spawn(worker.work(daemon.address));
        }
        sleep(Duration::from_micros(random.next() % LIFE_MICROSECONDS_MAX)).await;
        drop(daemon);
        while let Some(worker) = working.join_next().await {
            workers.push(worker.unwrap_or_else(|error| panic!("round {round}: {error}")));
        }
        if round.is_multiple_of(ROUNDS_UNTIL_LOOK) {
            expect_kept(&repository, workers.iter().flat_map(Worker::errands));
        }
    }
    let done: usize = workers.iter().map(|worker| worker.done.len()).sum();
    assert!(done > 0, "nothing was committed in all the time");
    let daemon = Daemon::start(data.path());
    for worker in &mut workers {
        worker.current.run(daemon.address).await;
    }
    drop(daemon);
    expect_kept(&repository, workers.iter().flat_map(Worker::errands));
}

/// Says what decided the moments, if the test fails.
pub(super) struct Seed(u64);

impl Seed {
    /// Another one each time.
    pub(super) fn of_now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
        Self(since.as_secs() * 1_000 + u64::from(since.subsec_millis()))
    }

    pub(super) fn number(&self) -> u64 {
        self.0
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a failing test prints its seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}
