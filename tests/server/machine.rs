//! A machine that fails under the server: disks that break, fill up and rot, and a clock that jumps.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use farkeep_engine::ManualClock;
use farkeep_engine::SystemClock;
use farkeep_engine::disk::SimulatedDisk;
use farkeep_engine::disk::simulated::Failure;
use farkeep_engine::disk::simulated::Faulty;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::hello::Role;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Get;
use farkeep_server::Machine;

use super::host::AGENT;
use super::host::Host;
use super::host::OTHER;
use super::host::READER;
use super::host::config;
use super::make;
use super::peer::Over;
use super::watching::events;
use super::watching::of;
use super::watching::page;
use super::watching::sample;
use super::watching::written;

/// A server with the repository `main` on a disk that does what it is told.
async fn on_disk() -> (Host, SimulatedDisk) {
    let disk = SimulatedDisk::new(1);
    let under = disk.clone();
    let machine = Machine { disk: Arc::new(move |_| Arc::new(under.clone())), ..Machine::default() };
    let mut config = config();
    // Nothing is made durable before somebody waits for it.
    config.deadlines.gather = Duration::from_secs(3_600);
    (Host::on(machine, config).await, disk)
}

/// Nobody knows what a sync that failed made durable: all that use the repository are told, nobody writes to it any
/// more, and it is opened anew when the last of them has left. What was acknowledged is there then.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_ends_the_sessions_and_the_repository_is_opened_anew() {
    let (host, disk) = on_disk().await;
    let mut session = host.session(AGENT).await;
    let mut other = host.session(OTHER).await;
    let (kept, lost) = (make::data(1, 500), make::data(2, 500));
    assert_eq!(session.store(std::slice::from_ref(&kept)).await.expect("it goes on").durable, [1]);

    disk.fail(Faulty::Sync, 0, Failure::Broken);
    let put = session.put(lost.0, &lost.1).await;
    session.flush().await;
    assert_eq!(session.until(put).await.expect("it is told first").code(put), Some(Code::STORAGE_FAILED));
    assert_eq!(session.peer.end().await, Over::Fault(Code::STORAGE_FAILED));
    let put = other.put(lost.0, &lost.1).await;
    assert_eq!(other.until(put).await.expect("it may read").code(put), Some(Code::STORAGE_FAILED));
    let mut late = host.peer(AGENT).await;
    late.hello_new().await;
    assert_eq!(late.open("main").await, Err(Over::Fault(Code::STORAGE_FAILED)));
    let health = page(host.observe(), "/health").await;
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("[\"main\"]"), "{health}");
    let faults = sample(&host, "farkeep_faults_total{code=\"storage-failed\"}").await;
    assert!(faults.is_some_and(|faults| faults >= 3.0), "{faults:?}");

    other.leave().await;
    let mut again = host.session(AGENT).await;
    assert_eq!(again.probe(&[kept.0, lost.0]).await, [true, false]);
    assert_eq!(again.store(&[lost]).await.expect("it goes on").durable, [2]);
    assert!(page(host.observe(), "/health").await.starts_with("HTTP/1.1 200 "), "it is well again");
    again.leave().await;
    let folder = host.stop().await;
    let events = events(folder.path());
    let [event] = of(&events, "storage-failed")[..] else { panic!("not one in {events:?}") };
    assert_eq!(event["repository"], "main");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_refuses_and_the_session_goes_on() {
    let (host, disk) = on_disk().await;
    let mut session = host.session(AGENT).await;
    disk.limit_bytes(Some(0));
    let object = make::data(1, 500);
    let stored = session.store(std::slice::from_ref(&object)).await.expect("it goes on");
    assert_eq!((stored.durable, stored.refused), (vec![], vec![(1, Code::STORAGE_FULL)]));
    disk.limit_bytes(None);
    assert_eq!(session.store(&[object]).await.expect("it goes on").durable, [3]);
    session.leave().await;
    host.stop().await;
}

/// What one session has put is given up because the commit of another one found no room. Its client is told, and puts it
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_for_others_is_said_to_be_lost() {
    let (host, disk) = on_disk().await;
    let (mut session, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    let (objects, root) = make::tree(1, 2, 500);
    session.store(&objects).await.expect("it goes on");
    let object = make::data(9, 500);
    let put = other.put(object.0, &object.1).await;
    while other.probe(&[object.0]).await != [true] {}
    disk.fail(Faulty::Write, 0, Failure::Full);
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = session.commit(&record).await;
    assert_eq!(session.until(commit).await.expect("it goes on").code(commit), Some(Code::STORAGE_FULL));
    let flush = other.flush().await;
    let answered = other.until(flush).await.expect("it goes on");
    assert_eq!((answered.durable.clone(), answered.code(put)), (vec![], Some(Code::LOST)));
    assert_eq!(other.store(&[object]).await.expect("it goes on").durable.len(), 1);
    let commit = session.commit(&record).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    session.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_rotted_is_damaged_and_others_are_not() {
    let (host, disk) = on_disk().await;
    let mut session = host.session(AGENT).await;
    let objects = [make::data(1, 5_000), make::data(2, 5_000)];
    session.store(&objects).await.expect("it goes on");
    session.leave().await;
    for (path, _) in disk.files().iter().filter(|(path, _)| path.starts_with("packs")) {
        disk.mutate(path, |bytes| {
            let rotten = &objects[0].1[100..200];
            if let Some(at) = bytes.windows(100).position(|found| found == rotten) {
                bytes[at] ^= 1;
                // Parity mends one block of so small a pack.
                bytes[0] ^= 1;
            }
        })
        .expect("it is there");
    }
    let mut reader = host.session(READER).await;
    let sequence = reader.number();
    let ids = Ids::new(objects.iter().map(|(id, _)| *id).collect()).expect("two");
    reader.peer.send(&Get { sequence, ids }).await.expect("sent");
    let answered = reader.until(sequence).await.expect("it goes on");
    let (mut got, mut missing) = (Vec::new(), Vec::new());
    for came in &answered.all {
        match came.message() {
            FromServer::Object(object) => got.push((object.index, object.object.to_vec())),
            FromServer::Missing(object) => missing.push((object.index, object.code)),
            _ => {}
        }
    }
    assert_eq!(missing, [(0, Code::DAMAGED_OBJECT)]);
    assert_eq!(got, [(1, objects[1].1.clone())]);
    reader.leave().await;
    host.stop().await;
}

/// What the server cannot write down it does not promise.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_written_down_is_not_enrolled() {
    let host = Host::bare(config()).await;
    let token = host.token("web-1", Role::Agent, &["main"]);
    fs::remove_dir_all(host.folder().path().join("clients")).expect("it is there");
    let enrolled = host.peer(AGENT).await.enroll(&token, "web").await;
    assert_eq!(enrolled, Err(Over::Fault(Code::INTERNAL)));
    assert!(host.peer(AGENT).await.is_turned_away().await);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_raises_an_event_in_both_directions() {
    let start = SystemClock.now().nanoseconds();
    let after = |seconds: i64| Time::from_nanoseconds(start + seconds * 1_000_000_000);
    let clock = Arc::new(ManualClock::new(after(0)));
    let machine = Machine { clock: clock.clone(), ..Machine::default() };
    let host = Host::on(machine, config()).await;
    let mut received = Vec::new();
    let mut session = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 2, 500);
    session.store(&objects).await.expect("it goes on");
    for (jumps, seconds) in [(1, 3_600), (2, -7_200)] {
        clock.set(after(seconds));
        written(&host, "clock-jumped", jumps).await;
        let record = make::record(make::draft(&format!("web-1:/{jumps}"), root), AGENT);
        let commit = session.commit(&record).await;
        let answered = session.until(commit).await.expect("it goes on");
        received.push(answered.committed().expect("committed").received);
    }
    assert_eq!(received[0], after(3_600));
    assert!(received[1] >= received[0], "the points of a repository do not go back");
    session.leave().await;
    let folder = host.stop().await;
    let events = events(folder.path());
    let jumps = of(&events, "clock-jumped");
    let seconds: Vec<f64> = jumps.iter().map(|jump| jump["seconds"].as_f64().expect("a number")).collect();
    let [forth, back] = seconds[..] else { panic!("not two in {events:?}") };
    // Less what passed meanwhile.
    assert!((3_000.0..=3_600.0).contains(&forth) && (-12_000.0..=-10_800.0).contains(&back), "{seconds:?}");
}
