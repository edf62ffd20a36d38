//! The Rust files of the tree, read and taken apart into tokens.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use proc_macro2::TokenStream;

/// The folders that hold code.
pub(super) const CODE: [&str; 6] = ["engine", "server", "client", "benches", "fuzz", "tests"];

/// What a file is for; tests are held to fewer rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Part of what is shipped.
    Product,
    /// Measures what is shipped.
    Bench,
    /// Tries what is shipped.
    Test,
}

/// One file.
pub(super) struct Source {
    /// Relative to the root of the tree.
    pub path: PathBuf,
    pub role: Role,
    pub text: String,
    pub tokens: TokenStream,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let tokens = text.parse().unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
        Self { path: path.into(), role: role(Path::new(path)), text: text.to_owned(), tokens }
    }

    /// Where something is, in the form that editors jump to.
    pub(super) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn role(path: &Path) -> Role {
    let has = |name: &str| path.iter().any(|part| part == name);
    match path.iter().next().and_then(|top| top.to_str()) {
        _ if has("tests") || has("tests.rs") || has("fuzz") => Role::Test,
        Some("benches") => Role::Bench,
        _ => Role::Product,
    }
}

/// The root of the tree.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate of the tests stands one folder below the root")
}

/// All Rust files.
pub(super) fn rust() -> Vec<Source> {
    let files = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources: Vec<Source> = files.map(|path| Source::new(&path.to_string_lossy(), &read(&path))).collect();
    assert!(sources.len() > 20, "only {} Rust files below {}", sources.len(), root().display());
    sources
}

/// Every file below the folders that hold code, and those of the root, without what a build leaves behind.
pub(super) fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in list(root()) {
        if root().join(&entry).is_file() {
            found.push(entry);
        }
    }
    for folder in CODE.map(PathBuf::from).into_iter().filter(|folder| root().join(folder).is_dir()) {
        collect(&folder, &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    const LEFT_BY_BUILDS: [&str; 5] = ["target", "corpus", "artifacts", "coverage", "fixtures"];
    for entry in list(folder) {
        let name = entry.file_name().unwrap_or_default();
        if !root().join(&entry).is_dir() {
            found.push(entry);
        } else if !LEFT_BY_BUILDS.iter().any(|left| name == *left) {
            collect(&entry, found);
        }
    }
}

/// The entries of a folder, relative to the root.
pub(super) fn list(folder: &Path) -> Vec<PathBuf> {
    let listing =
        fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("listing {}: {e}", folder.display()));
    let path =
        |entry: fs::DirEntry| entry.path().strip_prefix(root()).expect("it was listed below the root").into();
    listing.map(|entry| path(entry.expect("a folder that opens can be listed"))).collect()
}

pub(super) fn read(path: &Path) -> String {
    let bytes =
        fs::read(root().join(path)).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}
