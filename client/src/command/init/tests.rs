//! Settings out of range are refused with the range.

use super::*;

fn size(text: &str) -> Size {
    text.parse().expect("it is a size")
}

fn tuning() -> Tuning {
    Tuning {
        compression_level: None,
        chunk_average: size("1MiB"),
        chunk_min: None,
        chunk_max: None,
        image_chunk: size("1MiB"),
        bundle: size("1MiB"),
        guess_memory: None,
        guess_passes: None,
    }
}

#[test]
fn the_range_is_named() {
    let cases = [
        (Tuning { bundle: size("1"), ..tuning() }, "--bundle is 1024 to 4194304 bytes, and not 1"),
        (Tuning { bundle: size("99GiB"), ..tuning() }, "--bundle is 1024 to 4194304 bytes"),
        (Tuning { image_chunk: size("16MiB"), ..tuning() }, "--image-chunk is 1024 to 8388608 bytes"),
        (Tuning { chunk_average: size("99"), ..tuning() }, "--chunk-average is 256 to 8388608 bytes"),
        (Tuning { chunk_min: Some(size("1")), ..tuning() }, "--chunk-min is 64 to 8388608 bytes"),
        (Tuning { chunk_min: Some(size("2MiB")), ..tuning() }, "--chunk-min is at most --chunk-average"),
        (
            Tuning { chunk_max: Some(size("4KiB")), ..tuning() },
            "that at most --chunk-max: 262144, 1048576, 4096",
        ),
        (Tuning { compression_level: Some(99), ..tuning() }, "--compression-level is -7 to 22, and not 99"),
    ];
    for (tuning, why) in cases {
        let refused = tuning.plan("label").expect_err(why).to_string();
        assert!(refused.contains(why), "{refused}");
    }
    for fine in [tuning(), Tuning { chunk_average: size("8MiB"), ..tuning() }] {
        fine.plan("label").expect("it is allowed");
    }
}
