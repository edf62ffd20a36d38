//! What counts as a difference.

use std::sync::Arc;

use farkeep_codec::time::Time;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::Owner;
use farkeep_codec::tree::PathKey;

use super::*;
use crate::repository::Access;
use crate::repository::trial::Trial;

fn entry(body: Body) -> Entry {
    Entry {
        path: PathKey::from_slashes(b"a/b").expect("a path"),
        mode: 0o644,
        owner: Arc::new(Owner::default()),
        modified: Time::from_nanoseconds(5),
        attributes: Vec::new(),
        flags: Flags::default(),
        body,
    }
}

fn file(bytes: u64, content: Content) -> Entry {
    entry(Body::File { bytes, content })
}

fn slice(bundle: Pointer, offset: u32) -> Content {
    Content::Slice { bundle, offset }
}

/// The change between two entries, and which metadata differ.
fn change(repository: &Repository, before: &Entry, after: &Entry) -> Option<(Change, Vec<&'static str>)> {
    let difference =
        Compare::new(repository).difference(Some(before), Some(after)).expect("everything is there");
    difference.map(|difference| (difference.change, difference.metadata))
}

#[test]
fn a_file_that_was_bundled_anew_does_not_differ() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let one = repository.store_data(b"xxSAMEyy");
    let two = repository.store_data(b"SAMEzz");
    let before = file(4, slice(one, 2));
    assert_eq!(change(&repository, &before, &file(4, slice(two, 0))), None);
    assert_eq!(change(&repository, &before, &file(4, slice(two, 1))), Some((Change::Content, vec![])));
    assert_eq!(change(&repository, &before, &file(3, slice(one, 2))), Some((Change::Content, vec![])));
}

#[test]
fn large_files_are_compared_by_the_seeds_of_their_chunks() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let (one, two) = (repository.store_data(b"one"), repository.store_data(b"two"));
    let chunks = |pointers: &[Pointer], holes: &[Hole]| {
        let content = Content::Chunks { pointers: pointers.to_vec(), holes: holes.to_vec() };
        file(6, content)
    };
    // Whoever has only the seed and not the id of an object knows that its plaintext is the same.
    let elsewhere = Pointer { id: two.id, ..one };
    assert_eq!(change(&repository, &chunks(&[one, two], &[]), &chunks(&[elsewhere, two], &[])), None);
    assert_eq!(
        change(&repository, &chunks(&[one, two], &[]), &chunks(&[two, one], &[])),
        Some((Change::Content, vec![])),
    );
    let hole = Hole { offset: 0, bytes: 3 };
    assert_eq!(
        change(&repository, &chunks(&[one, two], &[]), &chunks(&[two], &[hole])),
        Some((Change::Content, vec![])),
    );
}

#[test]
fn metadata_are_named() {
    let trial = Trial::new();
    let repository = trial.open(Access::Read);
    let before = entry(Body::Folder);
    let after = Entry {
        mode: 0o600,
        owner: Arc::new(Owner { uid: 1, ..Owner::default() }),
        modified: Time::from_nanoseconds(6),
        attributes: vec![Attribute { name: b"user.a".to_vec(), value: Vec::new() }],
        ..before.clone()
    };
    let names = vec!["mode", "owner", "modified", "attributes"];
    assert_eq!(change(&repository, &before, &after), Some((Change::Metadata, names)));
    assert_eq!(change(&repository, &before, &before), None);
}

#[test]
fn another_kind_of_thing_is_told_from_other_contents() {
    let trial = Trial::new();
    let repository = trial.open(Access::Read);
    let link = |target: &[u8]| entry(Body::Symlink { target: target.to_vec() });
    assert_eq!(change(&repository, &link(b"a"), &entry(Body::Fifo)), Some((Change::Kind, vec![])));
    assert_eq!(change(&repository, &link(b"a"), &link(b"b")), Some((Change::Content, vec![])));
    assert_eq!(change(&repository, &link(b"a"), &link(b"a")), None);
}

#[test]
fn what_only_one_side_has_was_added_or_removed() {
    let trial = Trial::new();
    let repository = trial.open(Access::Read);
    let mut compare = Compare::new(&repository);
    let empty = file(0, Content::Empty);
    let added = compare.difference(None, Some(&empty)).expect("nothing is read");
    assert_eq!(added.map(|difference| difference.change), Some(Change::Added));
    let removed = compare.difference(Some(&empty), None).expect("nothing is read");
    assert_eq!(removed.map(|difference| difference.change), Some(Change::Removed));
}
