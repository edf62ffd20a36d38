use farkeep_codec::id::ObjectId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

fn encoded<'a>(field: &impl Field<'a>) -> Vec<u8> {
    let mut writer = Writer::new();
    field.write(&mut writer);
    writer.into_bytes()
}

fn decoded<'a, F: Field<'a>>(bytes: &'a [u8]) -> Result<F, Malformed> {
    let mut reader = Reader::new(bytes);
    let field = F::read(&mut reader, "field")?;
    reader.finish()?;
    Ok(field)
}

fn range(first: u64, count: u64) -> Range {
    Range { first: Sequence::new(first).expect("above 0"), count }
}

proptest! {
    #[test]
    fn bits_come_back(bits in vec(any::<bool>(), 1..99)) {
        let bitmap = Bitmap::new(&bits)?;
        prop_assert_eq!(bitmap.count(), bits.len());
        prop_assert_eq!(bitmap.iter().collect::<Vec<_>>(), bits);
    }

    #[test]
    fn the_beginning_of_any_text_is_a_text(text in vec("[a-z\u{0}-\u{20}\u{7f}-\u{ff}]|.", 0..9)) {
        let text = text.concat();
        let kept = Text::<9>::beginning(&text);
        prop_assert_eq!(Text::<9>::new(kept.as_str()), Ok(kept));
        prop_assert!(text.starts_with(kept.as_str()));
        let fits = text.len() <= 9 && !text.chars().any(char::is_control);
        prop_assert_eq!(Text::<9>::new(&text).is_ok(), fits);
        prop_assert_eq!(kept.as_str() == text, fits);
    }

    #[test]
    fn the_length_of_a_varint_is_known(number: usize) {
        let mut writer = Writer::new();
        writer.count(number);
        prop_assert_eq!(writer.len(), varint_bytes(number));
    }
}

#[test]
fn names_cannot_leave_a_folder() {
    for good in ["a", "0", "web-1.example_com", &"x".repeat(64)] {
        assert_eq!(Name::new(good).map(|name| name.as_str().len()), Ok(good.len()));
    }
    for bad in ["", ".", "..", "-a", "_a", "a/b", "A", "a b", "ä", "a\0", &"x".repeat(65)] {
        assert!(Name::new(bad).is_err(), "{bad:?}");
        let counted = [&[u8::try_from(bad.len()).expect("short")], bad.as_bytes()].concat();
        assert!(decoded::<Name<'_>>(&counted).is_err(), "{bad:?}");
    }
}

#[test]
fn text_that_would_upset_a_terminal_is_refused() {
    assert!(decoded::<Text<'_, 8>>(b"\x02ok").is_ok());
    for bad in [&b"\x02a\n"[..], b"\x02a\x1b", b"\x01\x7f", b"\x02\xc2\x85", b"\x01\xff", b"\x09123456789"] {
        assert!(decoded::<Text<'_, 8>>(bad).is_err(), "{bad:02x?}");
    }
}

#[test]
fn a_lying_count_is_refused_where_it_stands() {
    type Ids = List<ObjectId, 1, 8192>;
    let refused = |bytes: &[u8]| decoded::<Ids>(bytes).expect_err("it lies").offset;
    let two_ids = [7; 64];
    // More than the bytes hold, more than the limit, fewer than the limit: offset 0 is the count's, so that no value
    // behind it was read and no room was made for one.
    assert_eq!(refused(&[&[3], &two_ids[..]].concat()), 0);
    assert_eq!(refused(&[&[0xff, 0x3f], &two_ids[..]].concat()), 0);
    assert_eq!(refused(&[&[0x81, 0x40], &two_ids[..]].concat()), 0);
    assert_eq!(refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), 0);
    assert_eq!(refused(&[0]), 0);
    assert_eq!(decoded::<Ids>(&[&[2], &two_ids[..]].concat()).map(|ids| ids.len()), Ok(2));
    // Too few is told from trailing bytes.
    assert_eq!(refused(&[&[1], &two_ids[..]].concat()), 33);
}

#[test]
fn bits_that_nobody_asked_for_are_refused() {
    assert!(decoded::<Bitmap>(&[3, 0b0000_0101]).is_ok());
    for bad in [&[3, 0b0000_1101][..], &[0], &[9, 0xff], &[8], &[0x81, 0x40, 0]] {
        assert!(decoded::<Bitmap>(bad).is_err(), "{bad:02x?}");
    }
    assert!(Bitmap::new(&[]).is_err());
    assert!(Bitmap::new(&[true; 8193]).is_err());
}

#[test]
fn a_set_of_requests_has_one_encoding() {
    let most = u64::MAX;
    for good in [vec![range(1, 1)], vec![range(1, 1), range(3, 2), range(6, 1)], vec![range(1, most)]] {
        let ranges = Ranges::new(good.clone()).expect("in order");
        assert_eq!(ranges.iter().collect::<Vec<_>>(), good);
        assert_eq!(decoded::<Ranges>(&encoded(&ranges)), Ok(ranges));
    }
    for bad in [
        vec![],
        vec![range(1, 0)],
        vec![range(2, most)],
        vec![range(1, 1), range(2, 1)],
        vec![range(1, 3), range(3, 1)],
        vec![range(5, 1), range(1, 1)],
        vec![range(1, most - 1), range(most, 1)],
        vec![range(1, most), range(most, 1)],
        (0..1025).map(|at| range(1 + 2 * at, 1)).collect(),
    ] {
        let mut writer = Writer::new();
        writer.count(bad.len());
        bad.iter().for_each(|range| range.write(&mut writer));
        assert!(Ranges::new(bad).is_err());
        assert!(decoded::<Ranges>(writer.as_bytes()).is_err());
    }
}

#[test]
fn numbers_outside_their_limits_are_refused() {
    type Three = Within<1, 3>;
    assert_eq!([0, 1, 3, 4].map(|number| Three::new(number).is_ok()), [false, true, true, false]);
    assert_eq!(decoded::<Three>(&[3, 0, 0, 0]).map(Three::number), Ok(3));
    assert!(decoded::<Three>(&[4, 0, 0, 0]).is_err());
    assert!(decoded::<bool>(&[2]).is_err());
    assert!(decoded::<Sequence>(&[0; 8]).is_err());
    assert_eq!(decoded::<Option<Sequence>>(&[0; 8]), Ok(None));
    assert_eq!(Sequence::FIRST.next(), Sequence::new(2).expect("above 0"));
}
