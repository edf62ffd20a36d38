use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::CatchUp;
use super::Due;
use super::Schedule;
use super::due;
use super::spread;

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, &TimeZone::UTC).expect("it is one")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn intervals_and_cron_say_when_next() {
    let after = at("2026-03-01T08:59:59Z");
    assert_eq!(schedule("every 15m").next(after), Some(at("2026-03-01T09:00:00Z")));
    assert_eq!(schedule("every 15m").next(at("2026-03-01T09:00:00Z")), Some(at("2026-03-01T09:15:00Z")));
    assert_eq!(schedule("every 1d").next(after), Some(at("2026-03-02T00:00:00Z")));
    assert_eq!(schedule("30 3 * * 1-5").next(after), Some(at("2026-03-02T03:30:00Z")), "a Monday");
    let berlin = TimeZone::get("Europe/Berlin").expect("it is known");
    let nightly = Schedule::parse("30 2 * * *", &berlin).expect("it is one");
    assert_eq!(nightly.next(at("2026-03-27T12:00:00Z")), Some(at("2026-03-28T01:30:00Z")));
}

#[test]
fn what_is_no_schedule_is_refused_with_the_forms() {
    for text in [
        "",
        "every",
        "every 5s",
        "every 400d",
        "every 15",
        "every m",
        "every -1m",
        "* * * *",
        "61 * * * *",
        "hourly",
    ] {
        let refused = Schedule::parse(text, &TimeZone::UTC).expect_err(text).to_string();
        assert!(refused.contains("every 15m") && refused.contains("cron"), "{refused}");
    }
}

#[test]
fn a_time_that_was_missed_is_made_up_for_once() {
    let quarter = schedule("every 15m");
    let last = Some(at("2026-03-01T09:00:00Z"));
    let due_at = |now, catch_up| due(&quarter, last, at(now), Duration::ZERO, catch_up);
    assert_eq!(due_at("2026-03-01T09:14:59Z", CatchUp::Once), Due::At(at("2026-03-01T09:15:00Z")));
    assert_eq!(due_at("2026-03-01T12:01:00Z", CatchUp::Once), Due::Now);
    assert_eq!(due_at("2026-03-01T12:01:00Z", CatchUp::Skip), Due::At(at("2026-03-01T12:15:00Z")));
    let never_ran = due(&quarter, None, at("2026-03-01T12:01:00Z"), Duration::ZERO, CatchUp::Once);
    assert_eq!(never_ran, Due::At(at("2026-03-01T12:15:00Z")), "there is nothing to make up for");
}

#[test]
fn spread_moves_each_due_time_and_swallows_none() {
    let quarter = schedule("every 15m");
    let spread = Duration::from_secs(120);
    let due_at = |last: &str, now: &str| due(&quarter, Some(at(last)), at(now), spread, CatchUp::Skip);
    let first = due_at("2026-03-01T09:00:00Z", "2026-03-01T09:15:30Z");
    assert_eq!(first, Due::At(at("2026-03-01T09:17:00Z")), "the time has come, the spread has not");
    let next = due_at("2026-03-01T09:15:00Z", "2026-03-01T09:17:00Z");
    assert_eq!(next, Due::At(at("2026-03-01T09:32:00Z")));
}

proptest! {
    #[test]
    fn the_next_time_is_later_and_on_the_grid(second in 0..4_000_000_000_i64, minutes in 1..2_000_u32) {
        let after = Timestamp::from_second(second)?;
        let next = schedule(&format!("every {minutes}m")).next(after).expect("time goes on");
        let interval = i64::from(minutes) * 60;
        prop_assert!(next > after && next.as_second() - second <= interval);
        prop_assert_eq!(next.as_second() % interval, 0);
    }

    #[test]
    fn spread_stays_below_the_jitter(host in ".{0,12}", job in "[a-z]{1,12}", seconds in 0..100_000_u64) {
        let jitter = Duration::from_secs(seconds);
        let once = spread(&host, &job, jitter);
        prop_assert!(once < jitter || jitter.is_zero());
        prop_assert_eq!(once, spread(&host, &job, jitter), "the same each time");
    }
}

proptest! {
    #[test]
    fn the_last_time_is_the_one_that_no_other_follows(seconds in 1_600_000_000_i64..2_000_000_000, which in 0..5_usize) {
        let texts = ["every 15m", "every 7d", "* * * * *", "30 3 * * 1-5", "0 0 29 2 *"];
        let (schedule, now) = (schedule(texts[which]), Timestamp::from_second(seconds)?);
        let last = schedule.last(now).expect("there was one");
        prop_assert!(last <= now);
        prop_assert!(schedule.next(last).is_none_or(|next| next > now), "{last} {now}");
        prop_assert_eq!(schedule.next(last - Duration::from_secs(1)), Some(last));
        prop_assert_eq!(schedule.last(last), Some(last));
    }
}
