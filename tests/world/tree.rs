//! Trees as values.

use std::collections::BTreeMap;

use super::Random;

/// A folder with everything in it, and further names of some of its files of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub root: Item,
    pub links: Vec<Link>,
}

/// A further name of anything but a folder. Both are chosen by position among the files of any kind and the folders that
/// the tree has, so that any two numbers are a link.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub file: usize,
    pub folder: usize,
    pub name: Vec<u8>,
}

/// One file of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub body: Body,
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub modified_ns: i64,
    /// Set only where the tests run as root.
    pub owner: (u32, u32),
    pub attributes: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Folder(BTreeMap<Vec<u8>, Item>),
    File(Contents),
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Contents {
    Text(Vec<u8>),
    /// Incompressible bytes.
    Noise {
        seed: u64,
        bytes: usize,
    },
    /// Noise of 5000 bytes at these multiples of 100,000, holes between, and a hole of 70,000 bytes at the end.
    Sparse {
        seed: u64,
        places: Vec<u64>,
    },
}

/// Bytes of a piece of data between holes.
const PIECE_BYTES: usize = 5_000;
/// Bytes from one place for data to the next.
const PLACE_BYTES: u64 = 100_000;
/// Bytes of the hole at the end.
const LAST_HOLE_BYTES: u64 = 70_000;

impl Contents {
    /// The data as offsets and bytes, and the length of the file.
    pub(crate) fn pieces(&self) -> (Vec<(u64, Vec<u8>)>, u64) {
        match self {
            Self::Text(text) => (vec![(0, text.clone())], text.len() as u64),
            Self::Noise { seed, bytes } => (vec![(0, Random::new(*seed).bytes(*bytes))], *bytes as u64),
            Self::Sparse { seed, places } => {
                let mut random = Random::new(*seed);
                let last = places.iter().max().copied().unwrap_or_default();
                let pieces = places.iter().map(|place| (place * PLACE_BYTES, random.bytes(PIECE_BYTES)));
                (pieces.collect(), last * PLACE_BYTES + PIECE_BYTES as u64 + LAST_HOLE_BYTES)
            }
        }
    }
}

impl Item {
    /// With metadata that nothing depends on.
    pub(crate) fn plain(body: Body) -> Self {
        let mode = if matches!(body, Body::Folder(_)) { 0o755 } else { 0o644 };
        let modified_ns = 1_600_000_000_123_456_789;
        Self { body, mode, modified_ns, owner: (0, 0), attributes: Vec::new() }
    }

    /// A file of incompressible bytes.
    pub(crate) fn noise(seed: u64, bytes: usize) -> Self {
        Self::plain(Body::File(Contents::Noise { seed, bytes }))
    }

    /// A file with this text.
    pub(crate) fn text(text: &str) -> Self {
        Self::plain(Body::File(Contents::Text(text.as_bytes().to_vec())))
    }

    /// A folder.
    pub(crate) fn folder<N: Into<Vec<u8>>>(items: impl IntoIterator<Item = (N, Item)>) -> Self {
        Self::plain(Body::Folder(items.into_iter().map(|(name, item)| (name.into(), item)).collect()))
    }
}

impl From<Item> for Tree {
    fn from(root: Item) -> Self {
        Self { root, links: Vec::new() }
    }
}
