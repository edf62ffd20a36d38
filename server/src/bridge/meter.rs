//! How much somebody has stored, held against what they may.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_protocol::fault::Code;

use super::Failure;
use crate::config::Quota;
use crate::observe::Event;
use crate::observe::Recorder;

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
    has_refused: AtomicBool,
    recorder: Recorder,
}

impl Meter {
    pub(super) fn new(whose: String, quota: Quota, used_bytes: u64, recorder: Recorder) -> Self {
        Self {
            whose,
            quota,
            used_bytes: AtomicU64::new(used_bytes),
            has_warned: AtomicBool::new(false),
            has_refused: AtomicBool::new(false),
            recorder,
        }
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
            if !self.has_refused.swap(true, Ordering::Relaxed) {
                let (whose, used_bytes) = (self.whose.clone(), self.used_bytes());
                self.recorder.raise(Event::QuotaHard { whose, used_bytes, limit_bytes: hard });
            }
            let text = format!("{} may store {hard} bytes", self.whose);
            return Err(Failure::new(Code::QUOTA_EXCEEDED, text));
        };
        let used_bytes = before.saturating_add(bytes);
        if let Some(limit_bytes) = self.quota.soft_bytes.filter(|soft| used_bytes > *soft)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            self.recorder.raise(Event::QuotaSoft { whose: self.whose.clone(), used_bytes, limit_bytes });
        }
        Ok(())
    }

    /// Takes back bytes that did not land after all.
    pub(super) fn release(&self, bytes: u64) {
        let sub = |used: u64| Some(used.saturating_sub(bytes));
        let _always = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sub);
    }
}
