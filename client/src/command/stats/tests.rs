use farkeep_codec::time::Time;

use super::*;

const DAY: i64 = 86_400 * 1_000_000_000;

/// Of a day after the first of January 2026, a Thursday.
fn grown(day: i64, stored_bytes: u64, removed_bytes: u64) -> Grown {
    let first = 1_767_225_600 * 1_000_000_000;
    let day = Time::from_nanoseconds(first + day * DAY);
    Grown { day, stored_bytes, removed_bytes, snapshots: 1, forgotten: 0, purged: 2 }
}

fn seen(by: Period) -> Vec<(String, u64, u64, u64)> {
    let days = [grown(0, 100, 0), grown(3, 10, 0), grown(4, 1, 60), grown(40, 9, 0)];
    let sums = sums(&days, by);
    sums.into_iter().map(|sum| (sum.from, sum.stored_bytes, sum.pack_bytes, sum.snapshots)).collect()
}

#[test]
fn days_are_summed_up_by_what_is_asked_for() {
    let of = |from: &str, stored, there, snapshots| (from.to_owned(), stored, there, snapshots);
    let days = [
        of("2026-01-01", 100, 100, 1),
        of("2026-01-04", 10, 110, 1),
        of("2026-01-05", 1, 51, 1),
        of("2026-02-10", 9, 60, 1),
    ];
    assert_eq!(seen(Period::Day), days);
    let weeks = [of("2025-12-29", 110, 110, 2), of("2026-01-05", 1, 51, 1), of("2026-02-09", 9, 60, 1)];
    assert_eq!(seen(Period::Week), weeks);
    assert_eq!(seen(Period::Month), [of("2026-01-01", 111, 51, 3), of("2026-02-01", 9, 60, 1)]);
    assert_eq!(sums(&[], Period::Day), []);
}
