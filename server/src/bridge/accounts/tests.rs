use std::collections::BTreeMap;

use farkeep_protocol::hello::Role;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::config::Quota;

const KEY: PublicKey = PublicKey::from_bytes([1; 32]);

fn client() -> Client {
    Client {
        name: "web-1".to_owned(),
        role: Role::Agent,
        repositories: Vec::new(),
        enrolled: Timestamp::UNIX_EPOCH,
        calls_itself: String::new(),
        revoked: None,
    }
}

fn accounts(root: &TempDir) -> Accounts {
    let mut config = Config::default();
    let quota = Quota { soft_bytes: None, hard_bytes: Some(100) };
    config.quotas.clients = BTreeMap::from([("web-1".to_owned(), quota)]);
    let folder = Folder::create(root.path()).expect("made");
    Accounts::new(folder, Arc::new(config), Recorder::new().0)
}

#[test]
fn what_a_client_has_stored_outlives_the_server() {
    let root = TempDir::new().expect("a temporary folder can be made");
    let first = accounts(&root);
    first.open(&KEY, &client()).expect("opened").reserve(60).expect("it fits");
    first.note();
    let second = accounts(&root);
    let account = second.open(&KEY, &client()).expect("opened");
    assert_eq!(account.reserve(41).map_err(|failure| failure.code), Err(Code::QUOTA_EXCEEDED));
    account.reserve(40).expect("it fits");
}

#[test]
fn an_account_that_cannot_be_read_is_no_empty_one() {
    let root = TempDir::new().expect("a temporary folder can be made");
    let accounts = accounts(&root);
    fs::write(accounts.path(&KEY), "many").expect("written");
    assert!(accounts.open(&KEY, &client()).is_err());
}

#[test]
fn a_client_has_so_many_sessions() {
    let root = TempDir::new().expect("a temporary folder can be made");
    let account = accounts(&root).open(&KEY, &client()).expect("opened");
    let seats: Vec<_> = (0..3).map(|_| account.sit(3).expect("there is room")).collect();
    assert_eq!(account.sit(3).map_err(|failure| failure.code).err(), Some(Code::SERVER_FULL));
    drop(seats);
    account.sit(3).expect("there is room again");
}

#[test]
fn who_asks_too_fast_waits() {
    let start = Instant::now();
    let mut rate = Rate::new(10, start);
    for _ in 0..10 {
        assert_eq!(rate.take(start), Duration::ZERO, "a second's worth may come at once");
    }
    assert_eq!(rate.take(start), Duration::from_millis(100));
    assert_eq!(rate.take(start), Duration::from_millis(200));
    assert_eq!(rate.take(start + Duration::from_secs(1)), Duration::ZERO);
    let later = start + Duration::from_secs(100);
    for _ in 0..10 {
        assert_eq!(rate.take(later), Duration::ZERO);
    }
    assert_eq!(
        rate.take(later),
        Duration::from_millis(100),
        "the bucket holds no more than a second's worth"
    );
}
