use proptest::prelude::*;

use super::*;

fn series(name: &str) -> Series {
    Series::new(name).expect("a good name")
}

fn policy() -> Policy {
    Policy {
        last: 3,
        within_seconds: 86_400,
        hourly: 24,
        daily: 7,
        weekly: 5,
        monthly: 12,
        yearly: Policy::ALL,
        least: NonZeroU32::new(2).expect("not 0"),
        tags: [TagToken(*b"abcdefgh"), TagToken([0; 8])].into(),
        ..Policy::new("db?/*".parse().expect("a good pattern"))
    }
}

/// FORMAT.md, "Policies".
#[test]
fn golden_bytes() {
    let bytes = [
        b"\x05db?/*".as_slice(),
        &[3, 0, 0, 0],
        &[0x80, 0x51, 1, 0, 0, 0, 0, 0],
        &[24, 0, 0, 0],
        &[7, 0, 0, 0],
        &[5, 0, 0, 0],
        &[12, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[2, 0, 0, 0],
        &[2],
        &[0; 8],
        b"abcdefgh",
    ]
    .concat();
    assert_eq!(policy().encode().expect("two tags"), bytes);
    assert_eq!(Policy::parse(&bytes), Ok(policy()));
    for length in 0..bytes.len() {
        assert!(Policy::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [&bytes, [0].as_slice()].concat();
    assert!(Policy::parse(&longer).is_err(), "trailing bytes");
}

#[test]
fn what_no_policy_says_is_malformed() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = policy().encode().expect("two tags");
        change(&mut bytes);
        Policy::parse(&bytes).expect_err("it is malformed").what
    };
    let end = policy().encode().expect("two tags").len();
    assert_eq!(refused(&|bytes| bytes[1] = b'\n'), "pattern of a policy");
    assert_eq!(refused(&|bytes| bytes[1] = 0xff), "pattern of a policy");
    assert_eq!(refused(&|bytes| drop(bytes.splice(..6, [0]))), "pattern of a policy");
    assert_eq!(refused(&|bytes| bytes[end - 21] = 0), "least number of a policy");
    assert_eq!(refused(&|bytes| bytes[end - 17] = 33), "tags of a policy");
    assert_eq!(refused(&|bytes| bytes[end - 16..].rotate_left(8)), "order of the tags of a policy");
    assert_eq!(refused(&|bytes| bytes[end - 8..].fill(0)), "order of the tags of a policy");
}

#[test]
fn a_policy_has_no_more_tags_than_can_be_read() {
    let tags = |count: usize| (0..count as u64).map(|tag| TagToken(tag.to_be_bytes())).collect();
    let most = Policy { tags: tags(POLICY_TAGS_MAX), ..policy() };
    assert_eq!(Policy::parse(&most.encode().expect("not too many")), Ok(most));
    let more = Policy { tags: tags(POLICY_TAGS_MAX + 1), ..policy() };
    assert_eq!(more.encode(), Err(TooManyTags { tags: 33 }));
}

#[test]
fn patterns_stand_for_series() {
    let matches = |pattern: &str, name: &str| {
        pattern.parse::<Pattern>().expect("a good pattern").matches(&series(name))
    };
    for (pattern, name) in [
        ("*", "mail:etc"),
        ("mail:etc", "mail:etc"),
        ("mail:*", "mail:"),
        ("mail?etc", "mail/etc"),
        ("mail?etc", "mailäetc"),
        ("*:home*", "x:home/anna"),
        ("a*b*c", "aXbXbc"),
        ("**", "a"),
        ("*a*", "bab"),
        ("*aab", "aaaab"),
    ] {
        assert!(matches(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("mail", "mail:etc"),
        ("mail:etc", "mail"),
        ("Mail*", "mail:etc"),
        ("?", "ab"),
        ("mail?", "mail"),
        ("*a", "ab"),
        ("a*b*c", "acb"),
        ("[a]", "a"),
    ] {
        assert!(!matches(pattern, name), "{pattern} {name}");
    }
    for bad in ["", "a\nb", "\u{7f}", &"a".repeat(1025)] {
        assert_eq!(bad.parse::<Pattern>(), Err(NotAPattern { text: bad.to_owned() }));
    }
}

#[test]
fn the_first_policy_that_matches_holds() {
    let of = |pattern: &str| Policy::new(pattern.parse().expect("a good pattern"));
    let set = PolicySet { policies: vec![of("db:*"), of("*:home"), of("db:home")], zone: TimeZone::UTC };
    assert_eq!(set.of(&series("db:home")), Some(&of("db:*")));
    assert_eq!(set.of(&series("web:home")), Some(&of("*:home")));
    assert_eq!(set.of(&series("web:etc")), None);
}

/// The definition: a star takes nothing, or one more character.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', behind @ ..], _) => {
            naive(behind, text) || text.split_first().is_some_and(|(_, rest)| naive(pattern, rest))
        }
        (['?', behind @ ..], [_, rest @ ..]) => naive(behind, rest),
        ([wanted, behind @ ..], [found, rest @ ..]) => wanted == found && naive(behind, rest),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_is_as_it_is_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let [pattern_chars, text_chars] = [&pattern, &text].map(|text| text.chars().collect::<Vec<_>>());
        prop_assert_eq!(matches(&pattern, &text), naive(&pattern_chars, &text_chars));
    }

    #[test]
    fn a_policy_comes_back(
        series in "[a-z*?:]{1,20}",
        counts in any::<[u32; 6]>(),
        within_seconds in any::<u64>(),
        least in 1..=u32::MAX,
        tags in prop::collection::btree_set(any::<[u8; 8]>().prop_map(TagToken), 0..=POLICY_TAGS_MAX),
    ) {
        let [last, hourly, daily, weekly, monthly, yearly] = counts;
        let least = NonZeroU32::new(least).expect("1 or more");
        let series = series.parse().expect("a good pattern");
        let policy = Policy { series, last, within_seconds, hourly, daily, weekly, monthly, yearly, least, tags };
        let bytes = policy.encode().expect("not too many tags");
        prop_assert_eq!(Policy::parse(&bytes), Ok(policy));
    }
}
