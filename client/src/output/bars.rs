//! Progress bars: one line at the foot of a terminal, with rate and remaining time.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::thread::spawn;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use indicatif::HumanCount;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use super::text;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::progress::Sample;

const INTERVAL: Duration = Duration::from_millis(100);

/// Before so much time has passed, nobody can tell a rate.
const SETTLING: Duration = Duration::from_secs(1);

const KNOWN: &str =
    "{spinner} {prefix} [{bar:24}] {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  {msg}";
const UNKNOWN: &str = "{spinner} {prefix} {decimal_bytes}  {msg}  {elapsed}";
const COUNTED: &str = "{spinner} {prefix} [{bar:24}] {percent:>3}%  {human_pos} of {human_len}  {msg}";

/// A displayed operation; the display ends with it.
pub struct Watch {
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watch {
    pub(super) fn idle() -> Self {
        Self { ticker: None }
    }

    pub(super) fn begin(progress: Arc<Progress>) -> Self {
        let (stop, stopped) = bounded(0);
        let ticker = spawn(move || {
            let mut display = Display::new();
            let mut target = Some(ProgressDrawTarget::stderr());
            // Dropping the sender ends the wait at once, so a short run never lasts a tick longer for its bar.
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                display.show(&progress.sample());
                if let Some(target) = target.take() {
                    display.bar.set_draw_target(target);
                }
            }
            display.bar.finish_and_clear();
        });
        Self { ticker: Some((stop, ticker)) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((stop, ticker)) = self.ticker.take() {
            drop(stop);
            // A ticker that panicked has drawn its last; the operation itself is fine.
            let _ = ticker.join();
        }
    }
}

/// What a phase's bar measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    BytesOfTotal,
    Bytes,
    EntriesOfTotal,
}

impl Measure {
    fn of(sample: &Sample) -> Self {
        match (sample.bytes_total, sample.entries_total) {
            (0, 0) => Self::Bytes,
            (0, _) => Self::EntriesOfTotal,
            _ => Self::BytesOfTotal,
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::BytesOfTotal => KNOWN,
            Self::Bytes => UNKNOWN,
            Self::EntriesOfTotal => COUNTED,
        }
    }
}

struct Display {
    bar: ProgressBar,
    shown: Option<(Phase, Measure)>,
    /// When the phase was seen first.
    begun: Instant,
}

impl Display {
    fn new() -> Self {
        // Hidden until the first sample gives it a style.
        Self { bar: ProgressBar::hidden(), shown: None, begun: Instant::now() }
    }

    fn show(&mut self, sample: &Sample) {
        let measure = Measure::of(sample);
        if self.shown != Some((sample.phase, measure)) {
            if self.shown.is_none_or(|(phase, _)| phase != sample.phase) {
                self.begun = Instant::now();
                self.bar.reset();
            }
            self.shown = Some((sample.phase, measure));
            let style =
                ProgressStyle::with_template(measure.template()).expect("the templates are constants");
            self.bar.set_style(style);
            self.bar.set_prefix(name(sample.phase));
        }
        self.bar.set_message(pace(measure, sample, self.begun.elapsed()));
        match measure {
            Measure::BytesOfTotal => self.bar.set_length(sample.bytes_total.max(sample.bytes_done)),
            Measure::EntriesOfTotal => self.bar.set_length(sample.entries_total.max(sample.entries_done)),
            Measure::Bytes => self.bar.unset_length(),
        }
        self.bar.set_position(match measure {
            Measure::EntriesOfTotal => sample.entries_done,
            Measure::BytesOfTotal | Measure::Bytes => sample.bytes_done,
        });
        self.bar.tick();
    }
}

/// How fast it goes, how much of it there is, and when it ends: each as far as that can be told by now.
fn pace(measure: Measure, sample: &Sample, elapsed: Duration) -> String {
    let (done, total) = match measure {
        Measure::EntriesOfTotal => (sample.entries_done, sample.entries_total),
        Measure::BytesOfTotal | Measure::Bytes => (sample.bytes_done, sample.bytes_total),
    };
    let is_known = elapsed >= SETTLING && done > 0;
    let per_second = match measure {
        Measure::EntriesOfTotal => {
            let per_second = u128::from(done) * 1000 / elapsed.as_millis().max(1);
            format!("{}/s", HumanCount(u64::try_from(per_second).unwrap_or(u64::MAX)))
        }
        Measure::BytesOfTotal | Measure::Bytes => text::rate(done, elapsed),
    };
    let entries = format!("{} entries", HumanCount(sample.entries_done));
    let left = (total > done).then(|| {
        let milliseconds = u128::from(total - done) * elapsed.as_millis() / u128::from(done.max(1));
        let left = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        format!("{} left", text::duration(left))
    });
    let parts = [
        Some(per_second).filter(|_| is_known),
        Some(entries).filter(|_| measure != Measure::EntriesOfTotal),
        left.filter(|_| is_known),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "preparing",
        Phase::Storing => "backing up",
        Phase::Committing => "committing",
        Phase::Planning => "planning",
        Phase::Restoring => "restoring",
        Phase::Verifying => "reading back",
        Phase::Walking => "following trees",
        Phase::Reading => "reading packs",
        Phase::Opening => "opening objects",
        Phase::Sorting => "sorting objects",
        Phase::Copying => "copying",
        Phase::Waiting => "waiting for others",
        Phase::Removing => "removing",
    }
}

#[cfg(test)]
mod tests;
