use tempfile::TempDir;

use super::*;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    fn run(&self, line: &str) -> Result<String, String> {
        let words = ["farkeepd"].into_iter().chain(line.split_whitespace());
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let arguments = Arguments { data: self.0.path().join("data"), ..arguments };
        let mut out = Vec::new();
        arguments.run(&mut out).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(out).expect("text"))
    }
}

#[test]
fn the_first_three_commands() {
    let place = Place::new();
    let made = place.run("init --listen 127.0.0.1:9999").expect("made");
    let key = made.trim().strip_prefix("key ").expect("it says its key");
    let text = place.run("enroll web-1 --repository main").expect("printed");
    let enrolment: EnrolmentString = text.trim().parse().expect("an enrolment string");
    assert_eq!((enrolment.host.as_str(), enrolment.port), ("127.0.0.1", 9999));
    assert_eq!(enrolment.server.to_string(), key);
    let status = place.run("status").expect("said");
    assert!(status.contains("server\tstopped") && status.contains("tokens\t1"), "{status}");
    assert_eq!(place.run("init").expect("made again"), made, "the identity stays");
    assert!(place.run("init --listen 127.0.0.1:1").is_err(), "the config is not overwritten");
}

#[test]
fn a_host_can_be_given_and_is_checked() {
    let place = Place::new();
    place.run("init --host backup.example.org").expect("made");
    let host = |line: &str| -> Result<String, String> {
        let text = place.run(line)?;
        Ok(text.trim().parse::<EnrolmentString>().expect("an enrolment string").host.as_str().to_owned())
    };
    assert_eq!(host("enroll a --repository main").as_deref(), Ok("backup.example.org"));
    assert_eq!(host("enroll a --repository main --host ::1").as_deref(), Ok("::1"));
    assert!(host("enroll a --repository main --host a/b").is_err());
}

#[test]
fn what_cannot_be_enrolled_is_refused() {
    let place = Place::new();
    assert!(place.run("enroll a --repository main").is_err(), "nothing was made");
    place.run("init").expect("made");
    for line in [
        "enroll a",
        "enroll A --repository main",
        "enroll a --repository ../main",
        "enroll a --repository main --role emperor",
        "enroll a --repository main --valid 0s",
        "revoke nobody",
    ] {
        assert!(place.run(line).is_err(), "{line}");
    }
}

#[test]
fn a_port_that_changes_cannot_be_enrolled_at() {
    let place = Place::new();
    place.run("init --listen 127.0.0.1:0").expect("made");
    assert!(place.run("enroll a --repository main").is_err());
}

#[test]
fn a_client_is_listed_and_revoked() {
    let place = Place::new();
    place.run("init --listen 127.0.0.1:9999").expect("made");
    let text = place.run("enroll web-1 --repository main").expect("printed");
    let enrolment: EnrolmentString = text.trim().parse().expect("an enrolment string");
    let folder = Folder::open(&place.0.path().join("data"));
    let clients = Clients::open(&folder).expect("listed");
    let key = PublicKey::from_bytes([1; 32]);
    let tokens = Tokens::open(&folder);
    tokens.redeem(&clients, &enrolment.token, &key, "web", Timestamp::now()).expect("good");
    assert!(place.run("agents").expect("listed").starts_with("web-1\tagent\tmain\tenrolled "));
    assert_eq!(place.run("revoke web-1").expect("revoked"), format!("revoked web-1 {key}\n"));
    assert!(place.run("clients").expect("listed").contains("\trevoked "));
    assert!(place.run(&format!("revoke {key}")).is_ok(), "once more changes nothing");
}

#[test]
fn the_config_is_checked() {
    let place = Place::new();
    place.run("init").expect("made");
    let shown = place.run("serve --check").expect("it is good");
    let config: Config = toml::from_str(&shown).expect("a config");
    assert_eq!(config, Config::default());
    fs::write(place.0.path().join("data").join(FILE), "lisen = 1").expect("written");
    assert!(place.run("serve --check").is_err());
}
