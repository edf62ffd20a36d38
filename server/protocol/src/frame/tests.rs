use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

proptest! {
    #[test]
    fn a_header_that_decodes_encodes_to_the_same_bytes(bytes: [u8; 8], kind in 0..Kind::ALL.len(), length in 0..9_u32) {
        let [l0, l1, l2, l3] = length.to_le_bytes();
        let [k0, k1] = Kind::ALL[kind].number().to_le_bytes();
        for bytes in [bytes, [l0, l1, l2, l3, k0, k1, 0, 0]] {
            if let Ok(header) = Header::decode(bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }
}

#[test]
fn golden_header() {
    let header = Header::new(Kind::Put, 0x0001_0203).expect("a put can be that long");
    assert_eq!(header.encode(), [0x03, 0x02, 0x01, 0x00, 0x03, 0x01, 0x00, 0x00]);
    assert_eq!(Header::decode(header.encode()), Ok(header));
    assert_eq!((header.kind(), header.body_bytes()), (Kind::Put, 0x0001_0203));
}

#[test]
fn every_kind_has_a_limit_of_its_own() {
    for kind in Kind::ALL.iter().copied() {
        let most = body_bytes_max(kind);
        assert!(Header::new(kind, most).is_ok());
        let (bytes, bytes_max) = (most as u64 + 1, most as u64);
        assert_eq!(Header::new(kind, most + 1), Err(FrameError::TooLarge { kind, bytes, bytes_max }));
        let [k0, k1] = kind.number().to_le_bytes();
        let lying = Header::decode([0xff, 0xff, 0xff, 0xff, k0, k1, 0, 0]);
        assert!(matches!(lying, Err(error) if error.code() == Code::TOO_LARGE));
    }
}

#[test]
fn what_is_not_known_is_refused() {
    assert_eq!(
        Header::decode([0, 0, 0, 0, 0x00, 0x01, 0, 0]),
        Err(FrameError::UnknownKind { number: 0x0100 })
    );
    assert_eq!(Header::decode([8, 0, 0, 0, 0x80, 0, 1, 0]), Err(FrameError::Reserved));
    assert_eq!(Header::decode([8, 0, 0, 0, 0x80, 0, 0, 1]), Err(FrameError::Reserved));
    assert_eq!(FrameError::Reserved.code(), Code::MALFORMED);
    assert_eq!(FrameError::UnknownKind { number: 0 }.code(), Code::UNEXPECTED_MESSAGE);
}
