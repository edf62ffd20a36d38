use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::tree::PathKey;

use super::Missing;
use super::RootError;
use super::Roots;
use super::key_of;
use super::paths_in_list;

fn key(path: &Path) -> PathKey {
    key_of(path).expect("it is a path")
}

#[test]
fn paths_are_made_absolute_and_resolved_by_their_text() {
    for (given, meant) in
        [("/", ""), ("//a///b/", "a b"), ("/a/./b/../c", "a c"), ("/../../a", "a"), ("/a/b/..", "a")]
    {
        let meant: Vec<&str> = meant.split_terminator(' ').collect();
        assert_eq!(key(Path::new(given)), PathKey::from_components(meant).expect("it is a path"), "{given}");
    }
    let here = std::env::current_dir().expect("there is one");
    assert_eq!(key(Path::new("x/../y")), key(&here.join("y")));
}

#[test]
fn repeated_and_inner_roots_are_merged_and_sorted() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| place.path().join(name);
    for name in ["b", "b/inner", "b!", "a"] {
        fs::create_dir(at(name)).expect("it is new");
    }
    let given = [at("b!"), at("b/inner"), at("b"), at("a"), at("a"), at("b/../a/")];
    let roots = Roots::new(&given, Missing::Refuse).expect("all are there");
    assert_eq!(roots.paths(), [key(&at("a")), key(&at("b")), key(&at("b!"))]);
    let all = Roots::new(&[at("a"), PathBuf::from("/")], Missing::Refuse).expect("all are there");
    assert_eq!(all.paths(), [PathKey::root()]);
}

#[test]
fn a_missing_root_is_named_also_inside_another() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let missing = place.path().join("not/there");
    let given = [place.path().to_owned(), missing.clone()];
    match Roots::new(&given, Missing::Refuse) {
        Err(RootError::NotThere { path, source }) => {
            assert_eq!(path, missing);
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    let reported = Roots::new(std::slice::from_ref(&missing), Missing::Report).expect("it is reported later");
    assert_eq!(reported.paths(), [key(&missing)]);
}

#[test]
fn a_link_that_leads_nowhere_is_a_root_all_the_same() {
    let place = tempfile::tempdir().expect("a temporary folder");
    symlink("nowhere", place.path().join("link")).expect("it is new");
    assert!(Roots::new(&[place.path().join("link")], Missing::Refuse).is_ok());
    assert!(Roots::new(&[place.path().join("link/below")], Missing::Refuse).is_err());
}

#[test]
fn lists_are_split_at_zero_bytes_if_there_are_any() {
    let paths = |list: &[u8]| paths_in_list(list);
    assert_eq!(paths(b"a\nb c\n\n #x\n"), ["a", "b c", " #x"].map(PathBuf::from));
    assert_eq!(paths(b"a\nb\0c\0"), ["a\nb", "c"].map(PathBuf::from));
    assert_eq!(paths(b"one"), [PathBuf::from("one")]);
    assert!(paths(b"").is_empty());
}
