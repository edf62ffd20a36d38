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

#[test]
fn the_hash_decides_between_the_bounds() {
    assert!(!LEAF.ends_before(LEAF.shortest - 1, || panic!("too short to ask")));
    assert!(LEAF.ends_before(LEAF.longest, || u64::MAX));
    assert!(LEAF.ends_before(LEAF.shortest, || LEAF.strict - 1));
    assert!(!LEAF.ends_before(LEAF.middle - 1, || LEAF.strict));
    assert!(LEAF.ends_before(LEAF.middle, || LEAF.generous - 1));
    assert!(!LEAF.ends_before(LEAF.longest - 1, || LEAF.generous));
}
