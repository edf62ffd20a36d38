//! The table of objects.

use farkeep_codec::id::Seed;
use farkeep_codec::key::Epoch;

use super::*;

fn pointer(id: u8, seed: u8) -> Pointer {
    Pointer {
        id: ObjectId::from_bytes([id; 32]),
        seed: Seed::from_bytes([seed; 32]),
        plain_bytes: 5,
        epoch: Epoch::FIRST,
    }
}

#[test]
fn an_object_has_one_number_however_often_it_is_met() {
    let mut objects = Objects::default();
    for _ in 0..3 {
        assert_eq!(objects.insert(&pointer(1, 1), Role::Chunk), Ok(()));
        assert_eq!(objects.insert(&pointer(2, 2), Role::Chunk), Ok(()));
    }
    assert_eq!(objects.count(), 2);
    let numbers: Vec<ObjectNumber> = objects.numbers().collect();
    assert_eq!(objects.number(&ObjectId::from_bytes([2; 32])), Some(numbers[1]));
    assert_eq!(objects.pointer(numbers[1]), &pointer(2, 2));
    assert_eq!(objects.number(&ObjectId::from_bytes([3; 32])), None);
}

#[test]
fn parents_that_disagree_are_noticed() {
    let mut objects = Objects::default();
    assert_eq!(objects.insert(&pointer(1, 1), Role::Chunk), Ok(()));
    assert_eq!(objects.insert(&pointer(1, 2), Role::Chunk), Err(Disagreement));
    let longer = Pointer { plain_bytes: 6, ..pointer(1, 1) };
    assert_eq!(objects.insert(&longer, Role::Chunk), Err(Disagreement));
}

#[test]
fn a_chunk_that_is_a_bundle_too_counts_as_a_bundle() {
    let mut objects = Objects::default();
    for role in [Role::Chunk, Role::Bundle, Role::Chunk] {
        assert_eq!(objects.insert(&pointer(1, 1), role), Ok(()));
    }
    let number = objects.numbers().next().expect("there is one");
    assert_eq!(objects.role(number), Role::Bundle);
}
