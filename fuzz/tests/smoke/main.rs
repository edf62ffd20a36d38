//! A short run of every fuzz target, on any compiler: its law over its corpus, and over inputs made of it.
//!
//! The inputs follow from one seed, which a failure prints; `FARKEEP_FUZZ_SEED` asks for another one.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;

use farkeep_fuzz::Law;
use farkeep_fuzz::TARGETS;
use farkeep_protocol::message::FromClient;
use farkeep_protocol::message::FromServer;

mod mutation;
mod order;

use mutation::Random;
use mutation::mutated;

/// Inputs for each target, beside its corpus.
const ROUNDS: u64 = 10_000;
const SEED: u64 = 3;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect()
}

/// The files of a target's corpus in the order of their names, so that a seed means the same everywhere.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("corpus").join(target);
    let paths = names(&folder).into_iter().map(|name| folder.join(name));
    let files: Vec<_> = paths.map(|path| (path.clone(), fs::read(&path).expect("it can be read"))).collect();
    assert!(!files.is_empty(), "{} has no file", folder.display());
    files
}

/// Whether the bytes were accepted. A broken law fails with what broke it.
fn tried(what: &str, law: Law, bytes: &[u8]) -> bool {
    catch_unwind(|| law(bytes)).unwrap_or_else(|_| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{what} breaks the law with {} bytes: {hex}", bytes.len())
    })
}

fn smoke(target: &str, law: Law, seed: u64) {
    let corpus = corpus(target);
    let mut accepted = 0;
    for (path, bytes) in &corpus {
        accepted += u64::from(tried(&path.display().to_string(), law, bytes));
    }
    assert!(accepted > 0, "nothing in the corpus of {target} is accepted: it is of another format");
    let files: Vec<&[u8]> = corpus.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let mut random = Random::new(seed);
    for round in 0..ROUNDS {
        let input = mutated(&files, &mut random);
        tried(&format!("{target}, seed {seed}, round {round}"), law, &input);
    }
}

#[test]
fn every_law_holds_for_a_while() {
    let seed = env::var("FARKEEP_FUZZ_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    for (target, law) in TARGETS {
        smoke(target, *law, seed);
    }
}

#[test]
fn every_kind_of_message_is_in_the_corpus() {
    let sides = [("from_client", FromClient::KINDS), ("from_server", FromServer::KINDS)];
    for (target, kinds) in sides {
        let (_, law) = TARGETS.iter().find(|(name, _)| *name == target).expect("it is a target");
        let corpus = corpus(target);
        for kind in kinds {
            let number = kind.number().to_le_bytes();
            let has = corpus.iter().any(|(_, bytes)| bytes.starts_with(&number) && law(bytes));
            assert!(has, "the corpus of {target} has no {}", kind.name());
        }
    }
}
