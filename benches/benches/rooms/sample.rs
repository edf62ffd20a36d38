//! Data to measure with: text that compresses like sources, because it is this project's own, and bytes that do not
//! compress; a repository's keys and parameters; the entries of a large tree.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::DomainSecret;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::READER_SECRET_BYTES;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::time::Time;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Owner;
use farkeep_codec::tree::PathKey;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([2; 32]);

pub(crate) fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([1; 32]), REPOSITORY)
}

pub(crate) fn parameters() -> Parameters {
    Parameters {
        repository: REPOSITORY,
        created: Time::from_nanoseconds(0),
        chunker: Chunker::FastCdcKeyed { min: 256 << 10, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 1 << 20,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: ReaderSecret::from_bytes([3; READER_SECRET_BYTES]).public(),
    }
}

/// As many bytes of this project's sources, in the order of their paths.
pub(crate) fn text(bytes: usize) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the benches stand below the root");
    let mut text = Vec::new();
    for room in ["engine", "client", "tests", "benches"] {
        collect(&root.join(room), &mut text);
    }
    assert!(text.len() >= bytes, "the sources have only {} bytes", text.len());
    text.truncate(bytes);
    text
}

fn collect(folder: &Path, text: &mut Vec<u8>) {
    let listing = fs::read_dir(folder).expect("the folder of a room can be listed");
    let mut paths: Vec<_> = listing.map(|entry| entry.expect("a listing goes on").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.extend(fs::read(&path).expect("a source file can be read"));
        }
    }
}

/// Bytes without a pattern, the same every time (SplitMix64).
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        noise.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// A tree of a hundred files in each folder, each a slice of a bundle of forty.
pub(crate) fn entries(count: u32) -> Vec<Entry> {
    let owner = Arc::new(Owner { uid: 1000, gid: 1000, user: b"ann".to_vec(), group: b"users".to_vec() });
    let entry = |path: &str, body| Entry {
        path: PathKey::from_slashes(path.as_bytes()).expect("a made path is one"),
        mode: 0o644,
        owner: Arc::clone(&owner),
        modified: Time::from_nanoseconds(1_760_000_000_000_000_000),
        attributes: Vec::new(),
        flags: Flags::default(),
        body,
    };
    let mut entries = Vec::new();
    for number in 0..count {
        let folder = format!("/folder {:05}", number / 100);
        if number % 100 == 0 {
            entries.push(entry(&folder, Body::Folder));
        }
        let mut id = [0; 32];
        id[..4].copy_from_slice(&(number / 40).wrapping_mul(0x9E37_79B9).to_le_bytes());
        let bundle = Pointer {
            id: ObjectId::from_bytes(id),
            seed: Seed::from_bytes(id),
            plain_bytes: 512 << 10,
            epoch: Epoch::FIRST,
        };
        let content = Content::Slice { bundle, offset: (number % 40) * 13_000 };
        entries.push(entry(&format!("{folder}/file {number:07}.c"), Body::File { bytes: 12_345, content }));
    }
    entries
}
