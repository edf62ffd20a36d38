//! Many errands, each over a line of its own that is harmed as planned, and what is stored then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farkeep_protocol::identity::PublicKey;
use farkeep_server::config::Config;
use tokio::sync::Semaphore;

use super::errand::Errand;
use super::errand::expect_kept;
use super::proxy::Plan;
use super::proxy::Proxy;
use super::proxy::Way;
use crate::server::host::Host;
use crate::server::host::config;

/// Errands over one repository. More make a longer list, which each of them reads.
const TOGETHER_MAX: usize = 64;
/// Errands that are under way at a time.
const AT_ONCE: usize = 16;

/// What becomes of a client whose connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Resumes,
    GivesUp,
}

/// What an undisturbed errand sends one way, and where its records of TLS end.
pub(super) struct Recorded {
    pub(super) way: Way,
    pub(super) length: usize,
    borders: Vec<usize>,
    ignored: Vec<usize>,
}

impl Recorded {
    fn new(way: Way, bytes: &[u8]) -> Self {
        let (mut borders, mut ignored) = (vec![0], Vec::new());
        let mut end = 0;
        // RFC 8446, 5.1: type and version, which are constants that a receiver may put in itself, and the length in two
        // bytes.
        while let Some([_, _, _, high, low]) = bytes.get(end..end + 5) {
            ignored.extend(end..end + 3);
            end += 5 + usize::from(u16::from_be_bytes([*high, *low]));
            borders.push(end);
        }
        assert_eq!(end, bytes.len(), "the last record is whole");
        Self { way, length: bytes.len(), borders, ignored }
    }

    /// Every so many bytes, and every end of a record.
    pub(super) fn offsets(&self, step: usize) -> Vec<usize> {
        (0..=self.length).filter(|at| at.is_multiple_of(step) || self.borders.contains(at)).collect()
    }

    /// Whether TLS looks at a byte.
    pub(super) fn is_looked_at(&self, at: usize) -> bool {
        !self.ignored.contains(&at)
    }
}

/// A config under which as many sessions as a test needs may wait to be resumed.
pub(super) fn patient() -> Config {
    let mut config = config();
    config.limits.sessions_per_client = 1_000;
    config.deadlines.gather = Duration::ZERO;
    config
}

/// A config under which whoever is silent is cut off soon.
pub(super) fn impatient() -> Config {
    let mut config = patient();
    config.deadlines.step = Duration::from_millis(300);
    config.deadlines.silence = Duration::from_millis(300);
    config.deadlines.progress = Duration::from_millis(300);
    config.deadlines.heartbeat = Duration::from_millis(50);
    config
}

/// What an undisturbed errand sends up and down.
pub(super) async fn recorded() -> [Recorded; 2] {
    let host = Host::new(patient()).await;
    let proxy = Proxy::start(host.address(), vec![]).await;
    let mut errand = Errand::new("undisturbed:/", 1, host.key());
    assert_eq!(errand.run(proxy.address()).await, 1);
    let (up, down) = proxy.seen();
    let repository = host.repository("main");
    let _root = host.stop().await;
    expect_kept(&repository, &[errand]);
    [Recorded::new(Way::Up, &up), Recorded::new(Way::Down, &down)]
}

/// Runs one errand for each list of plans, some at a time, and looks at what is stored then. Says how many connections
/// each took.
pub(super) async fn expect_all_kept(config: &Config, plans: &[Vec<Plan>], after: After) -> Vec<usize> {
    let mut connections = Vec::new();
    for some in plans.chunks(TOGETHER_MAX) {
        let host = Host::new(config.clone()).await;
        let (server, room) = ((host.address(), host.key()), Arc::new(Semaphore::new(AT_ONCE)));
        let begin = |(plans, number): (&Vec<Plan>, u64)| {
            let run = run(plans.clone(), number, server, after, Arc::clone(&room));
            (format!("{after:?} {plans:?}"), tokio::spawn(run))
        };
        let runs: Vec<_> = some.iter().zip(1..).map(begin).collect();
        let mut errands = Vec::new();
        for (name, run) in runs {
            let (errand, count) = run.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            errands.push(errand);
            connections.push(count);
        }
        let repository = host.repository("main");
        let _root = host.stop().await;
        expect_kept(&repository, &errands);
    }
    connections
}

async fn run(
    plans: Vec<Plan>,
    number: u64,
    (server, key): (SocketAddr, PublicKey),
    after: After,
    room: Arc<Semaphore>,
) -> (Errand, usize) {
    let _room = room.acquire().await.expect("it is open");
    let proxy = Proxy::start(server, plans).await;
    let mut errand = Errand::new(&format!("errand {number}:/"), number, key);
    let connections = match after {
        After::Resumes => errand.run(proxy.address()).await,
        After::GivesUp => {
            let _over = errand.attempt(proxy.address()).await;
            1
        }
    };
    assert!(errand.is_committed() || after == After::GivesUp);
    (errand, connections)
}
