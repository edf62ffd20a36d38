use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::EnvelopeError;
use super::Table;
use super::body;
use super::wrap;
use crate::limits::FORMAT_VERSION;

const TABLE: Table = Table { magic: *b"FKtest", name: "test", body_bytes_max: 100 };

proptest! {
    #[test]
    fn a_body_comes_back(inside in vec(any::<u8>(), 0..=100)) {
        let bytes = wrap(&TABLE, &inside);
        prop_assert_eq!(body(&TABLE, &bytes), Ok(inside.as_slice()));
    }

    #[test]
    fn nothing_else_opens(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert!(body(&TABLE, &bytes).is_err());
    }
}

#[test]
fn golden_bytes() {
    let hex: String = wrap(&TABLE, b"body").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "464b74657374010004000000_37494c80_626f6479_8a14fc33e52c4ba837ae20d127cd7f5b".replace('_', "")
    );
}

#[test]
fn every_flipped_bit_and_every_other_length_is_told() {
    let bytes = wrap(&TABLE, b"some body");
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        let expected = match at / 8 {
            0..6 => EnvelopeError::Foreign { table: "test" },
            _ => EnvelopeError::Damaged { table: "test" },
        };
        assert_eq!(body(&TABLE, &altered), Err(expected), "bit {at}");
    }
    for length in 0..bytes.len() {
        let refused = body(&TABLE, &bytes[..length]);
        assert_eq!(refused, Err(EnvelopeError::Damaged { table: "test" }), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(body(&TABLE, &longer), Err(EnvelopeError::Damaged { table: "test" }));
}

#[test]
fn later_versions_are_named_whatever_follows_the_front() {
    let mut front = wrap(&TABLE, b"body")[..16].to_vec();
    front[6..8].copy_from_slice(&700_u16.to_le_bytes());
    let checksum = blake3::hash(&front[..12]);
    front[12..].copy_from_slice(&checksum.as_bytes()[..4]);
    let newer = EnvelopeError::NewerFormat { table: "test", found: 700, known: FORMAT_VERSION };
    assert_eq!(body(&TABLE, &front), Err(newer));
    front[6..8].copy_from_slice(&0_u16.to_le_bytes());
    assert_eq!(body(&TABLE, &front), Err(EnvelopeError::Damaged { table: "test" }));
}

#[test]
fn a_body_beyond_its_limit_is_damage() {
    let wide = Table { body_bytes_max: 101, ..TABLE };
    let bytes = wrap(&wide, &[0; 101]);
    assert!(body(&wide, &bytes).is_ok());
    assert_eq!(body(&TABLE, &bytes), Err(EnvelopeError::Damaged { table: "test" }));
}
