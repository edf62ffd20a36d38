//! Clients that mean harm, one test for each abuse: what they get is a fault, and others notice nothing.

mod agent;
mod floods;
mod frames;
mod order;
mod stolen;
mod strangers;

use crate::server::host::AGENT;
use crate::server::host::Host;
use crate::server::host::OTHER;
use crate::server::make;

/// Somebody else can still work: backs up, and finds what was backed up.
async fn expect_well(host: &Host) {
    let mut session = host.session(OTHER).await;
    let (objects, root) = make::tree(4_711, 3, 1_000);
    let stored = session.store(&objects).await.expect("an honest client is served");
    assert_eq!((stored.durable.len(), stored.refused.len()), (objects.len(), 0));
    let record = make::record(make::draft("honest:/", root), OTHER);
    let commit = session.commit(&record).await;
    assert!(session.until(commit).await.expect("it goes on").committed().is_some());
    session.leave().await;
}

/// Somebody else can still work, and the server stops in order.
async fn end(host: Host) {
    expect_well(&host).await;
    host.stop().await;
}

/// The seed of nobody.
const STRANGER: [u8; 32] = [0x5a; 32];

const _: () = assert!(AGENT[0] != OTHER[0], "the honest one is another one");
