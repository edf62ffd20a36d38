use jiff::Timestamp;

use super::Outcome;
use super::Remembered;
use super::Runs;

#[test]
fn what_is_written_is_read_and_nothing_else_is_believed() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut runs = Runs::read(folder.path());
    assert!(runs.jobs.is_empty());
    let job = Remembered {
        due: Some(Timestamp::UNIX_EPOCH),
        outcome: Some(Outcome::Partial),
        message: Some("two files".to_owned()),
        ..Remembered::default()
    };
    runs.jobs.insert("etc".to_owned(), job);
    runs.write(folder.path()).expect("there is room");
    assert_eq!(Runs::read(folder.path()), runs);
    let path = folder.path().join("runs.json");
    let text = std::fs::read_to_string(&path).expect("it is there");
    for other in [text.replace("\"version\": 1", "\"version\": 2"), text[..text.len() / 2].to_owned()] {
        std::fs::write(&path, other).expect("there is room");
        assert!(Runs::read(folder.path()).jobs.is_empty());
    }
}
