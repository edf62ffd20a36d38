use proptest::collection::vec;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

#[test]
fn numbers_come_once_and_close_their_gaps() {
    let mut numbers = Numbers::from(1, 4);
    for (number, missing) in [(1, 2), (3, 2), (4, 2), (2, 5), (8, 5)] {
        assert_eq!(numbers.take(number), Ok(()));
        assert_eq!(numbers.missing(), missing);
    }
    assert_eq!(numbers.take(4), Err(OutOfSequence::Used { number: 4 }));
    assert_eq!(numbers.take(8), Err(OutOfSequence::Used { number: 8 }));
    assert_eq!(numbers.take(9), Err(OutOfSequence::TooFar { number: 9, missing: 5 }));
    assert_eq!(numbers.take(u64::MAX), Err(OutOfSequence::TooFar { number: u64::MAX, missing: 5 }));
}

proptest! {
    /// The same as a set of everything that came.
    #[test]
    fn they_are_a_set(tries in vec(1..40_u64, 0..120), span in 1..12_u32) {
        let mut numbers = Numbers::from(1, span);
        let mut came = BTreeSet::new();
        for number in tries {
            let missing = (1..).find(|number| !came.contains(number)).expect("there is always one");
            let fits = number >= missing && number - missing < u64::from(span) && !came.contains(&number);
            prop_assert_eq!(numbers.take(number).is_ok(), fits);
            if fits {
                came.insert(number);
            }
            let missing = (1..).find(|number| !came.contains(number)).expect("there is always one");
            prop_assert_eq!(numbers.missing(), missing);
        }
    }
}
