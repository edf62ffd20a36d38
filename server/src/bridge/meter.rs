//! How much somebody has stored, held against what they may.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_protocol::fault::Code;

use super::Failure;
use crate::config::Quota;

#[cfg(test)]
mod tests;

/// Counts bytes that are stored, and those that are about to be.
#[derive(Debug)]
pub(super) struct Meter {
    /// Whose bytes, for messages.
    whose: String,
    quota: Quota,
    used_bytes: AtomicU64,
    has_warned: AtomicBool,
}

impl Meter {
    pub(super) fn new(whose: String, quota: Quota, used_bytes: u64) -> Self {
        Self { whose, quota, used_bytes: AtomicU64::new(used_bytes), has_warned: AtomicBool::new(false) }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Counts bytes before they land.
    ///
    /// # Errors
    /// If they are more than may be stored; nothing is counted then.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Failure> {
        let hard = self.quota.hard_bytes.unwrap_or(u64::MAX);
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= hard);
        let before = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let Ok(before) = before else {
            let text = format!("{} may store {hard} bytes", self.whose);
            return Err(Failure::new(Code::QUOTA_EXCEEDED, text));
        };
        let is_above = self.quota.soft_bytes.is_some_and(|soft| before.saturating_add(bytes) > soft);
        if is_above && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(whose = %self.whose, used_bytes = before + bytes, "a soft quota is exceeded");
        }
        Ok(())
    }

    /// Takes back bytes that did not land after all.
    pub(super) fn release(&self, bytes: u64) {
        let sub = |used: u64| Some(used.saturating_sub(bytes));
        let _always = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sub);
    }
}
