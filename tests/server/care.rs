//! What a keeper has a server verify and repair, beside all who use it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::PackId;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::PlanRepair;
use farkeep_protocol::message::Repair;
use farkeep_protocol::message::Scrub;
use farkeep_protocol::message::ScrubOutcome;
use farkeep_protocol::message::Scrubbed;
use farkeep_protocol::message::Stop;
use farkeep_server::config::Config;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::READER;
use super::host::config;
use super::make;
use super::peer::Session;

/// So slow that it does not end while anybody waits for a test.
const CRAWL: u64 = 1;

/// A server that verifies nothing by itself.
fn quiet() -> Config {
    let mut config = config();
    config.scrub.enabled = false;
    config
}

/// A server with some packs.
async fn filled() -> Host {
    let host = Host::new(quiet()).await;
    let mut agent = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 3, 50_000);
    agent.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&record).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    agent.leave().await;
    host
}

async fn begin_scrub(session: &mut Session, bytes_per_second: u64) -> Sequence {
    let sequence = session.number();
    session.peer.send(&Scrub { sequence, seconds_max: 0, bytes_per_second }).await.expect("sent");
    sequence
}

async fn scrubbed(session: &mut Session, sequence: Sequence) -> Scrubbed {
    let answered = session.until(sequence).await.expect("it goes on");
    match answered.last.expect("it is answered").message() {
        FromServer::Scrubbed(scrubbed) => scrubbed,
        other => panic!("not scrubbed: {other:?}"),
    }
}

/// Hears of a scrub until it reads, and not just waits for its turn.
async fn reads(session: &mut Session) {
    loop {
        match session.peer.hear().await.expect("it is told").message() {
            FromServer::Scrubbing(at) if at.bytes_total > 0 => return,
            FromServer::Scrubbing(_) => {}
            other => panic!("it is not told how far it is: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_is_given_up_by_who_asked_for_it_and_with_its_connection() {
    let host = filled().await;
    let mut keeper = host.session(KEEPER).await;
    begin_scrub(&mut keeper, CRAWL).await;
    reads(&mut keeper).await;
    // It is cut, and the next one has its turn.
    drop(keeper);
    let mut keeper = host.session(KEEPER).await;
    let sequence = begin_scrub(&mut keeper, CRAWL).await;
    reads(&mut keeper).await;
    let stop = keeper.number();
    keeper.peer.send(&Stop { sequence: stop }).await.expect("sent");
    assert_eq!(scrubbed(&mut keeper, sequence).await.outcome, ScrubOutcome::Stopped);
    let sequence = begin_scrub(&mut keeper, 0).await;
    let all = scrubbed(&mut keeper, sequence).await;
    assert_eq!((all.outcome, all.damaged_count), (ScrubOutcome::Complete, 0), "{all:?}");
    assert!(all.bytes > 150_000, "{all:?}");
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_keeper_has_anything_verified_or_repaired() {
    let host = filled().await;
    for seed in [AGENT, READER] {
        let mut session = host.session(seed).await;
        for kind in [Kind::Scrub, Kind::PlanRepair, Kind::Repair] {
            let sequence = session.number();
            match kind {
                Kind::Scrub => {
                    let scrub = Scrub { sequence, seconds_max: 0, bytes_per_second: 0 };
                    session.peer.send(&scrub).await.expect("sent");
                }
                Kind::PlanRepair => session.peer.send(&PlanRepair { sequence }).await.expect("sent"),
                _ => {
                    let packs = List::new(vec![]).expect("none");
                    let repair = Repair { sequence, packs, files: true, index: true };
                    session.peer.send(&repair).await.expect("sent");
                }
            }
            let answered = session.until(sequence).await.expect("it goes on");
            assert_eq!(answered.code(sequence), Some(Code::ROLE), "{}", kind.name());
        }
        session.leave().await;
    }
    host.stop().await;
}

/// What a client says about packs harms none that is sound, and none that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn sound_packs_are_not_harmed_by_a_repair() {
    let host = filled().await;
    let packs = packs(&host.repository("main"));
    let before: Vec<Vec<u8>> = packs.iter().map(|path| fs::read(path).expect("readable")).collect();
    let mut named: Vec<PackId> = packs.iter().map(|path| id(path)).collect();
    named.push(PackId::from_bytes([0x77; 32]));
    let mut keeper = host.session(KEEPER).await;
    let sequence = keeper.number();
    let packs_named = List::new(named).expect("few");
    let repair = Repair { sequence, packs: packs_named, files: true, index: true };
    keeper.peer.send(&repair).await.expect("sent");
    let answered = keeper.until(sequence).await.expect("it goes on");
    let last = answered.last.expect("it is answered");
    let FromServer::Repaired(repaired) = last.message() else { panic!("not repaired: {last:?}") };
    assert_eq!((repaired.packs, repaired.blocks, repaired.objects), (packs.len() as u64, 0, 0));
    assert!(repaired.index && repaired.unhealed.is_empty(), "{repaired:?}");
    let after: Vec<Vec<u8>> = packs.iter().map(|path| fs::read(path).expect("readable")).collect();
    assert!(before == after);
    let needed: Vec<_> = make::tree(1, 3, 50_000).0.iter().map(|(id, _)| *id).collect();
    assert_eq!(keeper.probe(&needed).await, [true; 4]);
    keeper.leave().await;
    host.stop().await;
}

/// The files of all packs.
fn packs(repository: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path())
    };
    let (folders, mut files): (Vec<_>, Vec<_>) =
        inside(repository.join("packs")).partition(|path| path.is_dir());
    files.extend(folders.into_iter().flat_map(inside));
    files
}

/// The pack of a file, which has its name.
fn id(path: &Path) -> PackId {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let byte = |at: usize| u8::from_str_radix(&name[2 * at..2 * at + 2], 16).expect("hexadecimal");
    PackId::from_bytes(std::array::from_fn(byte))
}
