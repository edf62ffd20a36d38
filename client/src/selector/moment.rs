//! A moment in time as people write it: RFC 3339, a date, or words such as "yesterday 14:00" and "2 hours ago".
//!
//! What is asked for is a past state, so words that could mean the past or the future mean the past, and a date without a
//! time means all of that day.

use farkeep_codec::time::Time;
use interim::Dialect;
use interim::parse_date_string;
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::Zoned;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use thiserror::Error;

/// The longest word that has a meaning here.
const LONGEST_WORD: &str = "yesterday";

/// Why words are no moment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MomentError {
    /// They cannot be read.
    #[error("{words:?} is no time that this program understands ({reason})")]
    Words {
        /// The words.
        words: String,
        /// What was expected.
        reason: String,
    },
    /// The moment lies beyond the years that a snapshot's time can have.
    #[error("{words:?} lies outside of the years 1678 to 2261")]
    OutOfRange {
        /// The words.
        words: String,
    },
}

/// The moment that the words name, on the clock and in the time zone of `now`.
///
/// # Errors
/// [`MomentError`] when there is none.
pub fn parse(words: &str, now: &Zoned) -> Result<Time, MomentError> {
    let words = words.trim();
    let timestamp = exact(words, now.time_zone()).map_or_else(|| spoken(words, now), Ok)?;
    let nanoseconds = i64::try_from(timestamp.as_nanosecond());
    let nanoseconds = nanoseconds.map_err(|_| MomentError::OutOfRange { words: words.to_owned() })?;
    Ok(Time::from_nanoseconds(nanoseconds))
}

/// Forms that need no clock: with an offset or a zone, or on the clock of `zone`.
fn exact(words: &str, zone: &TimeZone) -> Option<Timestamp> {
    let at = |time: DateTime| time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    if let Ok(timestamp) = words.parse() {
        return Some(timestamp);
    }
    if let Ok(zoned) = words.parse::<Zoned>() {
        return Some(zoned.timestamp());
    }
    if words.contains([':', 'T', 't']) {
        return words.parse().ok().and_then(at);
    }
    let date: Date = words.parse().ok()?;
    at(date.tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight()))?.checked_sub(1.nanosecond()).ok()
}

fn spoken(words: &str, now: &Zoned) -> Result<Timestamp, MomentError> {
    let refused = |reason: String| MomentError::Words { words: words.to_owned(), reason };
    let plain = plain(words).map_err(|reason| refused(reason.to_owned()))?;
    let read = |words: &str| parse_date_string(words, now.clone(), Dialect::Uk);
    let moment = read(&plain).map_err(|error| refused(error.to_string()))?;
    if moment <= *now {
        return Ok(moment.timestamp());
    }
    let past = read(&format!("last {plain}")).ok().filter(|past| past <= now);
    Ok(past.unwrap_or(moment).timestamp())
}

/// The words in the form in which interim 0.2.2 reads them rightly. It panics over capitals and long words behind a
/// number, takes 12am for noon and 12pm for midnight, and lets hours beyond 23 run into the next days.
fn plain(words: &str) -> Result<String, &'static str> {
    let lower = words.to_lowercase();
    let mut letters = lower.split(|c: char| !c.is_ascii_alphabetic());
    if letters.any(|word| word.len() > LONGEST_WORD.len()) {
        return Err("a word in it is too long");
    }
    let hour = |word: &str| word.split_once([':', '.']).and_then(|(hour, _)| hour.parse::<u32>().ok());
    if lower.split_whitespace().any(|word| hour(word).is_some_and(|hour| hour > 23)) {
        return Err("an hour in it is beyond 23");
    }
    let joined = lower.replace(" am", "am").replace(" pm", "pm");
    let words = joined.split_whitespace().map(|word| match word {
        "12am" => "00:00",
        "12pm" => "12:00",
        word => word,
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;
