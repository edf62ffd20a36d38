//! A server far away over a thin line. The clock of these tests goes by itself.

use farkeep_protocol::field::SessionId;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use farkeep_protocol::message;
use farkeep_protocol::stream::FrameReader;
use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::io::duplex;
use tokio::time::Instant;
use tokio::time::sleep;

use super::super::link::Event;
use super::super::link::Link;
use super::super::preface::Preface;
use super::super::preface::Setback;
use super::*;

/// A connection of a session that goes on, and the server's end of it.
async fn connected() -> (Link, DuplexStream) {
    let (ours, mut theirs) = duplex(1 << 20);
    let session = SessionId::from_bytes([7; 16]);
    let welcome = fake::say(&Welcome {
        version: 1,
        session,
        time: Time::from_nanoseconds(1),
        role: Role::Keeper,
        credit_bytes: 0,
        credit_requests: 0,
        acknowledged: 0,
        epoch: 0,
    });
    let hello = async {
        let mut reader = FrameReader::new(&mut theirs);
        let frame = reader.next(|_| true).await.expect("a Hello");
        Hello::decode(frame.body).expect("a good one");
        theirs.write_all(&welcome.bytes()).await.expect("the client reads");
    };
    let greet = Preface::greet(Box::new(ours), Purpose::Resume(session), 0);
    let (greeted, ()) = tokio::join!(greet, hello);
    let Ok((preface, _)) = greeted else { panic!("it was welcomed") };
    let mut link = Link::new();
    link.add(preface);
    (link, theirs)
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_may_take_its_time_as_long_as_it_moves() {
    let (mut link, mut server) = connected().await;
    let sequence = farkeep_protocol::field::Sequence::FIRST;
    let record = vec![1; 100_000];
    let said = fake::say(&message::Listed {
        sequence,
        journal: 1,
        received: Time::from_nanoseconds(2),
        record: &record,
    });
    let drip = async {
        for piece in said.bytes().chunks(10_000) {
            sleep(Duration::from_secs(40)).await;
            server.write_all(piece).await.expect("the client still reads");
        }
    };
    let (event, ()) = tokio::join!(link.events.recv(), drip);
    assert!(matches!(event, Some(Event::Frame(Kind::Listed, body)) if body == said.body));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stands_still_inside_a_frame_is_left() {
    for came in [0, 100] {
        let (mut link, mut server) = connected().await;
        let begun = Instant::now();
        server
            .write_all(&fake::say(&message::Heartbeat { time: Time::from_nanoseconds(1) }).bytes())
            .await
            .expect("read");
        assert!(matches!(link.events.recv().await, Some(Event::Frame(Kind::Heartbeat, _))));
        let mut frame = (1_000_u32.to_le_bytes()).to_vec();
        frame.extend(Kind::Listed.number().to_le_bytes());
        frame.resize(1_000, 0);
        server.write_all(&frame[..came]).await.expect("the client reads");
        let ended = link.events.recv().await;
        let waited = begun.elapsed().as_secs();
        assert!(matches!(ended, Some(Event::Ended(Setback::Passing(why))) if why.contains("silent")));
        assert!((60..=75).contains(&waited), "{waited}");
    }
}
