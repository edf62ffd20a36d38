//! Opening, key slots, and objects that are what they should be.

use std::fs;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::Lock;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Hole;
use farkeep_engine::ObjectError;
use farkeep_engine::StoreError;

use super::trial::PASSPHRASE;
use super::trial::Trial;
use super::trial::passphrase;
use super::*;

const CHEAP: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };

fn store_error(result: Result<Repository, RepositoryError>) -> StoreError {
    match result {
        Ok(_) => panic!("it opened"),
        Err(error) => error.store().unwrap_or_else(|| panic!("{error}")).clone(),
    }
}

#[test]
fn a_repository_opens_with_its_passphrase_alone() {
    let trial = Trial::new();
    let id = trial.open(Access::Write).parameters().repository;
    assert_eq!(trial.open(Access::Read).parameters().repository, id);
    let refused = trial.open_with(Access::Read, "correct horse ");
    assert!(matches!(refused, Err(RepositoryError::WrongSecret { .. })));
}

#[test]
fn nothing_and_something_else_are_no_repository() {
    let trial = Trial::new();
    let elsewhere = Location::named(Some(trial.folder().join("elsewhere").into())).expect("a folder");
    let opened = |location: &Location| Locked::open(location, Access::Read).map(|_| ());
    let not_there = |result: Result<(), RepositoryError>| {
        matches!(result.expect_err("nothing is there").store(), Some(StoreError::NotThere))
    };
    assert!(not_there(opened(&elsewhere)));
    fs::create_dir(elsewhere.folder().expect("a folder")).expect("a folder can be made");
    assert!(not_there(opened(&elsewhere)));
}

#[test]
fn a_folder_that_is_not_empty_is_refused_and_left_alone() {
    let trial = Trial::new();
    let plan = Plan {
        chunker: trial.open(Access::Read).parameters().chunker,
        image_chunk_bytes: 65_536,
        bundle_bytes_target: 65_536,
        compression: farkeep_codec::parameters::Compression::at_level(1),
        cost: CHEAP,
        label: String::new(),
    };
    let again = create(&trial.location(), &plan, &passphrase("x"));
    assert!(matches!(again.expect_err("it is there").store(), Some(StoreError::Exists { .. })));
    assert!(trial.open_with(Access::Read, PASSPHRASE).is_ok());

    let used = Location::named(Some(trial.folder().into())).expect("a folder");
    let refused = create(&used, &plan, &passphrase("x"));
    assert!(matches!(refused.expect_err("it is not empty").store(), Some(StoreError::Exists { .. })));
    assert_eq!(fs::read_dir(trial.folder()).expect("it can be listed").count(), 1);
}

#[test]
fn settings_that_the_format_does_not_allow_are_refused_before_anything_is_made() {
    let trial = Trial::new();
    let parameters = trial.open(Access::Read).parameters().clone();
    let plan = Plan {
        chunker: parameters.chunker,
        image_chunk_bytes: 65_536,
        bundle_bytes_target: 65_536,
        compression: parameters.compression,
        cost: CHEAP,
        label: String::new(),
    };
    let location = Location::named(Some(trial.folder().join("new").into())).expect("a folder");
    let plans = [
        Plan { bundle_bytes_target: 1, ..plan.clone() },
        Plan { image_chunk_bytes: u32::MAX, ..plan.clone() },
        Plan { compression: farkeep_codec::parameters::Compression::at_level(99), ..plan.clone() },
        Plan { cost: KdfCost { memory_kib: 1, ..CHEAP }, ..plan.clone() },
        Plan { cost: KdfCost { passes: 0, ..CHEAP }, ..plan.clone() },
        Plan { cost: KdfCost { memory_kib: u32::MAX, ..CHEAP }, ..plan.clone() },
        Plan { label: "x".repeat(256), ..plan },
    ];
    for plan in plans {
        let refused = create(&location, &plan, &passphrase("x"));
        assert!(matches!(refused, Err(RepositoryError::Setting { .. })), "{plan:?}");
        assert!(!location.folder().expect("a folder").exists(), "{plan:?}");
    }
}

#[test]
fn a_second_writer_is_told_who_the_first_one_is_and_readers_are_let_in() {
    let trial = Trial::new();
    let _writer = trial.open(Access::Write);
    match store_error(trial.open_with(Access::Write, PASSPHRASE)) {
        StoreError::InUse { by } => assert!(by.contains(&std::process::id().to_string()), "{by}"),
        other => panic!("{other}"),
    }
    assert!(trial.open_with(Access::Read, PASSPHRASE).is_ok());
}

#[test]
fn slots_come_and_go_and_the_last_one_stays() {
    let trial = Trial::new();
    {
        let repository = trial.open(Access::Write);
        repository.add_passphrase(&passphrase("second"), "colleague", CHEAP).expect("it is stored");
        let labels = repository.key_slots().expect("they can be read").into_iter().map(|slot| slot.label);
        let mut labels: Vec<String> = labels.collect();
        labels.sort();
        assert_eq!(labels, ["colleague", "first"]);
    }
    {
        let repository = trial.open_with(Access::Write, "second").expect("the new passphrase opens it");
        assert_eq!(repository.opened_slot(), repository.find_slot("colleague").ok());
        let first = repository.find_slot("first").expect("it is there");
        repository.remove_slot(first).expect("another is left");
        let last = repository
            .remove_slot(repository.opened_slot().expect("one was opened"))
            .expect_err("it is the last");
        assert!(matches!(last.store(), Some(StoreError::LastSlot { .. })), "{last}");
    }
    assert!(matches!(trial.open_with(Access::Read, PASSPHRASE), Err(RepositoryError::WrongSecret { .. })));
    assert!(trial.open_with(Access::Read, "second").is_ok());
}

#[test]
fn a_recovery_code_opens_wherever_a_passphrase_does() {
    let trial = Trial::new();
    let code = {
        let repository = trial.open(Access::Write);
        let (slot, code) = repository.add_recovery("on paper").expect("it is stored");
        let slots = repository.key_slots().expect("they can be read");
        let added = slots.iter().find(|found| found.id == slot).expect("it is there");
        assert!(matches!(added.lock, Lock::Recovery { .. }));
        code.to_text().to_string()
    };
    assert!(trial.open_with(Access::Read, &code).is_ok());
    assert!(trial.open_with(Access::Read, &format!(" {} ", code.to_lowercase())).is_ok());
    let mut wrong = code.clone();
    let last = wrong.pop().expect("it has letters");
    wrong.push(if last == '7' { '8' } else { '7' });
    assert!(matches!(trial.open_with(Access::Read, &wrong), Err(RepositoryError::Mistyped { .. })));
    let other = farkeep_codec::key::RecoveryCode::generate(fill_random).to_text().to_string();
    assert!(matches!(trial.open_with(Access::Read, &other), Err(RepositoryError::WrongSecret { .. })));
}

#[test]
fn slots_are_named_by_label_or_by_the_beginning_of_their_id() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let slot = repository.opened_slot().expect("one was opened");
    assert_eq!(repository.find_slot(&slot.to_string()[..8]).expect("it is there"), slot);
    for text in ["", "nobody"] {
        let found = repository.find_slot(text);
        assert!(matches!(found, Err(RepositoryError::SlotName { count: 0, .. })), "{text:?}");
    }
    repository.add_passphrase(&passphrase("2"), "first", CHEAP).expect("it is stored");
    assert!(matches!(repository.find_slot("first"), Err(RepositoryError::SlotName { count: 2, .. })));
}

#[test]
fn what_was_stored_is_read_back() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let pointer = repository.store_data(b"some bytes");
    assert!(repository.has(&pointer.id).expect("it answers"));
    assert_eq!(repository.plain(&pointer).expect("it opens"), b"some bytes");
    let missing = ObjectId::from_bytes([9; 32]);
    assert!(!repository.has(&missing).expect("it answers"));
    let error = repository.plain(&Pointer { id: missing, ..pointer }).expect_err("it is not there");
    assert!(matches!(error, RepositoryError::Object(ObjectError::Missing { .. })) && error.is_damage());
}

#[test]
fn a_pointer_that_lies_opens_nothing() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let pointer = repository.store_data(b"some bytes");
    let lies = [
        Pointer { seed: Seed::from_bytes([0; 32]), ..pointer },
        Pointer { plain_bytes: pointer.plain_bytes + 1, ..pointer },
    ];
    for lie in lies {
        let error = repository.plain(&lie).expect_err("it is not what the pointer says");
        assert!(error.is_damage(), "{error}");
    }
    let error = repository.node(&pointer).expect_err("it is no node");
    assert!(error.is_damage(), "{error}");
}

#[test]
fn pieces_make_up_the_file_or_fail() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let pointers = vec![repository.store_data(b"abc"), repository.store_data(b"defg")];
    let at = |offset| vec![Hole { offset, bytes: 2 }, Hole { offset: 9, bytes: 3 }];
    let content = Content::Chunks { pointers: pointers.clone(), holes: at(3) };
    let read = |bytes: u64, content: &Content| {
        let mut file = Vec::new();
        let read = repository.fetcher().pieces::<RepositoryError>(bytes, content, |piece| {
            match piece {
                Piece::Data(data) => file.extend_from_slice(data),
                Piece::Hole(bytes) => file.resize(file.len() + usize::try_from(bytes).expect("small"), b'.'),
            }
            Ok(())
        });
        read.map(|()| file)
    };
    assert_eq!(read(12, &content).expect("it is whole"), b"abc..defg...");
    assert!(matches!(read(13, &content), Err(RepositoryError::Chunks { bytes: 13 })));
    let spanned = Content::Chunks { pointers: pointers.clone(), holes: at(1) };
    assert!(matches!(read(12, &spanned), Err(RepositoryError::Chunks { bytes: 12 })));
    let slice = Content::Slice { bundle: pointers[1], offset: 1 };
    assert_eq!(read(3, &slice).expect("it is inside"), b"efg");
    assert!(matches!(read(4, &slice), Err(RepositoryError::Outside { .. })));
    assert_eq!(read(0, &Content::Empty).expect("it is empty"), b"");
}
