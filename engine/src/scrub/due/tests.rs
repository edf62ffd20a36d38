//! A promise is kept whatever is stored when, and nothing comes in a burst.

use std::time::Duration;

use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::proptest;

use super::Watched;
use super::age;
use super::bytes_due;
use super::due;
use super::order;

const HOUR: Duration = Duration::from_secs(3600);
const BOUND: Duration = Duration::from_secs(30 * 24 * 3600);

fn at(time: Duration) -> Time {
    Time::from_nanoseconds(i64::try_from(time.as_nanos()).expect("near 1970"))
}

fn watched(number: u32, bytes: u64, since: Duration) -> Watched {
    Watched { number, bytes, since: at(since), is_verified: true }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Calls every six hours for three months, some of which do not come, while packs are stored: none is ever older than
    /// was promised, and no call does much more than its part of the whole and some packs that are not to be cut.
    #[test]
    fn no_verification_becomes_older_than_was_promised(
        stored in vec((0_u32..360, 1_u64..64 << 20), 1..200),
        missed in vec(any::<u8>(), 360),
    ) {
        let every = 6 * HOUR;
        let mut packs: Vec<Watched> = Vec::new();
        let mut behind = 0_u32;
        for step in 0..360 {
            let now = every * step;
            let new = (0_u32..).zip(&stored).filter(|(_, (when, _))| *when == step);
            packs.extend(new.map(|(number, (_, bytes))| watched(number, *bytes, now)));
            order(&mut packs);
            if missed[step as usize] < 40 && behind < 8 {
                behind += 1;
                continue;
            }
            let count = due(&packs, at(now), BOUND, every);
            let all: u64 = packs.iter().map(|pack| pack.bytes).sum();
            let passed: u64 = packs[..count].iter().map(|pack| pack.bytes).sum();
            let largest = packs.iter().map(|pack| pack.bytes).max().unwrap_or_default();
            let part = all * u64::from(2 * (behind + 1)) / 96 + 6 * largest;
            prop_assert!(passed <= part, "{passed} of {all} at once in step {step}");
            packs[..count].iter_mut().for_each(|pack| pack.since = at(now));
            behind = 0;
            prop_assert!(packs.iter().all(|pack| age(pack.since, at(now)) <= BOUND), "step {step}");
        }
    }
}

#[test]
fn what_was_verified_together_is_spread() {
    let packs: Vec<_> = (0..24).map(|number| watched(number, 64 << 20, Duration::ZERO)).collect();
    let day = 24 * HOUR;
    assert_eq!(due(&packs, at(Duration::ZERO), BOUND, day), 1, "24 packs in 24 days");
    assert_eq!(due(&packs, at(12 * day), BOUND, day), 2, "in 12 days");
    assert_eq!(due(&packs, at(22 * day), BOUND, day), 12);
    assert_eq!(due(&packs, at(23 * day), BOUND, day), 24, "before they are asked for again");
    assert_eq!(due(&packs, at(300 * day), BOUND, HOUR), 24);
    assert_eq!(due(&packs, at(Duration::ZERO), BOUND, HOUR), 0, "no whole pack");
}

#[test]
fn the_oldest_comes_first_and_decides() {
    let day = 24 * HOUR;
    let mut packs = [watched(7, 10, 9 * day), watched(3, 1_000, 9 * day), watched(9, 100, day)];
    order(&mut packs);
    assert_eq!(packs.map(|pack| pack.number), [9, 3, 7]);
    // 100 bytes have 15 days, and 1100 have 23: 47 a day, rounded down.
    assert_eq!(bytes_due(&packs, at(10 * day), BOUND, day), 1_110 / 23);
    assert_eq!(due(&packs, at(10 * day), BOUND, day), 0);
    assert_eq!(due(&packs, at(22 * day), BOUND, day), 1);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    assert_eq!(age(at(HOUR), at(Duration::ZERO)), Duration::ZERO);
    assert_eq!(
        age(Time::from_nanoseconds(i64::MIN), Time::from_nanoseconds(i64::MAX)).as_nanos(),
        u128::from(u64::MAX)
    );
    assert_eq!(due(&[], at(HOUR), BOUND, HOUR), 0);
}
