use proptest::collection::vec;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

proptest! {
    #[test]
    fn places_lead_to_the_values_and_back(values in vec(0..20_u32, 0..100)) {
        let mut table = Table::new();
        let mut codes_read = FirstUse::default();
        let mut indexes_read = FirstUse::default();
        for value in &values {
            let place = table.place(value);
            prop_assert_eq!(&table.values()[place.index()], value);
            prop_assert_eq!(codes_read.code(place.code()), Some(place.index()));
            prop_assert_eq!(indexes_read.index(place.index()), Some(place.index()));
        }
        prop_assert!(are_distinct(table.values()));
        prop_assert!(codes_read.is_complete(table.values().len()));
        prop_assert!(indexes_read.is_complete(table.values().len()));
    }
}

#[test]
fn a_first_use_out_of_order_is_refused() {
    let mut first_use = FirstUse::default();
    assert_eq!(first_use.index(1), None);
    assert_eq!(first_use.code(1), None);
    assert_eq!(first_use.index(0), Some(0));
    assert_eq!(first_use.index(2), None);
    assert_eq!(first_use.code(1), Some(0));
    assert_eq!(first_use.code(usize::MAX), None);
    assert_eq!(first_use.index(usize::MAX), None);
    assert!(first_use.is_complete(1));
    assert!(!first_use.is_complete(2));
}

#[test]
fn values_that_stand_twice_are_seen() {
    assert!(are_distinct::<u8>(&[]));
    assert!(are_distinct(&[3, 1, 2]));
    assert!(!are_distinct(&[3, 1, 3]));
}

#[test]
fn a_cleared_table_begins_anew() {
    let mut table = Table::new();
    table.place(&5);
    table.place(&6);
    table.clear();
    assert_eq!(table.place(&6), Place::New(0));
}
