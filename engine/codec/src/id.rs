//! Names of things: newtypes over 32 bytes, and the numbers of domain epochs.
//!
//! Two of them can never be mistaken for one another, and all names print as 64 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not 64 hexadecimal digits: {text:?}")]
pub struct NotAnId {
    /// The text as it was given.
    pub text: String,
}

/// Defines one newtype over 32 bytes with the traits that every id has.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id made of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:.8})"), self.to_string())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_hex(text).map(Self).ok_or_else(|| NotAnId { text: text.to_owned() })
            }
        }
    )*};
}

ids! {
    /// BLAKE3 of a sealed object's bytes: anybody can verify it, no key is needed.
    ObjectId;
    /// BLAKE3 of a snapshot record's bytes.
    SnapshotId;
    /// Name of a pack, chosen at random when the pack is begun.
    PackId;
    /// Name of a repository, chosen at random when it is made.
    RepositoryId;
    /// Keyed hash of an object's plaintext: whoever has the domain secret and the seed can open the object.
    Seed;
    /// Keyed hash of the contents of one file.
    ContentHash;
    /// Keyed hash of all that a snapshot holds, independent of where the bytes are stored.
    ContentId;
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Number of a domain epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The one that a repository begins with.
    pub const FIRST: Self = Self(0);

    /// The epoch with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one that a rotation begins; none after the last number.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
