//! How often something took how long.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::text::Form;
use super::text::Text;

#[cfg(test)]
mod tests;

/// Upper ends of the buckets, in microseconds, as they are written in seconds.
const ENDS: [(u64, &str); 13] = [
    (1_000, "0.001"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
];

/// Counts durations by their length.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; ENDS.len()],
    beyond: AtomicU64,
    sum_microseconds: AtomicU64,
}

impl Histogram {
    pub(super) fn count(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let ends = ENDS.iter().zip(&self.counts);
        let bucket = ends.into_iter().find(|((end, _), _)| microseconds <= *end).map(|(_, bucket)| bucket);
        bucket.unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(super) fn write(&self, name: &str, help: &str, text: &mut Text) {
        text.family(name, Form::Histogram, help);
        let bucket = format!("{name}_bucket");
        let mut sum = 0;
        for ((_, end), count) in ENDS.iter().zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            text.sample(&bucket, &[("le", end)], sum);
        }
        sum += self.beyond.load(Ordering::Relaxed);
        text.sample(&bucket, &[("le", "+Inf")], sum);
        let seconds = Duration::from_micros(self.sum_microseconds.load(Ordering::Relaxed)).as_secs_f64();
        text.sample(&format!("{name}_sum"), &[], seconds);
        text.sample(&format!("{name}_count"), &[], sum);
    }
}
