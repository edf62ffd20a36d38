use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::tree::samples::any_path;
use crate::tree::samples::path;

/// The path that an escaped text stands for.
fn unescaped(text: &str) -> PathKey {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next().expect("something follows a backslash") {
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            'u' => {
                let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let number = u32::from_str_radix(&digits, 16).expect("hexadecimal digits");
                let character = char::from_u32(number).expect("a character");
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            other => bytes.push(u8::try_from(other).expect("a backslash")),
        }
    }
    PathKey::from_slashes(&bytes).expect("the text of a path")
}

proptest! {
    #[test]
    fn order_of_bytes_is_order_of_components(left in any_path(), right in any_path()) {
        let components = |path: &PathKey| path.components().map(<[u8]>::to_vec).collect::<Vec<_>>();
        prop_assert_eq!(left.cmp(&right), components(&left).cmp(&components(&right)));
    }

    #[test]
    fn display_can_be_read_back(path in any_path()) {
        prop_assert_eq!(unescaped(&path.to_string()), path);
    }

    #[test]
    fn components_make_the_path_again(path in any_path()) {
        prop_assert_eq!(&PathKey::from_components(path.components()), &Ok(path.clone()));
        prop_assert_eq!(&PathKey::from_bytes(path.as_bytes().to_vec()), &Ok(path.clone()));
        if let (Some(parent), Some(name)) = (path.parent(), path.name()) {
            prop_assert_eq!(parent.join(name), Ok(path));
        }
    }

    #[test]
    fn a_folder_holds_what_lies_between_it_and_its_end(path in any_path(), folder in any_path()) {
        let end = folder.end_of_folder();
        let between = path >= folder && end.is_none_or(|end| path.as_bytes() < end.as_slice());
        prop_assert_eq!(path.starts_with(&folder), between);
    }

    #[test]
    fn bytes_are_accepted_only_if_their_components_are(bytes in vec(any::<u8>(), 0..8)) {
        let by_components = PathKey::from_components(bytes.split(|byte| *byte == 0)).ok();
        let expected = if bytes.is_empty() { Some(PathKey::root()) } else { by_components };
        prop_assert_eq!(PathKey::from_bytes(bytes).ok(), expected);
    }

    #[test]
    fn a_suffix_is_checked_like_the_whole(above in any_path(), prefix in 0..20_usize, suffix in vec(0..3_u8, 0..4)) {
        let suffix: Vec<u8> = suffix.into_iter().map(|choice| [0, b'.', b'x'][usize::from(choice)]).collect();
        let whole = above.as_bytes().get(..prefix).map(|shared| [shared, &suffix].concat());
        let expected = whole.and_then(|whole| PathKey::from_bytes(whole).ok());
        prop_assert_eq!(above.with_suffix(prefix, &suffix), expected);
    }
}

#[test]
fn refuses_what_leads_elsewhere() {
    for bad in [&b"."[..], b"..", b"a/b", b"a\0b", b"", &[b'x'; 256]] {
        assert!(PathKey::root().join(bad).is_err(), "{bad:?}");
    }
    for bad in [&b"\0"[..], b"a\0", b"\0a", b"a\0\0b", b"a\0..", b"a/b"] {
        assert!(PathKey::from_bytes(bad.to_vec()).is_err(), "{bad:?}");
    }
    assert!(PathKey::from_slashes(b"/a/../b").is_err());
    let deep = vec![b"x".repeat(255); PATH_BYTES_MAX / 256];
    let deepest = PathKey::from_components(&deep).expect("just short enough");
    assert_eq!(deepest.as_bytes().len(), PATH_BYTES_MAX - 1);
    assert!(deepest.join(b"x").is_err());
}

#[test]
fn shows_paths() {
    assert_eq!(PathKey::root().to_string(), "/");
    assert_eq!(path("/home//ann/").to_string(), "/home/ann");
    let odd = PathKey::from_components([&b"caf\xc3\xa9"[..], b"a\\b\n\x1b\xff", "x\u{202e}y".as_bytes()]);
    assert_eq!(odd.expect("odd but valid").to_string(), "/café/a\\\\b\\n\\u{1b}\\xff/x\\u{202e}y");
    let error = PathKey::root().join(b"a/\xff").expect_err("a slash");
    assert_eq!(error.to_string(), "path component holds a slash or a zero byte: a/\\xff");
}

#[test]
fn a_folder_comes_before_its_contents_and_they_before_siblings() {
    let sorted = ["", "a", "a/b", "a/b/c", "a/c", "a b", "a-", "b"].map(path);
    assert!(sorted.is_sorted_by(|left, right| left < right));
}
