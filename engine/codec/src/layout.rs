//! Explicit little-endian reading and writing of byte slices.
//!
//! Every table of FORMAT.md is read and written through these two types, so that bounds, the canonical form of
//! numbers and the refusal of trailing bytes are decided once. A value has exactly one encoding: what decodes also
//! encodes back to the same bytes.

use thiserror::Error;

#[cfg(test)]
mod tests;

/// Bytes that do not follow the format: what was being read, and where in the slice.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {what} at byte {offset}")]
pub struct Malformed {
    /// The table or field that was being read.
    pub what: &'static str,
    /// Offset in bytes from the start of the slice that was being read.
    pub offset: usize,
}

/// Reads values from the front of a byte slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte of `bytes` on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Number of bytes that were not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The error for a value of the kind `what` that ends here and is not allowed.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.offset }
    }

    /// The next `count` bytes, as they lie.
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(self.malformed(what))?;
        self.offset += count;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let error = self.malformed(what);
        self.bytes(N, what)?.try_into().map_err(|_| error)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Eight bytes, little-endian, two's complement.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, Malformed> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// A number in LEB128. Only the shortest form is accepted, so that a number has one encoding.
    pub fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let error = self.malformed(what);
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            let overflows = shift == 63 && bits > 1;
            let padded = byte == 0 && shift > 0;
            if overflows || padded {
                return Err(error);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(error)
    }

    /// A varint that must fit 32 bits.
    pub fn varint_u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let error = self.malformed(what);
        u32::try_from(self.varint(what)?).map_err(|_| error)
    }

    /// A signed number: zigzag in a varint, so that small magnitudes are short.
    pub fn zigzag(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let value = self.varint(what)?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A varint that counts things, refused above `limit`.
    pub fn count(&mut self, limit: usize, what: &'static str) -> Result<usize, Malformed> {
        let error = self.malformed(what);
        let count = usize::try_from(self.varint(what)?).map_err(|_| error.clone())?;
        if count > limit { Err(error) } else { Ok(count) }
    }

    /// A varint length of at most `limit`, and that many bytes.
    pub fn counted(&mut self, limit: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.count(limit, what)?;
        self.bytes(length, what)
    }

    /// Ends the reading: bytes left over are an error.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.malformed("end: trailing bytes")) }
    }
}

/// Writes values behind one another.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes behind the bytes of `buffer`, to reuse its memory.
    pub fn onto(buffer: Vec<u8>) -> Self {
        Self { bytes: buffer }
    }

    /// Number of bytes written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What was written, and the end of the writing.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Eight bytes, little-endian, two's complement.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A number in LEB128, in its shortest form.
    pub fn varint(&mut self, mut value: u64) -> &mut Self {
        while value > 0x7f {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push((value & 0x7f) as u8);
        self
    }

    /// A signed number: zigzag in a varint.
    pub fn zigzag(&mut self, value: i64) -> &mut Self {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    /// A length or count as a varint.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.varint(count as u64)
    }

    /// The length of `bytes` as a varint, and the bytes.
    pub fn counted(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).bytes(bytes)
    }
}
