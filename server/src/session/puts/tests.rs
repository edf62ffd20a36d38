use proptest::collection::btree_set;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

#[test]
fn what_is_acknowledged_ends_before_the_first_put_that_is_not_durable() {
    let mut puts = Puts::default();
    assert_eq!(puts.acknowledged(1), 0);
    assert_eq!(puts.acknowledged(5), 4, "requests that are no puts stand in nobody's way");
    puts.came(3);
    puts.came(5);
    assert_eq!(puts.acknowledged(7), 2);
    puts.undurable.remove(&3);
    assert_eq!(puts.acknowledged(7), 4);
    puts.refuse(5);
    assert_eq!(puts.acknowledged(7), 4, "the client may not know that it was refused");
    puts.begin_anew();
    assert_eq!(puts.acknowledged(9), 8);
}

#[test]
fn many_gaps_take_several_messages() {
    let numbers: Vec<u64> = (1..=2 * DURABLE_RANGES_MAX as u64 + 2).map(|number| 2 * number).collect();
    let messages = ranges(&numbers);
    assert_eq!(messages.iter().map(|ranges| ranges.iter().len()).collect::<Vec<_>>(), [1024, 1024, 2]);
}

proptest! {
    #[test]
    fn ranges_name_exactly_the_numbers(numbers in btree_set(1..200_u64, 0..120)) {
        let numbers: Vec<u64> = numbers.into_iter().collect();
        let mut named = Vec::new();
        for range in ranges(&numbers).iter().flat_map(Ranges::iter) {
            prop_assert!(range.count > 0);
            named.extend(range.first.number()..=range.last().expect("few"));
        }
        prop_assert_eq!(named, numbers);
    }
}
