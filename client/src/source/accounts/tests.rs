use super::Accounts;

const PASSWD: &[u8] =
    b"root:x:0:0:root:/root:/bin/sh\n# note\n+nis::9:::\nann:x:1000:100::/home/ann:/bin/sh\n\
    alias:x:1000:100::/:/bin/sh\nann:x:1001:1::/:/bin/sh\nbroken\nbad:x:minus:1:::\n\xffname:x:7:7:::\n";
const GROUP: &[u8] = b"root:x:0:\nusers:x:100:ann,bob\n";

#[test]
fn names_and_numbers_are_found_both_ways_and_the_first_line_counts() {
    let accounts = Accounts::from_texts(PASSWD, GROUP);
    let owner = accounts.owner(1000, 100);
    assert_eq!((owner.uid, owner.gid), (1000, 100));
    assert_eq!((owner.user.as_slice(), owner.group.as_slice()), (&b"ann"[..], &b"users"[..]));
    assert_eq!(accounts.owner(7, 0).user, b"\xffname");
    assert_eq!(accounts.uid(b"ann"), Some(1000));
    assert_eq!(accounts.uid(b"alias"), Some(1000));
    assert_eq!(accounts.gid(b"users"), Some(100));
}

#[test]
fn unknown_numbers_have_empty_names_and_special_lines_none() {
    let accounts = Accounts::from_texts(PASSWD, GROUP);
    let owner = accounts.owner(9, 77);
    assert_eq!((owner.user.as_slice(), owner.group.as_slice()), (&b""[..], &b""[..]));
    for name in [&b"+nis"[..], b"# note", b"broken", b"bad", b"nobody"] {
        assert_eq!(accounts.uid(name), None, "{name:?}");
    }
}

#[test]
fn this_machine_knows_its_root() {
    let accounts = Accounts::read().expect("the files can be read");
    assert_eq!(accounts.owner(0, 0).user, b"root");
}
