use std::fs;

use jiff::tz::TimeZone;

use super::super::doubts::never_there;
use super::*;

fn job(paths: &[PathBuf]) -> Job {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("agent.toml");
    let text = format!(
        "servers = [\"farkeep://one/main\"]\nstate = \"/s\"\n\
         [[job]]\nname = \"etc\"\npaths = {paths:?}\nschedule = \"every 1d\"\n"
    );
    fs::write(&file, text).expect("there is room");
    Config::read(&file, &TimeZone::UTC).expect("it can be used").jobs.remove(0)
}

#[test]
fn a_path_that_never_was_there_is_named_and_nothing_at_all_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let paths = ["stays", "leaves"].map(|name| folder.path().join(name));
    let mut seen = BTreeSet::new();
    fs::create_dir(&paths[0]).expect("it is new");
    let job = job(&paths);
    assert_eq!(never_there(&job, &seen), None, "nothing is remembered");
    assert_eq!(roots(&paths, &mut seen).expect("one is there").paths().len(), 2);
    let said = never_there(&job, &seen).expect("one never was there");
    assert!(said.contains(&paths[1].display().to_string()), "{said}");

    fs::create_dir(&paths[1]).expect("it is new");
    roots(&paths, &mut seen).expect("both are there");
    fs::remove_dir(&paths[1]).expect("it is empty");
    assert_eq!(roots(&paths, &mut seen).expect("it was there").paths().len(), 2);
    assert_eq!(never_there(&job, &seen), None, "it was there once");
    fs::remove_dir(&paths[0]).expect("it is empty");
    let refused = roots(&paths, &mut seen).expect_err("nothing is left");
    assert!(matches!(refused, RootError::NotThere { .. }), "{refused}");
}
