//! A yes or no for each id of a probe.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Field;
use super::Unfit;
use super::varint_bytes;
use crate::limits::PROBE_IDS_MAX;

/// One bit for each of 1 to [`PROBE_IDS_MAX`] things, the lowest bit of the first byte for the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    count: usize,
    bytes: Vec<u8>,
}

impl Bitmap {
    /// The bits, if they are not none and not too many.
    ///
    /// # Errors
    /// [`Unfit`] if they are.
    pub fn new(bits: &[bool]) -> Result<Self, Unfit> {
        if !(1..=PROBE_IDS_MAX).contains(&bits.len()) {
            return Err(Unfit { expected: "as many bits as a probe has ids" });
        }
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        Ok(Self { count: bits.len(), bytes: bits.chunks(8).map(byte).collect() })
    }

    /// Number of bits.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bits, from the first on.
    pub fn iter(&self) -> impl Iterator<Item = bool> + use<'_> {
        self.bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).take(self.count)
    }
}

impl Field<'_> for Bitmap {
    const BYTES_MIN: usize = 2;
    const BYTES_MAX: usize = varint_bytes(PROBE_IDS_MAX) + PROBE_IDS_MAX.div_ceil(8);

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let broken = reader.malformed(what);
        let count = reader.count(PROBE_IDS_MAX, what)?;
        let bytes = reader.bytes(count.div_ceil(8), what)?;
        let used = count % 8;
        let padded = used == 0 || bytes.last().is_some_and(|last| last >> used == 0);
        if count == 0 || !padded {
            return Err(broken);
        }
        Ok(Self { count, bytes: bytes.to_vec() })
    }

    fn write(&self, writer: &mut Writer) {
        writer.count(self.count).bytes(&self.bytes);
    }
}
