//! When a job is due: a pure function of its schedule, its name and the time.

use std::str::FromStr;
use std::time::Duration;

use cronexpr::Crontab;
use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The shortest interval: a run of a large tree takes about as long.
const INTERVAL_MIN: Duration = Duration::from_secs(10);
/// The longest interval, a leap year.
const INTERVAL_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// A rule that says when a job is due.
#[derive(Debug, Clone)]
pub struct Schedule {
    rule: Rule,
    text: String,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Rule {
    /// At whole multiples since 1970, so that a restart moves nothing.
    Every(Duration),
    Cron(Crontab),
}

/// A text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no schedule: write \"every 15m\" (s, m, h, d; 10s to 366d) or the five fields of cron, as in \
     \"0 3 * * 1-5\"{why}"
)]
pub struct NotASchedule {
    text: String,
    why: String,
}

impl Schedule {
    /// Reads a schedule; times of cron are those of `zone`.
    ///
    /// # Errors
    /// [`NotASchedule`] names the forms.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Self, NotASchedule> {
        let refused = |why: String| NotASchedule { text: text.to_owned(), why };
        let words = text.trim();
        let rule = match words.strip_prefix("every ") {
            Some(interval) => Rule::Every(self::interval(interval).ok_or_else(|| refused(String::new()))?),
            None => Rule::Cron(crontab(words, zone).map_err(|why| refused(format!(" ({why})")))?),
        };
        Ok(Self { rule, text: words.to_owned(), zone: zone.clone() })
    }

    /// The first time after `after` at which the job is due; `None` if there is none any more.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(interval) => {
                let interval = i64::try_from(interval.as_secs()).ok()?;
                let next = (after.as_second().div_euclid(interval) + 1).checked_mul(interval)?;
                Timestamp::from_second(next).ok()
            }
            Rule::Cron(crontab) => {
                let next = crontab.find_next(after.to_zoned(self.zone.clone()).timestamp()).ok()?;
                Some(next.timestamp())
            }
        }
    }

    /// The last time until `now` at which the job was due; `None` if there was none within four years.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let days = [0, 1, 31, 366, 4 * 366].map(|days| SignedDuration::from_hours(24 * days));
        let spans = [SignedDuration::from_mins(1), SignedDuration::from_hours(1)].into_iter().chain(days);
        let since = |span| self.next(now.checked_sub(span).ok()?).filter(|due| *due <= now);
        let first = spans.filter(|span| !span.is_zero()).find_map(since)?;
        let following = |due: &Timestamp| self.next(*due).filter(|due| *due <= now);
        std::iter::successors(Some(first), following).last()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Due time of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A time was missed while nobody was there to keep it, and is made up for at once.
    Now,
    /// At this time.
    At(Timestamp),
    /// The schedule has come to its end.
    Never,
}

/// When a job that ran last for the due time `last` is due: with catch-up, at once when a time has passed since.
///
/// `spread` is added to every due time, the same one at each run of the same job on the same host, so that many hosts with
/// one schedule do not come in one second.
pub fn due(
    schedule: &Schedule,
    last: Option<Timestamp>,
    now: Timestamp,
    spread: Duration,
    catch_up: CatchUp,
) -> Due {
    let spread = SignedDuration::try_from(spread).unwrap_or(SignedDuration::ZERO);
    let missed = || {
        let last = last?;
        let next = schedule.next(last)?.checked_add(spread).ok()?;
        (next <= now).then_some(Due::Now)
    };
    if catch_up == CatchUp::Once
        && let Some(due) = missed()
    {
        return due;
    }
    // A due time whose spread has not passed yet is still to come.
    let from = now.checked_sub(spread).unwrap_or(now);
    let from = last.map_or(from, |last| last.max(from));
    match schedule.next(from).and_then(|next| next.checked_add(spread).ok()) {
        Some(time) => Due::At(time),
        None => Due::Never,
    }
}

/// What is done about times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// One run makes up for all of them.
    Once,
    /// Nothing: the next time is waited for.
    Skip,
}

/// A part of `jitter` that is the same for the same job on the same host, and spread evenly over jobs and hosts.
pub fn spread(host: &str, job: &str, jitter: Duration) -> Duration {
    let mut hasher = blake3::Hasher::new();
    hasher.update(host.as_bytes()).update(&[0]).update(job.as_bytes());
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    jitter.mul_f64(f64::from(u32::from_le_bytes([a, b, c, d])) / 2_f64.powi(32))
}

/// A number with a unit: `90s`, `15m`, `6h`, `1d`.
pub fn interval(text: &str) -> Option<Duration> {
    let duration = length(text)?;
    (INTERVAL_MIN..=INTERVAL_MAX).contains(&duration).then_some(duration)
}

/// A length of time of any size: `0s`, `90s`, `15m`, `6h`, `1d`.
pub fn length(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let number = u64::from_str(text[..text.len() - unit.len_utf8()].trim_end()).ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

fn crontab(text: &str, zone: &TimeZone) -> Result<Crontab, String> {
    if text.split_whitespace().count() != 5 {
        return Err("cron has five fields".to_owned());
    }
    let name = zone.iana_name().unwrap_or("UTC");
    cronexpr::parse_crontab(&format!("{text} {name}")).map_err(|error| error.to_string())
}
