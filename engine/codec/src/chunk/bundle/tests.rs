use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::chunk::samples::parameters;

/// A file of a run: a number that stands for its content, and its length.
type File = (u64, u32);

fn hash(number: u64) -> ContentHash {
    ContentHash::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// The bundles of a run.
fn bundles(target_bytes: u32, files: &[File]) -> Vec<Vec<File>> {
    let mut parameters = parameters([256, 1024, 4096]);
    parameters.bundle_bytes_target = target_bytes;
    let mut border = BundleBorder::new(&parameters);
    let mut bundles = vec![Vec::new()];
    for (number, bytes) in files {
        bundles.last_mut().expect("there is one").push((*number, *bytes));
        if border.after(&hash(*number), *bytes) == Border::Cut {
            bundles.push(Vec::new());
        }
    }
    bundles
}

fn run(files: u64, bytes: impl Fn(u64) -> u32) -> Vec<File> {
    (0..files).map(|number| (number, bytes(number))).collect()
}

fn bytes_of(bundle: &[File]) -> u64 {
    bundle.iter().map(|(_, bytes)| u64::from(*bytes)).sum()
}

proptest! {
    /// What stands behind a border does not depend on what stood before it.
    #[test]
    fn a_run_from_a_border_on_is_cut_alike(sizes in vec(1..60_000_u32, 1..200), first in any::<u32>()) {
        let files: Vec<File> = (u64::from(first)..).zip(sizes).collect();
        let whole = bundles(1 << 17, &files);
        let from = whole.len() / 2;
        let rest: Vec<File> = whole[from..].concat();
        prop_assert_eq!(bundles(1 << 17, &rest), whole[from..].to_vec());
    }
}

#[test]
fn bundles_have_the_documented_lengths() {
    let target = 512 << 10;
    let longest = 3 * u64::from(target);
    let runs = [
        run(100_000, |_| 1000),
        run(100_000, |number| u32::try_from(number % 97 * number % 89 * 30 + 1).expect("small")),
        run(5_000, |_| 60 << 10),
        run(5_000, |_| 128 << 10),
    ];
    for files in runs {
        let mut bundles = bundles(target, &files);
        bundles.pop();
        let mean = bundles.iter().map(|bundle| bytes_of(bundle)).sum::<u64>() / bundles.len() as u64;
        assert!((400 << 10..700 << 10).contains(&mean), "mean {mean}");
        assert!(bundles.iter().all(|bundle| bytes_of(bundle) >= 256 << 10));
        assert!(bundles.iter().all(|bundle| bytes_of(bundle) < longest + SMALL_FILE_BYTES_MAX));
        let forced = bundles.iter().filter(|bundle| bytes_of(bundle) >= longest).count();
        assert!(forced * 50 <= bundles.len(), "{forced} of {} bundles end by length", bundles.len());
    }
}

#[test]
fn a_file_more_or_less_changes_few_bundles() {
    let files = run(30_000, |number| u32::try_from(number * 7919 % 20_000 + 1).expect("small"));
    let before: std::collections::HashSet<Vec<File>> = bundles(512 << 10, &files).into_iter().collect();
    let mut changed = 0;
    for edit in 0..100_usize {
        let mut edited = files.clone();
        let at = edit * 299;
        match edit % 3 {
            0 => drop(edited.remove(at)),
            1 => edited.insert(at, (1 << 40, 5000)),
            _ => edited[at] = (1 << 40, 5000),
        }
        changed += bundles(512 << 10, &edited).iter().filter(|bundle| !before.contains(*bundle)).count();
    }
    assert!(changed <= 100 * 4, "{changed} bundles changed by 100 edits");
}

#[test]
fn no_bundle_is_too_long_for_an_object() {
    for target in [1024, 1 << 20, 4 << 20] {
        let longest = bundles(target, &run(3000, |_| 128 << 10)).iter().map(|bundle| bytes_of(bundle)).max();
        assert!(longest.is_some_and(|bytes| bytes <= BUNDLE_BYTES_MAX as u64));
        let none = bundles(target, &vec![(1, 1000); 20_000]);
        assert!(none.iter().all(|bundle| bytes_of(bundle) <= BUNDLE_BYTES_MAX as u64));
    }
}

#[test]
fn borders_are_pinned() {
    let lengths: Vec<usize> = bundles(16 << 10, &run(100, |_| 1000)).iter().map(Vec::len).collect();
    assert_eq!(lengths, [11, 27, 14, 43, 5]);
}
