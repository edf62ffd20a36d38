use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use proptest::strategy::Strategy;

use super::*;
use crate::field::sample::Sample;

#[test]
fn numbers_and_names_are_unique() {
    assert!(Code::ALL.is_sorted_by(|one, next| one.number() < next.number()));
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn the_specification_has_every_code() {
    let specification = include_str!("../../PROTOCOL.md");
    for code in Code::ALL {
        let retry = match code.retry() {
            Retry::Never => "never",
            Retry::Later => "later",
            Retry::Elsewhere => "elsewhere",
        };
        let row = format!("| `{:#06x}` | `{}` | {retry} |", code.number(), code.name());
        assert!(specification.contains(&row), "missing: {row}");
    }
    let rows = specification.lines().filter(|line| line.starts_with("| `0x") && line.contains("` | `"));
    assert_eq!(rows.count(), Code::ALL.len());
}

#[test]
fn an_unknown_code_still_says_whether_to_retry() {
    let retries = [0x01ff, 0x02ff, 0x03ff, 0x0000, 0xffff].map(|number| Code::from_number(number).retry());
    assert_eq!(retries, [Retry::Never, Retry::Later, Retry::Elsewhere, Retry::Never, Retry::Never]);
    assert_eq!(Code::from_number(0x02ff).name(), "unknown");
    assert_eq!(Code::from_number(0x0203), Code::RATE);
}

impl Sample for Code {
    fn sample() -> BoxedStrategy<Self> {
        prop_oneof![select(Self::ALL), any::<u16>().prop_map(Self)].boxed()
    }
}
