//! A key that was taken from a host: it can neither read, nor see others, nor delete.

use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::JournalHash;
use farkeep_protocol::field::JournalHead;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Within;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Role;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::AddSlot;
use farkeep_protocol::message::Adopted;
use farkeep_protocol::message::Follow;
use farkeep_protocol::message::Forget;
use farkeep_protocol::message::Get;
use farkeep_protocol::message::Hold;
use farkeep_protocol::message::List;
use farkeep_protocol::message::Locate;
use farkeep_protocol::message::RemoveSlot;
use farkeep_protocol::message::Slots;
use farkeep_protocol::message::Usage;
use farkeep_protocol::message::Verify;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::end;
use crate::chaos::proxy::Proxy;
use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::KEEPER;
use crate::server::host::OTHER;
use crate::server::host::READER;
use crate::server::host::config;
use crate::server::make;
use crate::server::peer::HUNG;
use crate::server::peer::Over;
use crate::server::peer::Peer;
use crate::server::peer::Session;
use crate::server::peer::resume;

/// The agent's session, where there is something to steal and to delete.
async fn thief(host: &Host) -> (Session, farkeep_codec::id::ObjectId, farkeep_codec::id::SnapshotId) {
    let mut victim = host.session(OTHER).await;
    let (objects, root) = make::tree(1, 3, 500);
    victim.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-2:/", root), OTHER);
    let commit = victim.commit(&record).await;
    assert!(victim.until(commit).await.expect("it goes on").committed().is_some());
    victim.leave().await;
    (host.session(AGENT).await, root, make::snapshot_id(&record))
}

async fn refused(session: &mut Session, ask: impl FnOnce(Sequence) -> Box<dyn AskedFor>) -> Option<Code> {
    let sequence = session.number();
    let bytes = ask(sequence).frame();
    session.peer.send_bytes(&bytes).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    assert_eq!(answered.all.len(), 1, "nothing but the refusal: {:?}", answered.all);
    answered.code(sequence)
}

/// Any request.
trait AskedFor {
    fn frame(&self) -> Vec<u8>;
}

impl<M: Body<'static>> AskedFor for M {
    fn frame(&self) -> Vec<u8> {
        crate::server::peer::frame(self)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_nothing() {
    let host = Host::new(config()).await;
    let (mut thief, root, _) = thief(&host).await;
    let ids = || Ids::new(vec![root]).expect("one");
    assert_eq!(
        refused(&mut thief, |sequence| Box::new(Get { sequence, ids: ids() })).await,
        Some(Code::ROLE)
    );
    let ids = || Ids::new(vec![root]).expect("one");
    assert_eq!(
        refused(&mut thief, |sequence| Box::new(Locate { sequence, ids: ids() })).await,
        Some(Code::ROLE)
    );
    assert_eq!(refused(&mut thief, |sequence| Box::new(Slots { sequence })).await, Some(Code::ROLE));
    thief.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_learns_nothing_about_the_store() {
    let host = Host::new(config()).await;
    let (mut thief, _, _) = thief(&host).await;
    assert_eq!(refused(&mut thief, |sequence| Box::new(Usage { sequence })).await, Some(Code::ROLE));
    let share = Within::new(1_000_000).expect("a whole");
    assert_eq!(refused(&mut thief, |sequence| Box::new(Verify { sequence, share })).await, Some(Code::ROLE));
    thief.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_no_series_of_others() {
    let host = Host::new(config()).await;
    let (mut thief, _, _) = thief(&host).await;
    for prefix in ["", "web-2:/", "w"] {
        let sequence = thief.number();
        let prefix = Text::new(prefix).expect("short");
        thief.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
        let answered = thief.until(sequence).await.expect("it goes on");
        assert!(answered.all.iter().all(|came| came.kind == Kind::Done));
    }
    thief.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_deletes_nothing() {
    let host = Host::new(config()).await;
    let (mut thief, _, snapshot) = thief(&host).await;
    let reason = Text::new("revenge").expect("short");
    let forget = refused(&mut thief, |sequence| Box::new(Forget { sequence, snapshot, reason })).await;
    assert_eq!(forget, Some(Code::ROLE));
    let until = farkeep_codec::time::Time::from_nanoseconds(0);
    let hold = refused(&mut thief, |sequence| Box::new(Hold { sequence, snapshot, until })).await;
    assert_eq!(hold, Some(Code::ROLE));
    thief.leave().await;
    let mut reader = host.session(READER).await;
    let sequence = reader.number();
    let prefix = Text::new("web-2:/").expect("short");
    reader.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
    let answered = reader.until(sequence).await.expect("it goes on");
    assert!(answered.all.iter().any(|came| came.kind == Kind::Listed), "it is still there");
    reader.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_changes_no_keys() {
    let host = Host::new(config()).await;
    let (mut thief, _, _) = thief(&host).await;
    let slot = SlotId::from_bytes([1; 16]);
    let remove = refused(&mut thief, |sequence| Box::new(RemoveSlot { sequence, slot })).await;
    assert_eq!(remove, Some(Code::ROLE));
    let bytes = make::slot("mine").leak();
    let add = refused(&mut thief, |sequence| Box::new(AddSlot { sequence, slot, bytes })).await;
    assert_eq!(add, Some(Code::ROLE));
    thief.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_nothing() {
    let host = Host::new(config()).await;
    let (mut thief, _, _) = thief(&host).await;
    let head = JournalHead { sequence: 0, hash: JournalHash::from_bytes([0; 32]) };
    let follow = refused(&mut thief, |sequence| Box::new(Follow { sequence, after: head })).await;
    assert_eq!(follow, Some(Code::ROLE));
    thief.peer.send(&Adopted { head }).await.expect("sent");
    assert_eq!(thief.peer.end().await, Over::Fault(Code::ROLE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_opened_to_read_changes_nothing() {
    let host = Host::new(config()).await;
    let mut peer = host.peer(KEEPER).await;
    peer.hello_new().await;
    peer.open_for("main", Access::Read).await.expect("it is open to this client");
    let mut session = Session::over(peer);
    let (id, object) = make::data(1, 100);
    let put = session.put(id, &object).await;
    assert_eq!(session.until(put).await.expect("it goes on").code(put), Some(Code::ROLE));
    let slot = SlotId::from_bytes([1; 16]);
    let remove = refused(&mut session, |sequence| Box::new(RemoveSlot { sequence, slot })).await;
    assert_eq!(remove, Some(Code::ROLE));
    session.leave().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shut_out_in_the_middle_of_its_session() {
    let host = Host::new(config()).await;
    let (mut thief, _, _) = thief(&host).await;
    thief.store(&[make::data(1, 100)]).await.expect("it goes on");
    host.revoke(AGENT);
    assert_eq!(thief.peer.end().await, Over::Fault(Code::REVOKED));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_waits_to_be_resumed_is_shut_out_too() {
    let mut config = config();
    config.deadlines.resume = Duration::from_secs(3_600);
    let host = Host::new(config).await;
    let (thief, _, _) = thief(&host).await;
    drop(thief);
    host.revoke(AGENT);
    while host.sessions() > 0 {
        tokio::task::yield_now().await;
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_taken_away() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    host.know(KEEPER, "keeper", Role::Agent, &["main"]).await;
    assert_eq!(keeper.peer.end().await, Over::Fault(Code::ROLE));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_taken_away() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    host.know(AGENT, "web-1", Role::Agent, &["elsewhere"]).await;
    assert_eq!(agent.peer.end().await, Over::Fault(Code::REPOSITORY_UNKNOWN));
    end(host).await;
}

/// Somebody on the line kept all that an agent sent, and sends it once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_recorded_is_not_had_twice() {
    let host = Host::new(config()).await;
    let proxy = Proxy::start(host.address(), vec![]).await;
    let mut peer = Peer::connect(proxy.address(), host.key(), AGENT).await.expect("it connects");
    let name = peer.hello_new().await.session;
    peer.open("main").await.expect("it is open to this client");
    let mut session = Session::over(peer);
    let (objects, root) = make::tree(1, 3, 500);
    session.store(&objects).await.expect("it goes on");
    let commit = session.commit(&make::record(make::draft("web-1:/", root), AGENT)).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    session.leave().await;
    let (recorded, answers) = proxy.seen();

    let mut again = TcpStream::connect(host.address()).await.expect("it listens");
    // The server ends it before it has read all of it.
    drop(again.write_all(&recorded).await);
    let mut answer = Vec::new();
    drop(timeout(HUNG, again.read_to_end(&mut answer)).await.expect("it is ended"));
    assert!(answer.len() < answers.len(), "no more than what a stranger hears");
    // Nor is the session to be had by its name, not even by whose it was.
    for seed in [AGENT, OTHER] {
        let resumed = resume(host.peer(seed).await, name).await.err();
        assert_eq!(resumed, Some(Over::Fault(Code::SESSION_UNKNOWN)));
    }
    let mut reader = host.session(READER).await;
    let sequence = reader.number();
    let prefix = Text::new("").expect("short");
    reader.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
    let answered = reader.until(sequence).await.expect("it goes on");
    assert_eq!(answered.all.iter().filter(|came| came.kind == Kind::Listed).count(), 1);
    reader.leave().await;
    end(host).await;
}
