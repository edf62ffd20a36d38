use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::chunk::samples::keys;
use crate::chunk::samples::noise;
use crate::chunk::samples::parameters;

/// Lengths of the chunks of a file that is at hand as a whole.
fn lengths(chunker: &Chunker, mut data: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(length) = chunker.cut(data, Tail::End) {
        lengths.push(length);
        data = &data[length..];
    }
    lengths
}

/// The documented rule, byte by byte.
fn lengths_by_rule(
    gear: &[u64; 256],
    [min, average, max]: [usize; 3],
    masks: [u64; 2],
    mut data: &[u8],
) -> Vec<usize> {
    let mut lengths = Vec::new();
    while !data.is_empty() {
        let window = &data[..data.len().min(max)];
        let mut hash = 0_u64;
        let tested = min..window.len() & !1;
        let cut = tested.clone().find(|place| {
            hash = (hash << 1).wrapping_add(gear[usize::from(window[*place])]);
            hash & masks[usize::from(*place >= average)] == 0
        });
        let length = if window.len() <= min { window.len() } else { cut.unwrap_or(window.len()) };
        lengths.push(length);
        data = &data[length..];
    }
    lengths
}

proptest! {
    #[test]
    fn the_rule_is_the_documented_one(length in 0..60_000_usize, seed in any::<u64>()) {
        let (min, average, max) = (256, 1024, 4096);
        let chunker = Chunker::new(&keys(), &parameters([min, average, max]));
        let data = noise(seed, length);
        // log2 1024 is 10: the masks of the crate for 12 and 8 bits.
        let masks = [0x0000_d901_0353_0000, 0x0000_0018_0003_5300];
        let bounds = [min, average, max].map(|bytes| bytes as usize);
        prop_assert_eq!(lengths(&chunker, &data), lengths_by_rule(&keys().gear(), bounds, masks, &data));
    }

    #[test]
    fn cuts_do_not_depend_on_how_much_is_at_hand(seed in any::<u64>(), steps in vec(1..6000_usize, 1..20)) {
        let chunker = Chunker::new(&keys(), &parameters([256, 1024, 4096]));
        let data = noise(seed, 30_000);
        let mut piecewise = Vec::new();
        let (mut start, mut end) = (0, 0);
        for step in steps.iter().cycle() {
            end = (end + step).min(data.len());
            let tail = if end == data.len() { Tail::End } else { Tail::More };
            while let Some(length) = chunker.cut(&data[start..end], tail) {
                piecewise.push(length);
                start += length;
            }
            if tail == Tail::End {
                break;
            }
        }
        prop_assert_eq!(piecewise, lengths(&chunker, &data));
    }
}

#[test]
fn lengths_keep_to_the_parameters() {
    let chunker = Chunker::new(&keys(), &parameters([16 << 10, 64 << 10, 256 << 10]));
    let lengths = lengths(&chunker, &noise(1, 32 << 20));
    let mean = (32 << 20) / lengths.len();
    assert!((56 << 10..84 << 10).contains(&mean), "mean {mean}");
    let (_, all_but_last) = lengths.split_last().expect("there are chunks");
    assert!(all_but_last.iter().all(|length| (16 << 10..=256 << 10).contains(length)));
}

#[test]
fn an_insertion_moves_few_cuts() {
    let chunker = Chunker::new(&keys(), &parameters([1 << 10, 4 << 10, 16 << 10]));
    let data = noise(2, 1 << 20);
    let mut edited = data.clone();
    edited.splice(500_000..500_000, [1, 2, 3]);
    let chunks = |data: &[u8]| {
        let ends = lengths(&chunker, data).into_iter().scan(0, |end, length| {
            let start = std::mem::replace(end, *end + length);
            Some(data[start..*end].to_vec())
        });
        ends.collect::<std::collections::HashSet<_>>()
    };
    let (before, after) = (chunks(&data), chunks(&edited));
    assert!(after.difference(&before).count() <= 3);
}

#[test]
fn another_repository_cuts_elsewhere() {
    let data = noise(3, 1 << 20);
    let parameters = parameters([1 << 10, 4 << 10, 16 << 10]);
    let other = crate::chunk::samples::other_keys();
    assert_ne!(
        lengths(&Chunker::new(&keys(), &parameters), &data),
        lengths(&Chunker::new(&other, &parameters), &data)
    );
}

#[test]
fn what_is_missing_is_asked_for() {
    let chunker = Chunker::new(&keys(), &parameters([256, 1024, 4096]));
    let zeros = vec![0; 5000];
    assert_eq!(chunker.bytes_wanted(), 4096);
    assert_eq!(chunker.cut(&[], Tail::End), None);
    assert_eq!(chunker.cut(&zeros[..200], Tail::More), None);
    assert_eq!(chunker.cut(&zeros[..200], Tail::End), Some(200));
    assert_eq!(chunker.cut(&zeros[..4095], Tail::More), None);
    assert_eq!(chunker.cut(&zeros, Tail::More), Some(4096));
}

#[test]
fn odd_parameters_count_as_even_ones() {
    let data = noise(4, 100_000);
    let odd = Chunker::new(&keys(), &parameters([257, 1025, 4097]));
    let even = Chunker::new(&keys(), &parameters([256, 1024, 4096]));
    assert_eq!(lengths(&odd, &data), lengths(&even, &data));
}

#[test]
fn the_masks_are_the_documented_ones() {
    let documented: [u64; 20] = [
        0x0000_0000_0180_3110,
        0x0000_0000_1803_5100,
        0x0000_0018_0003_5300,
        0x0000_0190_0035_3000,
        0x0000_5900_0353_0000,
        0x0000_d900_0353_0000,
        0x0000_d901_0353_0000,
        0x0000_d903_0353_0000,
        0x0000_d903_1353_0000,
        0x0000_d90f_0353_0000,
        0x0000_d903_0353_7000,
        0x0000_d907_0353_7000,
        0x0000_d907_0753_7000,
        0x0000_d917_0753_7000,
        0x0000_d917_4753_7000,
        0x0000_d917_6753_7000,
        0x0000_d937_6753_7000,
        0x0000_d937_7753_7000,
        0x0000_d937_7757_7000,
        0x0000_db37_7757_7000,
    ];
    for bits in 8..=23_usize {
        let average = 1_u32 << bits;
        let chunker = Chunker::new(&keys(), &parameters([64, average, 8 << 20]));
        assert_eq!(chunker.mask_strict, documented[bits + 2 - 6], "strict mask of 2^{bits}");
        assert_eq!(chunker.mask_generous, documented[bits - 2 - 6], "generous mask of 2^{bits}");
    }
    let rounded = Chunker::new(&keys(), &parameters([64, 100_000, 8 << 20]));
    assert_eq!(rounded.mask_strict, documented[17 + 2 - 6], "log2 of 100000 is 16.6");
}

#[test]
fn images_are_cut_at_multiples() {
    let chunker = ImageChunker::new(&parameters([256, 1024, 4096]));
    assert_eq!(chunker.bytes_wanted(), 4096);
    let data = vec![0; 10_000];
    assert_eq!(chunker.cut(&data, Tail::More), Some(4096));
    assert_eq!(chunker.cut(&data[..4095], Tail::More), None);
    assert_eq!(chunker.cut(&data[..4095], Tail::End), Some(4095));
    assert_eq!(chunker.cut(&[], Tail::End), None);
}

#[test]
fn cuts_are_pinned() {
    let chunker = Chunker::new(&keys(), &parameters([256, 1024, 4096]));
    assert_eq!(lengths(&chunker, &noise(5, 8000)), [1280, 621, 679, 1069, 314, 1442, 1073, 1522]);
}
