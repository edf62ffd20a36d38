//! The server as a process of its own, killed at moments that are close together, while clients put and commit: not even
//! an object that was acknowledged, and no snapshot needs yet, is lost.

use std::net::SocketAddr;
use std::time::Duration;

use farkeep_protocol::identity::PublicKey;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::errand::Errand;
use super::errand::expect_kept;
use crate::remote::site::Site;
use crate::server::host::Host;
use crate::server::host::config;
use crate::world::Random;
use crate::world::Seed;

/// How often the server is killed.
const ROUNDS: u64 = 100;
/// After so many rounds the repository is looked at.
const ROUNDS_UNTIL_LOOK: u64 = 20;
/// Clients that commit at the same time.
const WORKERS: u64 = 3;
/// Within so many microseconds of its first client the server is killed, unless the machine is so slow that nothing at all
/// is committed in that time.
const LIFE_MICROSECONDS_MAX: u64 = 150_000;

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
    let mut site = Site::over(host.stop().await, "[deadlines]\ngather = 0.002\n");

    let mut life_microseconds_max = LIFE_MICROSECONDS_MAX;
    let mut workers: Vec<Worker> = (1..=WORKERS).map(|number| Worker::new(number, key)).collect();
    for round in 1..=ROUNDS {
        site.start();
        let mut working = JoinSet::new();
        for worker in workers.drain(..) {
            working.spawn(worker.work(site.address()));
        }
        sleep(Duration::from_micros(random.next() % life_microseconds_max)).await;
        site.kill();
        while let Some(worker) = working.join_next().await {
            workers.push(worker.unwrap_or_else(|error| panic!("round {round}: {error}")));
        }
        if round.is_multiple_of(ROUNDS_UNTIL_LOOK) {
            expect_kept(&repository, workers.iter().flat_map(Worker::errands));
            if workers.iter().all(|worker| worker.done.is_empty()) {
                life_microseconds_max *= 2;
            }
        }
    }
    let done: usize = workers.iter().map(|worker| worker.done.len()).sum();
    assert!(done > 0, "nothing was committed in all the time");
    site.start();
    for worker in &mut workers {
        worker.current.run(site.address()).await;
    }
    site.kill();
    expect_kept(&repository, workers.iter().flat_map(Worker::errands));
}
