//! Credit of a session: what the client may send ([`Intake`]), and what the server may ([`Outflow`]).

use std::sync::Mutex;

use farkeep_protocol::credit::Overdrawn;
use farkeep_protocol::credit::Window;
use farkeep_protocol::message::Credit;
use tokio::sync::Notify;

#[cfg(test)]
mod tests;

/// What the client may send, and what the server still holds of what it sent.
#[derive(Debug)]
pub(super) struct Intake {
    window: Window,
    held_bytes: u64,
    held_requests: u32,
    requests: u32,
}

impl Intake {
    /// A client that may send so much.
    pub(super) fn new(bytes: u32, requests: u32) -> Self {
        Self { window: Window::new(bytes, requests), held_bytes: 0, held_requests: 0, requests }
    }

    /// A request came, with so many bytes that are charged.
    pub(super) fn charge(&mut self, charged_bytes: Option<usize>) -> Result<(), Overdrawn> {
        self.window.charge_request()?;
        self.held_requests += 1;
        if let Some(bytes) = charged_bytes {
            self.window.charge_bytes(bytes)?;
            self.held_bytes += bytes as u64;
        }
        Ok(())
    }

    /// The server is done with bytes that were charged.
    pub(super) fn free_bytes(&mut self, bytes: usize) {
        self.held_bytes = self.held_bytes.saturating_sub(bytes as u64);
    }

    /// The server is done with a request.
    pub(super) fn free_request(&mut self) {
        self.held_requests = self.held_requests.saturating_sub(1);
    }

    /// The credit that is due to a client whose share of the memory is now so many bytes. Little at a time is not
    /// worth a message, unless the client has nothing left.
    pub(super) fn due(&mut self, share_bytes: u32) -> Option<Credit> {
        let share = i64::from(share_bytes);
        let held = i64::try_from(self.held_bytes).unwrap_or(i64::MAX);
        let bytes = share.saturating_sub(self.window.bytes()).saturating_sub(held).max(0);
        let is_worth_it = bytes >= share / 4 || bytes > 0 && !self.window.has_bytes();
        let bytes = if is_worth_it { u32::try_from(bytes).unwrap_or(u32::MAX) } else { 0 };
        let requests = self.requests.saturating_sub(self.window.requests() + self.held_requests);
        let is_worth_it = requests >= self.requests / 4;
        let requests = if is_worth_it { requests } else { 0 };
        if (bytes, requests) == (0, 0) {
            return None;
        }
        self.window.grant(bytes, requests);
        Some(Credit { bytes, requests })
    }
}

/// What the server may send, over all connections of a session.
#[derive(Debug)]
pub(super) struct Outflow {
    window: Mutex<Window>,
    granted: Notify,
}

impl Outflow {
    pub(super) fn new(bytes: u32) -> Self {
        Self { window: Mutex::new(Window::new(bytes, 0)), granted: Notify::new() }
    }

    /// The client takes so much, whatever was before.
    pub(super) fn reset(&self, bytes: u32) {
        *self.window.lock().expect("nothing panics while it counts") = Window::new(bytes, 0);
        self.granted.notify_waiters();
    }

    /// The client takes more.
    pub(super) fn grant(&self, bytes: u32) {
        self.window.lock().expect("nothing panics while it counts").grant(bytes, 0);
        self.granted.notify_waiters();
    }

    /// Waits until a frame of so many bytes may be sent, and charges it.
    pub(super) async fn charge(&self, bytes: usize) {
        loop {
            let granted = self.granted.notified();
            tokio::pin!(granted);
            // Enlisted before the window is looked at, so that no grant is missed.
            granted.as_mut().enable();
            {
                let mut window = self.window.lock().expect("nothing panics while it counts");
                if window.has_bytes() {
                    window.charge_bytes(bytes).expect("no frame is longer than the debt that is allowed");
                    return;
                }
            }
            granted.await;
        }
    }
}
