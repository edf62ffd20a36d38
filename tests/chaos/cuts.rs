//! A session that is cut anywhere costs what was under way, and nothing that was acknowledged.

use super::proxy::Harm;
use super::proxy::Plan;
use super::proxy::Way;
use super::trial::After;
use super::trial::Recorded;
use super::trial::expect_all_kept;
use super::trial::patient;
use super::trial::recorded;
use crate::world::Random;

/// One errand for each of these bytes, each cut there once.
fn cuts(recorded: &Recorded, offsets: &[usize]) -> Vec<Vec<Plan>> {
    let harm = |at: usize| if at.is_multiple_of(2) { Harm::Close } else { Harm::Reset };
    offsets.iter().map(|at| vec![Plan::with(recorded.way, *at, harm(*at))]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_cut_at_any_byte_goes_on() {
    for recorded in recorded().await {
        let plans = cuts(&recorded, &recorded.offsets(1));
        let connections = expect_all_kept(&patient(), &plans, After::Resumes).await;
        // The last bytes are a goodbye, without which a client can be done; and a line may carry a few less than were recorded.
        let cut = connections.iter().filter(|count| **count > 1).count();
        assert_eq!(connections.len(), recorded.length + 1);
        assert!(cut * 10 > recorded.length * 9, "{cut} of {} were cut", recorded.length);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_cut_off_and_gives_up_leaves_what_was_acknowledged() {
    for recorded in recorded().await {
        let plans = cuts(&recorded, &recorded.offsets(29));
        expect_all_kept(&patient(), &plans, After::GivesUp).await;
    }
}

/// Cut after cut, the resumed connections too, at bytes that a seed decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_cut_again_and_again_gets_on() {
    let [up, down] = recorded().await;
    let plans = (0..100).map(|seed| {
        let mut random = Random::new(seed);
        let mut below = |most: usize| usize::try_from(random.next() % most as u64).expect("it was one");
        let plan = |_| match below(4) {
            0 => Plan::with(Way::Up, below(up.length), Harm::Close),
            1 => Plan::with(Way::Up, below(up.length), Harm::Reset),
            2 => Plan::with(Way::Down, below(down.length), Harm::Close),
            _ => Plan::with(Way::Down, below(down.length), Harm::Reset),
        };
        (0..8).map(plan).collect()
    });
    expect_all_kept(&patient(), &plans.collect::<Vec<_>>(), After::Resumes).await;
}
