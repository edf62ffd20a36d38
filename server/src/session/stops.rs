//! What a session does not want any more of what it asked for ([`Stops`]).

use tokio::sync::watch;

/// Up to which number collections are given up.
#[derive(Debug, Clone)]
pub(super) struct Stops(watch::Sender<u64>);

impl Default for Stops {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Stops {
    /// Gives up those with lower numbers.
    pub(super) fn up_to(&self, number: u64) {
        self.0.send_replace(number);
    }

    /// Waits until that one is given up.
    pub(super) async fn reaches(&self, number: u64) {
        let mut up_to = self.0.subscribe();
        // It does not end: the sender is this one.
        let reached = up_to.wait_for(|up_to| *up_to > number).await;
        debug_assert!(reached.is_ok(), "nobody else has the sender");
    }
}
