//! Lines that are worse than cut: bytes that change, come twice, come slowly, or are lost while nobody is told.

use std::time::Duration;

use farkeep_protocol::fault::Code;
use tokio::time::timeout;

use super::errand::Errand;
use super::errand::expect_kept;
use super::proxy::Harm;
use super::proxy::Plan;
use super::proxy::Proxy;
use super::proxy::Way;
use super::trial::After;
use super::trial::expect_all_kept;
use super::trial::impatient;
use super::trial::patient;
use super::trial::recorded;
use crate::server::host::Host;
use crate::server::peer::Over;
use crate::world::Random;

/// Beyond this a test has hung.
const HUNG: Duration = Duration::from_secs(60);
/// Whoever is as patient as this leaves the end of a connection to the other side.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// At the end of a connection nobody needs what comes: a goodbye, and the end of TLS.
const END_BYTES: usize = 120;

/// The harmed connection ends, the next one does the work, and nothing wrong is stored.
async fn expect_noticed(harm: impl Fn(&mut Random) -> Harm) {
    for recorded in recorded().await {
        let offsets = recorded.offsets(97).into_iter().filter(|at| recorded.is_looked_at(*at));
        let offsets: Vec<usize> = offsets.collect();
        let plan = |at: &usize| vec![Plan::with(recorded.way, *at, harm(&mut Random::new(*at as u64)))];
        let plans: Vec<_> = offsets.iter().map(plan).collect();
        let connections = expect_all_kept(&impatient(), &plans, After::Resumes).await;
        for (at, count) in offsets.iter().zip(connections) {
            assert!(count > 1 || at + END_BYTES > recorded.length, "{at} {:?}", recorded.way);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_changed_ends_the_connection() {
    expect_noticed(|random| Harm::Corrupt(1 << (random.next() % 8))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_twice_end_the_connection() {
    expect_noticed(|random| Harm::Duplicate(if random.next().is_multiple_of(2) { 1 } else { 40 })).await;
}

/// The server does not wait for ever for a client that does not hear it, or that it does not hear.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_half_open_is_ended_by_the_server() {
    let host = Host::new(impatient()).await;
    let mut runs = tokio::task::JoinSet::new();
    for recorded in recorded().await {
        for at in recorded.offsets(401) {
            let (address, key, way) = (host.address(), host.key(), recorded.way);
            let name = format!("{way:?} {at}:/");
            let number = at as u64 * 2 + u64::from(way == Way::Up);
            runs.spawn(async move {
                let proxy = Proxy::start(address, vec![Plan::with(way, at, Harm::Swallow)]).await;
                let mut errand = Errand::new(&name, number, key).patient_for(FOR_EVER);
                let left = async {
                    tokio::select! {
                        _over = errand.attempt(proxy.address()) => {}
                        () = proxy.left_by_server() => {}
                    }
                    proxy.left_by_server().await;
                };
                timeout(HUNG, left).await.unwrap_or_else(|_| panic!("{name}: the server waits"));
                errand.run(proxy.address()).await;
                errand
            });
        }
    }
    let errands = runs.join_all().await;
    let repository = host.repository("main");
    let _root = host.stop().await;
    expect_kept(&repository, &errands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_slow_but_moves_is_served() {
    let host = Host::new(patient()).await;
    let drip = Harm::Drip(29, Duration::from_millis(1));
    let late = Plan { blow: None, delay: Duration::from_millis(10) };
    for (plan, number) in
        [Plan::with(Way::Up, 0, drip), Plan::with(Way::Down, 0, drip), late].into_iter().zip(1..)
    {
        let proxy = Proxy::start(host.address(), vec![plan]).await;
        let mut errand = Errand::new(&format!("errand {number}:/"), number, host.key());
        assert_eq!(errand.run(proxy.address()).await, 1, "{plan:?}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hardly_moves_is_cut_off() {
    let host = Host::new(impatient()).await;
    let [up, _] = recorded().await;
    let drip = Harm::Drip(1, Duration::from_millis(50));
    let proxy = Proxy::start(host.address(), vec![Plan::with(Way::Up, up.length / 2, drip)]).await;
    let mut errand = Errand::new("errand:/", 1, host.key()).patient_for(FOR_EVER);
    let over = timeout(HUNG, errand.attempt(proxy.address())).await.expect("the server does not wait");
    let codes = [Code::TOO_SLOW, Code::DEADLINE];
    assert!(matches!(over, Err(Over::Fault(code)) if codes.contains(&code)), "{over:?}");
    errand.run(proxy.address()).await;
    host.stop().await;
}
