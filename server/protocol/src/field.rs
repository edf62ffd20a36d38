//! Fields: the values that tables of PROTOCOL.md are made of, each with one encoding.
//!
//! What has a limit has a type that holds it, so that a sender cannot exceed it and a receiver need not check it
//! again. The shortest and the longest encoding are known, so that a count is refused before anything is claimed for it.

use std::num::NonZeroU64;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;
use thiserror::Error;

pub use bitmap::Bitmap;
pub use counted::Counted;
pub use list::List;
pub use ranges::Range;
pub use ranges::Ranges;
pub use text::Name;
pub use text::Text;

mod bitmap;
mod counted;
mod list;
mod ranges;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;

/// A value that stands in a table.
pub trait Field<'a>: Sized {
    /// Fewest bytes that it takes.
    const BYTES_MIN: usize;
    /// Most bytes that it takes.
    const BYTES_MAX: usize;

    /// Reads it; `what` names it in errors.
    ///
    /// # Errors
    /// [`Malformed`] when bytes are missing or break a rule of the table.
    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed>;

    /// Writes what [`read`](Self::read) reads.
    fn write(&self, writer: &mut Writer);
}

/// A value outside of what a table allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not {expected}")]
pub struct Unfit {
    /// What the table allows.
    pub expected: &'static str,
}

/// Bytes of a number as a varint.
pub(crate) const fn varint_bytes(number: usize) -> usize {
    let bits = (usize::BITS - number.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Numbers, little-endian.
macro_rules! numbers {
    ($($type:ident: $bytes:literal;)*) => {$(
        impl Field<'_> for $type {
            const BYTES_MIN: usize = $bytes;
            const BYTES_MAX: usize = $bytes;

            fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
                reader.$type(what)
            }

            fn write(&self, writer: &mut Writer) {
                writer.$type(*self);
            }
        }
    )*};
}

numbers! {
    u16: 2;
    u32: 4;
    u64: 8;
}

/// Ids, keys and hashes, as they are.
macro_rules! bytes {
    ($($type:ident: $bytes:expr;)*) => {$(
        impl Field<'_> for $type {
            const BYTES_MIN: usize = $bytes;
            const BYTES_MAX: usize = $bytes;

            fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
                reader.array(what).map(Self::from_bytes)
            }

            fn write(&self, writer: &mut Writer) {
                writer.bytes(self.as_bytes());
            }
        }
    )*};
}

/// Defines newtypes over bytes.
macro_rules! newtypes {
    ($($(#[$doc:meta])* $name:ident: $bytes:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name([u8; $bytes]);

            impl $name {
                /// The value made of these bytes.
                pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                    Self(bytes)
                }

                /// Its bytes.
                pub const fn as_bytes(&self) -> &[u8; $bytes] {
                    &self.0
                }
            }
        )*

        bytes! { $($name: $bytes;)* }
    };
}

newtypes! {
    /// Name of a session, chosen at random by the server.
    SessionId: 16;
    /// Name of a consistency group, chosen at random by whoever plans it.
    GroupId: 16;
    /// Name of a key slot, chosen at random by whoever adds it.
    SlotId: 16;
    /// Hash of a journal record, and through it of all records before.
    JournalHash: 32;
    /// Ed25519 signature.
    Signature: 64;
    /// Ed25519 public key.
    PublicKeyBytes: 32;
    /// What a server knows of a tag: equal tags of a repository have equal tokens.
    TagToken: 8;
}

bytes! {
    ObjectId: 32;
    PackId: 32;
    SnapshotId: 32;
    RepositoryId: 32;
}

impl Field<'_> for Time {
    const BYTES_MIN: usize = 8;
    const BYTES_MAX: usize = 8;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        reader.i64(what).map(Self::from_nanoseconds)
    }

    fn write(&self, writer: &mut Writer) {
        writer.i64(self.nanoseconds());
    }
}

impl Field<'_> for bool {
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = 1;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let neither = reader.malformed(what);
        match reader.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(neither),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(u8::from(*self));
    }
}

/// A value that may be absent: whether it is there, then the value.
macro_rules! optional {
    ($($type:ty;)*) => {$(
        impl<'a> $crate::field::Field<'a> for Option<$type> {
            const BYTES_MIN: usize = 1;
            const BYTES_MAX: usize = 1 + <$type as $crate::field::Field<'a>>::BYTES_MAX;

            fn read(
                reader: &mut farkeep_codec::layout::Reader<'a>,
                what: &'static str,
            ) -> Result<Self, farkeep_codec::layout::Malformed> {
                let is_there = <bool as $crate::field::Field<'_>>::read(reader, what)?;
                is_there.then(|| $crate::field::Field::read(reader, what)).transpose()
            }

            fn write(&self, writer: &mut farkeep_codec::layout::Writer) {
                $crate::field::Field::write(&self.is_some(), writer);
                if let Some(value) = self {
                    $crate::field::Field::write(value, writer);
                }
            }
        }
    )*};
}

optional! {
    ObjectId;
    PackId;
    GroupId;
    Place;
    Time;
}

/// Number of a request in its session, from 1. The answer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU64);

impl Sequence {
    /// The number of the first request of a session.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The request with this number; there is none with number 0.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            None => None,
            Some(number) => Some(Self(number)),
        }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// The number of the request after this one. No session lives to see the last of 2^64.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Field<'_> for Sequence {
    const BYTES_MIN: usize = 8;
    const BYTES_MAX: usize = 8;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let none = reader.malformed(what);
        Self::new(reader.u64(what)?).ok_or(none)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.number());
    }
}

/// 0 where no request is meant.
impl Field<'_> for Option<Sequence> {
    const BYTES_MIN: usize = 8;
    const BYTES_MAX: usize = 8;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        reader.u64(what).map(Sequence::new)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.map_or(0, Sequence::number));
    }
}

/// A number with a least and a most value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Within<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Within<LEAST, MOST> {
    /// The number, if it is allowed.
    ///
    /// # Errors
    /// [`Unfit`] if it is not.
    pub fn new(number: u32) -> Result<Self, Unfit> {
        let allowed = (LEAST..=MOST).contains(&number);
        allowed.then_some(Self(number)).ok_or(Unfit { expected: "a number within its limits" })
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl<const LEAST: u32, const MOST: u32> Field<'_> for Within<LEAST, MOST> {
    const BYTES_MIN: usize = 4;
    const BYTES_MAX: usize = 4;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let outside = reader.malformed(what);
        Self::new(reader.u32(what)?).map_err(|_| outside)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.0);
    }
}

/// Defines a table that stands inside others.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<'a> $crate::field::Field<'a> for $name {
            const BYTES_MIN: usize = 0 $(+ <$type as $crate::field::Field<'a>>::BYTES_MIN)*;
            const BYTES_MAX: usize = 0 $(+ <$type as $crate::field::Field<'a>>::BYTES_MAX)*;

            fn read(
                reader: &mut farkeep_codec::layout::Reader<'a>,
                what: &'static str,
            ) -> Result<Self, farkeep_codec::layout::Malformed> {
                Ok(Self { $($field: $crate::field::Field::read(reader, what)?,)* })
            }

            fn write(&self, writer: &mut farkeep_codec::layout::Writer) {
                $($crate::field::Field::write(&self.$field, writer);)*
            }
        }

        #[cfg(test)]
        impl $crate::field::sample::Sample for $name {
            fn sample() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                ($(<$type as $crate::field::sample::Sample>::sample(),)*)
                    .prop_map(|($($field,)*)| Self { $($field,)* })
                    .boxed()
            }
        }
    };
}

/// Defines an enum whose values are told apart by one byte.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value = $number,)*
        }

        impl $crate::field::Field<'_> for $name {
            const BYTES_MIN: usize = 1;
            const BYTES_MAX: usize = 1;

            fn read(
                reader: &mut farkeep_codec::layout::Reader<'_>,
                what: &'static str,
            ) -> Result<Self, farkeep_codec::layout::Malformed> {
                let unknown = reader.malformed(what);
                match reader.u8(what)? {
                    $($number => Ok(Self::$value),)*
                    _ => Err(unknown),
                }
            }

            fn write(&self, writer: &mut farkeep_codec::layout::Writer) {
                writer.u8(*self as u8);
            }
        }

        #[cfg(test)]
        impl $crate::field::sample::Sample for $name {
            fn sample() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                proptest::sample::select(vec![$(Self::$value,)*]).boxed()
            }
        }
    };
}

pub(crate) use choice;
pub(crate) use optional;
pub(crate) use table;

table! {
    /// Where an object lies in a repository.
    Place {
        /// Number of the pack, in the order in which packs came into the journal.
        pack: u32,
        /// Offset in bytes of the object's record in the pack.
        offset: u32,
        /// Length of the object in bytes.
        bytes: u32,
    }
}

table! {
    /// A record of the journal, and through its hash all records before it.
    JournalHead {
        /// Number of the record; 0 before the first.
        sequence: u64,
        /// Its chain hash; zeros before the first.
        hash: JournalHash,
    }
}
