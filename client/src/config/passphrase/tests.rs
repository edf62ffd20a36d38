//! Which source wins, and what each of them gives.

use std::collections::HashMap;
use std::io::Write;

use super::*;

fn choose(flags: &Flags, variables: &[(&str, &str)]) -> Source {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    Source::choose(flags, &CURRENT, |name| variables.get(name).map(OsString::from), "Passphrase")
}

fn read(source: &Source) -> Vec<u8> {
    source.read(Purpose::Open).expect("the source has a passphrase").as_bytes().to_vec()
}

#[test]
fn sources_beat_one_another_in_the_documented_order() {
    let all = [
        ("FARKEEP_PASSWORD", "value"),
        ("FARKEEP_PASSWORD_FILE", "/variable"),
        ("FARKEEP_PASSWORD_COMMAND", "variable"),
    ];
    let both = Flags { file: Some("/flag".into()), command: Some("flag".into()) };
    let command = Flags { file: None, ..both.clone() };
    let none = Flags::default();

    assert_eq!(choose(&both, &all), Source::File("/flag".into()));
    assert_eq!(choose(&command, &all), Source::Command("flag".into()));
    assert_eq!(choose(&none, &all), Source::Value(Passphrase::from(b"value".to_vec())));
    assert_eq!(choose(&none, &all[1..]), Source::File("/variable".into()));
    assert_eq!(choose(&none, &all[2..]), Source::Command("variable".into()));
    assert_eq!(choose(&none, &[]), Source::Prompt { question: "Passphrase".to_owned() });
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let source = choose(&Flags::default(), &[("FARKEEP_PASSWORD", ""), ("FARKEEP_PASSWORD_FILE", "/f")]);
    assert_eq!(source, Source::File("/f".into()));
}

#[test]
fn variables_for_a_new_passphrase_are_not_those_that_open() {
    let source = Source::choose(
        &Flags::default(),
        &NEW,
        |name| (name == "FARKEEP_PASSWORD").then(|| OsString::from("old")),
        "New passphrase",
    );
    assert_eq!(source, Source::Prompt { question: "New passphrase".to_owned() });
}

#[test]
fn a_file_gives_its_first_line_without_the_line_end() {
    for text in ["horse staple", "horse staple\n", "horse staple\r\n", "horse staple\nsecond line\n"] {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(text.as_bytes()).expect("and written");
        assert_eq!(read(&Source::File(file.path().to_owned())), b"horse staple", "{text:?}");
    }
}

#[test]
fn a_command_gives_its_first_line_and_its_failure_is_told() {
    assert_eq!(read(&Source::Command("printf 'a b\\nc'".into())), b"a b");
    let failed = Source::Command("echo secret; exit 3".into()).read(Purpose::Open);
    let problem = failed.expect_err("the command failed").to_string();
    assert!(problem.contains("exit 3") && problem.contains("failed with exit status: 3"), "{problem}");
}

#[test]
fn a_missing_file_is_an_error_and_no_prompt() {
    let problem =
        Source::File("/does/not/exist".into()).read(Purpose::Open).expect_err("there is no such file");
    assert!(matches!(problem, PassphraseError::File { .. }), "{problem}");
}

#[test]
fn an_empty_passphrase_is_refused() {
    let problem =
        Source::Command("printf '\\n'".into()).read(Purpose::Open).expect_err("nothing was printed");
    assert!(matches!(problem, PassphraseError::Empty), "{problem}");
}

#[test]
fn a_passphrase_is_never_printed() {
    assert_eq!(
        format!("{:?}", Source::Value(Passphrase::from(b"secret".to_vec()))),
        "Value(Passphrase(hidden))"
    );
}
