use super::*;

const LIMIT: Duration = Duration::from_secs(600);

fn at(seconds: i64) -> Time {
    Time::from_nanoseconds(seconds * 1_000_000_000)
}

fn steady(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wrong(shown: i64, expected: i64) -> Verdict {
    Verdict::Wrong(Frozen { shown: at(shown), expected: Some(at(expected)) })
}

#[test]
fn a_clock_that_goes_as_time_does_is_fine() {
    let mut guard = ClockGuard::new(at(10_000), steady(50));
    for passed in [0, 1, 3_600, 400 * 24 * 3_600] {
        let shown = at(10_000 + i64::try_from(passed).expect("small"));
        assert_eq!(guard.look(shown, steady(50 + passed), at(10_000), LIMIT), Verdict::Fine);
    }
    assert_eq!(guard.look(at(10_600), steady(50), at(10_000), LIMIT), Verdict::Fine, "up to the limit");
}

#[test]
fn a_clock_that_jumped_is_wrong_until_it_agrees_again_for_as_long_as_the_limit() {
    for jump in [601, 365 * 24 * 3_600, -601] {
        let mut guard = ClockGuard::new(at(1_000_000), steady(0));
        assert_eq!(guard.look(at(1_000_010), steady(10), at(0), LIMIT), Verdict::Fine);
        let shown = 1_000_020 + jump;
        assert_eq!(guard.look(at(shown), steady(20), at(0), LIMIT), wrong(shown, 1_000_020));
        assert_eq!(
            guard.look(at(shown + 9_000), steady(9_020), at(0), LIMIT),
            wrong(shown + 9_000, 1_009_020)
        );
        assert_eq!(guard.look(at(1_009_030), steady(9_030), at(0), LIMIT), Verdict::Settling);
        assert_eq!(guard.look(at(1_009_619), steady(9_619), at(0), LIMIT), Verdict::Settling);
        assert_eq!(guard.look(at(1_009_620), steady(9_620), at(0), LIMIT), Verdict::Settled);
        assert_eq!(guard.look(at(1_009_621), steady(9_621), at(0), LIMIT), Verdict::Fine, "it is said once");
    }
}

/// Many small steps are one large one: what it drifts by adds up.
#[test]
fn a_clock_that_is_moved_bit_by_bit_is_found_out() {
    let mut guard = ClockGuard::new(at(0), steady(0));
    let verdicts = (1..=11).map(|step| {
        guard.look(at(step * 70), steady(u64::try_from(step * 10).expect("small")), at(0), LIMIT)
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    assert!(verdicts[..10].iter().all(|verdict| *verdict == Verdict::Fine), "{verdicts:?}");
    assert_eq!(verdicts[10], wrong(770, 110));
}

/// After a jump forwards records carry a time that has not come yet: nothing is deleted until it has.
#[test]
fn a_clock_behind_its_own_records_is_wrong_until_it_has_caught_up() {
    let mut guard = ClockGuard::new(at(0), steady(0));
    assert_eq!(guard.look(at(10), steady(10), at(5_000), LIMIT), wrong(10, 5_000));
    assert_eq!(guard.look(at(4_399), steady(4_399), at(5_000), LIMIT), wrong(4_399, 5_000));
    assert_eq!(guard.look(at(4_400), steady(4_400), at(5_000), LIMIT), Verdict::Settling);
    assert_eq!(guard.look(at(4_999), steady(4_999), at(5_000), LIMIT), Verdict::Settled);
    assert_eq!(behind(at(4_400), at(5_000), LIMIT), None);
    assert_eq!(behind(at(5_700), at(5_000), LIMIT), None);
}

#[test]
fn a_server_that_wrote_nothing_for_a_month_asks() {
    let month = 30 * 24 * 3_600;
    assert_eq!(ahead(at(month), at(0)), None);
    assert_eq!(ahead(at(0), at(month * 2)), None);
    assert_eq!(ahead(at(month + 1), at(0)), Some(Frozen { shown: at(month + 1), expected: Some(at(0)) }));
}

#[test]
fn no_clock_shows_too_much() {
    let (first, last) = (Time::from_nanoseconds(i64::MIN), Time::from_nanoseconds(i64::MAX));
    let mut guard = ClockGuard::new(first, steady(0));
    assert!(matches!(guard.look(last, Duration::MAX, first, LIMIT), Verdict::Wrong(_)));
    assert!(behind(first, last, LIMIT).is_some() && ahead(last, first).is_some());
}
