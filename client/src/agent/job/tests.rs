use std::fs;

use super::*;

#[test]
fn a_path_that_never_was_there_is_refused_and_one_that_is_away_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let paths = ["stays", "leaves"].map(|name| folder.path().join(name));
    let mut seen = BTreeSet::new();
    fs::create_dir(&paths[0]).expect("it is new");
    let refused = roots(&paths, &mut seen).expect_err("one never was there");
    assert!(matches!(&refused, RootError::NotThere { path, .. } if *path == paths[1]), "{refused}");

    fs::create_dir(&paths[1]).expect("it is new");
    roots(&paths, &mut seen).expect("both are there");
    fs::remove_dir(&paths[1]).expect("it is empty");
    assert_eq!(roots(&paths, &mut seen).expect("it was there").paths().len(), 2);
    fs::remove_dir(&paths[0]).expect("it is empty");
    let refused = roots(&paths, &mut seen).expect_err("nothing is left");
    assert!(matches!(refused, RootError::NotThere { .. }), "{refused}");
}
