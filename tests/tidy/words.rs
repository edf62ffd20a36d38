//! Words that do not belong into the code, and the form of imports.

use proc_macro2::Delimiter;
use proc_macro2::TokenTree;

use super::assert_none;
use super::source;
use super::source::Role;
use super::source::Source;
use super::tokens;

/// The only place for `unsafe`.
const UNSAFE: &str = "engine/src/disk";

fn offences(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    tokens::each(&file.tokens, &mut |trees| {
        let what = import(trees, file.role).or_else(|| silenced(trees)).or_else(|| word(trees, file));
        if let Some(what) = what {
            found.push(format!("{}: {what}", file.at(tokens::line(&trees[0]))));
        }
    });
    for (index, line) in file.text.lines().enumerate() {
        // Put together here, so that this file does not offend.
        if [["TO", "DO"], ["FIX", "ME"]].iter().any(|halves| line.contains(&halves.concat())) {
            found.push(format!("{}: work that is put off", file.at(index + 1)));
        }
    }
    found
}

/// One path for each `use`, so that what a file depends on can be read and counted line by line. Tests may take
/// everything from the module that they test, and from a prelude, which is made for it.
fn import(trees: &[TokenTree], role: Role) -> Option<&'static str> {
    // `use<'a>` says what a returned type captures.
    if !tokens::is_ident(trees.first(), "use") || tokens::is_punct(trees.get(1), '<') {
        return None;
    }
    let path: Vec<&TokenTree> = trees.iter().take_while(|tree| !tokens::is_punct(Some(tree), ';')).collect();
    if path.iter().any(|tree| tokens::group(Some(tree), Delimiter::Brace).is_some()) {
        return Some("several imports in one `use`");
    }
    let glob = tokens::is_punct(path.last().copied(), '*');
    let has = |name: &str| path.iter().any(|tree| tokens::is_ident(Some(tree), name));
    let of_tested = role == Role::Test && (tokens::is_ident(path.get(1).copied(), "super") || has("prelude"));
    (glob && !of_tested).then_some("a glob import")
}

/// `#[allow]`: `#[expect]` with a reason says why, and speaks up when it is no longer needed.
fn silenced(trees: &[TokenTree]) -> Option<&'static str> {
    let inner = usize::from(tokens::is_punct(trees.get(1), '!'));
    let attribute = tokens::group(trees.get(1 + inner), Delimiter::Bracket)?;
    if !tokens::is_punct(trees.first(), '#') {
        return None;
    }
    let mut allows = false;
    tokens::each(&attribute.stream(), &mut |trees| {
        let listed = tokens::group(trees.get(1), Delimiter::Parenthesis).is_some();
        allows |= tokens::is_ident(trees.first(), "allow") && listed;
    });
    allows.then_some("`#[allow]` instead of `#[expect]` with a reason")
}

fn word(trees: &[TokenTree], file: &Source) -> Option<&'static str> {
    if tokens::is_ident(trees.first(), "unsafe") && !file.path.starts_with(UNSAFE) {
        return Some("`unsafe` outside the room of the disk");
    }
    if file.role != Role::Product {
        return None;
    }
    let macros = ["todo", "unimplemented", "dbg"];
    if macros.iter().any(|name| tokens::is_ident(trees.first(), name)) && tokens::is_punct(trees.get(1), '!')
    {
        return Some("a macro for unfinished work");
    }
    let call = tokens::is_punct(trees.first(), '.') && tokens::is_ident(trees.get(1), "unwrap");
    (call && tokens::group(trees.get(2), Delimiter::Parenthesis).is_some())
        .then_some("`unwrap` in product code")
}

#[test]
fn the_code_keeps_its_words() {
    assert_none(&source::rust().iter().flat_map(offences).collect::<Vec<_>>());
}

#[test]
fn offences_are_seen() {
    let bad = |path: &str, text: &str| offences(&Source::new(path, text)).len();
    assert_eq!(bad("client/src/a.rs", "use a::b::C;\nuse a::b as d;\n"), 0);
    assert_eq!(bad("client/src/a.rs", "fn f(&self) -> impl Iterator + use<'_> { g() }\n"), 0);
    assert_eq!(bad("client/src/a.rs", "use a::{b, c};\n"), 1);
    assert_eq!(bad("client/src/a.rs", "use super::*;\n"), 1);
    assert_eq!(bad("client/src/a/tests.rs", "use super::*;\nuse proptest::prelude::*;\n"), 0);
    assert_eq!(bad("client/src/a/tests.rs", "use a::*;\n"), 1);
    assert_eq!(bad("client/src/a.rs", "#[allow(dead_code)]\nfn f() {}\n"), 1);
    assert_eq!(bad("client/src/a.rs", "#![cfg_attr(test, allow(dead_code))]\n"), 1);
    assert_eq!(bad("client/src/a.rs", "#[expect(dead_code, reason = \"allow(x)\")]\nfn f() {}\n"), 0);
    assert_eq!(bad("client/src/a.rs", "fn f() { unsafe { g() } }\n"), 1);
    assert_eq!(bad("engine/src/disk/real.rs", "fn f() { unsafe { g() } }\n"), 0);
    assert_eq!(bad("client/src/a.rs", "fn f() { g().unwrap() } // .unwrap()\n"), 1);
    assert_eq!(bad("client/src/a/tests.rs", "fn f() { g().unwrap() }\n"), 0);
    assert_eq!(bad("client/src/a.rs", &format!("fn f() {{ {}!() }}\n", "todo")), 1);
    assert_eq!(bad("client/src/a.rs", &format!("// {}: later\n", ["TO", "DO"].concat())), 1);
}
