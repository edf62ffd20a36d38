//! The cleaning rule: dead bytes of bundles never outgrow live ones.

use std::fs;

use farkeep::repository::Access;
use farkeep_codec::id::SnapshotId;

use crate::world;
use crate::world::Item;
use crate::world::Manifest;
use crate::world::Place;
use crate::world::make;
use crate::world::settle;

const FILES: u64 = 400;
const FILE_BYTES: usize = 1_000;

fn name(at: u64) -> String {
    format!("{at:03}")
}

fn place() -> Place {
    let place = Place::new();
    make(&Item::folder((0..FILES).map(|at| (name(at), Item::noise(at, FILE_BYTES)))).into(), &place.source());
    place
}

/// The least part of a bundle that the snapshot uses.
fn least_use(place: &Place, snapshot: Option<SnapshotId>) -> f64 {
    let bundles = world::bundles(&place.open(Access::Read), snapshot.expect("it was no dry run"));
    let shares = bundles.iter().map(|(bundle, used)| *used as f64 / f64::from(bundle.plain_bytes));
    shares.fold(1.0, f64::min)
}

#[test]
fn bundles_that_are_mostly_unused_are_left_behind() {
    let place = place();
    settle();
    let first = place.backup();
    assert!(world::bundles(&place.open(Access::Read), first.snapshot.expect("stored")).len() > 8);
    assert!(least_use(&place, first.snapshot) > 0.99);
    for at in (0..FILES).filter(|at| at % 4 != 0) {
        fs::remove_file(place.source().join(name(at))).expect("it is there");
    }
    let second = place.backup();
    assert!(least_use(&place, second.snapshot) >= 0.5, "a bundle is used by less than half");
    assert!(second.stored_bytes > FILES / 4 * FILE_BYTES as u64, "what is left was bundled anew");
    // Nothing changed but where bytes lie, so nothing is to be seen of it.
    let target = place.restore(second.snapshot);
    Manifest::of(target.path()).expect(&Manifest::of(&place.source()), &"restored");
    let full =
        place.run(&world::Job { series: "other", cache: farkeep::backup::CacheUse::Ignore, ..place.job() });
    assert_eq!(full.content, second.content);
    let third = place.backup();
    assert_eq!((third.content, third.stored_objects), (second.content, 0));
}

/// Removes the files among `candidates` that are not to `stay`, and says what the next backup stored.
fn stored_without(place: &Place, candidates: std::ops::Range<u64>, stay: impl Fn(u64) -> bool) -> u64 {
    settle();
    place.backup();
    for at in candidates.filter(|at| !stay(*at)) {
        fs::remove_file(place.source().join(name(at))).expect("it is there");
    }
    place.backup().stored_bytes
}

const NODES_ONLY: u64 = 60_000;

#[test]
fn a_bundle_of_which_half_is_used_stays() {
    // One in eight goes, evenly: no bundle loses half.
    let stored = stored_without(&place(), 0..FILES, |at| at % 8 != 0);
    assert!(stored < NODES_ONLY, "{stored} bytes were moved for nothing");
}

#[test]
fn while_most_bytes_are_used_a_third_of_a_bundle_is_enough_and_a_tenth_is_not() {
    let stored = stored_without(&place(), 100..200, |at| at % 3 == 0);
    assert!(stored < NODES_ONLY, "{stored} bytes were moved for nothing");
    let place = place();
    let stored = stored_without(&place, 100..200, |at| at % 10 == 0);
    assert!(stored > 5 * FILE_BYTES as u64, "what is left of some bundles was to be bundled anew");
}

#[test]
fn files_that_move_stay_where_they_are_stored() {
    let place = place();
    settle();
    let first = place.backup();
    fs::create_dir(place.source().join("moved")).expect("there is room");
    for at in 0..FILES {
        fs::rename(place.source().join(name(at)), place.source().join("moved").join(name(at)))
            .expect("it is there");
    }
    settle();
    let second = place.backup();
    assert!(second.stored_bytes < NODES_ONLY, "{} bytes were stored again", second.stored_bytes);
    let third = place.backup();
    assert_eq!((third.content, third.stored_objects), (second.content, 0));
    let used = |summary: &farkeep::backup::Summary| {
        world::bundles(&place.open(Access::Read), summary.snapshot.expect("it was no dry run"))
    };
    assert_eq!(used(&first), used(&third));
    // They own their places now, and when most of them go the others are bundled anew.
    for at in (0..FILES).filter(|at| at % 4 != 0) {
        fs::remove_file(place.source().join("moved").join(name(at))).expect("it is there");
    }
    let fourth = place.backup();
    assert!(least_use(&place, fourth.snapshot) >= 0.5, "a bundle is used by less than half");
    let target = place.restore(fourth.snapshot);
    Manifest::of(target.path()).expect(&Manifest::of(&place.source()), &"restored");
}
