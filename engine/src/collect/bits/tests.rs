use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn memory_is_taken_where_something_is_set() {
    let mut bits = Bits::new();
    assert!(!bits.contains(u32::MAX));
    assert_eq!(bits.memory_bytes(), 0);
    assert_eq!(bits.insert(1_000_000_000), Inserted::Now);
    assert_eq!(bits.insert(1_000_000_000), Inserted::Before);
    let one = bits.memory_bytes();
    assert!((8 << 10..300 << 10).contains(&one), "{one} bytes: one page, and a table of 15,259 places");
    assert_eq!(bits.insert(1_000_000_001), Inserted::Now);
    assert_eq!(bits.memory_bytes(), one);
    assert_eq!(bits.insert(u32::MAX), Inserted::Now);
    assert_eq!(bits.count_in(0..u32::MAX), 2, "the end is not part of a range");
    assert_eq!(bits.count(), 3);
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..400_u32, 65_400..65_700_u32, u32::MAX - 200..=u32::MAX]
}

proptest! {
    #[test]
    fn it_is_a_set(
        numbers in prop::collection::vec(number(), 0..200),
        asked in prop::collection::vec(number(), 1..50),
        (one, other) in (number(), number()),
    ) {
        let (mut bits, mut naive) = (Bits::new(), BTreeSet::new());
        for number in numbers {
            let expected = if naive.insert(number) { Inserted::Now } else { Inserted::Before };
            prop_assert_eq!(bits.insert(number), expected);
        }
        prop_assert_eq!(bits.count(), naive.len() as u64);
        for number in asked {
            prop_assert_eq!(bits.contains(number), naive.contains(&number));
        }
        let near = one..one.saturating_add(other % 300);
        prop_assert_eq!(bits.count_in(near.clone()), naive.range(near).count() as u64);
    }
}
