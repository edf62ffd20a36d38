use super::*;
use crate::tree::samples::keys;

/// Lengths into which a long list of random keys is cut.
fn lengths(rule: BorderRule) -> Vec<usize> {
    let keys = keys();
    let mut lengths = vec![0];
    for number in 0..40_000_u32 {
        let last = lengths.last_mut().expect("there is a first node");
        if rule.ends_before(*last, || keys.border(&number.to_le_bytes())) {
            lengths.push(1);
        } else {
            *last += 1;
        }
    }
    lengths.pop();
    lengths
}

#[test]
fn nodes_have_the_lengths_that_are_documented() {
    for (rule, documented) in [(LEAF, 335), (INNER, 60), (LIST, 120)] {
        let lengths = lengths(rule);
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        assert!(mean.abs_diff(documented) * 10 <= documented, "mean {mean}, documented {documented}");
        assert!(lengths.iter().all(|length| (rule.shortest..=rule.longest).contains(length)));
        let forced = lengths.iter().filter(|length| **length == rule.longest).count();
        assert!(forced * 100 <= lengths.len(), "{forced} of {} nodes end by length", lengths.len());
    }
}

/// FORMAT.md, "Where nodes end": the numbers of the table, and the first lengths that they give.
#[test]
fn golden_borders() {
    let numbers = |rule: BorderRule| (rule.shortest, rule.middle, rule.longest, rule.strict, rule.generous);
    assert_eq!(numbers(LEAF), (128, 320, 1024, 0x00aa_aaaa_aaaa_aaaa, 0x02aa_aaaa_aaaa_aaaa));
    assert_eq!(numbers(INNER), (24, 56, 256, 0x03ff_ffff_ffff_ffff, 0x0fff_ffff_ffff_ffff));
    assert_eq!(numbers(LIST), (48, 112, 1024, 0x01ff_ffff_ffff_ffff, 0x07ff_ffff_ffff_ffff));
    assert_eq!(keys().border(&0_u32.to_le_bytes()), 0xad23_89fc_fe08_8552);
    let first = |rule| lengths(rule).into_iter().take(12).collect::<Vec<_>>();
    assert_eq!(first(LEAF), [564, 345, 420, 439, 165, 352, 327, 372, 604, 415, 370, 133]);
    assert_eq!(first(INNER), [33, 44, 33, 57, 67, 41, 56, 129, 79, 25, 36, 64]);
    assert_eq!(first(LIST), [110, 124, 133, 197, 158, 122, 65, 50, 63, 134, 161, 84]);
}

#[test]
fn the_hash_decides_between_the_bounds() {
    assert!(!LEAF.ends_before(LEAF.shortest - 1, || panic!("too short to ask")));
    assert!(LEAF.ends_before(LEAF.longest, || u64::MAX));
    assert!(LEAF.ends_before(LEAF.shortest, || LEAF.strict - 1));
    assert!(!LEAF.ends_before(LEAF.middle - 1, || LEAF.strict));
    assert!(LEAF.ends_before(LEAF.middle, || LEAF.generous - 1));
    assert!(!LEAF.ends_before(LEAF.longest - 1, || LEAF.generous));
}
