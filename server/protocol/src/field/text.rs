//! Text that may be shown on a terminal, and names that may become part of a file name.

use std::fmt;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Field;
use super::Unfit;
use super::varint_bytes;
use crate::limits::NAME_BYTES_MAX;

/// Text of at most `MAX` bytes without control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a, const MAX: usize>(&'a str);

impl<'a, const MAX: usize> Text<'a, MAX> {
    /// The text, if it is allowed.
    ///
    /// # Errors
    /// [`Unfit`] if it is too long, or would upset a terminal.
    pub fn new(text: &'a str) -> Result<Self, Unfit> {
        match Self::beginning(text) {
            whole if whole.0.len() == text.len() => Ok(whole),
            _ => Err(Unfit { expected: "a short text without control characters" }),
        }
    }

    /// As much from the beginning of `text` as is allowed: for messages, of which a part says more than none.
    pub fn beginning(text: &'a str) -> Self {
        let allowed = |(at, c): &(usize, char)| at + c.len_utf8() <= MAX && !c.is_control();
        let end = text.char_indices().take_while(allowed).last().map_or(0, |(at, c)| at + c.len_utf8());
        Self(&text[..end])
    }

    /// The text.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'a, const MAX: usize> Field<'a> for Text<'a, MAX> {
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = varint_bytes(MAX) + MAX;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed> {
        let unfit = reader.malformed(what);
        let text = str::from_utf8(reader.counted(MAX, what)?).map_err(|_| unfit.clone())?;
        Self::new(text).map_err(|_| unfit)
    }

    fn write(&self, writer: &mut Writer) {
        writer.counted(self.0.as_bytes());
    }
}

/// Name of a repository or an agent: 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, the first a letter or digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// The name, if it is one.
    ///
    /// # Errors
    /// [`Unfit`] if it is none.
    pub fn new(name: &'a str) -> Result<Self, Unfit> {
        let first = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let later = |c: u8| first(c) || matches!(c, b'.' | b'_' | b'-');
        let allowed =
            name.bytes().next().is_some_and(first) && name.bytes().all(later) && name.len() <= NAME_BYTES_MAX;
        allowed
            .then_some(Self(name))
            .ok_or(Unfit { expected: "1 to 64 of a-z 0-9 . _ - that begin with a letter or digit" })
    }

    /// The name.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'a> Field<'a> for Name<'a> {
    const BYTES_MIN: usize = 2;
    const BYTES_MAX: usize = varint_bytes(NAME_BYTES_MAX) + NAME_BYTES_MAX;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed> {
        let unfit = reader.malformed(what);
        let name = str::from_utf8(reader.counted(NAME_BYTES_MAX, what)?).map_err(|_| unfit.clone())?;
        Self::new(name).map_err(|_| unfit)
    }

    fn write(&self, writer: &mut Writer) {
        writer.counted(self.0.as_bytes());
    }
}
