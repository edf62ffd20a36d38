//! Progress bars: one line at the foot of a terminal, with rate and remaining time.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::thread::spawn;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use indicatif::HumanCount;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::progress::Phase;
use crate::progress::Progress;
use crate::progress::Sample;

const INTERVAL: Duration = Duration::from_millis(100);

const KNOWN: &str = "{spinner} {prefix} [{bar:24}] {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  \
     {msg}  {eta} left";
const UNKNOWN: &str = "{spinner} {prefix} {decimal_bytes}  {decimal_bytes_per_sec}  {msg}  {elapsed}";
const COUNTED: &str =
    "{spinner} {prefix} [{bar:24}] {percent:>3}%  {human_pos} of {human_len}  {per_sec}  {eta} left";

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
}

impl Display {
    fn new() -> Self {
        // Hidden until the first sample gives it a style.
        Self { bar: ProgressBar::hidden(), shown: None }
    }

    fn show(&mut self, sample: &Sample) {
        let measure = Measure::of(sample);
        if self.shown != Some((sample.phase, measure)) {
            self.shown = Some((sample.phase, measure));
            let style =
                ProgressStyle::with_template(measure.template()).expect("the templates are constants");
            self.bar.reset();
            self.bar.set_style(style);
            self.bar.set_prefix(name(sample.phase));
        }
        self.bar.set_message(format!("{} entries", HumanCount(sample.entries_done)));
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
    }
}

#[cfg(test)]
mod tests;
