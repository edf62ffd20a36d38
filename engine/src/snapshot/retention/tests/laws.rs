//! What holds for every history, every policy and every time.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const NOW_SECONDS: i64 = 1_795_000_000;
const DAY_SECONDS: i64 = 86_400;
const SERIES: [&str; 2] = ["host:home", "host:etc"];

/// A zone with a rule, one without, and one whose clocks are set back just after midnight, so that a day comes back.
fn zone() -> impl Strategy<Value = TimeZone> {
    let odd = TimeZone::posix("NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01").expect("a good rule");
    select(vec![TimeZone::UTC, berlin(), odd])
}

/// Times in clusters of some hours or days over three years, and some that are yet to come.
fn seconds() -> impl Strategy<Value = i64> {
    let cluster = (0..36_i64).prop_map(|month| NOW_SECONDS - month * 31 * DAY_SECONDS);
    let near = prop_oneof![-40_000..0_i64, -20 * DAY_SECONDS..0];
    prop_oneof![
        9 => (cluster, near).prop_map(|(cluster, near)| cluster + near),
        1 => NOW_SECONDS..NOW_SECONDS + DAY_SECONDS
    ]
}

fn time(seconds: i64) -> Time {
    Time::from_nanoseconds(seconds * 1_000_000_000)
}

fn now() -> Time {
    time(NOW_SECONDS)
}

fn tag() -> impl Strategy<Value = TagToken> {
    (0..3_u8).prop_map(|tag| TagToken([tag; 8]))
}

prop_compose! {
    fn candidate()(
        series in select(&SERIES),
        at in seconds(),
        complete in prop::bool::weighted(0.7),
        tags in prop::option::of(prop::collection::vec(tag(), 0..2)),
        hold in prop::option::weighted(0.1, -DAY_SECONDS..DAY_SECONDS),
    ) -> Candidate {
        let hold = hold.map(|hold| time(NOW_SECONDS + hold));
        Candidate { complete, tags, hold, ..snapshot(series, 0, time(at)) }
    }
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(candidate(), 0..60).prop_map(|mut candidates| {
        for (number, candidate) in (0_u64..).zip(&mut candidates) {
            candidate.sequence = number;
            candidate.id = snapshot("any", number, candidate.received).id;
        }
        candidates
    })
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..8_u32, 1 => Just(Policy::ALL)]
}

prop_compose! {
    fn policies()(
        counts in [count(), count(), count(), count(), count(), count()],
        within_seconds in prop_oneof![Just(0), 0..40 * 86_400_u64, Just(u64::MAX)],
        least in 1..4_u32,
        tags in prop::option::weighted(0.2, tag()),
        zone in zone(),
    ) -> PolicySet {
        let [last, hourly, daily, weekly, monthly, yearly] = counts;
        let least = NonZeroU32::new(least).expect("1 or more");
        let tags = tags.into_iter().collect();
        let policy = Policy { last, within_seconds, hourly, daily, weekly, monthly, yearly, least, tags, ..policy() };
        only(policy, zone)
    }
}

fn kept(snapshots: &[Candidate], set: &PolicySet) -> BTreeSet<SnapshotId> {
    plan(snapshots, set, now()).keep.into_iter().map(|kept| kept.id).collect()
}

/// A count of a policy.
fn counted(policy: &mut Policy, which: usize) -> &mut u32 {
    let Policy { last, hourly, daily, weekly, monthly, yearly, .. } = policy;
    [last, hourly, daily, weekly, monthly, yearly].into_iter().nth(which).expect("there are six")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_is_kept_for_a_reason_or_forgotten(snapshots in candidates(), set in policies()) {
        let plan = plan(&snapshots, &set, now());
        prop_assert!(plan.keep.iter().all(|kept| !kept.reasons.is_empty()));
        let mut ids: Vec<_> = plan.keep.iter().map(|kept| kept.id).collect();
        ids.extend(plan.forget.iter().map(|forgotten| forgotten.id));
        ids.sort_unstable();
        prop_assert_eq!(ids, snapshots.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>());
    }

    #[test]
    fn a_greater_count_never_costs_a_snapshot(
        snapshots in candidates(), set in policies(), which in 0..8_usize, more in count(),
    ) {
        let mut generous = set.clone();
        let policy = &mut generous.policies[0];
        match which {
            6 => policy.least = policy.least.saturating_add(more),
            7 => policy.within_seconds = policy.within_seconds.saturating_add(u64::from(more) * 3600),
            _ => *counted(policy, which) = counted(policy, which).saturating_add(more),
        }
        let (before, after) = (kept(&snapshots, &set), kept(&snapshots, &generous));
        prop_assert!(before.is_subset(&after), "{:?} are lost", before.difference(&after));
    }

    #[test]
    fn who_survives_survives_again(snapshots in candidates(), set in policies()) {
        let keep = kept(&snapshots, &set);
        let survivors: Vec<Candidate> =
            snapshots.into_iter().filter(|snapshot| keep.contains(&snapshot.id)).collect();
        prop_assert_eq!(plan(&survivors, &set, now()).forget, []);
    }

    #[test]
    fn what_is_held_and_what_comes_from_the_future_is_kept(snapshots in candidates(), set in policies()) {
        let keep = kept(&snapshots, &set);
        for snapshot in snapshots {
            if snapshot.received > now() || snapshot.hold.is_some_and(|until| until > now()) {
                prop_assert!(keep.contains(&snapshot.id), "{snapshot:?}");
            }
        }
    }

    /// Neither by the number of its snapshots nor by that of complete ones.
    #[test]
    fn a_policy_never_empties_a_series(snapshots in candidates(), set in policies()) {
        let keep = kept(&snapshots, &set);
        let least = set.policies[0].least.get() as usize;
        for series in SERIES {
            for complete in [[true].as_slice(), &[true, false]] {
                let of = |s: &&Candidate| s.series.as_str() == series && complete.contains(&s.complete);
                let all = snapshots.iter().filter(of).count();
                let kept = snapshots.iter().filter(of).filter(|s| keep.contains(&s.id)).count();
                prop_assert!(kept >= all.min(least), "{kept} of {all} are left of {series}");
            }
        }
    }

    #[test]
    fn the_order_changes_nothing(
        (snapshots, shuffled) in candidates().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        set in policies(),
    ) {
        prop_assert_eq!(plan(&snapshots, &set, now()), plan(&shuffled, &set, now()));
    }

    /// As long as a rule asks for more periods than there are, the beginning of a series stays.
    #[test]
    fn a_short_rule_keeps_the_oldest(mut snapshots in candidates(), set in policies()) {
        snapshots.retain(|snapshot| snapshot.received <= now());
        let policy = &set.policies[0];
        for series in SERIES {
            let mut of: Vec<&Candidate> = snapshots.iter().filter(|s| s.series.as_str() == series).collect();
            of.sort_unstable_by_key(|snapshot| (!snapshot.complete, snapshot.received, snapshot.sequence));
            let short = rules(policy).into_iter().rfind(|(_, format, count)| {
                let periods: BTreeSet<String> = of.iter().map(|s| formatted(s, format, &set.zone)).collect();
                *count > periods.len() as u64
            });
            let all = plan(&snapshots, &set, now()).keep;
            let oldest: Vec<(SnapshotId, Period)> = all.iter().filter_map(said_oldest).collect();
            let expected = short.zip(of.first()).map(|((period, ..), first)| (first.id, period));
            let found = oldest.into_iter().find(|(id, _)| of.iter().any(|snapshot| snapshot.id == *id));
            prop_assert_eq!(found, expected);
        }
    }

    /// Where nothing is partial, tagged or held, restic keeps the same.
    #[test]
    fn complete_snapshots_are_kept_as_restic_keeps_them(mut snapshots in candidates(), mut set in policies()) {
        if set.zone != TimeZone::UTC {
            // There is a difference where a day comes back: restic counts it twice.
            set.zone = berlin();
        }
        snapshots.retain(|snapshot| snapshot.received <= now());
        for snapshot in &mut snapshots {
            (snapshot.complete, snapshot.tags, snapshot.hold) = (true, Some(Vec::new()), None);
        }
        let mut expected = BTreeSet::new();
        for series in SERIES {
            let of: Vec<&Candidate> = snapshots.iter().filter(|s| s.series.as_str() == series).collect();
            expected.extend(restic(of, &set));
        }
        prop_assert_eq!(kept(&snapshots, &set), expected);
    }
}

fn said_oldest(kept: &Kept) -> Option<(SnapshotId, Period)> {
    kept.reasons.iter().find_map(|reason| match reason {
        Reason::Oldest(period) => Some((kept.id, *period)),
        _ => None,
    })
}

/// The rules that count periods, with what is the same for all times in one.
fn rules(policy: &Policy) -> [(Period, &'static str, u64); 5] {
    let Policy { hourly, daily, weekly, monthly, yearly, .. } = policy;
    [
        (Period::Hour, "%Y-%m-%d %H %z", u64::from(*hourly)),
        (Period::Day, "%Y-%m-%d", u64::from(*daily)),
        (Period::Week, "%G-%V", u64::from(*weekly)),
        (Period::Month, "%Y-%m", u64::from(*monthly)),
        (Period::Year, "%Y", u64::from(*yearly)),
    ]
}

fn formatted(snapshot: &Candidate, format: &str, zone: &TimeZone) -> String {
    timestamp(snapshot.received).to_zoned(zone.clone()).strftime(format).to_string()
}

/// restic's `ApplyPolicy` (internal/data/snapshot_policy.go): one way through the list from the newest to the oldest, and
/// for each rule the bucket that it saw last and how many it has left. Only the hour that comes twice is one hour there.
fn restic(mut list: Vec<&Candidate>, set: &PolicySet) -> BTreeSet<SnapshotId> {
    list.sort_unstable_by_key(|snapshot| Reverse((snapshot.received, snapshot.sequence)));
    let policy = &set.policies[0];
    let last = u64::from(policy.last.max(policy.least.get()));
    let mut rules = rules(policy).map(|(_, format, left)| (format, left, String::new()));
    let mut kept = BTreeSet::new();
    for (number, snapshot) in (0_u64..).zip(&list) {
        let age = (now().nanoseconds() - snapshot.received.nanoseconds()).unsigned_abs();
        let mut keep = number < last || u128::from(age) < u128::from(policy.within_seconds) * 1_000_000_000;
        for (format, left, before) in rules.iter_mut().filter(|(_, left, _)| *left > 0) {
            let bucket = formatted(snapshot, format, &set.zone);
            if bucket != *before || number + 1 == list.len() as u64 {
                keep = true;
                *left -= 1;
                *before = bucket;
            }
        }
        if keep {
            kept.insert(snapshot.id);
        }
    }
    kept
}
