use std::sync::Arc;
use std::thread;

use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Token;
use farkeep_protocol::identity::PublicKey;
use jiff::SignedDuration;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

const KEY: PublicKey = PublicKey::from_bytes([1; 32]);
const OTHER: PublicKey = PublicKey::from_bytes([2; 32]);

struct Place {
    folder: Folder,
    clients: Clients,
    tokens: Tokens,
    _root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = TempDir::new().expect("a temporary folder can be made");
        let folder = Folder::create(&root.path().join("data")).expect("made");
        let clients = Clients::open(&folder).expect("listed");
        Self { clients, tokens: Tokens::open(&folder), folder, _root: root }
    }

    fn issue(&self, repositories: &[&str]) -> Token {
        let offer = Offer {
            name: "web-1".to_owned(),
            role: Role::Agent,
            repositories: repositories.iter().map(|name| (*name).to_owned()).collect(),
            expires: now() + SignedDuration::from_hours(24),
        };
        self.tokens.issue(&offer).expect("issued")
    }

    fn redeem(&self, token: &Token, key: &PublicKey) -> Result<Arc<Client>, RedeemError> {
        self.tokens.redeem(&self.clients, token, key, "web-1.example.org", now())
    }

    fn file(&self, key: &PublicKey) -> PathBuf {
        self.folder.clients().join(format!("{key}.toml"))
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

#[test]
fn a_token_makes_one_client_known() {
    let place = Place::new();
    assert_eq!(place.clients.standing(&KEY), Standing::Unknown);
    let token = place.issue(&["main"]);
    assert_eq!(place.tokens.count().expect("listed"), 1);
    let client = place.redeem(&token, &KEY).expect("it is good");
    assert_eq!((client.role, client.repositories.as_slice()), (Role::Agent, &["main".to_owned()][..]));
    assert_eq!(place.clients.standing(&KEY), Standing::Known(client.clone()));
    assert!(matches!(place.redeem(&token, &OTHER), Err(RedeemError::Invalid)));
    assert_eq!(place.clients.standing(&OTHER), Standing::Unknown);
    assert_eq!(place.tokens.count().expect("listed"), 0);
    let again = Clients::open(&place.folder).expect("listed");
    assert_eq!(again.standing(&KEY), Standing::Known(client));
}

#[test]
fn of_many_that_show_a_token_at_a_time_one_becomes_known() {
    let place = Place::new();
    let token = place.issue(&["main"]);
    let known = thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|number| {
                let (place, token) = (&place, &token);
                scope.spawn(move || place.redeem(token, &PublicKey::from_bytes([number; 32])).is_ok())
            })
            .collect();
        tries.into_iter().map(|one| one.join().expect("no panic")).filter(|ok| *ok).count()
    });
    assert_eq!((known, place.clients.all().len()), (1, 1));
}

#[test]
fn a_token_that_is_late_or_foreign_is_refused() {
    let place = Place::new();
    let token = place.issue(&["main"]);
    let late = now() + SignedDuration::from_hours(25);
    let refused = place.tokens.redeem(&place.clients, &token, &KEY, "", late);
    assert!(matches!(refused, Err(RedeemError::Invalid)));
    assert!(matches!(place.redeem(&token, &KEY), Err(RedeemError::Invalid)), "it is used up");
    assert!(matches!(place.redeem(&Token::from_bytes([0; 32]), &KEY), Err(RedeemError::Invalid)));
}

#[test]
fn the_folder_does_not_hold_what_one_could_enrol_with() {
    let place = Place::new();
    let token = place.issue(&["main"]);
    let hex: String = token.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for entry in fs::read_dir(place.folder.tokens()).expect("listed") {
        let path = entry.expect("an entry").path();
        assert!(!path.to_string_lossy().contains(&hex));
        assert!(!fs::read_to_string(&path).expect("text").contains(&hex));
    }
}

#[test]
fn a_client_that_enrols_again_gets_more() {
    let place = Place::new();
    place.redeem(&place.issue(&["main"]), &KEY).expect("good");
    let client = place.redeem(&place.issue(&["db", "main"]), &KEY).expect("good");
    assert_eq!(client.repositories, ["main", "db"]);
}

#[test]
fn who_was_revoked_stays_out() {
    let place = Place::new();
    let client = place.redeem(&place.issue(&["main"]), &KEY).expect("good");
    let mut watch = place.clients.watch();
    watch.mark_unchanged();
    place.clients.write(&KEY, &Client { revoked: Some(now()), ..(*client).clone() }).expect("written");
    assert!(watch.has_changed().expect("it is there"));
    assert_eq!(place.clients.standing(&KEY), Standing::Revoked);
    assert!(matches!(place.redeem(&place.issue(&["main"]), &KEY), Err(RedeemError::Revoked)));
}

#[test]
fn what_others_do_to_the_files_is_seen() {
    let place = Place::new();
    place.redeem(&place.issue(&["main"]), &KEY).expect("good");
    assert!(!place.clients.refresh().expect("listed"), "nothing changed");
    let elsewhere = Clients::open(&place.folder).expect("listed");
    fs::write(place.file(&KEY), "role = 'emperor'").expect("written");
    assert!(elsewhere.refresh().expect("listed"));
    assert_eq!(elsewhere.standing(&KEY), Standing::Unknown, "nobody can tell what it is");
    fs::remove_file(place.file(&KEY)).expect("removed");
    assert!(place.clients.refresh().expect("listed"));
    assert_eq!(place.clients.standing(&KEY), Standing::Unknown);
}

#[test]
fn the_identity_stays_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let seed = place.folder.seed().expect("read");
    let again = Folder::create(place.folder.path()).expect("made again");
    assert_eq!(*again.seed().expect("read"), *seed);
    let mode = fs::metadata(place.folder.path().join("identity")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn one_server_runs_in_a_folder() {
    let place = Place::new();
    let held = place.folder.lock().expect("free");
    assert!(place.folder.lock().is_err());
    drop(held);
    place.folder.lock().expect("free again");
}
