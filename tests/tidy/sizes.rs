//! Sizes: a function and a file that grow beyond what can be read in one go are taken apart.

use proc_macro2::Delimiter;
use proc_macro2::TokenTree;

use super::assert_none;
use super::source;
use super::source::Role;
use super::source::Source;
use super::tokens;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

fn long_functions(file: &Source) -> Vec<String> {
    let mut offences = Vec::new();
    tokens::each(&file.tokens, &mut |trees| {
        let Some((name, lines)) = function(trees) else { return };
        if lines > FUNCTION_LINES_MAX {
            offences.push(format!("{}: {name} has {lines} lines", file.at(tokens::line(&trees[0]))));
        }
    });
    offences
}

/// Name and length of the function with a body that begins here.
fn function(trees: &[TokenTree]) -> Option<(String, usize)> {
    if !tokens::is_ident(trees.first(), "fn") {
        return None;
    }
    let name = tokens::ident(trees.get(1))?;
    let mut rest = trees[2..].iter().take_while(|tree| !tokens::is_punct(Some(tree), ';'));
    let body = rest.find_map(|tree| tokens::group(Some(tree), Delimiter::Brace))?;
    Some((name, body.span_close().end().line - tokens::line(&trees[0]) + 1))
}

fn too_long(file: &Source) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| format!("{} has {lines} lines", file.path.display()))
}

#[test]
fn functions_can_be_read_in_one_go() {
    let files = source::rust();
    let product = files.iter().filter(|file| file.role != Role::Test);
    assert_none(&product.flat_map(long_functions).collect::<Vec<_>>());
}

#[test]
fn files_can_be_read_in_one_go() {
    assert_none(&source::rust().iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn offences_are_seen() {
    let body = "    call();\n".repeat(FUNCTION_LINES_MAX - 2);
    let allowed = format!("impl X {{\nfn f<T>(x: T) -> u8\nwhere T: Y {{\n{}}}\n}}\n", &body[12..]);
    assert_eq!(long_functions(&Source::new("client/src/a.rs", &allowed)).len(), 0);
    let long =
        format!("trait Z {{ fn g(); }}\nimpl X {{\nfn f<T>(x: T) -> u8\nwhere T: Y {{\n{body}}}\n}}\n");
    assert_eq!(long_functions(&Source::new("client/src/a.rs", &long)).len(), 1);
    assert!(too_long(&Source::new("client/src/a.rs", &"\n".repeat(FILE_LINES_MAX))).is_none());
    assert!(too_long(&Source::new("client/src/a.rs", &"\n".repeat(FILE_LINES_MAX + 1))).is_some());
}
