use farkeep_codec::limits::ATTRIBUTE_NAME_BYTES_MAX;
use farkeep_codec::limits::ATTRIBUTE_VALUE_BYTES_MAX;
use farkeep_codec::limits::ATTRIBUTES_MAX;
use farkeep_codec::limits::LINK_TARGET_BYTES_MAX;
use farkeep_codec::limits::OWNER_NAME_BYTES_MAX;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::PathKey;

use super::Detail;
use super::DetailBody;
use super::Entries;
use super::ancestor_stamp;
use super::stamp;
use crate::backup::catalogue::Bundles;
use crate::backup::catalogue::Row;
use crate::backup::catalogue::RowContent;
use crate::source::DeviceNumber;
use crate::source::Kind;
use crate::source::Stat;

fn stat() -> Stat {
    Stat {
        kind: Kind::Symlink,
        mode: 0o7777,
        uid: u32::MAX,
        gid: u32::MAX,
        nlink: 2,
        ino: u64::MAX,
        dev: u64::MAX,
        rdev: DeviceNumber { major: u32::MAX, minor: u32::MAX },
        size: 0,
        blocks: 0,
        mtime_ns: i64::MIN,
        ctime_ns: i64::MAX,
    }
}

/// Whether the detail is taken. What is taken becomes an entry that the tree takes, and that says the same.
#[track_caller]
fn is_taken(detail: &Detail<'_>) -> bool {
    let path = PathKey::from_slashes(b"b").expect("a path");
    let stamp = match detail.body {
        DetailBody::Ancestor => ancestor_stamp(&stat()),
        _ => stamp(&stat()),
    };
    let Ok(encoded) = detail.encode(&path, &stamp) else { return false };
    let row = Row {
        path: path.as_bytes().to_vec(),
        stamp,
        settled: true,
        detail: encoded,
        hash: None,
        content: RowContent::None,
    };
    let entry = Entries::default().entry(&row, &Bundles::default()).expect("what was encoded decodes");
    entry.check().expect("what was taken fits the format");
    assert_eq!((entry.owner.user.as_slice(), entry.owner.group.as_slice()), (detail.user, detail.group));
    assert_eq!(entry.attributes, detail.attributes);
    true
}

fn attributes(count: usize, name_bytes: usize, value_bytes: usize) -> Vec<Attribute> {
    let name = |at: usize| format!("{at:0name_bytes$}").into_bytes();
    (0..count).map(|at| Attribute { name: name(at), value: vec![7; value_bytes] }).collect()
}

fn has(attributes: &[Attribute]) -> bool {
    is_taken(&Detail { body: DetailBody::Folder, attributes, ..Detail::default() })
}

fn body(body: DetailBody<'_>) -> bool {
    is_taken(&Detail { body, ..Detail::default() })
}

#[test]
fn attributes_are_taken_up_to_the_limits_of_the_format() {
    assert!(has(&attributes(ATTRIBUTES_MAX, 8, 8)));
    assert!(!has(&attributes(ATTRIBUTES_MAX + 1, 8, 8)));
    assert!(has(&attributes(1, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTE_VALUE_BYTES_MAX)));
    assert!(!has(&attributes(1, ATTRIBUTE_NAME_BYTES_MAX + 1, 1)));
    assert!(!has(&attributes(1, 1, ATTRIBUTE_VALUE_BYTES_MAX + 1)));
    assert!(has(&attributes(63, 8, ATTRIBUTE_VALUE_BYTES_MAX)));
    assert!(!has(&attributes(64, 8, ATTRIBUTE_VALUE_BYTES_MAX)), "8 bytes each come on top");
    let twice = [attributes(1, 3, 1), attributes(1, 3, 1)].concat();
    assert!(!has(&twice), "one name twice");
    assert!(!has(&[Attribute { name: Vec::new(), value: Vec::new() }]));
}

#[test]
fn owners_are_taken_up_to_the_limits_of_the_format() {
    let name = [b'u'; OWNER_NAME_BYTES_MAX + 1];
    let longest = &name[1..];
    assert!(is_taken(&Detail { user: longest, group: longest, ..Detail::default() }));
    assert!(!is_taken(&Detail { user: &name, ..Detail::default() }));
    assert!(!is_taken(&Detail { group: &name, ..Detail::default() }));
}

#[test]
fn links_and_devices_are_taken_up_to_the_limits_of_the_format() {
    let target = [b't'; LINK_TARGET_BYTES_MAX + 1];
    assert!(body(DetailBody::Symlink(&target[1..])));
    assert!(!body(DetailBody::Symlink(&target)));
    assert!(!body(DetailBody::Symlink(b"")), "some file systems have links to nothing");
    assert!(body(DetailBody::HardLink(b"a")));
    assert!(!body(DetailBody::HardLink(b"b")), "a first name stands before the others");
    assert!(!body(DetailBody::HardLink(b"a\0\0b")));
    assert!(body(DetailBody::CharDevice(u32::MAX, u32::MAX)));
    assert!(body(DetailBody::BlockDevice(u32::MAX, u32::MAX)));
    assert!(body(DetailBody::Ancestor));
}
