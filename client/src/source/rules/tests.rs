use std::fs;

use farkeep_codec::tree::PathKey;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Level;
use super::RuleError;
use super::Rules;
use super::Selection;
use super::Shape;
use super::Wanted;

/// Whether an ignore file in the folder `base` leaves out the path, asked about every folder on the way.
fn ignored(base: &str, text: &str, path: &str, shape: Shape) -> bool {
    let (level, errors) = Level::read(None, base.as_bytes(), text.as_bytes());
    assert!(errors.is_empty(), "{errors:?}");
    let rules = Rules::default();
    let ends = path.match_indices('/').map(|(at, _)| (at, Shape::Folder)).chain([(path.len(), shape)]);
    let below = ends.filter(|(end, _)| *end > base.len());
    below.into_iter().any(|(end, shape)| rules.leave_out(Some(&level), &path.as_bytes()[..end], shape))
}

fn file(text: &str, path: &str) -> bool {
    ignored("top", text, &format!("top/{path}"), Shape::Other)
}

fn folder(text: &str, path: &str) -> bool {
    ignored("top", text, &format!("top/{path}"), Shape::Folder)
}

/// The rules and examples of gitignore(5), in its order.
#[test]
fn ignore_files_follow_the_manual_of_git() {
    // Blank lines, comments, escapes, trailing spaces.
    assert!(!file("\n   \n# a comment\n", "# a comment"));
    assert!(file("\\#hash\n", "#hash"));
    assert!(file("name   \n", "name"));
    assert!(file("name\\ \n", "name "));
    // Negation, and its limit.
    assert!(!file("*.log\n!keep.log\n", "keep.log"));
    assert!(file("*.log\n!keep.log\n", "other.log"));
    assert!(file("\\!important!.txt\n", "!important!.txt"));
    assert!(file("dir/\n!dir/keep\n", "dir/keep"));
    // A separator at the beginning or in the middle counts from the folder of the file.
    assert!(file("doc/frotz\n", "doc/frotz"));
    assert!(!file("doc/frotz\n", "a/doc/frotz"));
    assert!(file("/doc/frotz\n", "doc/frotz"));
    assert!(!file("/doc/frotz\n", "a/doc/frotz"));
    // A separator at the end: folders only, at any depth.
    assert!(folder("frotz/\n", "frotz"));
    assert!(folder("frotz/\n", "a/frotz"));
    assert!(!file("frotz/\n", "frotz"));
    assert!(folder("doc/frotz/\n", "doc/frotz"));
    assert!(!folder("doc/frotz/\n", "a/doc/frotz"));
    // Stars stop at slashes.
    assert!(file("foo/*\n", "foo/test.json"));
    assert!(folder("foo/*\n", "foo/bar"));
    assert!(!file("bar/*.c\n", "bar/x/hello.c"));
    assert!(file("hello.*\n", "a/hello.java"));
    assert!(!file("/hello.*\n", "a/hello.java"));
    assert!(file("a?c\n[a-z]1\n", "abc"));
    assert!(file("a?c\n[a-z]1\n", "q1"));
    // Two stars.
    assert!(file("**/foo\n", "a/b/foo"));
    assert!(file("**/foo/bar\n", "x/foo/bar"));
    assert!(file("abc/**\n", "abc/x/y"));
    assert!(!folder("abc/**\n", "abc"));
    assert!(file("a/**/b\n", "a/b"));
    assert!(file("a/**/b\n", "a/x/y/b"));
    // Everything but one folder: the last example of the manual.
    let except = "/*\n!/foo\n/foo/*\n!/foo/bar\n";
    assert!(!file(except, "foo/bar/x"));
    assert!(file(except, "foo/other"));
    assert!(file(except, "elsewhere"));
}

#[test]
fn deeper_ignore_files_are_asked_first_and_options_before_all() {
    let (outer, _) = Level::read(None, b"top", b"*.log\n*.tmp\n");
    let (inner, _) = Level::read(Some(outer), b"top/in", b"!*.log\n/only\n");
    let rules = Rules::default();
    let out = |rules: &Rules, path: &str| rules.leave_out(Some(&inner), path.as_bytes(), Shape::Other);
    assert!(!out(&rules, "top/in/a.log"));
    assert!(out(&rules, "top/in/a.tmp"));
    assert!(out(&rules, "top/in/only"));
    assert!(!out(&rules, "top/in/x/only"));
    let rules = Rules::new(&["*.log".into(), "!only".into()], &[]).expect("good globs");
    assert!(out(&rules, "top/in/a.log"));
    assert!(!out(&rules, "top/in/only"));
}

#[test]
fn lines_that_are_no_globs_are_reported_and_the_others_hold() {
    let (level, errors) = Level::read(None, b"top", b"\xef\xbb\xbfone\r\na{b\n\xff\xfe\ntwo");
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("/top/.farkeepignore, line 2"), "{errors:?}");
    assert!(errors[1].contains("UTF-8"), "{errors:?}");
    for name in ["top/one", "top/two"] {
        assert!(Rules::default().leave_out(Some(&level), name.as_bytes(), Shape::Other), "{name}");
    }
}

#[test]
fn option_globs_float_unless_they_start_with_a_slash() {
    let out = |glob: &str, path: &str, shape| {
        let rules = Rules::new(&[glob.to_owned()], &[]).expect("a good glob");
        rules.leave_out(None, path.as_bytes(), shape)
    };
    assert!(out("*.o", "home/ann/x.o", Shape::Other));
    assert!(out("target/debug", "home/ann/target/debug", Shape::Folder));
    assert!(out("target/debug", "target/debug", Shape::Folder));
    assert!(out("/home/ann", "home/ann", Shape::Folder));
    assert!(!out("/ann", "home/ann", Shape::Folder));
    assert!(!out("cache/", "home/cache", Shape::Other));
    assert!(out("cache/", "home/cache", Shape::Folder));
    assert!(out("a/b/", "x/a/b", Shape::Folder));
}

#[test]
fn names_that_are_not_text_can_be_left_out() {
    let rules = Rules::new(&["bad*".to_owned()], &[]).expect("a good glob");
    assert!(rules.leave_out(None, b"x/bad\xff\xfe", Shape::Other));
    assert!(!rules.leave_out(None, b"x/\xffbad", Shape::Other));
}

#[test]
fn a_bad_glob_is_named_with_its_place() {
    match Rules::new(&["fine".to_owned(), "a[b".to_owned()], &[]) {
        Err(RuleError::BadGlob { glob, origin, .. }) => {
            assert_eq!((glob.as_str(), origin.as_str()), ("a[b", "--exclude"));
        }
        other => panic!("{other:?}"),
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("globs");
    fs::write(&path, "good\n\n{a\n").expect("it writes");
    match Rules::new(&[], std::slice::from_ref(&path)) {
        Err(RuleError::BadGlob { glob, origin, .. }) => {
            assert_eq!(glob, "{a");
            assert!(origin.ends_with("globs, line 3"), "{origin}");
        }
        other => panic!("{other:?}"),
    }
    let missing = Rules::new(&[], &[place.path().join("none")]);
    assert!(matches!(missing, Err(RuleError::Unreadable { .. })), "{missing:?}");
    assert!(matches!(Selection::new(&["[".to_owned()], &[]), Err(RuleError::BadGlob { .. })));
}

fn key(path: &str) -> PathKey {
    PathKey::from_slashes(path.as_bytes()).expect("it is a path")
}

#[test]
fn a_selection_takes_what_is_included_and_not_excluded() {
    let all = Selection::new(&[], &[]).expect("no globs");
    assert_eq!(all.judge(&key("/any"), Shape::Other), Wanted::Yes);
    let some = Selection::new(&["*.txt".into(), "/etc".into()], &["secret".into(), "*.bak/".into()]);
    let some = some.expect("good globs");
    for (path, shape, wanted) in [
        ("/etc", Shape::Folder, Wanted::Yes),
        ("/etc/ssh/config", Shape::Other, Wanted::Yes),
        ("/etc/secret", Shape::Folder, Wanted::No),
        ("/etc/secret/x.txt", Shape::Other, Wanted::No),
        ("/home", Shape::Folder, Wanted::Inside),
        ("/home/a.txt", Shape::Other, Wanted::Yes),
        ("/home/a.png", Shape::Other, Wanted::No),
        ("/home/old.bak", Shape::Other, Wanted::No),
        ("/home/old.bak", Shape::Folder, Wanted::No),
        ("/home/docs.txt", Shape::Folder, Wanted::Yes),
        ("/home/docs.txt/any.png", Shape::Other, Wanted::Yes),
    ] {
        assert_eq!(some.judge(&key(path), shape), wanted, "{path}");
    }
}

proptest! {
    /// What lies in a folder that is refused is refused, and what lies in one that is wanted is wanted unless a glob
    /// excludes it: so a restore may ask top down.
    #[test]
    fn a_selection_agrees_with_itself_on_the_way_down(
        include in proptest::collection::vec("[ab*/]{1,4}", 0..3),
        exclude in proptest::collection::vec("[ab*/]{1,4}", 0..3),
        path in proptest::collection::vec("[ab]{1,2}", 1..4),
    ) {
        let selection = Selection::new(&include, &exclude)?;
        let path = PathKey::from_components(&path)?;
        let parent = path.parent().expect("it has a component");
        let above = selection.judge(&parent, Shape::Folder);
        let here = selection.judge(&path, Shape::Other);
        if above == Wanted::No {
            prop_assert_eq!(here, Wanted::No);
        }
        if above == Wanted::Yes && exclude.is_empty() {
            prop_assert_eq!(here, Wanted::Yes);
        }
    }
}
