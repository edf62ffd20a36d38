//! A moment in time as people write it: RFC 3339, a date, or words such as "yesterday 14:00" and "2 hours ago".
//!
//! Words are understood as a whole or refused: one that is passed over could be the one that matters.
//!
//! What is asked for is a past state, so words that could mean the past or the future mean the past, and a date without a
//! time means all of that day.

use farkeep_codec::time::Time;
use jiff::Span;
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::Zoned;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::civil::Time as Time24;
use jiff::civil::Weekday;
use thiserror::Error;

/// Why words are no moment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MomentError {
    /// They cannot be read.
    #[error(
        "{words:?} is no time that this program understands; it understands now, today, yesterday, midnight, noon, \
         14:00, 8pm, yesterday 14:00, friday 20:00, last friday, 1 december, 3 hours ago, 2026-03-01, \
         2026-03-01 09:00, and RFC 3339"
    )]
    Words {
        /// The words.
        words: String,
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
    let timestamp = exact(words, now).or_else(|| spoken(words, now).map(|moment| moment.timestamp()));
    let timestamp = timestamp.ok_or_else(|| MomentError::Words { words: words.to_owned() })?;
    let nanoseconds = i64::try_from(timestamp.as_nanosecond());
    let nanoseconds = nanoseconds.map_err(|_| MomentError::OutOfRange { words: words.to_owned() })?;
    Ok(Time::from_nanoseconds(nanoseconds))
}

/// Forms that need no clock: with an offset or a zone, or in the zone of `now`.
fn exact(words: &str, now: &Zoned) -> Option<Timestamp> {
    let at = |time: DateTime| time.to_zoned(now.time_zone().clone()).ok().map(|zoned| zoned.timestamp());
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
    end_of(date, now).map(|moment| moment.timestamp())
}

/// Words that count from `now`; nothing for those that have no meaning here.
fn spoken(words: &str, now: &Zoned) -> Option<Zoned> {
    let lower = words.to_lowercase().replace(" am", "am").replace(" pm", "pm");
    let words: Vec<&str> = lower.split_whitespace().collect();
    match words.as_slice() {
        ["now"] => return Some(now.clone()),
        [count, unit, "ago"] => return now.checked_sub(span(count, unit)?).ok(),
        _ => {}
    }
    let (day, rest) = day(&words, now)?;
    let time = match rest {
        [] => None,
        [word] => Some(time(word)?),
        _ => return None,
    };
    match (day, time) {
        (Day::Unsaid, None) => None,
        (Day::Unsaid, Some(time)) => {
            let today = at(now.date(), time, now)?;
            if today <= *now { Some(today) } else { at(now.date().yesterday().ok()?, time, now) }
        }
        (Day::One(date), Some(time)) => at(date, time, now),
        (Day::One(date), None) => end_of(date, now),
        (Day::Recurring(dates), time) => {
            let mut moments = dates.into_iter().filter_map(|date| match time {
                Some(time) => at(date, time, now).filter(|moment| moment <= now),
                None => end_of(date, now),
            });
            moments.next()
        }
    }
}

/// Which day is meant.
enum Day {
    /// None was named.
    Unsaid,
    /// This one.
    One(Date),
    /// The first of these on which the time has come.
    Recurring(Vec<Date>),
}

/// Takes the words for a day from the front.
fn day<'w>(words: &'w [&'w str], now: &Zoned) -> Option<(Day, &'w [&'w str])> {
    let today = now.date();
    Some(match words {
        ["today", rest @ ..] => (Day::One(today), rest),
        ["yesterday", rest @ ..] => (Day::One(today.yesterday().ok()?), rest),
        ["last", name, rest @ ..] => (Day::One(today.nth_weekday(-1, weekday(name)?).ok()?), rest),
        [name, rest @ ..] if weekday(name).is_some() => {
            let weekday = weekday(name)?;
            let before = today.nth_weekday(-1, weekday).ok()?;
            // Without a time, today would have been called so.
            let is_today = today.weekday() == weekday && !rest.is_empty();
            (Day::Recurring(is_today.then_some(today).into_iter().chain([before]).collect()), rest)
        }
        [number, name, rest @ ..] if month(name).is_some() => day_of_year(month(name)?, number, rest, today)?,
        [name, number, rest @ ..] if month(name).is_some() => day_of_year(month(name)?, number, rest, today)?,
        [date, rest @ ..] if date.parse::<Date>().is_ok() => (Day::One(date.parse().ok()?), rest),
        rest => (Day::Unsaid, rest),
    })
}

/// A day of a month, in the year that follows or else in the latest in which it has come.
fn day_of_year<'w>(month: i8, day: &str, rest: &'w [&'w str], today: Date) -> Option<(Day, &'w [&'w str])> {
    let day: i8 = day.parse().ok()?;
    if let [year, rest @ ..] = rest
        && year.len() == 4
        && let Ok(year) = year.parse()
    {
        return Some((Day::One(Date::new(year, month, day).ok()?), rest));
    }
    // Leap years are at most eight years apart.
    let years = (0..=8).filter_map(|back| Date::new(today.year().checked_sub(back)?, month, day).ok());
    let dates: Vec<Date> = years.filter(|date| *date <= today).collect();
    (!dates.is_empty()).then_some((Day::Recurring(dates), rest))
}

/// The number of the month or weekday in a list that a word of three letters or more begins.
fn named(names: &[&str], word: &str) -> Option<i8> {
    let found = names.iter().position(|name| word.len() >= 3 && name.starts_with(word))?;
    i8::try_from(found + 1).ok()
}

fn weekday(word: &str) -> Option<Weekday> {
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    named(&names, word).and_then(|number| Weekday::from_monday_one_offset(number).ok())
}

fn month(word: &str) -> Option<i8> {
    let names = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    named(&names, word)
}

/// `14:00`, `14:00:30`, `8pm`, `8:30pm`, `noon`, `midnight` (the one that the day begins with).
fn time(word: &str) -> Option<Time24> {
    let (clock, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        _ => (word, None),
    };
    match word {
        "noon" => return Time24::new(12, 0, 0, 0).ok(),
        "midnight" => return Some(Time24::midnight()),
        _ => {}
    }
    let number = |text: &str| -> Option<i8> {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok())?
    };
    let parts = clock.split(':').map(number).collect::<Option<Vec<i8>>>()?;
    let (hour, minute, second) = match (parts.as_slice(), half) {
        (&[hour], Some(_)) => (hour, 0, 0),
        (&[hour, minute], _) => (hour, minute, 0),
        (&[hour, minute, second], _) => (hour, minute, second),
        _ => return None,
    };
    let hour = match half {
        None => hour,
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
    };
    Time24::new(hour, minute, second, 0).ok()
}

/// `3 days`, `an hour`.
fn span(count: &str, unit: &str) -> Option<Span> {
    let count: i64 = match count {
        "a" | "an" | "one" => 1,
        digits => digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??,
    };
    let span = Span::new();
    match unit {
        "second" | "seconds" | "sec" | "s" => span.try_seconds(count),
        "minute" | "minutes" | "min" => span.try_minutes(count),
        "hour" | "hours" | "h" => span.try_hours(count),
        "day" | "days" | "d" => span.try_days(count),
        "week" | "weeks" | "w" => span.try_weeks(count),
        "month" | "months" => span.try_months(count),
        "year" | "years" | "y" => span.try_years(count),
        _ => return None,
    }
    .ok()
}

fn at(date: Date, time: Time24, now: &Zoned) -> Option<Zoned> {
    date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()
}

fn end_of(date: Date, now: &Zoned) -> Option<Zoned> {
    at(date.tomorrow().ok()?, Time24::midnight(), now)?.checked_sub(1.nanosecond()).ok()
}

#[cfg(test)]
mod tests;
