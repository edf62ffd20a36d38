//! Locations of repositories.

use super::*;

#[test]
fn a_folder_is_taken_as_it_is_written() {
    let location = Location::named(Some("/srv/my backup".into()));
    assert_eq!(location, Ok(Location::Folder("/srv/my backup".into())));
}

#[test]
fn nothing_and_empty_are_not_named() {
    assert_eq!(Location::named(None), Err(LocationError::NotNamed));
    assert_eq!(Location::named(Some(OsString::new())), Err(LocationError::NotNamed));
}

#[test]
fn addresses_are_refused_instead_of_becoming_folders() {
    for address in [
        "https://host/x",
        "farkeeps://host/x",
        "sftp://host:22/x",
        "fk1:host:1:2:3",
        "sftp:host:/x",
        "host:/x",
        "s3:b",
    ] {
        let refused = Location::named(Some(address.into()));
        assert_eq!(refused, Err(LocationError::Address { text: address.to_owned() }));
    }
}

fn server(host: &str, port: u16, repository: &str) -> Location {
    let host = Host::new(host).expect("a host");
    Location::Server(Box::new(Address { host, port, repository: repository.to_owned() }))
}

#[test]
fn repositories_at_servers_have_an_address() {
    let cases = [
        ("farkeep://host/main", "host", 7717, "farkeep://host/main"),
        ("farkeep://host:7717/main", "host", 7717, "farkeep://host/main"),
        ("farkeep://10.0.0.1:80/main", "10.0.0.1", 80, "farkeep://10.0.0.1:80/main"),
        ("farkeep://[::1]/main", "::1", 7717, "farkeep://[::1]/main"),
        ("farkeep://[::1]:80/main", "::1", 80, "farkeep://[::1]:80/main"),
    ];
    for (text, host, port, shown) in cases {
        let location = Location::named(Some(text.into())).expect(text);
        assert_eq!(location, server(host, port, "main"));
        assert_eq!(location.to_string(), shown);
        assert_eq!(location.folder(), None);
    }
}

#[test]
fn addresses_that_do_not_hold_together_are_refused() {
    for text in [
        "host",
        "host/",
        "/main",
        "host:0/main",
        "host:/main",
        "host:65536/main",
        "host/a/b",
        "host/Main",
        "h st/a",
        "::1/a",
    ] {
        let refused = Location::named(Some(format!("farkeep://{text}").into()));
        assert!(matches!(refused, Err(LocationError::Malformed { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn a_folder_may_have_a_colon_in_its_name() {
    for path in ["./sftp:x", "/srv/a:b", "../a:b"] {
        assert_eq!(Location::named(Some(path.into())), Ok(Location::Folder(path.into())));
    }
}

#[test]
fn caches_lie_where_the_system_keeps_them() {
    let all = [("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
    let folder = |set: &[(&str, &str)]| {
        cache_folder(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    };
    assert_eq!(folder(&all), PathBuf::from("/x/farkeep"));
    assert_eq!(folder(&all[1..]), PathBuf::from("/h/.cache/farkeep"));
    assert_eq!(folder(&[("FARKEEP_CACHE", "/c"), ("HOME", "/h")]), PathBuf::from("/c"));
    assert_eq!(folder(&[("HOME", "")]), PathBuf::from("/var/cache/farkeep"));
}
