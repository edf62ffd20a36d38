use std::sync::Arc;
use std::task::Poll;

use farkeep_protocol::limits::FRAME_BODY_BYTES_MAX;

use super::*;

#[test]
fn what_is_done_is_given_again() {
    let mut intake = Intake::new(1_000, 8);
    assert_eq!(intake.due(1_000), None);
    intake.charge(Some(600)).expect("it is within the credit");
    assert_eq!(intake.due(1_000), None, "the server still holds it");
    intake.free_bytes(600);
    intake.free_request();
    assert_eq!(intake.due(1_000), Some(Credit { bytes: 600, requests: 0 }));
    assert_eq!(intake.due(1_000), None);
}

#[test]
fn little_is_given_to_whoever_has_nothing() {
    let mut intake = Intake::new(1_000, 8);
    intake.charge(Some(1_100)).expect("it may be overdrawn by the last frame");
    intake.free_bytes(150);
    assert_eq!(intake.due(1_000), Some(Credit { bytes: 150, requests: 0 }));
    intake.free_bytes(10);
    assert_eq!(intake.due(1_000), None, "it has 50 bytes left");
}

#[test]
fn a_smaller_share_is_reached_by_giving_less() {
    let mut intake = Intake::new(1_000, 8);
    intake.charge(Some(900)).expect("it is within the credit");
    intake.free_bytes(900);
    assert_eq!(intake.due(400), Some(Credit { bytes: 300, requests: 0 }));
    assert_eq!(
        intake.due(1_000),
        Some(Credit { bytes: 600, requests: 0 }),
        "and a larger one by giving more"
    );
}

#[test]
fn requests_are_given_again_when_they_are_done() {
    let mut intake = Intake::new(1_000, 8);
    for _ in 0..8 {
        intake.charge(None).expect("there is credit");
    }
    assert_eq!(intake.charge(None), Err(Overdrawn));
    assert_eq!(intake.due(1_000), None);
    intake.free_request();
    assert_eq!(intake.due(1_000), None, "one is not worth a message");
    intake.free_request();
    assert_eq!(intake.due(1_000), Some(Credit { bytes: 0, requests: 2 }));
}

#[test]
fn who_sends_without_credit_is_found_out() {
    let mut intake = Intake::new(10, 80);
    intake.charge(Some(FRAME_BODY_BYTES_MAX)).expect("it may be overdrawn by one frame");
    assert_eq!(intake.charge(Some(11)), Err(Overdrawn));
}

#[tokio::test]
async fn who_has_no_credit_waits_for_it() {
    let outflow = Arc::new(Outflow::new(1));
    outflow.charge(100).await;
    let mut waiting = Box::pin(outflow.charge(5));
    assert_eq!(poll(&mut waiting).await, Poll::Pending);
    outflow.grant(99);
    assert_eq!(poll(&mut waiting).await, Poll::Pending, "the debt is not paid");
    outflow.grant(1);
    waiting.await;
}

async fn poll(future: &mut (impl Future<Output = ()> + Unpin)) -> Poll<()> {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}
