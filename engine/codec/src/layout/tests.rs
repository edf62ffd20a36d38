use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Reader;
use super::Writer;

proptest! {
    #[test]
    fn numbers_come_back(a: u64, b: i64, c: u32, d: u16, e: u8) {
        let mut writer = Writer::new();
        writer.varint(a).zigzag(b).u32(c).u16(d).u8(e).i64(b).u64(a);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.varint("a")?, a);
        prop_assert_eq!(reader.zigzag("b")?, b);
        prop_assert_eq!(reader.u32("c")?, c);
        prop_assert_eq!(reader.u16("d")?, d);
        prop_assert_eq!(reader.u8("e")?, e);
        prop_assert_eq!(reader.i64("b")?, b);
        prop_assert_eq!(reader.u64("a")?, a);
        prop_assert!(reader.finish().is_ok());
    }

    #[test]
    fn a_varint_that_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.varint("n") {
            let mut writer = Writer::new();
            writer.varint(value);
            prop_assert_eq!(writer.as_bytes(), &bytes[..reader.offset()]);
        }
    }
}

#[test]
fn overlong_and_overflowing_varints_are_refused() {
    for bytes in [
        &[0x80, 0x00][..],
        &[0xff, 0x80, 0x00],
        &[0x80],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        &[0xff; 11],
    ] {
        assert!(Reader::new(bytes).varint("n").is_err(), "{bytes:02x?}");
    }
}

#[test]
fn limits_and_trailing_bytes_are_refused() {
    assert!(Reader::new(&[3, 1, 2, 3]).counted(2, "name").is_err());
    assert!(Reader::new(&[4, 1, 2, 3]).counted(9, "name").is_err());
    assert!(Reader::new(&[1]).finish().is_err());
}
