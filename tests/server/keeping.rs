//! What keepers change: key slots, and snapshots that are forgotten.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::Settings;
use farkeep_engine::policy::Policy;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::field::TagToken;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message;
use farkeep_protocol::message::AddSlot;
use farkeep_protocol::message::Forget;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::List;
use farkeep_protocol::message::RemoveSlot;
use farkeep_protocol::message::Slots;

use super::host::AGENT;
use super::host::Host;
use super::host::KEEPER;
use super::host::READER;
use super::host::config;
use super::make;
use super::peer::Came;
use super::peer::Over;
use super::peer::Session;
use super::peer::hello;

const FIRST: SlotId = SlotId::from_bytes([1; 16]);
const SECOND: SlotId = SlotId::from_bytes([2; 16]);
const THIRD: SlotId = SlotId::from_bytes([3; 16]);

async fn answer(session: &mut Session, sequence: Sequence) -> Result<(), Code> {
    let answered = session.until(sequence).await.expect("it goes on");
    answered.code(sequence).map_or(Ok(()), Err)
}

async fn add(session: &mut Session, slot: SlotId) -> Result<(), Code> {
    add_bytes(session, slot, &make::slot("more")).await
}

async fn add_bytes(session: &mut Session, slot: SlotId, bytes: &[u8]) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&AddSlot { sequence, slot, bytes }).await.expect("sent");
    answer(session, sequence).await
}

async fn remove(session: &mut Session, slot: SlotId) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&RemoveSlot { sequence, slot }).await.expect("sent");
    answer(session, sequence).await
}

async fn forget(session: &mut Session, snapshot: SnapshotId) -> Result<(), Code> {
    let sequence = session.number();
    let reason = Text::new("a test").expect("short");
    session.peer.send(&Forget { sequence, snapshot, reason }).await.expect("sent");
    answer(session, sequence).await
}

async fn count(session: &mut Session, kind: Kind) -> usize {
    let sequence = session.number();
    match kind {
        Kind::Slot => session.peer.send(&Slots { sequence }).await.expect("sent"),
        _ => {
            let prefix = Text::new("").expect("short");
            session.peer.send(&List { sequence, newest: 0, prefix }).await.expect("sent");
        }
    }
    let answered = session.until(sequence).await.expect("it goes on");
    answered.all.iter().filter(|came| came.kind == kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn key_slots_are_added_and_removed_but_for_the_last() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(add(&mut keeper, FIRST).await, Err(Code::EXISTS));
    assert_eq!(add(&mut keeper, SECOND).await, Ok(()));
    assert_eq!(count(&mut keeper, Kind::Slot).await, 2);
    assert_eq!(remove(&mut keeper, FIRST).await, Ok(()));
    assert_eq!(remove(&mut keeper, FIRST).await, Err(Code::NOT_FOUND));
    assert_eq!(remove(&mut keeper, SECOND).await, Err(Code::LAST_SLOT));
    assert_eq!(count(&mut keeper, Kind::Slot).await, 1);
    keeper.leave().await;
    host.stop().await;
}

/// Whatever program a keeper runs, what is of an epoch stays readable.
#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_epochs_stay_and_count_for_nothing() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    assert_eq!(add_bytes(&mut keeper, SECOND, &make::epoch_slot()).await, Ok(()));
    assert_eq!(remove(&mut keeper, SECOND).await, Err(Code::HELD));
    assert_eq!(
        remove(&mut keeper, FIRST).await,
        Err(Code::LAST_SLOT),
        "the other one opens nothing by itself"
    );
    assert_eq!(add(&mut keeper, THIRD).await, Ok(()));
    assert_eq!(remove(&mut keeper, FIRST).await, Ok(()));
    assert_eq!(remove(&mut keeper, THIRD).await, Err(Code::LAST_SLOT));
    assert_eq!(count(&mut keeper, Kind::Slot).await, 2);
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_none_is_refused() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    let sequence = keeper.number();
    keeper.peer.send(&AddSlot { sequence, slot: SECOND, bytes: b"no slot" }).await.expect("sent");
    assert_eq!(answer(&mut keeper, sequence).await, Err(Code::MALFORMED));
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_forgets_and_an_agent_does_not() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&record).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    let snapshot = make::snapshot_id(&record);
    assert_eq!(forget(&mut agent, snapshot).await, Err(Code::ROLE));
    assert_eq!(forget(&mut keeper, make::snapshot_id(b"nothing")).await, Err(Code::NOT_FOUND));
    assert_eq!(forget(&mut keeper, snapshot).await, Ok(()));
    assert_eq!(count(&mut keeper, Kind::Listed).await, 0);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

/// Records that a list holds of the series: all that are not forgotten, or the newest.
async fn listed(session: &mut Session, newest: u32) -> Vec<SnapshotId> {
    let (sequence, prefix) = (session.number(), Text::new("web-1:/").expect("short"));
    session.peer.send(&List { sequence, newest, prefix }).await.expect("sent");
    let answered = session.until(sequence).await.expect("it goes on");
    let of = |came: &Came| match came.message() {
        FromServer::Listed(listed) => Some(make::snapshot_id(listed.record)),
        _ => None,
    };
    answered.all.iter().filter_map(of).collect()
}

/// The record to follow is the newest one, forgotten or not; whoever looks for a point to restore is shown none.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_goes_on_when_its_newest_was_forgotten() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let first = make::record(make::draft("web-1:/", root), AGENT);
    let commit = agent.commit(&first).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    let first = make::snapshot_id(&first);
    assert_eq!(forget(&mut keeper, first).await, Ok(()));
    assert_eq!(listed(&mut agent, 0).await, []);
    assert_eq!(listed(&mut agent, 1).await, [first]);
    let second = make::record(make::next(&make::draft("web-1:/", root), first, root), AGENT);
    let commit = agent.commit(&second).await;
    assert!(agent.until(commit).await.expect("it goes on").committed().is_some());
    assert_eq!(listed(&mut agent, 1).await, [make::snapshot_id(&second)]);
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_once_and_by_a_keeper() {
    let host = Host::new(config()).await;
    let (parameters, slot) = (make::parameters(), make::slot("first"));
    for (seed, name, parameters, slot, code) in [
        (KEEPER, "main", &parameters, &slot, Code::EXISTS),
        (KEEPER, "elsewhere", &parameters, &slot, Code::REPOSITORY_UNKNOWN),
        (AGENT, "main", &parameters, &slot, Code::ROLE),
    ] {
        let mut peer = host.peer(seed).await;
        peer.hello_new().await;
        assert_eq!(peer.create(name, parameters, slot).await, Err(Over::Fault(code)), "{name}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_repository_is_not_made() {
    let host = Host::bare(config()).await;
    host.know(KEEPER, "keeper", farkeep_protocol::hello::Role::Keeper, &["main"]).await;
    let (parameters, slot) = (make::parameters(), make::slot("first"));
    for (parameters, slot) in [(&b"no parameters"[..], slot.as_slice()), (&parameters, b"no slot")] {
        let mut peer = host.peer(KEEPER).await;
        peer.hello_new().await;
        assert_eq!(peer.create("main", parameters, slot).await, Err(Over::Fault(Code::MALFORMED)));
    }
    host.keeper_creates("main").await;
    host.stop().await;
}

/// Commits the first snapshot of a series, which nothing follows yet.
async fn commit(session: &mut Session, series: &str) -> SnapshotId {
    let (objects, root) = make::tree(1, 3, 500);
    session.store(&objects).await.expect("it goes on");
    let record = make::record(make::draft(series, root), AGENT);
    let commit = session.commit(&record).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    make::snapshot_id(&record)
}

/// Asks, and says what came of it.
async fn ask<'a, B: Body<'a>>(session: &mut Session, ask: impl FnOnce(Sequence) -> B) -> Result<(), Code> {
    let sequence = session.number();
    session.peer.send(&ask(sequence)).await.expect("sent");
    answer(session, sequence).await
}

async fn hold(session: &mut Session, snapshot: SnapshotId, until: i64) -> Result<(), Code> {
    let until = Time::from_nanoseconds(until);
    ask(session, |sequence| message::Hold { sequence, snapshot, until }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_cannot_be_shortened_by_anyone() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let snapshot = commit(&mut agent, "web-1:/").await;
    const FAR: i64 = 7_000_000_000_000_000_000;
    assert_eq!(hold(&mut agent, snapshot, FAR).await, Err(Code::ROLE));
    assert_eq!(hold(&mut keeper, snapshot, 1).await, Err(Code::TIME), "it would be over");
    assert_eq!(hold(&mut keeper, snapshot, FAR).await, Ok(()));
    assert_eq!(hold(&mut keeper, snapshot, FAR).await, Ok(()), "the same again");
    for until in [FAR - 1, 4_000_000_000_000_000_000] {
        assert_eq!(hold(&mut keeper, snapshot, until).await, Err(Code::HELD), "{until}");
    }
    for until in [i64::MIN, -1, 0] {
        assert_eq!(hold(&mut keeper, snapshot, until).await, Err(Code::TIME), "{until}");
    }
    assert_eq!(hold(&mut keeper, make::snapshot_id(b"nothing"), FAR).await, Err(Code::NOT_FOUND));
    // Settings do not reach it either, nor does forgetting it, and a session of its own sees the same.
    let settings = Settings { hold_seconds: 0, grace_seconds: 0, ..Settings::default() }.encode();
    let set = |sequence| message::SetSettings { sequence, settings: Counted::new(&settings).expect("short") };
    assert_eq!(ask(&mut keeper, set).await, Ok(()));
    assert_eq!(forget(&mut keeper, snapshot).await, Ok(()));
    keeper.leave().await;
    let mut keeper = host.session(KEEPER).await;
    let (sequence, prefix) = (keeper.number(), Text::new("").expect("short"));
    keeper.peer.send(&message::ListAll { sequence, prefix }).await.expect("sent");
    let answered = keeper.until(sequence).await.expect("it goes on");
    let listed = answered.all.iter().find_map(|came| match came.message() {
        FromServer::ListedToo(listed) => Some((listed.forgotten.expect("it was"), listed.held_until)),
        _ => None,
    });
    let (forgotten, held_until) = listed.expect("it is there still");
    assert_eq!((forgotten.until, held_until), (Time::from_nanoseconds(FAR), Time::from_nanoseconds(FAR)));
    agent.leave().await;
    keeper.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_keeper_decides_what_is_kept() {
    let host = Host::new(config()).await;
    let (mut agent, mut reader) = (host.session(AGENT).await, host.session(READER).await);
    let snapshot = commit(&mut agent, "web-1:/").await;
    let policy = Policy { last: 1, ..Policy::new("*".parse().expect("a pattern")) };
    let policy = policy.encode().expect("no tags");
    let settings = Settings::default().encode();
    let reason = || Text::new("x").expect("short");
    for session in [&mut agent, &mut reader] {
        for act in [message::Act::Plan, message::Act::Execute] {
            let policies = vec![Counted::new(&policy).expect("short")];
            let policies = farkeep_protocol::field::List::new(policies).expect("one");
            let refused = ask(session, |sequence| message::Retain { sequence, act, policies }).await;
            assert_eq!(refused, Err(Code::ROLE));
        }
        let set =
            |sequence| message::SetSettings { sequence, settings: Counted::new(&settings).expect("short") };
        assert_eq!(ask(session, set).await, Err(Code::ROLE));
        let recover = |sequence| message::Recover { sequence, snapshot, reason: reason() };
        assert_eq!(ask(session, recover).await, Err(Code::ROLE));
        let thaw = |sequence| message::Thaw { sequence, reason: reason() };
        assert_eq!(ask(session, thaw).await, Err(Code::ROLE));
        assert_eq!(forget(session, snapshot).await, Err(Code::ROLE));
    }
    assert_eq!(ask(&mut agent, |sequence| message::Settings { sequence }).await, Err(Code::ROLE));
    assert_eq!(count(&mut reader, Kind::Listed).await, 1);
    agent.leave().await;
    reader.leave().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_policy_and_what_are_no_settings_is_refused() {
    let host = Host::new(config()).await;
    let mut keeper = host.session(KEEPER).await;
    let bad = Settings { retention_schedule: "soon".to_owned(), ..Settings::default() }.encode();
    let nowhere = Settings { zone: "Nowhere".to_owned(), ..Settings::default() }.encode();
    for settings in [&bad, &nowhere, &b"nothing".to_vec(), &Vec::new()] {
        let settings = Counted::new(settings).expect("short");
        let refused = ask(&mut keeper, |sequence| message::SetSettings { sequence, settings }).await;
        assert_eq!(refused, Err(Code::MALFORMED));
    }
    let policies = farkeep_protocol::field::List::new(vec![Counted::new(b"none").expect("short")]);
    let (policies, act) = (policies.expect("one"), message::Act::Execute);
    let refused = ask(&mut keeper, |sequence| message::Retain { sequence, act, policies }).await;
    assert_eq!(refused, Err(Code::MALFORMED));
    keeper.leave().await;
    host.stop().await;
}

/// A tag keeps a snapshot though the server cannot read it; of one that nobody told it of, it knows no tag.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_tag_is_kept_by_its_token() {
    let host = Host::new(config()).await;
    let (mut agent, mut keeper) = (host.session(AGENT).await, host.session(KEEPER).await);
    let (objects, root) = make::tree(1, 3, 500);
    agent.store(&objects).await.expect("it goes on");
    let token = [7; 8];
    let mut draft = make::draft("web-1:/", root);
    let mut ids = Vec::new();
    for tokens in [Some(vec![token]), Some(vec![[8; 8]]), None, Some(Vec::new()), Some(Vec::new())] {
        let record = make::record(draft.clone(), AGENT);
        let sequence = match tokens {
            None => agent.commit(&record).await,
            Some(tokens) => {
                let sequence = agent.number();
                let tokens = tokens.into_iter().map(TagToken::from_bytes).collect();
                let tokens = farkeep_protocol::field::List::new(tokens).expect("few");
                let commit = message::CommitMarked { sequence, group: None, tokens, record: &record };
                agent.peer.send(&commit).await.expect("sent");
                sequence
            }
        };
        assert!(agent.until(sequence).await.expect("it goes on").committed().is_some());
        ids.push(make::snapshot_id(&record));
        draft = make::next(&draft, ids[ids.len() - 1], root);
    }
    let tags = [farkeep_engine::policy::TagToken(token)].into();
    let policy = Policy { tags, ..Policy::new("*".parse().expect("a pattern")) }.encode().expect("one tag");
    let policies = farkeep_protocol::field::List::new(vec![Counted::new(&policy).expect("short")]);
    let (sequence, policies, act) = (keeper.number(), policies.expect("one"), message::Act::Execute);
    keeper.peer.send(&message::Retain { sequence, act, policies }).await.expect("sent");
    let answered = keeper.until(sequence).await.expect("it goes on");
    let fates = answered.all.iter().filter_map(|came| match came.message() {
        FromServer::Planned(m) => {
            Some((m.snapshot, m.fate, m.why.first().map(|why| why.as_str().to_owned())))
        }
        _ => None,
    });
    let of = |at: usize, fate, why: &str| (ids[at], fate, Some(why.to_owned()));
    let expected = [
        of(0, message::Fate::Keep, "tag"),
        of(1, message::Fate::Forget, "*"),
        of(2, message::Fate::Keep, "tags unknown"),
        of(3, message::Fate::Forget, "*"),
        of(4, message::Fate::Keep, "least 1"),
    ];
    assert_eq!(fates.collect::<Vec<_>>(), expected);
    assert_eq!(count(&mut keeper, Kind::Listed).await, 3);
    // Tokens that are not in their order end the session, as all that breaks a rule does.
    let (sequence, record) = (agent.number(), make::record(draft, AGENT));
    let tokens = [TagToken::from_bytes([9; 8]), TagToken::from_bytes([8; 8])].into();
    let tokens = farkeep_protocol::field::List::new(tokens).expect("few");
    let commit = message::CommitMarked { sequence, group: None, tokens, record: &record };
    agent.peer.send(&commit).await.expect("sent");
    assert_eq!(agent.peer.end().await, Over::Fault(Code::MALFORMED));
    keeper.leave().await;
    host.stop().await;
}

/// It is served as it always was, and what it does not know it neither gets nor may say.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_version_1_is_served_as_before() {
    let host = Host::new(config()).await;
    let old = |seed| {
        let host = &host;
        async move {
            let mut peer = host.peer(seed).await;
            let versions = Versions::new(1, 1).expect("in order");
            peer.send(&Hello { versions, ..hello(Purpose::New) }).await.expect("sent");
            assert_eq!(peer.welcome().await.expect("it is spoken").version, 1);
            peer.open("main").await.expect("it is there");
            Session::over(peer)
        }
    };
    let (mut agent, mut keeper) = (old(AGENT).await, old(KEEPER).await);
    let snapshot = commit(&mut agent, "web-1:/").await;
    assert_eq!(listed(&mut agent, 1).await, [snapshot]);
    assert_eq!(forget(&mut keeper, snapshot).await, Ok(()));
    assert_eq!(listed(&mut agent, 1).await, [snapshot]);
    agent.leave().await;
    let sequence = keeper.number();
    keeper.peer.send(&message::Settings { sequence }).await.expect("sent");
    assert_eq!(keeper.peer.end().await, Over::Fault(Code::UNEXPECTED_MESSAGE));
    host.stop().await;
}
