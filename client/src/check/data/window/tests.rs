//! Finding slices in a window.

use super::super::super::objects::Objects;
use super::super::super::objects::Role;
use super::*;

use farkeep_codec::id::Seed;
use farkeep_codec::key::Epoch;

fn numbers(count: u8) -> Vec<ObjectNumber> {
    let mut objects = Objects::default();
    for id in 0..count {
        let pointer = Pointer {
            id: ObjectId::from_bytes([id; 32]),
            seed: Seed::from_bytes([id; 32]),
            plain_bytes: 9,
            epoch: Epoch::FIRST,
        };
        objects.insert(&pointer, Role::Bundle).expect("all differ");
    }
    objects.numbers().collect()
}

fn window(slices: &[Slice]) -> Window {
    Window { slices: slices.to_vec(), hashes: slices.iter().map(|_| OnceLock::new()).collect() }
}

#[test]
fn slices_are_found_by_their_bundle() {
    let numbers = numbers(4);
    let slice = |bundle: usize, offset| Slice { bundle: numbers[bundle], offset, bytes: 1 };
    let window = window(&[slice(0, 0), slice(2, 0), slice(2, 5), slice(3, 1)]);
    assert_eq!(window.slices_of(numbers[2]), (1, &[slice(2, 0), slice(2, 5)][..]));
    assert_eq!(window.slices_of(numbers[3]), (3, &[slice(3, 1)][..]));
    assert!(!window.has_slices_of(numbers[1]));
    assert!(window.has_slices_of(numbers[0]));
}

#[test]
fn a_hash_is_there_once_it_was_computed() {
    let numbers = numbers(1);
    let slice = |offset| Slice { bundle: numbers[0], offset, bytes: 1 };
    let window = window(&[slice(0), slice(1)]);
    let hash = ContentHash::from_bytes([7; 32]);
    window.remember(1, hash);
    assert_eq!(window.hash(&slice(1)), Some(&hash));
    assert_eq!(window.hash(&slice(0)), None);
    assert_eq!(window.hash(&slice(2)), None);
}
