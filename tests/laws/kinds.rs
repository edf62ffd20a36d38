//! Every kind of entry by name, and the shapes of trees that chance hardly finds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use farkeep::repository::Access;

use crate::world;
use crate::world::Body;
use crate::world::Contents;
use crate::world::Item;
use crate::world::Link;
use crate::world::Manifest;
use crate::world::Place;
use crate::world::Tree;
use crate::world::is_root;
use crate::world::make;
use crate::world::skip;

/// An access control list: owner rwx, user 1000 r-x, group r-x, mask r-x, others nothing.
const ACCESS_LIST: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16,
    0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];
/// A capability of version 2: CAP_NET_BIND_SERVICE, permitted and effective.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// One of everything.
fn everything() -> Tree {
    let with = |item: Item, name: &str, value: &[u8]| {
        let attributes = vec![(name.to_owned(), value.to_vec())];
        Item { attributes, ..item }
    };
    let mut items: BTreeMap<&[u8], Item> = BTreeMap::from([
        (&b"empty"[..], Item::text("")),
        (b"small", Item { mode: 0o6755, owner: (1234, 4321), ..Item::text("text") }),
        (b"large", with(Item::noise(1, 700_000), "user.note", b"\0\xff")),
        (b"sparse", Item::plain(Body::File(Contents::Sparse { seed: 1, places: vec![1, 7] }))),
        (b"hole", Item::plain(Body::File(Contents::Sparse { seed: 1, places: vec![] }))),
        (b"list", with(Item::text("list"), "system.posix_acl_access", &ACCESS_LIST)),
        (b"link", Item { modified_ns: -1, ..Item::plain(Body::Symlink(b"../\xff/nowhere".to_vec())) }),
        (b"pipe", Item { mode: 0o622, ..Item::plain(Body::Fifo) }),
        (b"socket", Item { mode: 0o777, ..Item::plain(Body::Socket) }),
        (b"folder", Item { mode: 0o1777, ..Item::folder([("empty folder", Item::folder::<Vec<u8>>([]))]) }),
        (b"\xff\xfe\n", Item::text("no UTF-8")),
    ]);
    if is_root() {
        items.insert(b"capable", with(Item::text("program"), "security.capability", &CAPABILITY));
        items.insert(b"zero", Item { mode: 0o666, ..Item::plain(Body::CharDevice(1, 5)) });
        items.insert(b"disk", Item { owner: (0, 6), ..Item::plain(Body::BlockDevice(259, 70_000)) });
    } else {
        skip("devices and capabilities", &"only root may make them");
    }
    // Whatever is no folder gets further names in all folders, some of them in front of the name that it has.
    let files = items.len() - 1;
    let link = |at: usize| {
        let name = if at.is_multiple_of(2) { format!("0 {at}") } else { format!("~ {at}") };
        Link { file: at % files, folder: at % 3, name: name.into_bytes() }
    };
    Tree { root: Item { mode: 0o750, ..Item::folder(items) }, links: (0..2 * files + 1).map(link).collect() }
}

#[test]
fn one_of_every_kind_comes_back() {
    let place = Place::new();
    make(&everything(), &place.source());
    let before = Manifest::of(&place.source());
    let summary = place.backup();
    let further = everything().links.len() as u64;
    assert!(
        summary.others > further,
        "{} links, pipes and so on, {further} of them further names",
        summary.others
    );
    let target = place.restore(summary.snapshot);
    Manifest::of(target.path()).expect(&before, &"restored");
    let blocks =
        |folder: &std::path::Path| fs::metadata(folder.join("sparse")).expect("it is there").blocks();
    let (had, has) = (blocks(&place.source()), blocks(target.path()));
    assert!(has <= had + 8, "{has} blocks of 512 bytes instead of {had}: holes are filled");
}

#[test]
fn a_path_that_is_longer_than_the_system_allows_comes_back() {
    let place = Place::new();
    let name = "deep".repeat(60);
    let mut item = Item::folder([("file", Item::text("down here")), ("more", Item::noise(2, 200_000))]);
    for _ in 0..24 {
        item = Item::folder([(name.clone(), item), ("beside".to_owned(), Item::text(&name))]);
    }
    make(&item.into(), &place.source());
    let before = Manifest::of(&place.source());
    let longest = before.0.keys().map(|path| path.as_os_str().len()).max();
    assert!(longest > Some(4096), "{longest:?}");
    let target = place.restore(place.backup().snapshot);
    Manifest::of(target.path()).expect(&before, &"restored");
}

#[test]
fn a_further_name_without_the_first_becomes_what_the_first_is() {
    let place = Place::new();
    let kinds =
        [Body::Fifo, Body::Socket, Body::Symlink(b"../nowhere".to_vec())].into_iter().map(Item::plain);
    let kinds = kinds.chain([Item::text("text"), Item::noise(3, 300_000)]);
    let first = Item::folder(kinds.enumerate().map(|(at, item)| (format!("{at}"), item)));
    let root = Item::folder([("first", first), ("further", Item::folder::<Vec<u8>>([]))]);
    let links = (0..5).map(|at| Link { file: at, folder: 2, name: format!("{at}").into_bytes() }).collect();
    make(&Tree { root, links }, &place.source());
    let snapshot = place.backup().snapshot.expect("it was no dry run");
    let (source, target) = (place.source().join("further"), place.path("target"));
    assert_eq!(fs::read_dir(&source).expect("it is there").count(), 5);
    let summary = world::restore(&place.open(Access::Read), snapshot, &source, &target);
    assert_eq!(summary.expect("it is good").problems, []);
    Manifest::of(&target).expect(&Manifest::of(&source), &"restored alone");
}

#[test]
fn duplicates_are_stored_once() {
    let place = Place::new();
    let file = |seed: u64, bytes| (format!("{seed}"), Item::noise(seed, bytes));
    let shared = || (0..40).map(|at| file(at * 10, 3_000));
    // Other neighbours, so that the bundles of the two folders could not be equal by themselves.
    let others = (0..40).map(|at| file(at * 10 + 5, 500));
    let large = |name: &str| (name.to_owned(), Item::noise(8, 500_000));
    let tree = Item::folder([
        ("one".to_owned(), Item::folder(shared())),
        ("two".to_owned(), Item::folder(shared().chain(others))),
        large("large"),
        large("large too"),
    ]);
    make(&tree.into(), &place.source());
    let summary = place.backup();
    let small = 40 * 3_000 + 40 * 500;
    assert_eq!(summary.source_bytes, small + 40 * 3_000 + 2 * 500_000);
    let (least, most) = (small + 500_000, small + 500_000 + 40_000);
    assert!(
        (least..most).contains(&summary.stored_bytes),
        "{} bytes instead of {least}",
        summary.stored_bytes
    );
    let snapshot = summary.snapshot.expect("it was no dry run");
    let bundles = world::bundles(&place.open(Access::Read), snapshot);
    assert_eq!(bundles.values().sum::<u64>(), small);
}
