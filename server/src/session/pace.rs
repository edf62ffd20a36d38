//! Whether a client moves: silence and dripping look alike to a socket, and both hold memory.

use std::time::Duration;
use std::time::Instant;

use crate::config::Config;

#[cfg(test)]
mod tests;

/// What is to be said of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Moves,
    /// Nothing came for too long.
    Silent,
    /// What is under way moves too slowly.
    Slow,
}

/// How a connection moves.
#[derive(Debug)]
pub(super) struct Pace {
    silence: Duration,
    progress: Duration,
    progress_bytes: u64,
    /// When bytes were heard of last, and how many there were.
    heard: (Instant, u64),
    /// Since when a frame is under way, and how many bytes there were then.
    begun: Option<(Instant, u64)>,
}

impl Pace {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let progress = config.deadlines.progress;
        let progress_bytes = config.rates.progress_bytes as f64 * progress.as_secs_f64();
        Self {
            silence: config.deadlines.silence,
            progress,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "casts of floats saturate, and both factors are positive"
            )]
            progress_bytes: progress_bytes as u64,
            heard: (now, 0),
            begun: None,
        }
    }

    /// How often one has to look.
    pub(super) fn tick(&self) -> Duration {
        (self.silence.min(self.progress) / 4).max(Duration::from_millis(5))
    }

    /// A frame has come as a whole.
    pub(super) fn frame(&mut self) {
        self.begun = None;
    }

    /// What is to be said when so many bytes have come in all, the last of them inside a frame or not.
    pub(super) fn look(&mut self, now: Instant, bytes: u64, is_inside: bool) -> Verdict {
        if bytes != self.heard.1 {
            self.heard = (now, bytes);
        }
        if !is_inside {
            self.begun = None;
        } else {
            let (since, before) = *self.begun.get_or_insert((now, bytes));
            if now - since >= self.progress {
                if bytes - before < self.progress_bytes {
                    return Verdict::Slow;
                }
                self.begun = Some((now, bytes));
            }
        }
        if now - self.heard.0 >= self.silence { Verdict::Silent } else { Verdict::Moves }
    }
}
