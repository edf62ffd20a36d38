//! What is remembered as not restored.

use super::*;

fn key(path: &str) -> PathKey {
    PathKey::from_slashes(path.as_bytes()).expect("it is a path")
}

fn gap(first: &str, end: Option<&str>) -> Gap {
    Gap { first: key(first), end: end.map(key), entries: Some(3) }
}

#[test]
fn paths_and_gaps_are_remembered_with_their_borders() {
    let mut missed = Missed::default();
    assert_eq!(missed.fault(&key("a")), None);
    missed.add(&key("z"), Fault::Target);
    missed.add_gap(&gap("b", Some("b/m")));
    missed.add_gap(&gap("b/m", Some("d")));
    missed.add_gap(&gap("x/1", None));
    assert_eq!(missed.gaps.len(), 2, "gaps that touch are one");
    let repository = Some(Fault::Repository);
    let expected = [
        ("a", None),
        ("b", repository),
        ("b/m", repository),
        ("c", repository),
        ("d", None),
        ("x", None),
        ("x/1", repository),
        ("y", repository),
        ("z", Some(Fault::Target)),
    ];
    for (path, fault) in expected {
        assert_eq!(missed.fault(&key(path)), fault, "{path}");
    }
}

#[test]
fn too_much_to_remember_is_all() {
    let mut missed = Missed::default();
    for number in 0..=MISSED_MAX {
        assert_eq!(missed.fault(&key("other")), None);
        missed.add(&key(&number.to_string()), Fault::Target);
    }
    assert_eq!(missed.fault(&key("other")), Some(Fault::Target));
}
