//! What an administrator would work out on paper.

use super::*;

/// One snapshot at noon of each day, over two years and a day, on the last of which, a Monday, it is half past noon.
fn two_years() -> (Vec<Candidate>, Time) {
    let first = date(2024, 11, 23);
    let at = |day: i64| first.checked_add(jiff::Span::new().days(day)).expect("within reach").at(12, 0, 0, 0);
    let snapshots = (0..731).map(|day| {
        let number = u64::try_from(day).expect("not negative");
        snapshot("host:home", number, time(&berlin(), at(day)))
    });
    (snapshots.collect(), time(&berlin(), date(2026, 11, 23).at(12, 30, 0, 0)))
}

/// The days of the snapshots that are kept, with the reasons, the newest first.
fn kept(snapshots: &[Candidate], policy: Policy, now: Time) -> Vec<String> {
    let plan = plan(snapshots, &only(policy, berlin()), now);
    assert_eq!(plan.keep.len() + plan.forget.len(), snapshots.len());
    let line = |kept: &Kept| {
        let of = snapshots.iter().find(|snapshot| snapshot.id == kept.id).expect("it was given");
        let day = berlin().to_datetime(timestamp(of.received)).date();
        let reasons: Vec<String> = kept.reasons.iter().map(ToString::to_string).collect();
        format!("{day}: {}", reasons.join(", "))
    };
    plan.keep.iter().rev().map(line).collect()
}

#[test]
fn daily_weekly_monthly_and_yearly_over_two_years() {
    let (snapshots, now) = two_years();
    let policy = Policy { daily: 4, weekly: 3, monthly: 4, yearly: 3, ..policy() };
    assert_eq!(
        kept(&snapshots, policy, now),
        [
            "2026-11-23: least 1, daily 2026-11-23, weekly 2026-W48, monthly 2026-11, yearly 2026",
            "2026-11-22: daily 2026-11-22, weekly 2026-W47",
            "2026-11-21: daily 2026-11-21",
            "2026-11-20: daily 2026-11-20",
            "2026-11-15: weekly 2026-W46",
            "2026-10-31: monthly 2026-10",
            "2026-09-30: monthly 2026-09",
            "2026-08-31: monthly 2026-08",
            "2025-12-31: yearly 2025",
            "2024-12-31: yearly 2024",
        ]
    );
}

#[test]
fn a_rule_that_is_short_keeps_the_oldest_too() {
    let (snapshots, now) = two_years();
    let lines = kept(&snapshots, Policy { monthly: 2, yearly: 10, ..policy() }, now);
    assert_eq!(
        lines,
        [
            "2026-11-23: least 1, monthly 2026-11, yearly 2026",
            "2026-10-31: monthly 2026-10",
            "2025-12-31: yearly 2025",
            "2024-12-31: yearly 2024",
            "2024-11-23: yearly, the oldest",
        ]
    );
    let all = kept(&snapshots, Policy { monthly: Policy::ALL, ..policy() }, now);
    assert_eq!(all.len(), 25 + 1, "25 months begun, and the oldest");
    assert_eq!(all.last().map(String::as_str), Some("2024-11-23: monthly, the oldest"));
    let enough = kept(&snapshots, Policy { yearly: 3, ..policy() }, now);
    assert_eq!(enough.len(), 3, "three years have one each");
}

#[test]
fn the_last_and_the_least_and_what_is_young() {
    let (snapshots, now) = two_years();
    let least = NonZeroU32::new(2).expect("not 0");
    assert_eq!(
        kept(&snapshots, Policy { last: 3, least, within_seconds: 2 * 86_400, ..policy() }, now),
        [
            "2026-11-23: least 2, last 3, within 172800 s",
            "2026-11-22: least 2, last 3, within 172800 s",
            "2026-11-21: last 3",
        ]
    );
    assert_eq!(kept(&snapshots, policy(), now), ["2026-11-23: least 1"]);
}

/// When clocks are set back, 2 o'clock comes twice: two hours with two snapshots. When they are set forward, 2 o'clock
/// does not come, and nothing is missing.
#[test]
fn hours_and_days_when_clocks_are_set() {
    let day = |month: i8, day: i8| time(&berlin(), date(2026, month, day).at(0, 0, 0, 0)).nanoseconds();
    let hourly = |begin: i64, hours: i64| -> Vec<Candidate> {
        let at = |hour: i64| Time::from_nanoseconds(begin + hour * 3_600_000_000_000);
        (0..hours).map(|hour| snapshot("host:home", hour.unsigned_abs(), at(hour))).collect()
    };
    let now = Time::from_nanoseconds(day(10, 27));
    assert_eq!(
        kept(&hourly(day(10, 25), 4), Policy { hourly: 3, ..policy() }, now),
        [
            "2026-10-25: least 1, hourly 2026-10-25 02:00+01",
            "2026-10-25: hourly 2026-10-25 02:00+02",
            "2026-10-25: hourly 2026-10-25 01:00+02",
        ]
    );
    let days = |snapshots: &[Candidate]| {
        let plan = plan(snapshots, &only(Policy { daily: 9, ..policy() }, berlin()), now);
        let newest = |reason: &Reason| matches!(reason, Reason::Newest(_));
        plan.keep.iter().filter(|kept| kept.reasons.iter().any(newest)).count()
    };
    assert_eq!(days(&hourly(day(10, 25), 25)), 1, "the long day");
    assert_eq!(days(&hourly(day(10, 25), 26)), 2);
    assert_eq!(days(&hourly(day(3, 29), 23)), 1, "the short day");
    assert_eq!(days(&hourly(day(3, 29), 24)), 2);
}

fn numbered(number: u64, received: Time) -> Candidate {
    snapshot("host:home", number, received)
}

#[test]
fn a_partial_snapshot_never_takes_the_place_of_a_complete_one() {
    let at = |day: i8, hour: i8| time(&berlin(), date(2026, 11, day).at(hour, 0, 0, 0));
    let times = [at(1, 9), at(1, 12), at(2, 9), at(3, 9), at(3, 12)];
    let mut snapshots: Vec<Candidate> =
        times.into_iter().zip(0..).map(|(received, number)| numbered(number, received)).collect();
    for partial in [1, 2, 3, 4] {
        snapshots[partial].complete = false;
    }
    let kept = |policy: Policy| -> Vec<usize> {
        let plan = plan(&snapshots, &only(policy, berlin()), at(4, 0));
        plan.keep.iter().map(|kept| number(&kept.id)).collect()
    };
    assert_eq!(kept(policy()), [0, 4], "the newest complete one, and the newest of those behind it");
    assert_eq!(kept(Policy { last: 2, ..policy() }), [0, 3, 4]);
    assert_eq!(
        kept(Policy { daily: 3, ..policy() }),
        [0, 2, 4],
        "a day without a complete one keeps a partial one"
    );
}

fn number(id: &SnapshotId) -> usize {
    usize::from(id.as_bytes()[7])
}

#[test]
fn tags_holds_the_future_and_series_without_a_policy() {
    let now = time(&berlin(), date(2026, 11, 23).at(0, 0, 0, 0));
    let at = |minutes: i64| Time::from_nanoseconds(now.nanoseconds() + minutes * 60_000_000_000);
    let (wanted, other) = (TagToken(*b"release1"), TagToken(*b"nightly1"));
    let of =
        |number: u64, minutes: i64| Candidate { tags: Some(Vec::new()), ..numbered(number, at(minutes)) };
    let snapshots = [
        Candidate { tags: Some(vec![other, wanted]), ..of(0, -60) },
        Candidate { tags: Some(vec![other]), ..of(1, -50) },
        Candidate { tags: None, ..of(2, -40) },
        Candidate { hold: Some(at(1)), ..of(3, -30) },
        Candidate { hold: Some(now), ..of(4, -20) },
        of(5, -10),
        of(6, 1),
        Candidate { series: Series::new("other").expect("a good name"), ..of(7, -99) },
    ];
    let policy = Policy { tags: [wanted].into(), ..Policy::new("host:*".parse().expect("a good pattern")) };
    let plan = plan(&snapshots, &only(policy.clone(), TimeZone::UTC), now);
    let keep: Vec<(usize, Vec<Reason>)> =
        plan.keep.into_iter().map(|kept| (number(&kept.id), kept.reasons)).collect();
    assert_eq!(
        keep,
        [
            (0, vec![Reason::Tagged]),
            (2, vec![Reason::TagsUnknown]),
            (3, vec![Reason::Held(at(1))]),
            (5, vec![Reason::Least(1)]),
            (6, vec![Reason::Future]),
            (7, vec![Reason::NoPolicy]),
        ]
    );
    let forget =
        [1, 4].map(|index: usize| Forgotten { id: snapshots[index].id, policy: policy.series.clone() });
    assert_eq!(plan.forget, forget, "another tag, and a hold that is over");
}

/// The days, weeks and years of a policy are those of its zone: at noon in UTC, Kiritimati is in the next day.
#[test]
fn periods_are_those_of_the_zone() {
    let at = |hour: i8| time(&TimeZone::UTC, date(2026, 12, 31).at(hour, 0, 0, 0));
    let snapshots = [numbered(0, at(9)), numbered(1, at(12))];
    let kept = |zone: TimeZone| {
        let policy = Policy { daily: 1, yearly: 2, ..policy() };
        let keep = plan(&snapshots, &only(policy, zone), at(13)).keep;
        keep.into_iter().map(|kept| kept.reasons).collect::<Vec<_>>()
    };
    let day = |date: Date| Reason::Newest(Bucket::Day(date));
    let year = |year: i16| Reason::Newest(Bucket::Year(year));
    let last = date(2026, 12, 31);
    let utc = [vec![Reason::Oldest(Period::Year)], vec![Reason::Least(1), day(last), year(2026)]];
    assert_eq!(kept(TimeZone::UTC), utc);
    let there = [vec![year(2026)], vec![Reason::Least(1), day(date(2027, 1, 1)), year(2027)]];
    assert_eq!(kept(TimeZone::fixed(Offset::constant(14))), there);
}

#[test]
fn what_is_forgotten_stays_for_its_grace_and_its_hold() {
    let time = Time::from_nanoseconds;
    assert_eq!(restorable_until(time(5), 2, None), time(2_000_000_005));
    assert_eq!(restorable_until(time(5), 2, Some(time(7))), time(2_000_000_005));
    assert_eq!(restorable_until(time(5), 2, Some(time(3_000_000_000))), time(3_000_000_000));
    assert_eq!(restorable_until(time(5), u64::MAX, None), time(i64::MAX));
    assert_eq!(restorable_until(time(-5), 0, None), time(-5));
}
