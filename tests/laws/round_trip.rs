//! restore(backup(t)) = t.

use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::world;
use crate::world::Manifest;
use crate::world::Place;
use crate::world::make;

proptest! {
    // A failure prints the tree, which is all that is needed to see it again.
    #![proptest_config(Config { cases: 24, max_shrink_iters: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_tree_comes_back_as_it_was(tree in world::tree()) {
        let place = Place::new();
        make(&tree, &place.source());
        let before = Manifest::of(&place.source());
        let summary = place.backup();
        let target = place.restore(summary.snapshot);
        Manifest::of(target.path()).expect(&before, &"restored");
        Manifest::of(&place.source()).expect(&before, &"a backup left its mark on the source");
    }
}
