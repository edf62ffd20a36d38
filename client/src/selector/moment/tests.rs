//! Moments on a fixed clock in fixed zones.

use proptest::prelude::*;

use super::*;

/// A Wednesday afternoon in Berlin, one hour ahead of UTC.
fn now() -> Zoned {
    "2025-11-19T15:30:00+01:00[Europe/Berlin]".parse().expect("a moment")
}

fn utc(text: &str) -> Time {
    let timestamp: Timestamp = text.parse().expect("a moment in UTC");
    Time::from_nanoseconds(timestamp.as_nanosecond().try_into().expect("within range"))
}

#[track_caller]
fn assert_moment(words: &str, expected: &str) {
    assert_eq!(parse(words, &now()), Ok(utc(expected)), "{words}");
}

#[test]
fn rfc_3339_is_taken_exactly() {
    assert_moment("2025-03-01T10:00:00Z", "2025-03-01T10:00:00Z");
    assert_moment("2025-03-01T10:00:00.000000001+02:00", "2025-03-01T08:00:00.000000001Z");
    assert_moment("2025-03-01 10:00:00-05:00", "2025-03-01T15:00:00Z");
}

#[test]
fn times_without_a_zone_are_on_the_local_clock() {
    assert_moment("2025-03-01T10:00:00", "2025-03-01T09:00:00Z");
    assert_moment("2025-07-01 10:00", "2025-07-01T08:00:00Z");
    assert_moment("2025-07-01T10:00:00[Asia/Tokyo]", "2025-07-01T01:00:00Z");
}

#[test]
fn a_date_means_all_of_that_day() {
    assert_moment("2025-11-18", "2025-11-18T22:59:59.999999999Z");
}

#[test]
fn words_are_relative_to_now() {
    assert_moment("yesterday 14:00", "2025-11-18T13:00:00Z");
    assert_moment("now", "2025-11-19T14:30:00Z");
    assert_moment("2 hours ago", "2025-11-19T12:30:00Z");
    assert_moment("3 days ago", "2025-11-16T14:30:00Z");
    assert_moment("last friday 8pm", "2025-11-14T19:00:00Z");
    assert_moment("14:00", "2025-11-19T13:00:00Z");
}

#[test]
fn words_that_could_mean_past_or_future_mean_the_past() {
    assert_moment("friday 20:00", "2025-11-14T19:00:00Z");
    assert_moment("1 december", "2024-12-01T22:59:59.999999999Z");
    assert_moment("noon", "2025-11-19T11:00:00Z");
    assert_moment("16:00", "2025-11-18T15:00:00Z");
    assert_moment("wednesday 16:00", "2025-11-12T15:00:00Z");
    assert_moment("wednesday 8am", "2025-11-19T07:00:00Z");
    assert_moment("29 feb", "2024-02-29T22:59:59.999999999Z");
}

#[test]
fn a_day_without_a_time_is_all_of_it() {
    assert_moment("today", "2025-11-19T22:59:59.999999999Z");
    assert_moment("yesterday", "2025-11-18T22:59:59.999999999Z");
    assert_moment("friday", "2025-11-14T22:59:59.999999999Z");
    assert_moment("last wednesday", "2025-11-12T22:59:59.999999999Z");
    assert_moment("Dec 1 2023", "2023-12-01T22:59:59.999999999Z");
    assert_moment("19 november", "2025-11-19T22:59:59.999999999Z");
}

#[test]
fn a_day_and_a_time_are_that_moment() {
    assert_moment("today 16:00", "2025-11-19T15:00:00Z");
    assert_moment("2025-07-01 noon", "2025-07-01T10:00:00Z");
    assert_moment("1 july 2025 8:30 pm", "2025-07-01T18:30:00Z");
    assert_moment("yesterday 14:00:30", "2025-11-18T13:00:30Z");
    assert_moment("midnight", "2025-11-18T23:00:00Z");
    assert_moment("today midnight", "2025-11-18T23:00:00Z");
    assert_moment("an hour ago", "2025-11-19T13:30:00Z");
    assert_moment("2 weeks ago", "2025-11-05T14:30:00Z");
    assert_moment("1 month ago", "2025-10-19T13:30:00Z");
}

#[test]
fn nonsense_is_refused_with_the_words_in_it() {
    for words in [
        "",
        "soon",
        "2025-13-01",
        "25:99",
        "25:00",
        "yesterday 24:30",
        "3 M0A",
        "3 Qqqqqqqqqqqqqqqqqqq",
        "the day before",
        "friday friday",
        "yesterday 14",
        "13pm",
        "0am",
        "24:00",
        "31 february",
        "-3 days ago",
        "3 days",
        "99999999999999999999 days ago",
        "999999999 years ago",
        "tomorrow",
        "yesterday 14:00 sharp",
        "now 14:00",
    ] {
        let problem = parse(words, &now()).expect_err(words).to_string();
        assert!(problem.contains(words) && problem.contains("yesterday 14:00"), "{problem}");
    }
    let far = parse("9000-01-01T00:00:00Z", &now());
    assert!(matches!(far, Err(MomentError::OutOfRange { .. })), "{far:?}");
}

#[test]
fn twelve_is_noon_and_midnight() {
    assert_moment("yesterday 12am", "2025-11-17T23:00:00Z");
    assert_moment("yesterday 12 PM", "2025-11-18T11:00:00Z");
    assert_moment("Yesterday 1 pm", "2025-11-18T12:00:00Z");
}

proptest! {
    #[test]
    fn what_rfc_3339_writes_is_read_back(nanoseconds: i64) {
        let timestamp = Timestamp::from_nanosecond(nanoseconds.into()).expect("within range");
        prop_assert_eq!(parse(&timestamp.to_string(), &now()), Ok(Time::from_nanoseconds(nanoseconds)));
    }

    #[test]
    fn no_words_make_it_panic(words in "([0-9]{1,5}|[a-zA-Z]{1,18}|now|last|ago|may|week|am|pm|[ :./,+-]){0,8}") {
        let _ = parse(&words, &now());
    }
}
