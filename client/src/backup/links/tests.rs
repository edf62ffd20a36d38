//! Names of one file, and of a file that has its number by chance.

use super::*;
use crate::source::DeviceNumber;

fn path(name: &str) -> PathKey {
    PathKey::from_slashes(name.as_bytes()).expect("it is a path")
}

fn stat() -> Stat {
    Stat {
        kind: Kind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        nlink: 3,
        ino: 7,
        dev: 1,
        rdev: DeviceNumber::default(),
        size: 10,
        blocks: 8,
        mtime_ns: 5,
        ctime_ns: 6,
    }
}

#[test]
fn further_names_lead_to_the_first_until_all_were_met() {
    let mut links = Links::default();
    assert_eq!(links.first(&path("a"), &stat()), None);
    assert_eq!(links.first(&path("b"), &stat()), Some(path("a")));
    assert_eq!(links.first(&path("c"), &stat()), Some(path("a")));
    assert_eq!(links.first(&path("d"), &stat()), None);
    assert_eq!(links.first(&path("e"), &Stat { nlink: 1, ..stat() }), None);
    assert_eq!(links.first(&path("f"), &Stat { kind: Kind::Folder, ..stat() }), None);
}

#[test]
fn a_number_that_was_given_away_is_no_name_of_the_file_that_had_it() {
    let others = [
        Stat { ctime_ns: 7, ..stat() },
        Stat { size: 11, ..stat() },
        Stat { nlink: 2, ..stat() },
        Stat { kind: Kind::Symlink, ..stat() },
    ];
    for other in others {
        let mut links = Links::default();
        assert_eq!(links.first(&path("a"), &stat()), None);
        assert_eq!(links.first(&path("b"), &other), None, "{other:?}");
        assert_eq!(links.first(&path("c"), &other), Some(path("b")), "{other:?}");
    }
}
