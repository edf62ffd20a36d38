//! That nothing is left out: every decoder has a target, every target its one line, its entry and its corpus.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farkeep_fuzz::TARGETS;

use crate::folder;
use crate::names;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn targets_are_the_same_everywhere() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("corpus")), targets, "folders of corpus/");
    let files: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), files, "files of fuzz_targets/");

    let manifest = read(&folder().join("Cargo.toml"));
    let binaries = manifest.split("[[bin]]\n").skip(1);
    let expected = targets.iter().map(|name| {
        let path = format!("path = \"fuzz_targets/{name}.rs\"");
        let rest = "required-features = [\"libfuzzer\"]\ntest = false\ndoc = false\nbench = false";
        format!("name = \"{name}\"\n{path}\n{rest}")
    });
    assert_eq!(
        binaries.map(|table| table.trim_end().to_owned()).collect::<BTreeSet<_>>(),
        expected.collect::<BTreeSet<_>>()
    );
    for name in &targets {
        let call = format!("farkeep_fuzz::hold(farkeep_fuzz::{name}, bytes)");
        let line = format!("libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {call});");
        let file = read(&folder().join("fuzz_targets").join(format!("{name}.rs")));
        assert_eq!(file, format!("#![no_main]\n{line}\n"));
    }
}

/// What builds share must be the same: with other versions, every dependency would be compiled twice.
#[test]
fn versions_are_those_of_the_workspace() {
    let house = read(&folder().join("../Cargo.lock"));
    let ours = read(&folder().join("Cargo.lock"));
    let known: BTreeSet<&str> = house.split("[[package]]\n").skip(1).map(named).collect();
    // What the binaries alone need.
    let own = |package: &str| {
        ["arbitrary", "farkeep-fuzz", "libfuzzer-sys"]
            .iter()
            .any(|name| package.starts_with(&format!("name = \"{name}\"\n")))
    };
    let other: Vec<&str> = ours
        .split("[[package]]\n")
        .skip(1)
        .map(named)
        .filter(|package| !known.contains(package) && !own(package))
        .collect();
    assert!(other.is_empty(), "fuzz/Cargo.lock has other versions than Cargo.lock: {other:?}");
}

/// Name and version of a package in a lock file, without what it depends on.
fn named(package: &str) -> &str {
    let second = package.match_indices('\n').nth(1).map_or(package.len(), |(at, _)| at);
    &package[..second]
}

/// Types with a public `parse`, `decode` or `FromStr`, found in the sources: one that nobody thought of fails here.
#[test]
fn every_decoder_is_tried() {
    let laws = read(&folder().join("src/lib.rs"));
    let mut found = Vec::new();
    for sources in ["../engine/codec/src", "../engine/src", "../server/protocol/src"] {
        decoders(&folder().join(sources), &mut found);
    }
    assert!(found.len() > 10, "only {found:?} were found");
    let missing: Vec<&String> = found.iter().filter(|call| !laws.contains(call.as_str())).collect();
    assert!(missing.is_empty(), "no law of src/lib.rs calls {missing:?}");
}

fn decoders(folder: &Path, found: &mut Vec<String>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            decoders(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            in_file(&read(&path), found);
        }
    }
}

fn in_file(text: &str, found: &mut Vec<String>) {
    let mut owner = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            let rest = rest.trim_start_matches(|letter: char| letter != ' ').trim_start();
            owner = rest.split(['<', ' ']).next().unwrap_or_default();
            if let Some(name) = rest.strip_prefix("FromStr for ") {
                found.push(format!("parse::<{}>", name.trim_end_matches([' ', '{'])));
            }
        }
        for verb in ["parse", "decode"] {
            if line.starts_with(&format!("    pub fn {verb}(")) {
                found.push(format!("{owner}::{verb}("));
            }
        }
    }
}
