//! The content id is a function of what is on disk: not of the history, the cache, the index, or the series.

use std::fs;
use std::path::Path;

use farkeep::backup::CacheUse;
use farkeep::backup::Intent;
use farkeep_codec::id::ContentId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::world;
use crate::world::Item;
use crate::world::Job;
use crate::world::Manifest;
use crate::world::Place;
use crate::world::Random;
use crate::world::Tree;
use crate::world::make;
use crate::world::settle;

/// Changes that people make, each decided by a number. Metadata of what is not touched stays as it is.
fn edit(folder: &Path, seed: u64) {
    let mut random = Random::new(seed);
    let mut paths: Vec<_> = walk(folder);
    for _ in 0..3 {
        let at = usize::try_from(random.next() % (paths.len() as u64 + 1)).expect("it is small");
        let fresh = folder.join(format!("new {}", random.next() % 100));
        let path = paths.get(at).cloned().unwrap_or_else(|| fresh.clone());
        let length = usize::try_from(random.next() % 30_000).expect("it is small");
        let bytes = random.bytes(length);
        // What fails, such as a folder that takes its own place, changes nothing, and that is a history too.
        let _ = match random.next() % 6 {
            0 => fs::write(&fresh, bytes),
            1 if path.is_file() => fs::write(&path, bytes),
            2 => fs::rename(&path, &fresh),
            3 if path.is_dir() && !path.is_symlink() => fs::remove_dir_all(&path),
            4 => fs::remove_file(&path),
            // A folder has one name only.
            _ => fs::hard_link(&path, &fresh),
        };
        paths.retain(|path| path.symlink_metadata().is_ok());
    }
}

/// All paths below a folder, sorted; what it has no room for is left out.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let manifest = Manifest::of(folder);
    manifest.0.keys().filter(|path| !path.as_os_str().is_empty()).map(|path| folder.join(path)).collect()
}

fn full(place: &Place, series: &'static str) -> ContentId {
    let cache_folder = place.path("cache of a full run");
    place.run(&Job { series, cache: CacheUse::Ignore, cache_folder, ..place.job() }).content
}

proptest! {
    #![proptest_config(Config { cases: 2, max_shrink_iters: 6, failure_persistence: None, ..Config::default() })]

    /// Many chains grow old together, since a file is believed only when it is.
    #[test]
    fn any_chain_of_incremental_runs_gives_the_content_id_of_a_full_run(
        forest in vec((world::tree(), any::<u64>()), 10)
    ) {
        let places: Vec<Place> = forest.iter().map(|(tree, _)| planted(tree)).collect();
        for step in 0..3_u64 {
            // Between the first two steps nothing is old enough, which is a case of its own.
            if step != 1 {
                settle();
            }
            for (place, (_, seed)) in places.iter().zip(&forest) {
                let chained = place.backup();
                let again = place.backup();
                prop_assert_eq!(again.content, chained.content, "step {} of seed {}", step, seed);
                prop_assert_eq!(again.stored_objects, 0, "step {} of seed {}", step, seed);
                prop_assert_eq!(full(place, "full"), chained.content, "step {} of seed {}", step, seed);
                let target = place.restore(again.snapshot);
                Manifest::of(target.path())
                    .expect(&Manifest::of(&place.source()), &format!("step {step} of seed {seed}"));
                edit(&place.source(), seed.wrapping_add(step));
            }
        }
    }
}

fn planted(tree: &Tree) -> Place {
    let place = Place::new();
    make(tree, &place.source());
    place
}

fn sample() -> Tree {
    let small = |from: u64| Item::folder((from..from + 60).map(|at| (format!("{at}"), Item::noise(at, 700))));
    Item::folder([("a", small(0)), ("b", small(100)), ("large", Item::noise(1, 400_000))]).into()
}

#[test]
fn without_the_cache_a_run_is_slower_and_its_result_the_same() {
    let place = planted(&sample());
    settle();
    let first = place.backup();
    fs::write(place.source().join("a/7"), "changed").expect("it can be written");
    let second = place.backup();
    assert_eq!(second.files_unchanged, 120, "the cache is in use");
    assert_ne!(first.content, second.content);
    fs::remove_dir_all(place.path("cache")).expect("it is there");
    let third = place.backup();
    assert_eq!(third.files_unchanged, 0);
    assert_eq!(third.content, second.content);
    assert_eq!(full(&place, "main"), second.content);
    let target = place.restore(third.snapshot);
    Manifest::of(target.path()).expect(&Manifest::of(&place.source()), &"restored");
}

#[test]
fn a_damaged_cache_costs_time_only() {
    let place = planted(&sample());
    settle();
    let first = place.backup();
    let files = walk(&place.path("cache"));
    let mut tried = 0;
    for path in files.iter().filter(|path| path.is_file()) {
        let good = fs::read(path).expect("it can be read");
        for at in (0..good.len()).step_by(good.len() / 7 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(path, &bad).expect("it can be written");
            let content = place.run(&Job { intent: Intent::DryRun, ..place.job() }).content;
            assert_eq!(content, first.content, "byte {at} of {}", path.display());
            tried += 1;
        }
        fs::write(path, &good).expect("it can be written");
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn without_the_index_nothing_is_lost() {
    let place = planted(&sample());
    let first = place.backup();
    fs::remove_dir_all(place.repository().join("index")).ok();
    let target = place.restore(first.snapshot);
    Manifest::of(target.path()).expect(&Manifest::of(&place.source()), &"restored");
    let again = place.backup();
    assert_eq!((again.content, again.stored_objects), (first.content, 0));
    place.rebuild_index().expect("the packs are good");
    place.restore(again.snapshot);
    assert!(place.repository().join("index").is_dir());
    fs::remove_dir_all(place.repository().join("index")).expect("it was rebuilt");
    assert_eq!(place.backup().stored_objects, 0);
    place.restore(again.snapshot);
}

/// Files that moved borrow the place that they had, and own it when nothing is left that did.
#[test]
fn files_that_moved_keep_their_contents_while_others_come() {
    let place = planted(&sample());
    settle();
    place.backup();
    fs::rename(place.source().join("b"), place.source().join("moved")).expect("it is there");
    settle();
    for round in 0..4_u64 {
        let summary = place.backup();
        assert_eq!(place.backup().stored_objects, 0, "round {round}: what moved is stored once");
        assert_eq!(full(&place, "full"), summary.content, "round {round}");
        let target = place.restore(summary.snapshot);
        Manifest::of(target.path()).expect(&Manifest::of(&place.source()), &format!("round {round}"));
        // Many, and in front of everything else, so that their bundles are stored before the walk comes to the others.
        let fresh = place.source().join(format!("0 round {round}"));
        make(
            &Item::folder((0..2_000).map(|at| (format!("{at}"), Item::noise(round << 32 | at, 900)))).into(),
            &fresh,
        );
    }
}
