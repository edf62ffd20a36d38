//! Credit: how much may be under way, counted alike by whoever sends and by whoever receives.
//!
//! A sender goes on while it has credit, and may overdraw it by its last frame: so credit can be smaller than the
//! largest frame, and nothing gets stuck. PROTOCOL.md, "Credit".

use thiserror::Error;

use crate::limits::FRAME_BODY_BYTES_MAX;

#[cfg(test)]
mod tests;

/// More was sent than credit was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more was sent than credit was given for")]
pub struct Overdrawn;

/// What may still be sent in one direction of a session, over all its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Negative while the last frame overdraws it.
    bytes: i64,
    requests: u32,
}

impl Window {
    const DEBT_BYTES_MAX: i64 = FRAME_BODY_BYTES_MAX as i64;

    /// A window of so many bytes and requests.
    pub fn new(bytes: u32, requests: u32) -> Self {
        Self { bytes: i64::from(bytes), requests }
    }

    /// More credit was given.
    pub fn grant(&mut self, bytes: u32, requests: u32) {
        self.bytes = self.bytes.saturating_add(i64::from(bytes));
        self.requests = self.requests.saturating_add(requests);
    }

    /// Bytes that may still be sent; below 0 while it is overdrawn.
    pub fn bytes(&self) -> i64 {
        self.bytes
    }

    /// Requests that may still be made.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether a sender may send a frame whose bytes are charged.
    pub fn has_bytes(&self) -> bool {
        self.bytes > 0
    }

    /// Whether a client may send a request.
    pub fn has_requests(&self) -> bool {
        self.requests > 0
    }

    /// A frame with so many bytes of body was sent or received, and they are charged.
    ///
    /// A receiver sees frames of several connections in another order than they were sent in. Whatever the order,
    /// an honest sender's debt is never more than one frame.
    ///
    /// # Errors
    /// [`Overdrawn`] if it is.
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<(), Overdrawn> {
        let bytes = i64::try_from(bytes).map_err(|_| Overdrawn)?;
        self.bytes =
            self.bytes.checked_sub(bytes).filter(|left| *left >= -Self::DEBT_BYTES_MAX).ok_or(Overdrawn)?;
        Ok(())
    }

    /// A request was sent or received.
    ///
    /// # Errors
    /// [`Overdrawn`] if there was no credit for it.
    pub fn charge_request(&mut self) -> Result<(), Overdrawn> {
        self.requests = self.requests.checked_sub(1).ok_or(Overdrawn)?;
        Ok(())
    }
}
