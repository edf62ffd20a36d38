//! Lists whose length has limits, and whose count is held against the bytes that are there.

use std::ops::Deref;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Field;
use super::Unfit;
use super::varint_bytes;

/// At least `LEAST` and at most `MOST` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const LEAST: usize, const MOST: usize>(Vec<T>);

impl<T, const LEAST: usize, const MOST: usize> List<T, LEAST, MOST> {
    /// The values, if they are not too few and not too many.
    ///
    /// # Errors
    /// [`Unfit`] if they are.
    pub fn new(values: Vec<T>) -> Result<Self, Unfit> {
        let allowed = (LEAST..=MOST).contains(&values.len());
        allowed.then_some(Self(values)).ok_or(Unfit { expected: "a list of a length within its limits" })
    }

    /// The values.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const LEAST: usize, const MOST: usize> Deref for List<T, LEAST, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T: Field<'a>, const LEAST: usize, const MOST: usize> Field<'a> for List<T, LEAST, MOST> {
    const BYTES_MIN: usize = varint_bytes(LEAST) + LEAST * T::BYTES_MIN;
    const BYTES_MAX: usize = varint_bytes(MOST) + MOST * T::BYTES_MAX;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Malformed> {
        let lying = reader.malformed(what);
        let count = reader.count(MOST, what)?;
        // Nothing is claimed for values that the bytes cannot hold.
        if count < LEAST || count > reader.remaining() / T::BYTES_MIN {
            return Err(lying);
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(T::read(reader, what)?);
        }
        Ok(Self(values))
    }

    fn write(&self, writer: &mut Writer) {
        writer.count(self.len());
        self.iter().for_each(|value| value.write(writer));
    }
}
