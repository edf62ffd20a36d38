//! Rooms: inside a crate, a module uses only modules that stand before it.

use std::path::Path;

use proc_macro2::TokenStream;
use proc_macro2::TokenTree;

use super::assert_none;
use super::source;
use super::source::Role;
use super::source::Source;
use super::tokens;

/// The rooms of a crate, from the first to the last.
struct House {
    /// Its folder of sources.
    folder: &'static str,
    rooms: &'static [&'static str],
}

const HOUSES: [House; 5] = [
    House {
        folder: "engine/codec/src",
        rooms: &[
            "layout",
            "limits",
            "id",
            "time",
            "envelope",
            "aead",
            "object",
            "key",
            "parameters",
            "seal",
            "chunk",
            "tree",
            "snapshot",
            "fuzzing",
        ],
    },
    House {
        folder: "engine/src",
        rooms: &[
            "limits", "disk", "pack", "index", "journal", "store", "snapshot", "collect", "scrub", "replica",
        ],
    },
    House {
        folder: "server/protocol/src",
        rooms: &[
            "limits", "field", "kind", "fault", "hello", "identity", "tls", "message", "frame", "state",
            "credit", "stream",
        ],
    },
    House {
        folder: "server/src",
        rooms: &[
            "config", "machine", "observe", "registry", "tls", "bridge", "schedule", "session", "listen",
            "command",
        ],
    },
    House {
        folder: "client/src",
        rooms: &[
            "lock",
            "config",
            "process",
            "progress",
            "output",
            "selector",
            "source",
            "target",
            "repository",
            "backup",
            "restore",
            "check",
            "rewrite",
            "transfer",
            "agent",
            "command",
        ],
    },
];

impl House {
    /// The room of a file and how deep in the tree of modules the file stands; `None` for the crate's own file.
    fn room<'p>(&self, path: &'p Path) -> Option<(&'p str, usize)> {
        let inside = path.strip_prefix(self.folder).ok()?;
        let mut parts: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
        let last = parts.last_mut()?;
        *last = last.strip_suffix(".rs").unwrap_or(last);
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        let own = parts.len() == 1 && matches!(parts[0], "lib" | "main");
        (!own).then(|| (parts[0], parts.len()))
    }

    fn position(&self, room: &str) -> Option<usize> {
        self.rooms.iter().position(|known| *known == room)
    }

    fn offences(&self, file: &Source) -> Vec<String> {
        let Some((room, depth)) = self.room(&file.path) else { return Vec::new() };
        let Some(own) = self.position(room) else {
            return vec![format!("{}: {room} is no room", file.at(1))];
        };
        let mut offences = Vec::new();
        each_used(&file.tokens, depth, &mut |used, line| match self.position(used) {
            Some(position) if position <= own => {}
            Some(_) => offences.push(format!("{}: {room} must not use {used}, a later room", file.at(line))),
            None => offences.push(format!("{}: {used} is no room; say where it is defined", file.at(line))),
        });
        offences
    }
}

/// Visits every path that leads to a room, with its line. A module written inside another is one step deeper.
fn each_used(tokens: &TokenStream, depth: usize, visit: &mut impl FnMut(&str, usize)) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for begin in 0..trees.len() {
        if let Some(used) = used(&trees[begin..], depth) {
            visit(&used, tokens::line(&trees[begin]));
        }
        if let TokenTree::Group(group) = &trees[begin] {
            let module = begin >= 2 && tokens::is_ident(trees.get(begin - 2), "mod");
            each_used(&group.stream(), depth + usize::from(module), visit);
        }
    }
}

/// The room that a path at this position leads to, if it begins at the root of the crate: `crate::room`, or as many
/// `super::` as the file is deep.
fn used(trees: &[TokenTree], depth: usize) -> Option<String> {
    let word = if tokens::is_ident(trees.first(), "crate") { "crate" } else { "super" };
    let steps = if word == "crate" { 1 } else { depth };
    let mut rest = trees;
    for _ in 0..steps {
        if !tokens::is_ident(rest.first(), word) || !tokens::is_path_sign(&rest[1..]) {
            return None;
        }
        rest = &rest[3..];
    }
    tokens::ident(rest.first()).filter(|name| name != "super")
}

#[test]
fn a_room_uses_only_rooms_before_it() {
    let files = source::rust();
    let product = files.iter().filter(|file| file.role == Role::Product);
    let offences = product.flat_map(|file| HOUSES.iter().flat_map(|house| house.offences(file)));
    assert_none(&offences.collect::<Vec<_>>());
}

#[test]
fn a_crate_declares_its_rooms_in_their_order() {
    for house in &HOUSES {
        let file = source::read(&Path::new(house.folder).join("lib.rs"));
        let declared = file.lines().filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
        });
        let positions: Vec<Option<usize>> = declared.map(|room| house.position(&room)).collect();
        assert!(!positions.contains(&None), "{} declares a module that is no room", house.folder);
        assert!(positions.is_sorted(), "{} declares its rooms out of order", house.folder);
    }
}

/// The store never sees a key: not even the modules that know keys.
#[test]
fn the_engine_is_keyless() {
    let files = source::rust();
    let engine =
        files.iter().filter(|file| file.role == Role::Product && file.path.starts_with("engine/src"));
    assert_none(&engine.flat_map(keyed).collect::<Vec<_>>());
}

fn keyed(file: &Source) -> Vec<String> {
    let mut offences = Vec::new();
    tokens::each(&file.tokens, &mut |trees| {
        if tokens::is_ident(trees.first(), "farkeep_codec") && tokens::is_path_sign(&trees[1..]) {
            let room = tokens::ident(trees.get(3)).unwrap_or_default();
            if matches!(room.as_str(), "key" | "seal" | "tree") {
                offences.push(format!("{}: the engine uses {room}", file.at(tokens::line(&trees[0]))));
            }
        }
    });
    offences
}

#[test]
fn offences_are_seen() {
    let bad =
        |path: &str, text: &str| HOUSES.iter().flat_map(|h| h.offences(&Source::new(path, text))).count();
    assert_eq!(bad("engine/src/pack/reader.rs", "use crate::disk::File;\nuse crate::pack::Header;"), 0);
    assert_eq!(bad("engine/src/pack/reader.rs", "use crate::store::Store;"), 1);
    assert_eq!(bad("engine/src/pack/reader.rs", "fn f() { let x = crate::journal::next(); }"), 1);
    assert_eq!(bad("engine/src/pack/reader.rs", "use super::super::store::Store;"), 1);
    assert_eq!(bad("engine/src/pack/reader.rs", "use super::header::Header;"), 0);
    assert_eq!(bad("engine/src/pack.rs", "use super::store::Store;"), 1);
    assert_eq!(bad("engine/src/pack/mod.rs", "use super::store::Store;"), 1);
    assert_eq!(bad("engine/src/pack/mod.rs", "use crate::Engine;"), 1);
    assert_eq!(bad("engine/src/pack/mod.rs", "mod inner { use super::Header; }"), 0);
    assert_eq!(bad("engine/src/pack/mod.rs", "mod inner { use super::super::store::Store; }"), 1);
    assert_eq!(bad("engine/src/pack/mod.rs", "pub(crate) fn f() {} // crate::store\n"), 0);
    assert_eq!(bad("engine/src/lib.rs", "use crate::store::Store;"), 0);
    assert_eq!(bad("engine/src/cellar.rs", ""), 1);
    assert_eq!(bad("server/protocol/src/message/agent.rs", "use crate::kind::message;"), 0);
    assert_eq!(bad("server/protocol/src/message/agent.rs", "use crate::stream::FrameReader;"), 1);
    assert_eq!(
        keyed(&Source::new("engine/src/store/mod.rs", "use farkeep_codec::key::DomainKeys;")).len(),
        1
    );
    assert_eq!(keyed(&Source::new("engine/src/store/mod.rs", "use farkeep_codec::id::PackId;")).len(), 0);
}
