//! The one table from errors to exit codes.

use std::collections::BTreeSet;

use farkeep_codec::key::RecoveryCode;
use farkeep_codec::layout::Malformed;

use super::*;
use crate::config::Location;

fn location() -> Location {
    Location::named(Some("/srv/backup".into())).expect("a folder")
}

fn open(source: StoreError) -> RepositoryError {
    RepositoryError::Open { location: location(), source }
}

#[test]
fn every_kind_of_failure_has_its_code() {
    let object = ObjectId::from_bytes([1; 32]);
    let in_use = || StoreError::InUse { by: "process 7".to_owned() };
    let damaged = || StoreError::Damaged { path: "head".into(), offset: 0, what: "head" };
    let mistyped = RecoveryCode::parse("FKR1-0000").expect_err("too short");
    let full = StoreError::Full { needed_bytes: 2, free_bytes: 1 };
    let cases: Vec<(Failure, Exit)> = vec![
        (LocationError::NotNamed.into(), Exit::Usage),
        (Failure::Glob { glob: "[".to_owned(), reason: "open".to_owned() }, Exit::Usage),
        (open(StoreError::NotThere).into(), Exit::NoRepository),
        (open(in_use()).into(), Exit::InUse),
        (BackupError::Repository(RepositoryError::Store(in_use())).into(), Exit::InUse),
        (RepositoryError::WrongSecret { location: location() }.into(), Exit::WrongPassphrase),
        (RepositoryError::Mistyped { location: location(), source: mistyped }.into(), Exit::WrongPassphrase),
        (open(damaged()).into(), Exit::Damage),
        (RepositoryError::Tree(Malformed { what: "node", offset: 1 }).into(), Exit::Damage),
        (RepositoryError::Outside { object }.into(), Exit::Damage),
        (Failure::NotATree { node: object }, Exit::Damage),
        (open(full).into(), Exit::Failed),
        (BackupError::Interrupted { stored_bytes: 0 }.into(), Exit::Failed),
        (CheckError::Interrupted.into(), Exit::Failed),
        (io::Error::other("gone").into(), Exit::Failed),
    ];
    for (failure, exit) in &cases {
        assert_eq!(failure.exit(), *exit, "{failure}");
        assert_eq!(failure.line().exit_code, exit.code());
    }
    let codes: BTreeSet<u8> = cases.iter().map(|(_, exit)| exit.code()).collect();
    assert_eq!(codes, BTreeSet::from([1, 2, 10, 11, 12, 13]));
}

#[test]
fn a_message_says_what_was_done_to_what_and_what_to_do_next() {
    let line = Failure::from(open(StoreError::InUse { by: "process 7 on host".to_owned() })).line();
    assert_eq!(
        line.message,
        "cannot open the repository /srv/backup: the repository is in use by process 7 on host",
    );
    assert_eq!(line.advice.as_deref(), Some("Wait until it has ended, and try again."));

    let line = Failure::from(open(StoreError::NotThere)).line();
    assert!(line.advice.is_some_and(|advice| advice.contains("farkeep init")));
}

#[test]
fn a_reader_that_closed_the_pipe_is_no_failure() {
    assert!(Failure::from(io::Error::from(ErrorKind::BrokenPipe)).is_closed_pipe());
    assert!(!Failure::from(io::Error::from(ErrorKind::StorageFull)).is_closed_pipe());
}
