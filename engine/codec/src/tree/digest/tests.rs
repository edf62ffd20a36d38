use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_assert_ne;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::time::Time;
use crate::tree::Attribute;
use crate::tree::Content;
use crate::tree::Hole;
use crate::tree::samples::entries;
use crate::tree::samples::entry;
use crate::tree::samples::keys;
use crate::tree::samples::path;
use crate::tree::samples::pointer;

const HASH: ContentHash = ContentHash::from_bytes([5; 32]);

fn content_id(entries: &[Entry]) -> ContentId {
    let mut digest = ContentDigest::new(&keys());
    for entry in entries {
        digest.entry(entry, (entry.content_bytes() > 0).then_some(&HASH));
    }
    digest.finish()
}

/// The same files, stored another way.
fn moved(entry: &Entry) -> Entry {
    let mut moved = entry.clone();
    if let Body::File { bytes, content } | Body::Image { bytes, content } = &mut moved.body {
        let holes = content.holes().to_vec();
        *content = match content {
            Content::Empty => Content::Empty,
            _ => Content::List { root: pointer(*bytes, 77), height: 3, holes },
        };
    }
    moved
}

proptest! {
    #[test]
    fn placement_does_not_show(entries in entries(30)) {
        let elsewhere: Vec<Entry> = entries.iter().map(moved).collect();
        prop_assert_eq!(content_id(&elsewhere), content_id(&entries));
    }

    #[test]
    fn everything_else_does(entries in entries(30), at in any::<Index>(), change in 0..6_u8) {
        proptest::prop_assume!(!entries.is_empty());
        let mut changed = entries.clone();
        let at = at.index(entries.len());
        let entry = &mut changed[at];
        match change {
            0 => entry.mode ^= 1,
            1 => entry.modified = Time::from_nanoseconds(!entry.modified.nanoseconds()),
            2 => entry.flags.inconsistent = !entry.flags.inconsistent,
            3 => entry.path = entry.path.join(b"more").expect("a short path"),
            4 => entry.attributes.push(Attribute { name: b"user.z".to_vec(), value: Vec::new() }),
            _ => drop(changed.remove(at)),
        }
        prop_assert_ne!(content_id(&changed), content_id(&entries));
    }
}

#[test]
fn a_long_list_is_hashed_in_parts() {
    let files = crate::tree::samples::plain_files(3000);
    let mut whole = keys().content_id_hasher();
    for file in &files {
        whole.update(&record(file));
    }
    whole.update(&3000_u64.to_le_bytes());
    assert_eq!(content_id(&files), whole.finish());
}

/// The bytes of one entry.
fn record(entry: &Entry) -> Vec<u8> {
    let mut digest = ContentDigest::new(&keys());
    digest.entry(entry, (entry.content_bytes() > 0).then_some(&HASH));
    digest.gathered.into_bytes()
}

#[test]
fn bytes_are_as_documented() {
    let mut sparse = entry(path("a/b"), Body::Fifo);
    let holes = vec![Hole { offset: 2, bytes: 3 }];
    sparse.body = Body::File { bytes: 8, content: Content::Chunks { pointers: vec![pointer(1, 5)], holes } };
    sparse.flags.inconsistent = true;
    sparse.attributes = vec![Attribute { name: b"user.a".to_vec(), value: b"1".to_vec() }];
    let expected: &[&[u8]] = &[
        b"\x03a\0b",                                          // path
        &[0x03],                                              // file
        &[0xa4, 0x01, 0x00, 0x00],                            // mode 0644
        &[0x01],                                              // inconsistent
        &[0xe8, 0x03, 0, 0, 0x64, 0, 0, 0],                   // user 1000, group 100
        b"\x03ann\x05users",                                  // and their names
        &1_760_000_000_000_000_000_i64.to_le_bytes(),         // time
        b"\x01\x06user.a\x011",                               // one attribute
        &[8, 0, 0, 0, 0, 0, 0, 0],                            // length
        &[1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], // one hole
        HASH.as_bytes(),                                      // content
    ];
    assert_eq!(record(&sparse), expected.concat());
    let tail = |body: Body| {
        let bytes = record(&entry(path("a"), body));
        (bytes[2], bytes[35..].to_vec())
    };
    assert_eq!(record(&entry(path("a"), Body::Folder)).len(), 35);
    assert_eq!(tail(Body::Folder), (1, vec![]));
    assert_eq!(tail(Body::Ancestor), (2, vec![]));
    assert_eq!(tail(Body::File { bytes: 0, content: Content::Empty }), (3, vec![0; 9]));
    assert_eq!(tail(Body::Image { bytes: 0, content: Content::Empty }), (4, vec![0; 9]));
    assert_eq!(tail(Body::Symlink { target: b"xy".to_vec() }), (5, b"\x02xy".to_vec()));
    assert_eq!(tail(Body::HardLink { first: path("A/B") }), (6, b"\x03A\0B".to_vec()));
    assert_eq!(tail(Body::Fifo), (7, vec![]));
    assert_eq!(tail(Body::Socket), (8, vec![]));
    assert_eq!(tail(Body::CharDevice { major: 5, minor: 1 }), (9, vec![5, 0, 0, 0, 1, 0, 0, 0]));
    assert_eq!(tail(Body::BlockDevice { major: 5, minor: 1 }), (10, vec![5, 0, 0, 0, 1, 0, 0, 0]));
}

#[test]
fn the_content_id_is_pinned() {
    let files = [entry(path("a"), Body::Folder), entry(path("a/b"), Body::Symlink { target: b"c".to_vec() })];
    assert_eq!(
        content_id(&files).to_string(),
        "455121391a52c0db146f5107d8f44257c447ad93708c39bbb2c671d89033728a"
    );
}
