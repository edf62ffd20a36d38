//! What stands where in the tree, and that nothing in it knows the machine it was written on.

use std::path::Path;

use super::assert_none;
use super::source;

/// The top level, beside files whose names begin with a dot.
const REQUIRED: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "README.md", "benches", "client", "engine", "fuzz", "server", "tests"];
/// Where cargo puts what it builds; ignored by version control.
const BUILT: &str = "target";

#[test]
fn the_top_level_is_complete_and_nothing_else() {
    let found: Vec<String> =
        source::list(Path::new("")).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let missing = REQUIRED.iter().filter(|name| !found.iter().any(|entry| entry == *name));
    let mut offences: Vec<String> = missing.map(|name| format!("{name} is missing")).collect();
    let known = |name: &str| REQUIRED.contains(&name) || name == BUILT;
    let extra = found.iter().filter(|name| !name.starts_with('.') && !known(name));
    offences.extend(extra.map(|name| format!("{name} does not belong to the top level")));
    assert_none(&offences);
}

/// A fixture that nobody explains is a fixture that nobody dares to touch.
#[test]
fn every_fixture_is_explained() {
    let folder = Path::new("tests/fixtures");
    if !source::root().join(folder).is_dir() {
        return;
    }
    let text = source::read(&folder.join("README.md"));
    let fixtures = source::list(folder).into_iter().filter(|path| source::root().join(path).is_dir());
    let names = fixtures.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let silent = names.filter(|name| !text.contains(&format!("`{name}`")));
    assert_none(
        &silent.map(|name| format!("tests/fixtures/README.md does not name `{name}`")).collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    // Put together here, so that this file does not offend.
    let private = ["root", "work"].map(|name| format!("/{name}/"));
    let mut offences = Vec::new();
    for path in source::files() {
        for (index, line) in source::read(&path).lines().enumerate() {
            if private.iter().any(|folder| line.contains(folder.as_str())) {
                offences.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
            }
        }
    }
    assert_none(&offences);
}
