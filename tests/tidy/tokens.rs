//! Looking through tokens: like text, but without comments and strings, and with brackets matched.

use proc_macro2::Delimiter;
use proc_macro2::Group;
use proc_macro2::TokenStream;
use proc_macro2::TokenTree;

/// Calls `visit` with the tokens from each position to the end of its group, outermost group first.
pub(super) fn each(tokens: &TokenStream, visit: &mut impl FnMut(&[TokenTree])) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for begin in 0..trees.len() {
        visit(&trees[begin..]);
        if let TokenTree::Group(group) = &trees[begin] {
            each(&group.stream(), visit);
        }
    }
}

pub(super) fn line(tree: &TokenTree) -> usize {
    tree.span().start().line
}

pub(super) fn ident(tree: Option<&TokenTree>) -> Option<String> {
    match tree {
        Some(TokenTree::Ident(name)) => Some(name.to_string()),
        _ => None,
    }
}

pub(super) fn is_ident(tree: Option<&TokenTree>, name: &str) -> bool {
    matches!(tree, Some(TokenTree::Ident(found)) if found == name)
}

pub(super) fn is_punct(tree: Option<&TokenTree>, sign: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

pub(super) fn group(tree: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match tree {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// Whether `::` stands at the beginning.
pub(super) fn is_path_sign(trees: &[TokenTree]) -> bool {
    is_punct(trees.first(), ':') && is_punct(trees.get(1), ':')
}
