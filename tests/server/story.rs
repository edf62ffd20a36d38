//! From a token to a restored object.

use farkeep_protocol::fault::Code;
use farkeep_protocol::field::List as Ids;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Within;
use farkeep_protocol::hello::Role;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Get;
use farkeep_protocol::message::List;
use farkeep_protocol::message::Locate;
use farkeep_protocol::message::Slots;
use farkeep_protocol::message::Usage;
use farkeep_protocol::message::Verify;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::OTHER;
use super::host::READER;
use super::host::config;
use super::make;
use super::make::Sealed;
use super::peer::Over;
use super::peer::Session;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_enrols_makes_a_repository_and_backs_up() {
    let host = Host::bare(config()).await;
    let token = host.token("keeper", Role::Keeper, &["main"]);
    assert!(host.peer(KEEPER).await.is_turned_away().await);
    let came = host.peer(KEEPER).await.enroll(&token, "desk").await.expect("the token is good");
    let FromServer::Enrolled(enrolled) = came.message() else { panic!("{came:?}") };
    let names: Vec<&str> = enrolled.repositories.iter().map(|name| name.as_str()).collect();
    assert_eq!((enrolled.role, names.as_slice()), (Role::Keeper, &["main"][..]));

    let mut peer = host.peer(KEEPER).await;
    peer.hello_new().await;
    let came = peer.create("main", &make::parameters(), &make::slot("first")).await.expect("made");
    let FromServer::Opened(opened) = came.message() else { panic!("{came:?}") };
    assert_eq!((opened.repository, opened.parameters), (make::REPOSITORY, make::parameters().as_slice()));
    let mut session = Session::over(peer);

    let (objects, root) = make::tree(1, 20, 5_000);
    let ids: Vec<_> = objects.iter().map(|(id, _)| *id).collect();
    assert_eq!(session.probe(&ids).await, [false; 21]);
    let stored = session.store(&objects).await.expect("it goes on");
    assert_eq!((stored.durable, stored.refused), ((2..=22).collect(), vec![]));
    assert_eq!(session.probe(&ids).await, [true; 21]);

    let record = make::record(make::draft("desk:/", root), KEEPER);
    let commit = session.commit(&record).await;
    let committed = session.until(commit).await.expect("it goes on").committed().expect("committed");
    assert_eq!((committed.snapshot, committed.already), (make::snapshot_id(&record), false));
    let again = session.commit(&record).await;
    let again = session.until(again).await.expect("it goes on").committed().expect("committed");
    assert_eq!((again.snapshot, again.journal, again.already), (committed.snapshot, committed.journal, true));

    assert_eq!(listed(&mut session, "desk:/", 0).await, [record]);
    assert_eq!(got(&mut session, &objects).await, objects.iter().map(|(_, o)| o.clone()).collect::<Vec<_>>());
    session.leave().await;
    host.stop().await;
}

/// The records of a List.
async fn listed(session: &mut Session, prefix: &str, newest: u32) -> Vec<Vec<u8>> {
    let sequence = session.number();
    let prefix = Text::new(prefix).expect("short");
    session.peer.send(&List { sequence, newest, prefix }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let record = |came: &super::peer::Came| match came.message() {
        FromServer::Listed(listed) => Some(listed.record.to_vec()),
        _ => None,
    };
    answered.all.iter().filter_map(record).collect()
}

/// The objects of a Get, in the order in which they were asked for.
async fn got(session: &mut Session, wanted: &[Sealed]) -> Vec<Vec<u8>> {
    let sequence = session.number();
    let ids = Ids::new(wanted.iter().map(|(id, _)| *id).collect()).expect("not too many");
    session.peer.send(&Get { sequence, ids }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let mut objects: Vec<(u32, Vec<u8>)> = answered
        .all
        .iter()
        .filter_map(|came| match came.message() {
            FromServer::Object(object) => Some((object.index, object.object.to_vec())),
            _ => None,
        })
        .collect();
    objects.sort_by_key(|(index, _)| *index);
    objects.into_iter().map(|(_, object)| object).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_agent_stored_another_one_need_not_send() {
    let host = Host::new(config()).await;
    let (mut one, mut other) = (host.session(AGENT).await, host.session(OTHER).await);
    let (objects, root) = make::tree(1, 5, 3_000);
    one.store(&objects).await.expect("it goes on");
    let ids: Vec<_> = objects.iter().map(|(id, _)| *id).collect();
    assert_eq!(other.probe(&ids).await, [true; 6]);
    let record = make::record(make::draft("web-2:/", root), OTHER);
    let commit = other.commit(&record).await;
    assert!(other.until(commit).await.expect("it goes on").committed().is_some());
    assert_eq!(listed(&mut one, "", 0).await, [[0_u8; 0]; 0], "an agent sees its own series alone");
    assert_eq!(listed(&mut other, "", 0).await, [record]);
    one.leave().await;
    other.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_everything_and_changes_nothing() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 40, 30_000);
    agent.store(&objects).await.expect("it goes on");
    let first = make::draft("web-1:/", root);
    let records = {
        let record = make::record(first.clone(), AGENT);
        let second = make::record(make::next(&first, make::snapshot_id(&record), root), AGENT);
        [record, second]
    };
    for record in &records {
        let commit = agent.commit(record).await;
        assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    }

    let mut reader = host.session(READER).await;
    assert_eq!(listed(&mut reader, "", 0).await, records);
    assert_eq!(listed(&mut reader, "", 1).await, records[1..]);
    assert_eq!(listed(&mut reader, "elsewhere", 0).await, [[0_u8; 0]; 0]);
    // More than the credit of the first Hello: the client has to grant more, which `got` does not.
    assert_eq!(got(&mut reader, &objects[..20]).await.len(), 20);
    let put = reader.put(objects[0].0, &objects[0].1).await;
    assert_eq!(reader.until(put).await.expect("it goes on").code(put), Some(Code::ROLE));

    let sequence = reader.number();
    let ids = Ids::new(vec![objects[0].0, make::data(99, 50).0]).expect("two");
    reader.peer.send(&Locate { sequence, ids }).await.expect("sent");
    let answered = reader.until(sequence).await.expect("it goes on");
    let FromServer::Places(places) = answered.last.as_ref().expect("answered").message() else { panic!() };
    assert_eq!(places.places.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);

    let sequence = reader.number();
    reader.peer.send(&Slots { sequence }).await.expect("sent");
    let slots = reader.until(sequence).await.expect("it goes on");
    assert_eq!(slots.all.iter().filter(|came| came.kind == Kind::Slot).count(), 1);

    let sequence = reader.number();
    reader.peer.send(&Usage { sequence }).await.expect("sent");
    let used = reader.until(sequence).await.expect("it goes on");
    let FromServer::Used(used) = used.last.as_ref().expect("answered").message() else { panic!() };
    assert_eq!(used.objects, objects.len() as u64);

    let sequence = reader.number();
    let share = Within::new(1_000_000).expect("a whole");
    reader.peer.send(&Verify { sequence, share }).await.expect("sent");
    let verified = reader.until(sequence).await.expect("it goes on");
    let FromServer::Verified(verified) = verified.last.as_ref().expect("answered").message() else {
        panic!()
    };
    assert_eq!((verified.objects, verified.damaged.len()), (objects.len() as u64, 0));
    agent.leave().await;
    reader.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_the_server() {
    let host = Host::new(config()).await;
    let mut agent = host.session(AGENT).await;
    let (objects, root) = make::tree(1, 5, 3_000);
    agent.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&record).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    let stopping = tokio::spawn(host.stop());
    assert_eq!(agent.peer.hear().await.expect("it goes on").kind, Kind::Goodbye);
    agent.leave_quietly().await;
    let root = stopping.await.expect("no panic");

    let server = farkeep_server::Server::start(root.path(), config()).await.expect("it starts again");
    let mut peer =
        super::peer::Peer::connect(server.address(), server.key(), READER).await.expect("connects");
    peer.hello_new().await;
    peer.open("main").await.expect("it is open to this client");
    let mut reader = Session::over(peer);
    assert_eq!(listed(&mut reader, "", 0).await, [record]);
    assert_eq!(got(&mut reader, &objects).await.len(), objects.len());
    drop(reader);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_open_when_the_server_stops_is_ended() {
    let mut config = config();
    config.deadlines.stop = std::time::Duration::from_millis(50);
    let host = Host::new(config).await;
    let mut stubborn = host.session(AGENT).await;
    let stopping = tokio::spawn(host.stop());
    assert_eq!(stubborn.peer.end().await, Over::Fault(Code::SERVER_STOPPING));
    stopping.await.expect("no panic");
}
