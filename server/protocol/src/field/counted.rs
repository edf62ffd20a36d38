//! Bytes with their length in front of them, where they do not end a body.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Field;
use super::Unfit;
use super::varint_bytes;

/// At most `MAX` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'a, const MAX: usize>(&'a [u8]);

impl<'a, const MAX: usize> Counted<'a, MAX> {
    /// The bytes, if they are not too many.
    ///
    /// # Errors
    /// [`Unfit`] if they are.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Unfit> {
        if bytes.len() <= MAX {
            Ok(Self(bytes))
        } else {
            Err(Unfit { expected: "within its limit of bytes" })
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a, const MAX: usize> Field<'a> for Counted<'a, MAX> {
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = varint_bytes(MAX) + MAX;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed> {
        reader.counted(MAX, what).map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.counted(self.0);
    }
}
