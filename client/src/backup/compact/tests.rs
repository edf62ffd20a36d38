use std::collections::BTreeMap;
use std::collections::HashMap;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::DomainSecret;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Slice;
use super::slices_of;
use crate::backup::catalogue::BundleNumber;
use crate::backup::catalogue::CatalogueWriter;
use crate::backup::catalogue::Placement;
use crate::backup::catalogue::Previous;
use crate::backup::catalogue::Row;
use crate::backup::catalogue::RowContent;
use crate::backup::catalogue::Rows;
use crate::backup::catalogue::Stamp;

/// A row of every use of a slice, as a catalogue gives them.
fn rows(folder: &std::path::Path, uses: &[(u8, u8, bool)]) -> Rows {
    let keys = DomainKeys::derive(&DomainSecret::from_bytes([1; 32]), RepositoryId::from_bytes([2; 32]));
    let previous = Previous::nothing(&keys);
    let mut writer = CatalogueWriter::begin(folder, &previous, previous.bundles(), [5; 16]).expect("space");
    for (at, (bundle, offset, borrowed)) in uses.iter().enumerate() {
        let place = Placement { bundle: number(*bundle), offset: u32::from(*offset), borrowed: *borrowed };
        let row = Row {
            path: format!("{at:06}").into_bytes(),
            stamp: Stamp { bytes: length(*offset), ..Stamp::default() },
            settled: true,
            detail: vec![0],
            hash: None,
            content: RowContent::Slice(place),
        };
        writer.put(&row).expect("space");
    }
    writer.written(&previous).expect("space")
}

fn number(bundle: u8) -> BundleNumber {
    BundleNumber(u32::from(bundle))
}

/// Bytes of the slice at an offset.
fn length(offset: u8) -> u64 {
    u64::from(offset) + 1
}

/// Every slice of these bundles that is used, each once.
fn used(uses: &[(u8, u8, bool)], bundles: &BTreeMap<BundleNumber, u64>) -> HashMap<Slice, u64> {
    let slices = uses.iter().map(|(bundle, offset, _)| (number(*bundle), *offset));
    let wanted = slices.filter(|(bundle, _)| bundles.contains_key(bundle));
    wanted.map(|(bundle, offset)| ((bundle, u32::from(offset)), length(offset))).collect()
}

proptest! {
    #[test]
    fn slices_are_counted_once_and_in_bounded_memory(
        uses in vec((0..12_u8, 0..20_u8, any::<bool>()), 0..300),
        slices_max in 1..260_usize,
    ) {
        let folder = tempfile::tempdir()?;
        // The odd ones are in no doubt, and nobody asks about them.
        let asked: BTreeMap<_, _> = (0..12).step_by(2).map(|bundle| (number(bundle), 100)).collect();
        let mut left = asked.clone();
        let slices = slices_of(&mut left, rows(folder.path(), &uses), slices_max)?;
        prop_assert_eq!(&slices, &used(&uses, &left), "all slices of the bundles that are left, and no other");
        prop_assert!(slices.len() <= slices_max || left.len() == 1, "{} slices", slices.len());
        prop_assert!(!left.is_empty(), "one bundle is always dealt with, so that some run comes to the last");
        prop_assert!(left.iter().all(|(bundle, bytes)| asked.get(bundle) == Some(bytes)));
        if used(&uses, &asked).len() <= slices_max {
            prop_assert_eq!(left, asked, "nothing is put off without need");
        }
    }
}
