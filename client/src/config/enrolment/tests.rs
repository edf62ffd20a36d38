//! Enrolments come back as they were written, and from nothing else.

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::DomainSecret;
use farkeep_codec::key::Epoch;
use tempfile::TempDir;

use super::*;

fn enrolment() -> Enrolment {
    let code = AgentCode::new(
        (Epoch::FIRST, &DomainSecret::from_bytes([5; 32])),
        &RepositoryId::from_bytes([6; 32]),
    );
    Enrolment {
        host: Host::new("backup.example").expect("a host"),
        port: 7717,
        server: PublicKey::from_bytes([1; 32]),
        identity: AgentIdentity::from_bytes(&[2; 32]),
        role: Role::Agent,
        name: "web-1".to_owned(),
        repositories: vec!["main".to_owned()],
        codes: [("main".to_owned(), code)].into(),
    }
}

#[test]
fn what_is_written_is_read_and_nobody_else_can() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("config");
    let path = enrolment().write(&config).expect("there is room");
    let host = enrolment().host;
    assert_eq!(Enrolment::read(&config, &host, 7717).expect("it is there"), enrolment());
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&config.join("servers")), mode(&config)), (0o600, 0o700, 0o700));

    assert!(matches!(Enrolment::read(&config, &host, 7718), Err(EnrolmentError::None { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    assert!(matches!(Enrolment::read(&config, &host, 7717), Err(EnrolmentError::Open { .. })));
}

#[test]
fn what_is_no_enrolment_is_refused() {
    let good = enrolment().text();
    assert_eq!(Enrolment::parse(&good), Ok(enrolment()));
    for (part, other) in [
        ("role = \"agent\"", "role = \"king\""),
        ("port = 7717", "port = 65536"),
        ("name = ", "nome = "),
        ("secret = \"02", "secret = \"x2"),
        ("server_key = \"01", "server_key = \"1"),
        ("FKA1-", "FKA1-0"),
        ("backup.example", "backup example"),
    ] {
        let bad = good.replace(part, other);
        assert!(bad != *good && Enrolment::parse(&bad).is_err(), "{part}");
    }
}

#[test]
fn the_folder_lies_where_the_system_keeps_such_things() {
    let all = [("FARKEEP_CONFIG", "/f"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
    let folder = |set: &[(&str, &str)]| {
        config_folder(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    };
    assert_eq!(folder(&all), PathBuf::from("/f"));
    assert_eq!(folder(&all[1..]), PathBuf::from("/x/farkeep"));
    assert_eq!(folder(&all[2..]), PathBuf::from("/h/.config/farkeep"));
    assert_eq!(folder(&[("HOME", "")]), PathBuf::from("/etc/farkeep"));
}
