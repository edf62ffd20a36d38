//! Sizes, rates and shares: what is taken, and what is refused.

use proptest::prelude::*;

use super::*;

#[test]
fn units_mean_what_they_say() {
    let sizes = [
        ("0", 0),
        ("65536", 65_536),
        ("512KiB", 524_288),
        ("512 k", 524_288),
        ("4M", 4_194_304),
        ("2GB", 2_000_000_000),
    ];
    for (text, bytes) in sizes {
        assert_eq!(text.parse(), Ok(Size { bytes }), "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in ["", "K", "-1", "1.5M", "1TB2", "99999999999G", "1 M iB"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}

#[test]
fn rates_are_sizes_per_second_and_not_next_to_nothing() {
    for (text, bytes) in [("2MiB", 2_097_152), ("500K", 512_000), ("1MB/s", 1_000_000), ("16384 B/s", 16_384)]
    {
        assert_eq!(text.parse::<Rate>().map(Rate::bytes_per_second), Ok(bytes), "{text}");
    }
    for text in ["", "fast", "/s", "1MiB/h", "-1", "0", "16383"] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
}

#[test]
fn shares_are_percentages_above_zero() {
    assert_eq!("100%".parse(), Ok(Share::ALL));
    assert_eq!("2.5 %".parse(), Ok(Share { part: 0.025 }));
    for text in ["", "10", "0%", "-1%", "101%", "nan%", "inf%"] {
        assert!(text.parse::<Share>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn plain_numbers_are_bytes(bytes: u64) {
        prop_assert_eq!(bytes.to_string().parse(), Ok(Size { bytes }));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,12}") {
        let _ = text.parse::<Size>();
        let _ = text.parse::<Share>();
    }
}

#[test]
fn thousandths_are_percentages_in_tenths() {
    let thousandths = |text: &str| text.parse::<Thousandths>().map(|share| share.thousandths).ok();
    assert_eq!(thousandths("1%"), Some(10));
    assert_eq!(thousandths(" 0.5 %"), Some(5));
    assert_eq!(thousandths("0%"), Some(0));
    for text in ["", "1", "%", ".5%", "1.%", "1.25%", "-1%", "70000%", "+1%"] {
        assert_eq!(thousandths(text), None, "{text}");
    }
}
