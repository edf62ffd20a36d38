//! Fault codes: what the server can say, somebody has heard it say.

use std::collections::BTreeSet;

use super::assert_none;
use super::source;
use super::source::Role;
use super::source::Source;
use super::tokens;

/// The codes that a file names.
fn named(file: &Source) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    tokens::each(&file.tokens, &mut |trees| {
        if tokens::is_ident(trees.first(), "Code") && tokens::is_path_sign(&trees[1..]) {
            names.extend(tokens::ident(trees.get(3)));
        }
    });
    names
}

/// The tests of this crate speak to servers over sockets, so a code that they name is one that came over one.
#[test]
fn every_code_that_the_server_raises_is_provoked_over_a_socket() {
    let known = farkeep_protocol::fault::Code::ALL.iter().map(|code| code.name());
    let known: BTreeSet<String> = known.map(|name| name.replace('-', "_").to_uppercase()).collect();
    let files = source::rust();
    let of = |is_meant: &dyn Fn(&Source) -> bool| -> BTreeSet<String> {
        files.iter().filter(|file| is_meant(file)).flat_map(named).collect()
    };
    let raised = of(&|file| file.role == Role::Product && file.path.starts_with("server"));
    let raised: Vec<&String> = raised.intersection(&known).collect();
    assert!(raised.len() > 25, "{raised:?}");
    let provoked = of(&|file| file.path.starts_with("tests"));
    let missing = raised.into_iter().filter(|name| !provoked.contains(*name));
    assert_none(&missing.map(|name| format!("no test of this crate provokes {name}")).collect::<Vec<_>>());
}

#[test]
fn codes_are_seen() {
    let file =
        Source::new("tests/x.rs", "fn f() { g(Code::LOST, fault::Code::RATE, Kind::Probe) } // Code::TIME");
    assert_eq!(named(&file).into_iter().collect::<Vec<_>>(), ["LOST", "RATE"]);
}
