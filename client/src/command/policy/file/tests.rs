//! That a file is read as what was written.

use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;
use proptest::strategy::Strategy;

use super::*;

fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(Policy::ALL), any::<u32>()]
}

fn policies() -> impl Strategy<Value = Policy> {
    let series = "[ -~]{1,20}".prop_map(|text| text.parse().expect("printable"));
    let tags = btree_set(any::<[u8; 8]>().prop_map(TagToken), 0..4);
    let least = (1..=u32::MAX).prop_map(|least| NonZeroU32::new(least).expect("above 0"));
    (series, vec(counts(), 6), any::<u32>(), least, tags).prop_map(|(series, counts, within, least, tags)| {
        Policy {
            last: counts[0],
            within_seconds: within.into(),
            hourly: counts[1],
            daily: counts[2],
            weekly: counts[3],
            monthly: counts[4],
            yearly: counts[5],
            least,
            tags,
            ..Policy::new(series)
        }
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let texts = ("[ -~]{0,20}", "[ -~]{0,20}", "[ -~]{0,20}");
    let numbers = (any::<u32>(), any::<u32>(), 0..=200_u16, 0..=1000_u16, any::<u32>(), any::<u32>());
    (texts, numbers, vec(policies(), 0..4)).prop_map(|(texts, numbers, policies)| {
        let (grace, hold, parity, garbage, scrub_days, clock_seconds) = numbers;
        Settings {
            grace_seconds: grace.into(),
            hold_seconds: hold.into(),
            retention_schedule: texts.0,
            collection_schedule: texts.1,
            zone: texts.2,
            parity_thousandths: parity,
            garbage_thousandths: garbage,
            scrub_days,
            clock_seconds,
            policies: policies.iter().map(|policy| policy.encode().expect("few tags")).collect(),
        }
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(settings in any_settings(), before in any_settings()) {
        let text = write(&settings).expect("it is written");
        prop_assert_eq!(read(&text, before), Ok(settings), "{}", text);
    }
}

#[test]
fn what_a_file_does_not_name_stays_but_for_policies() {
    let before = Settings {
        grace_seconds: 77,
        policies: vec![Policy::new("*".parse().expect("a pattern")).encode().expect("no tags")],
        ..Settings::default()
    };
    let text = "parity = \"2.5%\"\n[[policy]]\nseries = \"db*\"\nkeep-daily = 7\nkeep-yearly = \"all\"\n";
    let after = read(text, before.clone()).expect("it is right");
    let policy = Policy { daily: 7, yearly: Policy::ALL, ..Policy::new("db*".parse().expect("a pattern")) };
    let policies = vec![policy.encode().expect("no tags")];
    assert_eq!(after, Settings { parity_thousandths: 25, policies, ..before.clone() });
    assert_eq!(read("", before.clone()), Ok(Settings { policies: Vec::new(), ..before }));
}

#[test]
fn what_is_no_file_of_settings_is_refused() {
    for (text, said) in [
        ("grase = \"1d\"", "grase"),
        ("grace = \"1 fortnight\"", "no length of time"),
        ("parity = \"1.25%\"", "0.1%"),
        ("[[policy]]\nkeep-daily = 7", "series"),
        ("[[policy]]\nseries = \"*\"\nkeep-least = 0", "keep-least"),
        ("[[policy]]\nseries = \"*\"\nkeep-daily = -1", "keep-daily"),
        ("[[policy]]\nseries = \"*\"\nkeep-tokens = [\"+123456789abcdef\"]", "16 hexadecimal"),
    ] {
        let refused = read(text, Settings::default()).expect_err("it is wrong");
        assert!(refused.contains(said), "{said:?}: {refused}");
    }
}
