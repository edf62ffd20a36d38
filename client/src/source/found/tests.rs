use std::ffi::CString;

use proptest::collection::vec;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Folder;
use super::Listing;
use crate::source::folder::Descriptors;

proptest! {
    /// Some file systems list a name twice, and two entries of one path would be none that a tree can hold.
    #[test]
    fn names_are_sorted_and_each_is_there_once(names in vec("[ab]{1,3}|same beginning [ab]{1,2}", 0..30)) {
        let mut listing = Listing::default();
        for name in &names {
            listing.push(&CString::new(name.as_str())?, None)?;
        }
        let listed = listing.finish(Folder::top(&Descriptors::new(1)));
        let found: Vec<_> = (0..listed.len()).map(|at| listed.name(at).to_bytes().to_vec()).collect();
        let mut wanted: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        wanted.sort();
        wanted.dedup();
        prop_assert_eq!(found, wanted);
    }
}
